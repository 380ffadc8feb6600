//! Callbacks, in whatever order they come.

use std::time::Duration;

use contract::{Fact, MetricFact, WhatsappStatus};
use emulators::twilio::Fault;
use sqlx::PgPool;
use store::deliveries::{self, Ending, Finished};
use store::delivery_sends;

use super::{Line, delivery, reply, status};

/// Every order of these.
fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for place in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(place);
        for mut order in orders(&rest) {
            order.insert(0, first.clone());
            all.push(order);
        }
    }
    all
}

/// Sends one reply per order and tells each its statuses; returns the distinct states.
async fn end_states(pool: PgPool, statuses: &[(&str, Option<u32>)]) -> Vec<String> {
    let orders = orders(statuses);
    let numbers: Vec<u32> = (1..).take(orders.len()).collect();
    let line = Line::new(pool, numbers.clone()).await;
    line.world.handle(numbers.iter().map(|number| reply(*number, "answer", |_| {}))).await.unwrap();
    line.send_all().await;
    for (number, order) in numbers.iter().zip(orders) {
        let id = delivery(*number, "answer");
        let sid = line
            .twilio
            .sent()
            .into_iter()
            .find(|message| message.body == format!("answer for {number}"))
            .unwrap()
            .sid;
        let told: Vec<WhatsappStatus> =
            order.iter().map(|(name, code)| status(&sid, Some(id), name, *code)).collect();
        // Odd ones in one batch, even ones one by one; each twice.
        if number % 2 == 1 {
            line.tell(&told).await.unwrap();
        }
        for one in told.iter().chain(&told) {
            line.tell(std::slice::from_ref(one)).await.unwrap();
        }
    }
    let mut states = line.world.states().await;
    assert_eq!(states.len(), numbers.len());
    let events = i64::try_from(numbers.len() * statuses.len()).unwrap();
    let kept = line.world.count("select count(*) from delivery_events where attempt = 0").await;
    assert_eq!(kept, events, "each is kept once");
    states.dedup();
    states
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn callbacks_in_any_order_and_twice_end_as_read(pool: PgPool) {
    let all = [("queued", None), ("sent", None), ("delivered", None), ("read", None)];

    assert_eq!(end_states(pool, &all).await, ["read"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_failure_outweighs_what_came_before_arrival_in_any_order(pool: PgPool) {
    let all = [("queued", None), ("sent", None), ("undelivered", Some(63_024))];

    assert_eq!(end_states(pool, &all).await, ["failed"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_arrival_outweighs_a_failure_in_any_order(pool: PgPool) {
    let all = [("sent", None), ("failed", Some(63_012)), ("delivered", None)];

    assert_eq!(end_states(pool, &all).await, ["delivered"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_callback_before_our_own_answer_links_the_message_by_the_delivery(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    let (lease, hold) = (Duration::from_secs(60), Duration::from_secs(60));
    let look = delivery_sends::begin(&line.world.pool, "whatsapp", 1, lease, hold).await.unwrap();
    let id = delivery(1, "answer");

    line.tell(&[status("SM1", Some(id), "delivered", None)]).await.unwrap();
    let begun = &look.begun[0].delivery;
    let late = Finished {
        id,
        conversation_id: begun.conversation_id,
        attempt: begun.attempt,
        at: begun.begun_at,
        ending: Ending::Accepted { provider_id: Some("SM1".into()) },
        is_reply: true,
        first_reply: None,
        records: Vec::new(),
    };
    deliveries::finish(&line.world.pool, "dispatcher", &[late]).await.unwrap();
    line.tell(&[status("SM1", None, "read", None)]).await.unwrap();

    assert_eq!(line.world.states().await, ["read"]);
    assert_eq!(line.world.text("select provider_id from deliveries").await, "SM1");
    let facts = line.world.log.events::<MetricFact>();
    assert!(matches!(facts[0].fact, Fact::FirstReplyDelivered { .. }));
    assert_eq!(facts.len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_callback_settles_a_send_whose_answer_was_lost(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.twilio.script([Fault::AcceptThenDrop]);
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;
    let sid = line.twilio.sent().remove(0).sid;

    let id = delivery(1, "answer");
    line.tell(&[status(&sid, Some(id), "sent", None)]).await.unwrap();
    line.world.run("update deliveries set next_attempt_at = now()").await;
    line.send_all().await;
    line.recovery.step().await.unwrap();

    assert_eq!(line.world.states().await, ["sent"]);
    assert_eq!(line.world.text("select provider_id from deliveries").await, sid);
    assert_eq!(line.twilio.send_requests().len(), 1);
    assert_eq!(line.twilio.requests().len(), 1, "nothing is left to look up");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_failure_that_comes_later_is_told_once_and_a_person_goes_on(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;
    let failed = status(&line.twilio.sent()[0].sid, None, "undelivered", Some(63_016));

    line.tell(&[failed.clone(), failed.clone()]).await.unwrap();
    line.tell(&[failed]).await.unwrap();

    assert_eq!(line.world.states().await, ["failed"]);
    assert!(line.world.text("select last_error from deliveries").await.contains("24-hour window"));
    assert_eq!(
        line.world.text("select owner || ' ' || person from conversations").await,
        "person Support Queue"
    );
    let facts = line.world.log.events::<MetricFact>();
    let failures = facts.iter().filter(|fact| matches!(fact.fact, Fact::SendFailed { .. }));
    assert_eq!(failures.count(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_is_not_ours_or_not_known_changes_nothing(pool: PgPool) {
    let line = Line::new(pool, [1]).await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;
    let sid = line.twilio.sent().remove(0).sid;

    let strange = [
        status("SM404", None, "delivered", None),
        status("SM404", Some(delivery(7, "nobody's")), "delivered", None),
        status(&sid, Some(delivery(1, "answer")), "partially_delivered", None),
    ];
    line.tell(&strange).await.unwrap();

    assert_eq!(line.world.states().await, ["accepted"]);
}
