//! Telling people of hand-offs, against a receiver that checks and remembers.

mod mail;

use std::time::Duration;

use bus::BatchHandler as _;
use channels::handoff::addresses::system_lookup;
use channels::handoff::endpoint::{self, Endpoint};
use channels::handoff::signature::Secrets;
use contract::{HandOffId, Outgoing, OutgoingBody};
use dispatcher::{HandoffTuning, HandoffWebhook, Intake, Wakers, Ways};
use emulators::handoff::{Fault, HandoffReceiver};
use sqlx::PgPool;
use store::hand_off_notices::{self, End, Way};
use testkit::events;

use crate::{World, received, store_tickets, ticket};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const BOTH: Ways = Ways { webhook: true, mail: true };
const NOW_DUE: &str = "update hand_off_notices set next_attempt_at = app_now()";

/// A replica of the dispatcher with the hook of a person's tool.
struct Desk {
    pool: PgPool,
    receiver: HandoffReceiver,
    intake: Intake,
    webhook: HandoffWebhook,
}

impl Desk {
    /// With conversations of these numbers, which wait for a person.
    async fn new(pool: PgPool, numbers: impl IntoIterator<Item = u32>) -> Self {
        store_tickets(&pool, numbers).await;
        run(&pool, "update conversations set owner = 'person', person = 'Lisa Tanaka'").await;
        let receiver = HandoffReceiver::start(SECRET).await.unwrap();
        let webhook = replica(&pool, receiver.url(), HandoffTuning::default());
        let intake = Intake::new(pool.clone(), Wakers::default()).telling(BOTH);
        Self { pool, receiver, intake, webhook }
    }

    async fn hand_over(&self, events: impl IntoIterator<Item = Outgoing>) {
        self.intake.handle_batch(events.into_iter().map(received).collect()).await.unwrap();
    }

