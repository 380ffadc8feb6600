//! A person's word on sends in doubt, against what else happens to them meanwhile.

use contract::DeliveryId;
use emulators::twilio::Fault;
use sqlx::{Connection as _, PgPool};
use store::doubt_decisions::{self, Refusal};
use store::people::{self, OperatorName};

use super::{Line, delivery, reply, status};

const LISA: OperatorName<'static> = OperatorName("lisa");

async fn resend(pool: &PgPool, id: DeliveryId) -> Result<(), Refusal> {
    let mut conn = pool.acquire().await.unwrap();
    let resent = doubt_decisions::resend(&mut conn, id, LISA).await.map(drop);
    // A refusal lets its locks go with the connection's next words; a worker that looks
    // before that leaves the conversation out.
    conn.ping().await.unwrap();
    resent
}

async fn sent(pool: &PgPool, id: DeliveryId) -> Result<(), Refusal> {
    let mut conn = pool.acquire().await.unwrap();
    doubt_decisions::sent(&mut conn, id, LISA).await.map(drop)
}

/// Replies to these customers, each of which may have been sent.
async fn in_doubt(pool: PgPool, numbers: std::ops::RangeInclusive<u32>, fault: Fault) -> Line {
    let line = Line::new(pool, numbers.clone()).await;
    line.twilio.script(numbers.clone().map(|_| fault));
    line.world.handle(numbers.map(|number| reply(number, "answer", |_| {}))).await.unwrap();
    line.send_all().await;
    assert!(line.world.states().await.iter().all(|state| state == "outcome_unknown"));
    line
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_person_is_asked_after_ten_minutes_and_sends_again(pool: PgPool) {
    let line = in_doubt(pool, 1..=1, Fault::Drop).await;
    let pool = &line.world.pool;
    let early = doubt_decisions::open(pool, 10).await.unwrap();
    line.world.run("update deliveries set doubtful_since = now() - interval '10 minutes'").await;
    let later = doubt_decisions::open(pool, 10).await.unwrap();

    resend(pool, delivery(1, "answer")).await.unwrap();
    let twice = resend(pool, delivery(1, "answer")).await;
    line.send_all().await;

    assert_eq!((early[0].is_asked, later[0].is_asked), (false, true));
    assert_eq!((later[0].excerpt.as_str(), later[0].outlet.as_str()), ("answer for 1", "whatsapp"));
    assert!(matches!(twice, Err(Refusal::Settled(state)) if state == "pending"));
    assert_eq!(line.twilio.sent().len(), 1);
    assert_eq!(line.world.deliveries().await, [("accepted".into(), 3, "answer for 1".into())]);
    let noted = "select action || ' ' || operator from audit_log";
    assert_eq!(line.world.text(noted).await, "resend lisa");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_a_person_knows_to_be_sent_is_not_sent_again_and_may_still_be_read(pool: PgPool) {
    let line = in_doubt(pool, 1..=1, Fault::Drop).await;
    let id = delivery(1, "answer");

    sent(&line.world.pool, id).await.unwrap();
    let accepted = line.world.states().await;
    line.send_all().await;
    line.tell(&[status("SM0123456789abcdef0123456789abcdef", Some(id), "read", None)])
        .await
        .unwrap();

    assert_eq!(accepted, ["accepted"]);
    assert_eq!(line.world.states().await, ["read"]);
    assert_eq!(line.twilio.sent().len(), 0);
    let first = "select count(*) from conversations where first_reply_at is not null";
    assert_eq!(line.world.count(first).await, 1);
    let facts = "select count(*) from outbox where topic = 'fte.metrics'";
    assert_eq!(line.world.count(facts).await, 1, "the first reply counts");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_receipt_that_comes_while_a_person_decides_leaves_one_message(pool: PgPool) {
    let line = in_doubt(pool, 1..=20, Fault::AcceptThenDrop).await;
    let pool = &line.world.pool;
    let sids: Vec<String> = line.twilio.sent().into_iter().map(|message| message.sid).collect();
    let ids: Vec<DeliveryId> = (1..=20).map(|number| delivery(number, "answer")).collect();

    for (id, sid) in ids.iter().zip(&sids) {
        let receipts = [status(sid, Some(*id), "delivered", None)];
        let (told, _) = tokio::join!(line.tell(&receipts), resend(pool, *id));
        told.unwrap();
    }
    line.send_all().await;

    assert_eq!(line.world.states().await, ["delivered"; 20].map(str::to_owned));
    assert_eq!(line.twilio.sent().len(), 20, "whoever was first, it was not sent again");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_worker_that_comes_back_late_does_not_undo_what_a_person_decided(pool: PgPool) {
    let line = in_doubt(pool, 1..=2, Fault::Drop).await;
    let known = line.recovery.step().await.unwrap();

    resend(&line.world.pool, delivery(1, "answer")).await.unwrap();
    sent(&line.world.pool, delivery(2, "answer")).await.unwrap();
    line.world.run("update deliveries set next_attempt_at = now()").await;
    let settled = line.recovery.step().await.unwrap();
    line.send_all().await;

    assert_eq!((known, settled), (0, 0), "neither is in doubt any more");
    assert_eq!(line.world.states().await, ["accepted", "accepted"]);
    assert_eq!(line.twilio.sent().len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_a_person_sends_again_goes_although_they_have_taken_the_conversation(pool: PgPool) {
    let line = in_doubt(pool, 1..=1, Fault::Drop).await;
    let mut conn = line.world.pool.acquire().await.unwrap();
    people::take(&mut conn, crate::conversation(1), LISA).await.unwrap();
    drop(conn);

    resend(&line.world.pool, delivery(1, "answer")).await.unwrap();
    line.send_all().await;

    assert_eq!(line.world.states().await, ["accepted"]);
    assert_eq!(line.twilio.sent().len(), 1);
}
