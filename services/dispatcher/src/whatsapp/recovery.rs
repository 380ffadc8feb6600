//! Finds out what became of sends in doubt, where no callback has told it. Nothing is
//! ever sent from here.

use std::sync::Arc;
use std::time::Duration;

use channels::twilio::client::{Listed, TwilioClient};
use sqlx::PgPool;
use store::Error;
use store::deliveries::Ending;
use store::delivery_doubts::{self, Doubt};
use store::jobs::{self, Schedule};
use store::outbox::OutboxPublisher;
use tokio_util::sync::CancellationToken;

use super::{ASK_AFTER, OUTLET, is_failure, successor};
use crate::ends;
use crate::in_hand::{FIRST_LOOK, InHand};

/// Doubts looked at in one round, one after another: they are rare, and two with the
/// same text must not both take the same message for theirs.
const MOST: i64 = 20;

const SCHEDULE: Schedule = Schedule {
    name: "whatsapp-doubts",
    every: Duration::from_secs(5),
    lease: Duration::from_secs(60),
};

/// Looks doubts up in the provider's list.
pub struct Recovery {
    pool: PgPool,
    outbox: OutboxPublisher,
    client: Arc<TwilioClient>,
}

impl Recovery {
    pub fn new(pool: PgPool, outbox: OutboxPublisher, client: Arc<TwilioClient>) -> Self {
        Self { pool, outbox, client }
    }

    /// Looks until shutdown, on one replica at a time.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let this = &self;
        let step = || async move { this.step().await.map(drop) };
        jobs::run(self.pool.clone(), SCHEDULE, shutdown, step).await
    }

    /// One round. Returns how many doubts it has settled.
    pub async fn step(&self) -> Result<usize, Error> {
        let doubts = delivery_doubts::due(&self.pool, OUTLET, MOST, FIRST_LOOK, ASK_AFTER).await?;
        let mut settled = 0;
        for doubt in doubts {
            if let Some(listed) = self.look_up(&doubt).await? {
                self.settle(doubt, listed).await?;
                settled += 1;
            }
        }
        Ok(settled)
    }

    /// The oldest message that can only be this delivery's. That there is none proves
    /// nothing: it is looked for again.
    async fn look_up(&self, doubt: &Doubt) -> Result<Option<Listed>, Error> {
        let (Some(to), Some(attempted_at)) = (doubt.address.as_deref(), doubt.attempted_at) else {
            return Ok(None);
        };
        let from = doubt.our_address.as_deref();
        let found = match self.client.find_sent(to, from, &doubt.delivery.body, attempted_at).await
        {
            Ok(found) => found,
            Err(error) => {
                let id = doubt.delivery.id;
                tracing::warn!(delivery.id = %id, error = %error, "a doubt stays");
                return Ok(None);
            }
        };
        let sids: Vec<String> = found.iter().map(|listed| listed.sid.clone()).collect();
        let linked = delivery_doubts::linked(&self.pool, &sids).await?;
        Ok(found.into_iter().find(|listed| !linked.contains(&listed.sid)))
    }

    async fn settle(&self, doubt: Doubt, listed: Listed) -> Result<(), Error> {
        let in_hand = InHand::new(doubt.delivery, OUTLET);
        let end = if is_failure(&listed.status) {
            let meaning = self.client.table().meaning(listed.error_code);
            Ending::Failed { hands_over_to: successor(&meaning), reason: meaning.reason }
        } else {
            Ending::Accepted { provider_id: Some(listed.sid) }
        };
        let finished = [in_hand.finished(end, Duration::ZERO)];
        let facts = ends::write(&self.pool, &finished).await?;
        tracing::info!(delivery.id = %in_hand.delivery.id, "found in the provider's list");
        ends::publish(&self.outbox, facts).await;
        Ok(())
    }
}