    /// State, attempts and way of every notice, by way.
    async fn notices(&self) -> Vec<(String, i32, String)> {
        sqlx::query_as("select state, attempts, way from hand_off_notices order by way desc, state")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// Seconds until the next attempt to tell the hook.
    async fn wait(&self) -> f64 {
        sqlx::query_scalar(
            "select extract(epoch from min(next_attempt_at) - app_now())::float8
             from hand_off_notices where way = 'webhook'",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    fn ids(&self) -> Vec<String> {
        self.receiver.received().iter().map(|received| received.id().to_owned()).collect()
    }
}

fn replica(pool: &PgPool, url: String, tuning: HandoffTuning) -> HandoffWebhook {
    HandoffWebhook::new(pool.clone(), hook(url), "https://support.example.com", BOTH, tuning)
}

fn hook(url: String) -> Endpoint {
    Endpoint::new(endpoint::Settings {
        url,
        secrets: Secrets::parse(SECRET).unwrap(),
        allows_loopback: true,
        request_limit: Duration::from_secs(2),
        lookup: system_lookup(),
    })
    .unwrap()
}

async fn run(pool: &PgPool, statement: &'static str) {
    sqlx::raw_sql(statement).execute(pool).await.unwrap();
}

/// The same conversation is handed over again.
fn anew(number: u32) -> Outgoing {
    let mut event = events::hand_off(ticket(number));
    if let OutgoingBody::HandOff(hand_off) = &mut event.body {
        hand_off.hand_off_id = HandOffId::named("anew");
        hand_off.owner_epoch = 2;
    }
    event
}

fn pending(attempts: i32) -> (String, i32, String) {
    ("pending".to_owned(), attempts, "webhook".to_owned())
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_hand_off_is_told_once_with_what_a_person_needs(pool: PgPool) {
    let desk = Desk::new(pool, [1]).await;
    run(&desk.pool, "update messages set body = repeat('José 📦 ', 200)").await;
    let hand_off = || events::hand_off(ticket(1));

    desk.hand_over([hand_off(), hand_off()]).await;
    let met = desk.webhook.step().await.unwrap();
    desk.hand_over([hand_off()]).await;
    let again = desk.webhook.step().await.unwrap();

    assert_eq!((met, again), (1, 0));
    let received = desk.receiver.received();
    assert_eq!((received.len(), received[0].verified), (1, Ok(())));
    let told = received[0].body();
    let data = &told["data"];
    assert_eq!(told["type"], "escalation.created");
    assert_eq!(data["ticket_ref"], ticket(1).to_string().as_str());
    assert_eq!(data["assignee"]["name"], "Lisa Tanaka");
    assert_eq!(data["category"], "billing");
    let excerpt = data["last_message_excerpt"].as_str().unwrap();
    assert!(excerpt.starts_with("José 📦") && excerpt.chars().count() == 500);
    assert_eq!(desk.notices().await, [("delivered".to_owned(), 1, "webhook".to_owned())]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_hand_off_is_in_the_list_whether_anybody_could_be_told_or_not(pool: PgPool) {
    let desk = Desk::new(pool.clone(), [1, 2]).await;
    let world = World::new(pool);
    desk.receiver.script([Fault::Status { status: 500, retry_after: None }]);

    desk.hand_over([events::hand_off(ticket(1))]).await;
    world.handle([events::hand_off(ticket(2))]).await.unwrap();
    desk.webhook.step().await.unwrap();
    world.send_all().await;

    assert_eq!(world.states().await, ["accepted", "accepted"]);
    assert_eq!(desk.notices().await, [pending(1)], "without a hook nothing is noted");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_endpoint_that_is_down_for_three_days_is_asked_ten_times_under_one_id(pool: PgPool) {
    let desk = Desk::new(pool, [1]).await;
    let down = Fault::Status { status: 500, retry_after: None };
    desk.receiver.script(std::iter::repeat_n(down, 20));
    desk.hand_over([events::hand_off(ticket(1))]).await;

    let mut waits = Vec::new();
    for attempt in 1..=9 {
        assert_eq!(desk.webhook.step().await.unwrap(), 1, "attempt {attempt}");
        assert_eq!(desk.webhook.step().await.unwrap(), 0, "attempt {attempt} was the last for now");
        waits.push(desk.wait().await);
        run(
            &desk.pool,
            "update hand_off_notices set next_attempt_at = app_now() where way = 'webhook'",
        )
        .await;
    }
    let while_waiting = hand_off_notices::untold(&desk.pool, Duration::from_secs(600)).await;
    desk.webhook.step().await.unwrap();
    run(&desk.pool, NOW_DUE).await;
    let met_after = desk.webhook.step().await.unwrap();

    let hours = [5.0 / 3600.0, 1.0 / 12.0, 0.5, 2.0, 5.0, 10.0, 14.0, 20.0, 24.0];
    for (wait, least) in waits.iter().zip(hours.map(|hours| hours * 3600.0)) {
        assert!((least - 2.0..=least * 1.1).contains(wait), "{wait} s, not {least} s");
    }
    assert_eq!(met_after, 0);
    assert_eq!(desk.receiver.received().len(), 10);
    let ids = desk.ids();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(desk.notices().await[0], ("gave_up".to_owned(), 10, "webhook".to_owned()));
    assert_eq!(while_waiting.unwrap(), 0);
    assert_eq!(hand_off_notices::untold(&desk.pool, Duration::ZERO).await.unwrap(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_is_wanted_after_the_second_failure_and_not_before(pool: PgPool) {
    let desk = Desk::new(pool, [1]).await;
    let down = Fault::Status { status: 500, retry_after: None };
    desk.receiver.script([down.clone(), down.clone(), down]);
    desk.hand_over([events::hand_off(ticket(1))]).await;

    desk.webhook.step().await.unwrap();
    let after_one = desk.notices().await;
    run(&desk.pool, NOW_DUE).await;
    desk.webhook.step().await.unwrap();
    let after_two = desk.notices().await;
    run(&desk.pool, NOW_DUE).await;
    desk.webhook.step().await.unwrap();

    let mail = ("pending".to_owned(), 0, "mail".to_owned());
    assert_eq!(after_one, [pending(1)]);
    assert_eq!(after_two, [pending(2), mail.clone()]);
    assert_eq!(desk.notices().await, [pending(3), mail]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_endpoint_that_is_gone_is_left_alone_until_its_url_changes(pool: PgPool) {
    let desk = Desk::new(pool, [1, 2]).await;
    desk.receiver.script([Fault::Status { status: 410, retry_after: None }]);
    desk.hand_over([events::hand_off(ticket(1))]).await;
    desk.webhook.step().await.unwrap();

    desk.hand_over([events::hand_off(ticket(2))]).await;
    desk.webhook.step().await.unwrap();
    let notices = desk.notices().await;
    let asked = desk.receiver.received().len();
    let untold = hand_off_notices::untold(&desk.pool, Duration::from_secs(600)).await.unwrap();
    desk.hand_over([anew(1)]).await;
    let moved = replica(&desk.pool, desk.receiver.url() + "#again", HandoffTuning::default());
    moved.step().await.unwrap();

    let row = |state: &str, attempts, way: &str| (state.to_owned(), attempts, way.to_owned());
    let expected = [
        row("disabled", 0, "webhook"),
        row("disabled", 1, "webhook"),
        row("pending", 0, "mail"),
        row("pending", 0, "mail"),
    ];
    let mut sorted = notices;
    sorted.sort_by(|a, b| (&b.2, a.1).cmp(&(&a.2, b.1)));
    assert_eq!(sorted, expected);
    assert_eq!((asked, untold), (1, 2));
    assert_eq!(desk.receiver.received().len(), 2, "another URL is another endpoint");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_endpoint_that_asks_for_a_pause_has_it_for_every_hand_off(pool: PgPool) {
    let desk = Desk::new(pool, [1, 2]).await;
    desk.receiver.script([Fault::Status { status: 429, retry_after: Some(120) }]);
    desk.hand_over([events::hand_off(ticket(1))]).await;
    desk.webhook.step().await.unwrap();
    let wait = desk.wait().await;

    desk.hand_over([events::hand_off(ticket(2))]).await;
    let meanwhile = desk.webhook.step().await.unwrap();
    run(&desk.pool, "update hand_off_endpoints set throttled_until = app_now()").await;
    run(&desk.pool, NOW_DUE).await;
    let later = desk.webhook.step().await.unwrap();

    assert!((118.0..=120.0).contains(&wait), "{wait}");
    assert_eq!((meanwhile, later), (0, 2));
    assert_eq!(desk.receiver.received().len(), 3);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_replicas_make_one_request_for_each_attempt(pool: PgPool) {
    let desk = Desk::new(pool, 1..=20).await;
    desk.hand_over((1..=20).map(|number| events::hand_off(ticket(number)))).await;
    let other = replica(&desk.pool, desk.receiver.url(), HandoffTuning::default());
    let all = async |webhook: &HandoffWebhook| while webhook.step().await.unwrap() > 0 {};

    tokio::join!(all(&desk.webhook), all(&other));

    let mut ids = desk.ids();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), desk.receiver.received().len()), (20, 20));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_replica_that_stopped_after_its_request_leaves_an_attempt_under_the_same_id(
    pool: PgPool,
) {
    let desk = Desk::new(pool, [1]).await;
    desk.hand_over([events::hand_off(ticket(1))]).await;
    // It has told, and stops before it writes that down.
    desk.receiver.script([Fault::Pass]);
    let fingerprint = hook(desk.receiver.url()).fingerprint();
    let stopped = replica(&desk.pool, desk.receiver.url(), HandoffTuning::default());
    run(
        &desk.pool,
        "alter table hand_off_notices add constraint stopped check (state = 'pending')",
    )
    .await;
    stopped.step().await.unwrap_err();
    run(&desk.pool, "alter table hand_off_notices drop constraint stopped").await;

    let too_early = desk.webhook.step().await.unwrap();
    run(&desk.pool, "update hand_off_notices set lease_until = now() - interval '1 s'").await;
    let look =
        hand_off_notices::begin(&desk.pool, Way::Webhook, &fingerprint, 1, Duration::ZERO, false)
            .await
            .unwrap();
    desk.webhook.step().await.unwrap();
    let late = hand_off_notices::finish(
        &desk.pool,
        &look.begun[0],
        Way::Webhook,
        &fingerprint,
        &End::GaveUp { reason: "late".to_owned() },
        false,
    )
    .await
    .unwrap();

    assert_eq!(too_early, 0, "the lease stands");
    let received = desk.receiver.received();
    assert_eq!(received.len(), 2);
    assert!(received[1].is_repeat && received[1].verified.is_ok());
    assert!(!late, "an attempt that lost its lease changes nothing");
    assert_eq!(desk.notices().await, [("delivered".to_owned(), 3, "webhook".to_owned())]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_nobody_needs_to_know_any_more_is_not_told(pool: PgPool) {
    let desk = Desk::new(pool, 1..=4).await;
    desk.hand_over((1..=4).map(|number| events::hand_off(ticket(number)))).await;
    desk.hand_over([anew(4)]).await;
    for (number, statement) in [
        (1, "update conversations set owner = 'agent' where thread_key = $1"),
        (2, "update conversations set status = 'closed' where thread_key = $1"),
        (3, "delete from tickets where ref = $1"),
    ] {
        sqlx::query(statement).bind(ticket(number).to_string()).execute(&desk.pool).await.unwrap();
    }

    desk.webhook.step().await.unwrap();

    let anew = format!("msg_{}", HandOffId::named("anew").as_uuid().simple());
    assert_eq!(desk.ids(), [anew], "only the newest hand-off of a conversation");
    let states: Vec<String> = desk.notices().await.into_iter().map(|(state, ..)| state).collect();
    assert_eq!(states, ["delivered", "obsolete", "obsolete", "obsolete", "obsolete"]);
    assert_eq!(hand_off_notices::untold(&desk.pool, Duration::ZERO).await.unwrap(), 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn notices_of_closed_conversations_are_deleted_after_ninety_days(pool: PgPool) {
    let desk = Desk::new(pool, 1..=4).await;
    desk.hand_over((1..=4).map(|number| events::hand_off(ticket(number)))).await;
    // The first is old and closed, and of the others one of these does not hold.
    run(
        &desk.pool,
        "with numbered as (
             select d.id, conversation_id, row_number() over (order by position) as n
             from deliveries d
         ), closed as (
             update conversations c set status = 'closed' from numbered
             where c.id = conversation_id and n <> 2
         )
         update hand_off_notices set state = case when n = 3 then 'pending' else 'delivered' end,
             created_at = app_now() - make_interval(days => case when n = 4 then 89 else 91 end)
         from numbered where delivery_id = numbered.id",
    )
    .await;

    let deleted = hand_off_notices::delete_old(&desk.pool, 10).await.unwrap();

    assert_eq!((deleted, desk.notices().await.len()), (1, 3));
}
