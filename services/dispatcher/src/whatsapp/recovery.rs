//! Looks sends in doubt up in Twilio's list of messages.

use std::sync::Arc;

use channels::twilio::client::{Listed, TwilioClient};
use sqlx::PgPool;
use store::Error;
use store::deliveries::Ending;
use store::delivery_doubts::{self, Doubt};
use store::jobs::Schedule;
use store::outbox::OutboxPublisher;
use tokio_util::sync::CancellationToken;

use super::{is_failure, successor};
use crate::doubts::{self, Doubts, Look};

/// Looks doubts up in the provider's list.
pub struct Recovery(Doubts<TwilioList>);

/// The list of the account's messages.
struct TwilioList {
    pool: PgPool,
    client: Arc<TwilioClient>,
}

impl Recovery {
    pub fn new(pool: PgPool, outbox: OutboxPublisher, client: Arc<TwilioClient>) -> Self {
        let look = TwilioList { pool: pool.clone(), client };
        Self(Doubts::new(pool, outbox, look))
    }

    /// Looks until shutdown, on one replica at a time.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        self.0.run(shutdown).await
    }

    /// One round. Returns how many doubts it has settled.
    pub async fn step(&self) -> Result<usize, Error> {
        self.0.step().await
    }
}

impl Look for TwilioList {
    const OUTLET: &'static str = super::OUTLET;
    const SCHEDULE: Schedule =
        Schedule { name: "whatsapp-doubts", every: doubts::EVERY, lease: doubts::LEASE };

    /// By the oldest message that can only be this delivery's. That there is none proves
    /// nothing: it is looked for again.
    async fn look_up(&self, doubt: &Doubt) -> Result<Option<Ending>, Error> {
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
        let ours = found.into_iter().find(|listed| !linked.contains(&listed.sid));
        Ok(ours.map(|listed| self.end(listed)))
    }
}

impl TwilioList {
    fn end(&self, listed: Listed) -> Ending {
        if is_failure(&listed.status) {
            let meaning = self.client.table().meaning(listed.error_code);
            let provider_id = Some(listed.sid);
            Ending::Failed {
                hands_over_to: successor(&meaning),
                reason: meaning.reason,
                provider_id,
            }
        } else {
            Ending::Accepted { provider_id: Some(listed.sid) }
        }
    }
}
