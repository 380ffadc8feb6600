//! Entries, and the publisher that deletes behind itself.

use bus::Record;
use sqlx::PgPool;
use store::outbox::{self, OutboxPublisher};
use testkit::{RecordingPublisher, StatementCount, wait_for};
use tokio_util::sync::CancellationToken;

use crate::{SERVICE, conversation, entries, insert, record};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_entry_comes_back_as_the_record_it_was_headers_and_bytes(pool: PgPool) {
    let mut odd = record(1, 1);
    odd.headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    odd.headers.insert("bytes", vec![0_u8, 159, 146, 150]);
    odd.headers.insert("zero", "a\0b");
    odd.payload = vec![0_u8, 255, 10].into();

    outbox::insert(&pool, SERVICE, Some(conversation(1)), std::slice::from_ref(&odd))
        .await
        .unwrap();

    assert_eq!(outbox::pending(&pool, SERVICE, &[conversation(1)]).await.unwrap(), [odd]);
    let readable: i64 = sqlx::query_scalar(
        "select count(*) from outbox where headers @> '[[\"traceparent\",
             \"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"]]'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(readable, 1, "a person can read the trace");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn pending_gives_a_services_entries_of_these_conversations_in_order(pool: PgPool) {
    let first = insert(&pool, 1, [1, 2]).await;
    let other_conversation = insert(&pool, 2, [1]).await;
    insert(&pool, 3, [1]).await;
    let later = insert(&pool, 1, [3]).await;
    outbox::insert(&pool, "other", Some(conversation(1)), &[record(1, 9)]).await.unwrap();

    let pending =
        outbox::pending(&pool, SERVICE, &[conversation(1), conversation(2)]).await.unwrap();

    assert_eq!(pending, [first, other_conversation, later].concat());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_record_that_stands_keeps_its_first_bytes(pool: PgPool) {
    let first = insert(&pool, 1, [1]).await;
    let mut changed = first[0].clone();
    changed.payload = "other".into();

    outbox::insert(&pool, SERVICE, Some(conversation(1)), &[changed]).await.unwrap();

    assert_eq!(outbox::pending(&pool, SERVICE, &[conversation(1)]).await.unwrap(), first);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_is_published_is_deleted_in_batches_and_not_published_again(pool: PgPool) {
    let log = RecordingPublisher::new();
    let (publisher, deleter) = OutboxPublisher::new(pool.clone(), log.shared());
    let records = insert(&pool, 1, 1..=300).await;
    for record in &records {
        publisher.publish(vec![record.clone()]).await.unwrap();
    }
    publisher.publish(records.clone()).await.unwrap();
    let statements = StatementCount::start();

    drop(publisher);
    deleter.run(CancellationToken::new()).await.unwrap();

    assert_eq!(statements.take(), 1, "one delete for all");
    assert_eq!(log.records(), records, "each once");
    assert_eq!(entries(&pool).await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_the_log_has_not_acknowledged_stays(pool: PgPool) {
    let log = RecordingPublisher::new();
    let (publisher, deleter) = OutboxPublisher::new(pool.clone(), log.shared());
    let records = insert(&pool, 1, [1]).await;
    log.leave_next_unconfirmed();

    assert!(publisher.publish(records.clone()).await.is_err());
    let kept = entries(&pool).await;
    publisher.publish(records).await.unwrap();
    drop(publisher);
    deleter.run(CancellationToken::new()).await.unwrap();

    assert_eq!((kept, entries(&pool).await), (1, 0));
    assert_eq!(log.records().len(), 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn more_than_the_deleter_can_take_waits_for_the_relay_and_blocks_nobody(pool: PgPool) {
    let log = RecordingPublisher::new();
    let (publisher, _deleter_that_never_runs) = OutboxPublisher::new(pool, log.shared());
    let many: Vec<Record> = (1..=20_000).map(|seq| record(1, seq)).collect();

    publisher.publish(many).await.unwrap();

    assert_eq!(log.records().len(), 20_000);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_shutdown_the_deleter_takes_what_is_left_and_ends(pool: PgPool) {
    let log = RecordingPublisher::new();
    let (publisher, deleter) = OutboxPublisher::new(pool.clone(), log.shared());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(deleter.run(shutdown.clone()));
    shutdown.cancel();

    // A step that is still draining.
    publisher.publish(insert(&pool, 1, [1, 2]).await).await.unwrap();
    wait_for("the deletes", async || entries(&pool).await == 0).await;

    // It ends although the publisher lives on.
    running.await.unwrap().unwrap();
    drop(publisher);
}
