//! Sends what is due at the outlet of a provider: several tries at a time, none of which
//! makes the others wait.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contract::DeliveryId;
use sqlx::PgPool;
use store::deliveries::{Ending, Finished};
use store::delivery_sends::{self, BegunSend};
use store::outbox::OutboxPublisher;
use store::{Error, retry_serialization};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::ends;
use crate::in_hand::{HOLD, InHand, chain};
use crate::outlet::Wakers;

/// Where a conversation waits whose reply could not be sent: the queue of the policy
/// for what belongs to nobody in particular.
pub(crate) const SUPPORT_QUEUE: &str = "Support Queue";

/// How often a worker looks for what another replica has written down.
const IDLE: Duration = Duration::from_millis(250);

/// The pause while the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

/// The first and the longest pause of a delivery whose request was not taken.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A way to send one delivery, which takes time and may end in doubt.
pub(crate) trait Provider: Send + Sync + 'static {
    /// As the deliveries' outlet is called.
    const OUTLET: &'static str;

    /// How many of the free places may be filled now.
    fn room(&self, free: usize) -> usize {
        free
    }

    /// One try. It starts no request from `start_until` on.
    fn send(&self, begun: &BegunSend, start_until: Instant) -> impl Future<Output = Ending> + Send;
}

/// How much at once, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Tries under way.
    pub(crate) at_once: usize,
    /// How long a begun delivery belongs to its worker.
    pub(crate) lease: Duration,
}

/// Sends the deliveries of one outlet.
pub(crate) struct Sender<P> {
    pool: PgPool,
    outbox: OutboxPublisher,
    wakers: Wakers,
    provider: Arc<P>,
    bounds: Bounds,
}

impl<P: Provider> Sender<P> {
    pub(crate) fn new(
        pool: PgPool,
        outbox: OutboxPublisher,
        wakers: Wakers,
        provider: P,
        bounds: Bounds,
    ) -> Self {
        Self { pool, outbox, wakers, provider: Arc::new(provider), bounds }
    }

    /// Works until shutdown; then what is under way may end. What was sent and cannot
    /// be written down is tried until it can.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut under_way = JoinSet::new();
        let mut ended = Vec::new();
        while !shutdown.is_cancelled() {
            let wait = match self.round(&mut under_way, &mut ended).await {
                Ok(0) => IDLE,
                // What was met may have had others behind it.
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    tracing::warn!(
                        delivery.outlet = P::OUTLET,
                        error.cause_chain = chain(&error),
                        "deliveries wait"
                    );
                    OUTAGE_PAUSE
                }
            };
            let has_room = under_way.len() < self.bounds.at_once;
            tokio::select! {
                Some(joined) = under_way.join_next() => ended.extend(joined.ok()),
                () = tokio::time::sleep(wait) => {}
                () = self.wakers.woken(P::OUTLET), if has_room && ended.is_empty() => {}
                () = shutdown.cancelled() => {}
            }
        }
        while let Some(joined) = under_way.join_next().await {
            ended.extend(joined.ok());
        }
        self.write(&mut ended).await?;
        Ok(())
    }

    /// Begins what is due and waits for all of it. Returns how many it has met.
    pub(crate) async fn step(&self) -> Result<usize, Error> {
        let mut under_way = JoinSet::new();
        let met = self.begin(&mut under_way).await?;
        let mut ended: Vec<_> = under_way.join_all().await;
        self.write(&mut ended).await?;
        Ok(met)
    }

    async fn round(
        &self,
        under_way: &mut JoinSet<Finished>,
        ended: &mut Vec<Finished>,
    ) -> Result<usize, Error> {
        while let Some(joined) = under_way.try_join_next() {
            ended.extend(joined.ok());
        }
        self.write(ended).await?;
        self.begin(under_way).await
    }

    async fn begin(&self, under_way: &mut JoinSet<Finished>) -> Result<usize, Error> {
        let free = self.bounds.at_once.saturating_sub(under_way.len());
        let room = self.provider.room(free);
        if room == 0 {
            return Ok(0);
        }
        let lease = self.bounds.lease;
        let look =
            retry_serialization(|| delivery_sends::begin(&self.pool, P::OUTLET, room, lease, HOLD))
                .await?;
        if !look.begun.is_empty() {
            bus::crash_point("send.begun");
        }
        let begun_at = Instant::now();
        let met =
            look.begun.len() + look.cancelled.len() + look.unstarted.len() + look.doubtful.len();
        for id in &look.cancelled {
            tracing::info!(delivery.id = %id, "cancelled: a person acted first, or opted out");
        }
        for id in &look.unstarted {
            tracing::info!(delivery.id = %id, "waits again: a worker stopped before it sent it");
        }
        for id in &look.doubtful {
            tracing::warn!(delivery.id = %id, "a worker stopped while sending");
        }
        for begun in look.begun {
            let provider = Arc::clone(&self.provider);
            under_way.spawn(async move {
                let in_hand = InHand::new(begun.delivery.clone(), P::OUTLET);
                let span = in_hand.span.clone();
                // Past half its lease a worker starts no request.
                let end = provider.send(&begun, begun_at + lease / 2).instrument(span).await;
                bus::crash_point("send.answered");
                in_hand.finished(end, begun_at.elapsed())
            });
        }
        Ok(met)
    }

    /// Writes the ends of tries down, and publishes what follows.
    async fn write(&self, ended: &mut Vec<Finished>) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let facts = ends::write(&self.pool, ended).await?;
        bus::crash_point("send.written");
        ended.clear();
        ends::publish(&self.outbox, facts).await;
        Ok(())
    }
}

/// It can never be sent: a person goes on.
pub(crate) fn failed(reason: impl Into<String>) -> Ending {
    let hands_over_to = Some(SUPPORT_QUEUE);
    Ending::Failed { reason: reason.into(), hands_over_to, provider_id: None }
}

/// Its lease was too far gone to start a request.
pub(crate) fn late() -> Ending {
    let reason = "its turn did not come in time".to_owned();
    Ending::Again { after: Duration::ZERO, reason }
}

/// The database is away before anything was sent.
pub(crate) fn unreachable(error: &Error) -> Ending {
    Ending::Again { after: OUTAGE_PAUSE, reason: chain(error) }
}

/// It was certainly not sent; the provider may say how long to wait.
pub(crate) fn again(
    after: Option<Duration>,
    reason: String,
    id: DeliveryId,
    attempt: i32,
) -> Ending {
    let after = after.unwrap_or_else(|| back_off(id, attempt));
    tracing::info!(delivery.id = %id, reason, "not sent, comes again");
    Ending::Again { after, reason }
}

/// Twice as long with every try, up to a tenth more by delivery: those that failed
/// together do not come again together.
fn back_off(id: DeliveryId, attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or_default().min(12);
    let wait = SHORTEST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    let share = u32::from(id.as_uuid().as_bytes().first().copied().unwrap_or_default());
    wait + wait.mul_f64(f64::from(share) / 2550.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_with_every_try_and_differs_by_delivery() {
        let id = |name: &str| DeliveryId::named(name);

        for (attempt, least) in [(1, 100), (2, 200), (9, 25_600), (10, 30_000), (500, 30_000)] {
            let wait = back_off(id("x"), attempt);
            let least = Duration::from_millis(least);
            assert!((least..=least.mul_f64(1.11)).contains(&wait), "{attempt}: {wait:?}");
        }
        assert_ne!(back_off(id("x"), 3), back_off(id("y"), 3));
    }
}
