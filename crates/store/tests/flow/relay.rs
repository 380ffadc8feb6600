//! What a crash left.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::{PublishError, Publisher, Record};
use sqlx::PgPool;
use store::relay::Relay;
use testkit::{RecordingPublisher, wait_for};
use tokio_util::sync::CancellationToken;

use crate::{SERVICE, entries, insert};

fn relay(pool: &PgPool, publisher: Arc<dyn Publisher>) -> Relay {
    Relay::new(SERVICE, "outbox-relay/test", pool.clone(), publisher)
}

async fn age(pool: &PgPool) {
    sqlx::query("update outbox set created_at = now() - interval '11 seconds'")
        .execute(pool)
        .await
        .unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn entries_are_published_in_order_once_they_are_overdue(pool: PgPool) {
    let log = RecordingPublisher::new();
    let relay = relay(&pool, log.shared());
    let records = [insert(&pool, 1, 1..=700).await, insert(&pool, 2, 1..=700).await].concat();

    relay.relay_overdue(Duration::from_secs(10)).await.unwrap();
    let early = log.take();
    age(&pool).await;
    let young = insert(&pool, 1, [701]).await;
    relay.relay_overdue(Duration::from_secs(10)).await.unwrap();

    assert_eq!(early, []);
    assert_eq!(log.take(), records);
    assert_eq!(entries(&pool).await, young.len() as i64);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn without_the_log_nothing_is_deleted(pool: PgPool) {
    let log = RecordingPublisher::new();
    let relay = relay(&pool, log.shared());
    let records = insert(&pool, 1, 1..=3).await;
    age(&pool).await;
    log.set_down(true);

    let refused = relay.relay_overdue(Duration::ZERO).await;
    let kept = entries(&pool).await;
    log.set_down(false);
    relay.relay_overdue(Duration::ZERO).await.unwrap();

    assert!(refused.is_err());
    assert_eq!(kept, 3);
    assert_eq!(log.take(), records);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_entry_that_is_too_large_stays_and_the_others_go(pool: PgPool) {
    let log = Arc::new(Narrow(Mutex::default()));
    let relay = relay(&pool, log.clone());
    insert(&pool, 1, 1..=3).await;
    sqlx::query("update outbox set payload = decode(repeat('00', 2000), 'hex') where id = (select min(id) + 1 from outbox)")
        .execute(&pool)
        .await
        .unwrap();

    relay.relay_overdue(Duration::ZERO).await.unwrap();

    assert_eq!(log.0.lock().unwrap().len(), 2);
    assert_eq!(entries(&pool).await, 1);
}

/// A log that takes a thousand bytes at most.
struct Narrow(Mutex<Vec<Record>>);

impl Publisher for Narrow {
    fn publish_all(
        &self,
        records: Vec<Record>,
    ) -> futures::future::BoxFuture<'_, Result<(), PublishError>> {
        let too_large = records.iter().find(|record| record.payload.len() > 1_000);
        let result = match too_large {
            Some(r) => Err(PublishError::TooLarge { topic: r.topic, bytes: r.payload.len() }),
            None => {
                self.0.lock().unwrap().extend(records);
                Ok(())
            }
        };
        Box::pin(async move { result })
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn of_two_replicas_one_relays(pool: PgPool) {
    let log = RecordingPublisher::new();
    let records = insert(&pool, 1, 1..=50).await;
    age(&pool).await;
    let shutdown = CancellationToken::new();

    let replicas = [0, 1].map(|_| tokio::spawn(relay(&pool, log.shared()).run(shutdown.clone())));
    wait_for("an empty outbox", async || entries(&pool).await == 0).await;
    shutdown.cancel();
    for replica in replicas {
        replica.await.unwrap().unwrap();
    }

    assert_eq!(log.records(), records, "each once, in order");
}
