//! Publishes what a step has committed, at once, and deletes it in the background.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::{PublishError, Publisher, Record};
use contract::EventId;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::outbox::delete;

/// Published entries that wait for their delete; beyond it the relay deletes.
const WAITING_DELETES: usize = 16_384;

/// Most entries in one delete.
const DELETE_BATCH: usize = 1_000;

/// How long the deleter gathers: one statement serves many steps.
const DELETE_GATHER: Duration = Duration::from_millis(100);

/// How long after shutdown the deleter waits for steps that are still draining.
/// What comes later stays in the table, and the relay publishes it once more.
const DELETE_DRAIN: Duration = Duration::from_secs(1);

/// Publishes what steps have committed and deletes it in batches in the background.
#[derive(Clone)]
pub struct OutboxPublisher {
    publisher: Arc<dyn Publisher>,
    /// Published and not deleted yet: what [`pending`](crate::outbox::pending) still shows of these is no work.
    published: Arc<Mutex<HashSet<EventId>>>,
    deletes: mpsc::Sender<EventId>,
}

/// The background half of [`OutboxPublisher`]: one task per service runs it.
pub struct OutboxDeleter {
    pool: PgPool,
    published: Arc<Mutex<HashSet<EventId>>>,
    deletes: mpsc::Receiver<EventId>,
}

impl OutboxPublisher {
    /// The publisher and the task that deletes behind it.
    pub fn new(pool: PgPool, publisher: Arc<dyn Publisher>) -> (Self, OutboxDeleter) {
        let published = Arc::<Mutex<HashSet<EventId>>>::default();
        let (sender, receiver) = mpsc::channel(WAITING_DELETES);
        let deleter = OutboxDeleter { pool, published: Arc::clone(&published), deletes: receiver };
        (Self { publisher, published, deletes: sender }, deleter)
    }

    /// Publishes committed entries in the order given: first what [`pending`](crate::outbox::pending) still
    /// showed of the step's conversations, then the step's own. Returns after the
    /// log's acknowledgement; after an error the entries stay, and a redelivered
    /// event or the relay publishes them.
    pub async fn publish(&self, records: Vec<Record>) -> Result<(), PublishError> {
        let records = self.without_published(records);
        if records.is_empty() {
            return Ok(());
        }
        let ids: Vec<EventId> = records.iter().map(|record| record.event_id).collect();
        self.publisher.publish_all(records).await?;
        for id in ids {
            // Full or closed: the entry stays, and the relay publishes and deletes it.
            if let Ok(place) = self.deletes.try_reserve() {
                lock(&self.published).insert(id);
                place.send(id);
            }
        }
        Ok(())
    }

    fn without_published(&self, records: Vec<Record>) -> Vec<Record> {
        let published = lock(&self.published);
        let mut seen = HashSet::new();
        records
            .into_iter()
            .filter(|record| !published.contains(&record.event_id) && seen.insert(record.event_id))
            .collect()
    }
}

impl OutboxDeleter {
    /// Deletes until every publisher is gone, or, after `shutdown`, until none has
    /// anything more. While the database is away the entries wait.
    pub async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut batch = Vec::with_capacity(DELETE_BATCH);
        loop {
            let received = tokio::select! {
                received = self.deletes.recv_many(&mut batch, DELETE_BATCH) => received,
                () = quiet_after(&shutdown) => 0,
            };
            if received == 0 {
                return Ok(());
            }
            self.gather(&mut batch, &shutdown).await;
            self.delete(&mut batch, &shutdown).await;
        }
    }

    async fn gather(&mut self, batch: &mut Vec<EventId>, shutdown: &CancellationToken) {
        let until = tokio::time::sleep(DELETE_GATHER);
        tokio::pin!(until);
        while batch.len() < DELETE_BATCH {
            let room = DELETE_BATCH - batch.len();
            tokio::select! {
                received = self.deletes.recv_many(batch, room) => if received == 0 { return },
                () = &mut until => return,
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn delete(&self, batch: &mut Vec<EventId>, shutdown: &CancellationToken) {
        bus::crash_point("outbox.deleting");
        while let Err(error) = delete(&self.pool, batch).await {
            if shutdown.is_cancelled() {
                break;
            }
            tracing::warn!(error = %error, "published entries could not be deleted, trying again");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = shutdown.cancelled() => {}
            }
        }
        bus::crash_point("outbox.deleted");
        let mut published = lock(&self.published);
        for id in batch.drain(..) {
            published.remove(&id);
        }
    }
}

async fn quiet_after(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DELETE_DRAIN).await;
}

/// A set of ids stays whole whatever a panicking holder did.
fn lock(published: &Mutex<HashSet<EventId>>) -> std::sync::MutexGuard<'_, HashSet<EventId>> {
    published.lock().unwrap_or_else(PoisonError::into_inner)
}
