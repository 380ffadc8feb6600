//! Finds out what became of sends in doubt, where the provider has not told it. Nothing
//! is ever sent from here.

use std::future::Future;
use std::time::Duration;

use sqlx::PgPool;
use store::Error;
use store::deliveries::Ending;
use store::delivery_doubts::{self, Doubt};
use store::jobs::{self, Schedule};
use store::outbox::OutboxPublisher;
use tokio_util::sync::CancellationToken;

use crate::ends;
use crate::in_hand::{InHand, LOOK_EVERY};

pub use store::doubt_decisions::ASK_AFTER;

/// Doubts looked at in one round, one after another: they are rare, and two with the
/// same text must not both take the same message for theirs.
const MOST: i64 = 20;

/// How often a round is due.
pub(crate) const EVERY: Duration = Duration::from_secs(5);

/// How long a round belongs to its replica.
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// Knows how a provider is asked.
pub(crate) trait Look: Send + Sync + 'static {
    /// As the deliveries' outlet is called.
    const OUTLET: &'static str;
    /// The job that asks.
    const SCHEDULE: Schedule;

    /// What became of a send; `None` while the doubt stays.
    fn look_up(&self, doubt: &Doubt) -> impl Future<Output = Result<Option<Ending>, Error>> + Send;

    /// What else is looked up with every round.
    fn also(&self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
}

/// Looks up doubts of one outlet.
pub(crate) struct Doubts<L> {
    pool: PgPool,
    outbox: OutboxPublisher,
    look: L,
}

impl<L: Look> Doubts<L> {
    pub(crate) fn new(pool: PgPool, outbox: OutboxPublisher, look: L) -> Self {
        Self { pool, outbox, look }
    }

    /// Looks until shutdown, on one replica at a time.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let this = &self;
        let step = || async move { this.step().await.map(drop) };
        jobs::run(self.pool.clone(), L::SCHEDULE, shutdown, step).await
    }

    /// One round. Returns how many doubts it has settled.
    pub(crate) async fn step(&self) -> Result<usize, Error> {
        let doubts =
            delivery_doubts::due(&self.pool, L::OUTLET, MOST, LOOK_EVERY, ASK_AFTER).await?;
        let mut settled = 0;
        for doubt in doubts {
            if let Some(end) = self.look.look_up(&doubt).await? {
                self.settle(doubt, end).await?;
                settled += 1;
            }
        }
        self.look.also().await?;
        Ok(settled)
    }

    async fn settle(&self, doubt: Doubt, end: Ending) -> Result<(), Error> {
        let in_hand = InHand::new(doubt.delivery, L::OUTLET);
        let finished = [in_hand.finished(end, Duration::ZERO)];
        let facts = ends::write(&self.pool, &finished).await?;
        tracing::info!(delivery.id = %in_hand.delivery.id, "a doubt is settled");
        ends::publish(&self.outbox, facts).await;
        Ok(())
    }
}
