//! What is sent, what is refused, and what never goes.

use std::time::Duration;

use contract::{Fact, MetricFact};
use dispatcher::Tuning;
use emulators::twilio::Fault;
use sqlx::PgPool;
use store::people::{self, OperatorName};
use testkit::wait_for;
use tokio_util::sync::CancellationToken;

use super::{Line, delivery, person_reply, reply};
use crate::conversation;

const OWNER: &str = "select owner || ' ' || coalesce(person, '') from conversations";
const LAST_ERROR: &str = "select last_error from deliveries order by position limit 1";

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_goes_to_the_customers_address_and_is_linked_to_what_twilio_has(pool: PgPool) {
    let line = Line::new(pool, [1]).await;

    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;

    let message = line.twilio.sent().remove(0);
    assert_eq!(
        (message.to.as_str(), message.body.as_str()),
        ("whatsapp:+14155550001", "answer for 1")
    );
    let d = format!("d={}", delivery(1, "answer"));
    assert!(message.status_callback.unwrap().ends_with(&d));
    assert_eq!(line.world.states().await, ["accepted"]);
    assert_eq!(line.world.text("select provider_id from deliveries").await, message.sid);
    let facts = line.world.log.events::<MetricFact>();
    assert!(matches!(facts[0].fact, Fact::FirstReplyDelivered { .. }));
    assert_eq!(facts.len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn parts_go_in_order_and_conversations_side_by_side(pool: PgPool) {
    let line = Line::new(pool, 1..=5).await;
    let parts = (1..=5).map(|number| {
        reply(number, "parts", |reply| {
            reply.parts = vec![format!("{number} a"), format!("{number} b")];
        })
    });
    line.world.handle(parts).await.unwrap();

    let first = line.worker.step().await.unwrap();
    line.send_all().await;

    assert_eq!(first, 5);
    let texts: Vec<_> = line.twilio.sent().into_iter().map(|message| message.body).collect();
    assert_eq!(texts.len(), 10);
    assert!(texts[..5].iter().all(|text| text.ends_with('a')), "{texts:?}");
    assert_eq!(line.world.states().await, ["accepted"; 10]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_was_certainly_not_sent_waits_as_long_as_it_is_told_and_then_goes(pool: PgPool) {
    let mut line = Line::new(pool, [1]).await;
    line.twilio.script([Fault::TooMany { retry_after: Some(50) }]);
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    line.send_all().await;
    let waits: i64 = line
        .world
        .count(
            "select count(*) from deliveries where state = 'pending'
             and next_attempt_at between now() + interval '40 s' and now() + interval '51 s'",
        )
        .await;
    line.twilio.stop().await;
    line.world.run("update deliveries set next_attempt_at = now()").await;
    line.worker.step().await.unwrap();
    let refused = line.world.states().await;
    line.twilio.restart().await.unwrap();
    line.world.run("update deliveries set next_attempt_at = now()").await;
    line.send_all().await;

    assert_eq!((waits, refused), (1, vec!["pending".to_owned()]));
    assert_eq!(line.world.deliveries().await[0].1, 3, "the third try");
    assert_eq!(line.world.states().await, ["accepted"]);
    assert_eq!(line.twilio.sent().len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_refused_reply_fails_in_plain_words_and_a_person_goes_on(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.twilio.script([Fault::Refuse { status: 400, code: 63_003 }]);
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    line.send_all().await;

    assert_eq!(line.world.states().await, ["failed"]);
    assert_eq!(line.world.text(LAST_ERROR).await, "the customer's number is not on WhatsApp");
    assert_eq!(line.world.text(OWNER).await, "person Support Queue");
    let facts = line.world.log.events::<MetricFact>();
    assert!(matches!(&facts[0].fact, Fact::SendFailed { .. }));
    assert_eq!(facts.len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_customer_who_blocked_us_is_nobodys_work(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.twilio.set_opted_out("whatsapp:+14155550001", true);
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    line.send_all().await;

    assert_eq!(line.world.states().await, ["failed"]);
    assert_eq!(line.world.text(OWNER).await, "agent ");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn outside_the_window_no_free_text_is_sent_and_a_person_goes_on(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.world
        .run("update conversations set last_inbound_at = app_now() - interval '1430 minutes'")
        .await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    line.send_all().await;

    assert!(line.twilio.requests().is_empty());
    assert_eq!(line.world.states().await, ["failed"]);
    assert!(line.world.text(LAST_ERROR).await.starts_with("outside WhatsApp's 24-hour window"));
    assert_eq!(line.world.text(OWNER).await, "person Support Queue");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn who_has_told_us_to_stop_is_sent_nothing(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.world
        .run("insert into opt_outs (channel, address) values ('whatsapp', 'whatsapp:+14155550001')")
        .await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    line.send_all().await;

    assert!(line.twilio.requests().is_empty());
    assert_eq!(line.world.states().await, ["cancelled"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_a_takeover_only_the_persons_reply_goes(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    let mut conn = line.world.pool.acquire().await.unwrap();
    people::take(&mut conn, conversation(1), OperatorName("lisa")).await.unwrap();
    line.world.handle([reply(1, "answer", |_| {}), person_reply(1)]).await.unwrap();

    line.send_all().await;

    assert_eq!(line.world.states().await, ["cancelled", "accepted"]);
    let texts: Vec<_> = line.twilio.sent().into_iter().map(|message| message.body).collect();
    assert_eq!(texts, ["person's for 1"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn past_half_its_lease_a_worker_starts_no_request(pool: PgPool) {
    let tuning = Tuning { per_second: 1, lease: Duration::from_secs(1), ..Tuning::default() };
    let line = Line::tuned(pool, 1..=3, tuning).await;
    line.world.handle((1..=3).map(|number| reply(number, "answer", |_| {}))).await.unwrap();

    line.worker.step().await.unwrap();

    assert_eq!(line.twilio.send_requests().len(), 1);
    let mut states = line.world.states().await;
    states.sort();
    assert_eq!(states, ["accepted", "pending", "pending"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_request_that_hangs_holds_back_nobody_else(pool: PgPool) {
    let line = Line::new(pool, 1..=4).await;
    line.twilio.script([Fault::Hang]);
    line.world.handle((1..=4).map(|number| reply(number, "answer", |_| {}))).await.unwrap();
    let (worker, twilio, world) = (line.worker, line.twilio, line.world);
    let shutdown = CancellationToken::new();

    let running = tokio::spawn(worker.run(shutdown.clone()));
    wait_for("the other three", async || twilio.sent().len() == 3).await;
    wait_for("their ends, and its own later", async || {
        let mut states = world.states().await;
        states.sort();
        states == ["accepted", "accepted", "accepted", "outcome_unknown"]
    })
    .await;
    shutdown.cancel();

    running.await.unwrap().unwrap();
}
