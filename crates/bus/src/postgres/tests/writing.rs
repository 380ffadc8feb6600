//! Writing: order, density, bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contract::Classified as _;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;

use super::*;
use crate::postgres::encoding::partition_of;
use crate::postgres::insert::{Entry, insert};
use crate::record::PublishError;

fn entry(key: &str, text: &str) -> Entry {
    Entry { partition: partition_of(key, PARTITIONS), record: record(key, text) }
}

async fn connect(pool: &PgPool) -> PgConnection {
    PgConnection::connect_with(&pool.connect_options()).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_record_comes_back_whole(pool: PgPool) {
    let log = log(&pool).await;
    let mut sent = record("ada@example.com", "first");
    sent.headers.insert("bytes", vec![0_u8, 159, 146, 150]);

    publish(&log, vec![sent.clone()]).await;

    let mut consumer = Consumer::join(&log, "group");
    consumer.until_records(1).await;
    let [came] = &consumer.records[..] else { panic!("one record") };
    assert_eq!((&came.key, &came.headers), (&sent.key, &sent.headers));
    assert_eq!(came.payload, sent.payload);
    assert_eq!(came.partition, partition_of("ada@example.com", PARTITIONS));
}

#[sqlx::test(migrations = false)]
async fn calls_in_flight_together_keep_the_order_of_each_key(pool: PgPool) {
    let log = log(&pool).await;
    // A publisher that does not know the topics yet asks first, and then two calls
    // made together may pass each other.
    publish_shapes(&log).await;
    let publisher = log.publisher();
    let mut calls = Vec::new();
    for n in 0..200 {
        let records = (0..3).map(|key| record(&format!("key-{key}"), &n.to_string())).collect();
        calls.push(publisher.publish_all(records));
    }

    futures::future::try_join_all(calls).await.unwrap();

    let mut consumer = Consumer::join(&log, "group");
    consumer.until_records(600).await;
    let in_order: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    assert!(consumer.texts().values().all(|texts| *texts == in_order));
}

#[sqlx::test(migrations = false)]
async fn thirty_two_writers_leave_no_gap_and_readers_see_none(pool: PgPool) {
    let log = log(&pool).await;
    let mut consumer = Consumer::join(&log, "group");
    let mut writers = JoinSet::new();
    for writer in 0..32 {
        let pool = pool.clone();
        writers.spawn(async move {
            let mut connection = connect(&pool).await;
            for n in 0..20 {
                // Each batch touches several partitions, in an order of its own.
                let entries: Vec<Entry> = (0..5)
                    .map(|k| entry(&format!("{writer}-{}", (k * 7 + n) % 11), &n.to_string()))
                    .collect();
                let written = insert(&mut connection, &entries.iter().collect::<Vec<_>>()).await;
                assert_eq!(written.unwrap(), 5);
            }
        });
    }

    consumer.until("all records", |consumer| consumer.records.len() >= 32 * 20 * 5).await;
    writers.join_all().await;

    assert_eq!(consumer.records.len(), 32 * 20 * 5);
    assert!(consumer.is_dense());
}

#[sqlx::test(migrations = false)]
async fn a_writer_that_sleeps_between_offset_and_commit_loses_nothing(pool: PgPool) {
    let log = log(&pool).await;
    let mut consumer = Consumer::join(&log, "group");
    consumer.until_owning(6).await;
    let mut sleeper = connect(&pool).await;
    let mut transaction = sleeper.begin().await.unwrap();
    insert(&mut transaction, &[&entry("key", "first")]).await.unwrap();

    // Blocks behind the sleeper, in the same partition.
    let later = {
        let log = log.clone();
        tokio::spawn(async move { publish(&log, vec![record("key", "second")]).await })
    };
    consumer.step(Duration::from_millis(700)).await;
    assert!(consumer.records.is_empty(), "read past a record that was not visible yet");
    transaction.commit().await.unwrap();
    later.await.unwrap();

    consumer.until_records(2).await;
    assert_eq!(consumer.texts()["key"], ["first", "second"]);
    assert!(consumer.is_dense());
}

#[sqlx::test(migrations = false)]
async fn a_writer_that_rolls_back_leaves_no_gap(pool: PgPool) {
    let log = log(&pool).await;
    let mut connection = connect(&pool).await;
    let mut transaction = connection.begin().await.unwrap();
    insert(&mut transaction, &[&entry("key", "never")]).await.unwrap();
    transaction.rollback().await.unwrap();

    publish(&log, vec![record("key", "first")]).await;

    let mut consumer = Consumer::join(&log, "group");
    consumer.until_records(1).await;
    assert!(consumer.is_dense());
}

#[sqlx::test(migrations = false)]
async fn a_record_above_the_topics_limit_is_refused(pool: PgPool) {
    let log = log(&pool).await;

    let refused = log.publisher().publish_all(vec![record("key", &"x".repeat(1 << 21))]).await;

    assert!(matches!(refused, Err(PublishError::TooLarge { topic: TOPIC, .. })));
}

#[sqlx::test(migrations = false)]
async fn more_than_the_buffer_holds_is_refused_at_once(pool: PgPool) {
    let log = log(&pool).await;
    publish_shapes(&log).await;
    let mut blocker = connect(&pool).await;
    let mut transaction = blocker.begin().await.unwrap();
    sqlx::query("lock table queue_partitions").execute(&mut *transaction).await.unwrap();
    let large = "x".repeat(1 << 20);

    let refused = Arc::new(AtomicUsize::new(0));
    let mut calls = JoinSet::new();
    for n in 0..40 {
        let (publisher, refused) = (log.publisher(), Arc::clone(&refused));
        let record = record(&format!("key-{n}"), &large);
        calls.spawn(async move {
            if let Err(error) = publisher.publish_all(vec![record]).await {
                assert_eq!(error.class(), contract::FailureClass::Unavailable);
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    testkit::wait_for("refusals", async || refused.load(Ordering::Relaxed) >= 9).await;
    assert!(calls.len() - refused.load(Ordering::Relaxed) >= 30, "the buffer took too few");
    transaction.rollback().await.unwrap();
    calls.join_all().await;
}

/// Makes the publisher read the topics' shapes.
async fn publish_shapes(log: &PostgresLog) {
    log.inner.publisher.partitions.shape(TOPIC).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_key_with_a_nul_is_stored_as_the_ingress_would_write_it(pool: PgPool) {
    let log = log(&pool).await;

    publish(&log, vec![record("a\0b", "first")]).await;

    let mut consumer = Consumer::join(&log, "group");
    consumer.until_records(1).await;
    assert_eq!(consumer.records[0].key, "a\u{fffd}b");
}
