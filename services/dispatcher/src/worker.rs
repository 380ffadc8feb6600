//! Sends what is due at one outlet: begin, send, finish, many at a time.

use std::time::Duration;

use bus::Record;
use contract::{Channel, Classified as _, FailureClass};
use sqlx::PgPool;
use store::channel_configs::ChannelConfigs;
use store::deliveries::{self, Ending};
use store::outbox::OutboxPublisher;
use store::{Error, retry_serialization};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ends;
use crate::in_hand::{InHand, chain};
use crate::outlet::{Outlet, Wakers};

/// Deliveries in one round: enough to share round trips, few enough that a round
/// is over within milliseconds.
const BATCH: usize = 256;

/// How soon one round follows another. What comes meanwhile goes together; the first
/// after a pause goes at once.
const PACE: Duration = Duration::from_millis(5);

/// How long a begun delivery belongs to its worker.
const LEASE: Duration = Duration::from_secs(30);

/// How often a worker looks for what another replica has written down.
const IDLE: Duration = Duration::from_millis(250);

/// How soon it looks again at a conversation that was locked; doubled each time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(4);

/// The longest pause while the database is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Sends an outlet's deliveries.
pub struct Worker {
    outlet: Outlet,
    pool: PgPool,
    outbox: OutboxPublisher,
    wakers: Wakers,
    configs: ChannelConfigs,
}

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing more is due.
    Idle,
    /// What is due belongs to conversations that are locked in this moment.
    Blocked,
    /// There is more.
    More,
}

impl Worker {
    pub fn new(
        outlet: Outlet,
        pool: PgPool,
        outbox: OutboxPublisher,
        wakers: Wakers,
        configs: ChannelConfigs,
    ) -> Self {
        Self { outlet, pool, outbox, wakers, configs }
    }

    /// Works until shutdown. While the database is away it waits, and goes on.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        // Rounds in a row that could do nothing of what they should.
        let mut in_vain = 0;
        while !shutdown.is_cancelled() {
            let next_round = Instant::now() + PACE;
            let (wait, wakes) = match self.step().await {
                Ok((step, facts)) => {
                    ends::publish(&self.outbox, facts).await;
                    in_vain = if step == Step::Blocked { in_vain + 1 } else { 0 };
                    match step {
                        Step::Idle => (IDLE, true),
                        Step::Blocked => (doubled(SHORTEST_PAUSE, in_vain).min(IDLE), true),
                        Step::More => (Duration::ZERO, true),
                    }
                }
                Err(error) => {
                    self.report(&error);
                    in_vain += 1;
                    (doubled(IDLE, in_vain).min(LONGEST_PAUSE), false)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wakers.woken(self.outlet.as_str()), if wakes => {}
                () = shutdown.cancelled() => {}
            }
            tokio::time::sleep_until(next_round).await;
        }
        Ok(())
    }

    /// One round: begins what is due, sends it, records the ends. Returns what is
    /// to be published.
    pub async fn step(&self) -> Result<(Step, Vec<Record>), Error> {
        // A hand-off is no channel's: people are told whatever is switched off.
        if self.outlet == Outlet::WebForm && !self.configs.get(Channel::WebForm).enabled {
            return Ok((Step::Idle, Vec::new()));
        }
        let look = retry_serialization(|| {
            deliveries::begin(&self.pool, self.outlet.as_str(), BATCH, LEASE)
        })
        .await?;
        let begun_at = Instant::now();
        for id in &look.cancelled {
            tracing::info!(delivery.id = %id, "cancelled: a person acted first");
        }
        let met = look.begun.len() + look.cancelled.len();
        let step = match (met, look.skipped) {
            (0, 1..) => Step::Blocked,
            (_, 1..) => Step::More,
            (_, 0) if look.has_more => Step::More,
            (_, 0) => Step::Idle,
        };
        if look.begun.is_empty() {
            return Ok((step, Vec::new()));
        }
        bus::crash_point("page.begun");
        let mut finished = Vec::with_capacity(look.begun.len());
        let mut spans = Vec::with_capacity(look.begun.len());
        for delivery in look.begun {
            let in_hand = InHand::new(delivery, self.outlet.as_str());
            let end = match self.outlet.send(&in_hand.delivery).await {
                Ok(()) => Ending::Accepted { provider_id: None },
                Err(error) => Ending::Failed {
                    reason: error.to_string(),
                    hands_over_to: None,
                    provider_id: None,
                },
            };
            finished.push(in_hand.finished(end, begun_at.elapsed()));
            spans.push(in_hand.span);
        }
        let facts = ends::write(&self.pool, &finished).await?;
        bus::crash_point("page.written");
        drop(spans);
        Ok((step, facts))
    }

    fn report(&self, error: &Error) {
        let outlet = self.outlet.as_str();
        match error.class() {
            FailureClass::Unavailable => tracing::warn!(
                delivery.outlet = outlet,
                error.cause_chain = chain(error),
                "deliveries wait"
            ),
            FailureClass::Retry | FailureClass::Reject => tracing::error!(
                delivery.outlet = outlet,
                error.cause_chain = chain(error),
                "a round of deliveries failed"
            ),
        }
    }
}

/// Twice as long with every round in vain after the first.
fn doubled(pause: Duration, in_vain: u32) -> Duration {
    pause.saturating_mul(1 << in_vain.saturating_sub(1).min(10))
}
