//! Sends whose outcome is not known: never sent again by themselves.

use std::time::Duration;

use channels::twilio::client::Text;
use channels::twilio::window::OpenWindow;
use contract::{Author, Fact, MetricFact};
use emulators::twilio::Fault;
use sqlx::PgPool;
use store::delivery_sends::{self, Look};
use store::people::{self, OperatorName};

use super::{Line, person_reply, reply, twilio_client};
use crate::conversation;

const DUE: &str = "update deliveries set next_attempt_at = now(), lease_until = now()";
const A_MINUTE_LATER: &str = "update deliveries set doubtful_since = now() - interval '61 s'
    where state = 'outcome_unknown'";
const FORTY_SECONDS_LATER: &str = "update deliveries set
    doubtful_since = doubtful_since - interval '40 s',
    next_attempt_at = next_attempt_at - interval '40 s'";

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_message_whose_answer_was_lost_is_found_and_not_sent_again(pool: PgPool) {
    let faults = [
        Fault::AcceptThenDrop,
        Fault::ServerErrorAfterAccepting,
        Fault::BrokenReply,
        Fault::HangAfterAccepting,
    ];
    let line = Line::new(pool, 1..=4).await;
    line.twilio.script(faults);
    line.world.handle((1..=4).map(|number| reply(number, "answer", |_| {}))).await.unwrap();

    line.send_all().await;
    let lost = line.world.states().await;
    line.send_all().await;
    let too_early = line.recovery.step().await.unwrap();
    line.world.run(DUE).await;
    line.send_all().await;
    let settled = line.recovery.step().await.unwrap();

    assert_eq!(lost, ["outcome_unknown"; 4]);
    assert_eq!((too_early, settled), (0, 4));
    assert_eq!(line.twilio.sent().len(), 4, "each was sent once");
    assert_eq!(line.world.states().await, ["accepted"; 4]);
    let linked = "select count(distinct provider_id) from deliveries";
    assert_eq!(line.world.count(linked).await, 4);
    let facts = line.world.log.events::<MetricFact>();
    assert!(facts.iter().all(|fact| matches!(fact.fact, Fact::FirstReplyDelivered { .. })));
    assert_eq!(facts.len(), 4);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn absence_is_no_proof_and_holds_back_the_agent_for_a_minute_and_a_person_never(
    pool: PgPool,
) {
    let line = Line::new(pool, [1]).await;
    line.twilio.script([Fault::Drop]);
    line.world.handle([reply(1, "first", |_| {})]).await.unwrap();
    line.send_all().await;
    line.world.handle([reply(1, "second", |_| {})]).await.unwrap();

    line.send_all().await;
    let held_back = line.world.states().await;
    line.world.run(DUE).await;
    let settled = line.recovery.step().await.unwrap();
    line.world.run(A_MINUTE_LATER).await;
    line.send_all().await;
    let later = line.world.states().await;

    assert_eq!(held_back, ["outcome_unknown", "pending"]);
    assert_eq!(settled, 0);
    assert_eq!(later, ["outcome_unknown", "accepted"]);
    assert_eq!(line.twilio.sent().len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_doubt_is_looked_up_while_it_still_holds_back_the_agent(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.twilio.script([Fault::AcceptThenDrop]);
    line.world.handle([reply(1, "first", |_| {})]).await.unwrap();
    let of_a_stopped_worker = "update deliveries set state = 'sending', unstarted_attempt = null";
    line.send_all().await;
    line.world.run(of_a_stopped_worker).await;
    line.world.run(LEASE_OVER).await;
    line.world.handle([reply(1, "second", |_| {})]).await.unwrap();
    line.send_all().await;
    line.world.run(FORTY_SECONDS_LATER).await;

    line.send_all().await;
    let held_back = line.world.states().await;
    let settled = line.recovery.step().await.unwrap();

    assert_eq!(held_back, ["outcome_unknown", "pending"]);
    assert_eq!(settled, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_persons_reply_does_not_wait_for_a_doubt(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.twilio.script([Fault::Drop]);
    line.world.handle([reply(1, "first", |reply| reply.author = Author::System)]).await.unwrap();
    line.send_all().await;

    line.world.handle([person_reply(1)]).await.unwrap();
    line.send_all().await;

    assert_eq!(line.world.states().await, ["outcome_unknown", "accepted"]);
}

const LEASE_OVER: &str = "update deliveries set lease_until = now() - interval '1 s'
    where state = 'sending'";

/// As far as a worker comes that is killed with a batch in its hands.
async fn begin_and_stop(line: &Line) -> Look {
    let long = Duration::from_secs(60);
    delivery_sends::begin(&line.world.pool, "whatsapp", 16, long, long).await.unwrap()
}

/// Two replies with one text; what is due of them was tried, and met the faults.
async fn same_twice(pool: PgPool, faults: [Fault; 2]) -> Line {
    let line = Line::new(pool, [1]).await;
    let same = |name| reply(1, name, |reply| reply.parts = vec!["The same.".into()]);
    line.twilio.script(faults);
    line.world.handle([same("one"), same("two")]).await.unwrap();
    line.send_all().await;
    line
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_doubts_with_the_same_text_take_two_messages(pool: PgPool) {
    let line = same_twice(pool, [Fault::AcceptThenDrop, Fault::AcceptThenDrop]).await;
    line.world.run(A_MINUTE_LATER).await;
    line.send_all().await;

    line.world.run(DUE).await;
    let settled = line.recovery.step().await.unwrap();

    assert_eq!((settled, line.twilio.sent().len()), (2, 2));
    let linked = "select count(distinct provider_id) from deliveries where state = 'accepted'";
    assert_eq!(line.world.count(linked).await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_doubts_with_the_same_text_take_two_messages_also_when_one_has_failed(pool: PgPool) {
    let faults = [Fault::FailedThenDrop { code: 63_024 }, Fault::AcceptThenDrop];
    let line = same_twice(pool, faults).await;
    line.world.run(A_MINUTE_LATER).await;
    line.send_all().await;

    line.world.run(DUE).await;
    let settled = line.recovery.step().await.unwrap();

    assert_eq!(settled, 2);
    assert_eq!(line.world.states().await, ["failed", "accepted"]);
    let linked = "select count(distinct provider_id) from deliveries";
    assert_eq!(line.world.count(linked).await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_doubt_does_not_take_a_message_that_was_refused_at_once_for_another(pool: PgPool) {
    let line = same_twice(pool, [Fault::FailedAtOnce { code: 63_024 }, Fault::Drop]).await;

    line.world.run(DUE).await;
    let settled = line.recovery.step().await.unwrap();

    assert_eq!(settled, 0, "the only message is the first one's");
    assert_eq!(line.world.states().await, ["failed", "outcome_unknown"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_worker_that_stalled_past_its_lease_makes_nobody_send_twice(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    let look = begin_and_stop(&line).await;
    let tried = (look.begun[0].delivery.id, look.begun[0].delivery.attempt);
    delivery_sends::start(&line.world.pool, &[tried]).await.unwrap();
    line.world.run(LEASE_OVER).await;

    // Another replica meets the lease that ran out; then the first comes to life.
    line.send_all().await;
    let meanwhile = line.world.states().await;
    let begun = &look.begun[0];
    let text = Text {
        delivery_id: begun.delivery.id,
        to: begun.address.as_deref().unwrap(),
        from: None,
        body: &begun.delivery.body,
    };
    let now = begun.delivery.begun_at;
    let window = OpenWindow::at(now, begun.last_inbound_at).unwrap();
    twilio_client(&line.twilio).send(&window, text).await;
    line.send_all().await;
    line.world.run(DUE).await;
    line.recovery.step().await.unwrap();

    assert_eq!(meanwhile, ["outcome_unknown"]);
    assert_eq!(line.twilio.send_requests().len(), 1);
    assert_eq!(line.world.states().await, ["accepted"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_worker_that_is_killed_before_its_requests_leaves_no_doubt_and_each_goes_once(
    pool: PgPool,
) {
    let line = Line::new(pool, 1..=16).await;
    line.world.handle((1..=16).map(|number| reply(number, "answer", |_| {}))).await.unwrap();
    assert_eq!(begin_and_stop(&line).await.begun.len(), 16);

    line.send_all().await;
    let leased = line.twilio.send_requests().len();
    line.world.run(LEASE_OVER).await;
    line.send_all().await;

    assert_eq!(leased, 0);
    assert_eq!(line.world.states().await, ["accepted"; 16]);
    assert_eq!(line.twilio.send_requests().len(), 16);
    let doubts = "select count(*) from delivery_events where state = 'outcome_unknown'";
    assert_eq!(line.world.count(doubts).await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_was_begun_and_not_started_meets_a_takeover_and_the_window_anew(pool: PgPool) {
    let line = Line::new(pool, 1..=2).await;
    line.world.handle((1..=2).map(|number| reply(number, "answer", |_| {}))).await.unwrap();
    assert_eq!(begin_and_stop(&line).await.begun.len(), 2);

    let mut conn = line.world.pool.acquire().await.unwrap();
    people::take(&mut conn, conversation(1), OperatorName("lisa")).await.unwrap();
    line.world
        .run("update conversations set last_inbound_at = app_now() - interval '25 hours'")
        .await;
    line.world.run(LEASE_OVER).await;
    line.send_all().await;

    assert!(line.twilio.requests().is_empty());
    assert_eq!(line.world.states().await, ["cancelled", "failed"]);
}
