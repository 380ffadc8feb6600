//! Publishes what a crash left in the outbox: one relay per service, one replica
//! at a time.

use std::sync::Arc;
use std::time::Duration;

use bus::{PublishError, Publisher, Record};
use contract::EventId;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::jobs::{self, Schedule};
use crate::{Error, outbox};

/// A step publishes its entries within milliseconds; after this it has crashed or
/// its log was away.
const OVERDUE: Duration = Duration::from_secs(10);

/// Entries per publish: some megabytes at most, and short enough for the lease.
const BATCH: usize = 500;

/// Publishes a service's overdue entries in order.
///
/// A lease in `jobs` lets one replica do it. Rows claimed one by one with
/// `for update skip locked` would let two relays publish two entries of one
/// conversation in the wrong order, and would hold a transaction open during the
/// publish. A relay that outlives its lease can only publish again what the next
/// one publishes too, and consumers know a repeated event by its id.
pub struct Relay {
    service: &'static str,
    job: &'static str,
    pool: PgPool,
    publisher: Arc<dyn Publisher>,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("the outbox could not be read")]
    Store(#[from] Error),
    #[error("overdue entries could not be published")]
    Publish(#[from] PublishError),
}

impl Relay {
    /// `job` is the relay's name in `jobs`, such as `outbox-relay/agent`.
    pub fn new(
        service: &'static str,
        job: &'static str,
        pool: PgPool,
        publisher: Arc<dyn Publisher>,
    ) -> Self {
        Self { service, job, pool, publisher }
    }

    /// Relays until shutdown.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let schedule = Schedule {
            name: self.job,
            every: Duration::from_secs(5),
            lease: Duration::from_secs(30),
        };
        jobs::run(self.pool.clone(), schedule, shutdown, || self.relay_overdue(OVERDUE)).await
    }

    /// Publishes and deletes every entry older than `age`.
    pub async fn relay_overdue(&self, age: Duration) -> Result<(), RelayError> {
        loop {
            let records = outbox::overdue(&self.pool, self.service, age, BATCH).await?;
            let found = records.len();
            let published = self.publish(records).await?;
            outbox::delete(&self.pool, &published).await?;
            if !published.is_empty() {
                tracing::info!(
                    outbox.service = self.service,
                    outbox.entries = published.len(),
                    "overdue outbox entries are published"
                );
            }
            if found < BATCH || published.is_empty() {
                return Ok(());
            }
        }
    }

    async fn publish(&self, records: Vec<Record>) -> Result<Vec<EventId>, PublishError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<EventId> = records.iter().map(|record| record.event_id).collect();
        match self.publisher.publish_all(records.clone()).await {
            Ok(()) => Ok(ids),
            Err(PublishError::TooLarge { .. }) => self.publish_singly(records).await,
            Err(error) => Err(error),
        }
    }

    /// One entry too large must not hold back the others. It stays, for a person to see.
    async fn publish_singly(&self, records: Vec<Record>) -> Result<Vec<EventId>, PublishError> {
        let mut published = Vec::new();
        for record in records {
            let id = record.event_id;
            match self.publisher.publish_all(vec![record]).await {
                Ok(()) => published.push(id),
                Err(error @ PublishError::TooLarge { .. }) => {
                    tracing::error!(event.id = %id, error = %error, "an outbox entry cannot be published");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(published)
    }
}
