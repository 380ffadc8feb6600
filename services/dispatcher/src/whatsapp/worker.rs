//! Sends what is due to WhatsApp: several requests at a time, none of which makes the
//! others wait.

use std::sync::Arc;
use std::time::Duration;

use channels::twilio::client::{REQUEST_LIMIT, Sent, Text, TwilioClient};
use channels::twilio::errors::{Action, Meaning};
use channels::twilio::window::OpenWindow;
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

use super::pace::Pace;
use super::{OUTLET, SUPPORT_QUEUE, is_failure, successor};
use crate::ends;
use crate::in_hand::{FIRST_LOOK, InHand, chain};
use crate::outlet::Wakers;

/// How often a worker looks for what another replica has written down.
const IDLE: Duration = Duration::from_millis(250);

/// The pause while the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

/// The first and the longest pause of a delivery whose request was not taken.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What free text needs, for a person who reads why a reply did not go.
const WINDOW_CLOSED: &str = "outside WhatsApp's 24-hour window: free text can go only after the \
                             customer writes again";

/// How much at once, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// Requests under way; far below what one account may have (about 100).
    pub at_once: usize,
    /// Requests started per second; a sender takes 80 messages.
    pub per_second: u32,
    /// How long a begun delivery belongs to its worker: a request that starts in its
    /// first half has ended before its second does.
    pub lease: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { at_once: 16, per_second: 40, lease: 2 * REQUEST_LIMIT + Duration::from_secs(5) }
    }
}

/// Sends an account's deliveries.
pub struct WhatsappWorker {
    pool: PgPool,
    outbox: OutboxPublisher,
    wakers: Wakers,
    client: Arc<TwilioClient>,
    pace: Arc<Pace>,
    tuning: Tuning,
}

impl WhatsappWorker {
    pub fn new(
        pool: PgPool,
        outbox: OutboxPublisher,
        wakers: Wakers,
        client: Arc<TwilioClient>,
        tuning: Tuning,
    ) -> Self {
        let pace = Arc::new(Pace::new(tuning.per_second));
        Self { pool, outbox, wakers, client, pace, tuning }
    }

    /// Works until shutdown; then what is under way may end. What was sent and cannot
    /// be written down is tried until it can.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut under_way = JoinSet::new();
        let mut ended = Vec::new();
        while !shutdown.is_cancelled() {
            let wait = match self.round(&mut under_way, &mut ended).await {
                Ok(0) => IDLE,
                // What was met may have had others behind it.
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    tracing::warn!(error.cause_chain = chain(&error), "deliveries wait");
                    OUTAGE_PAUSE
                }
            };
            let has_room = under_way.len() < self.tuning.at_once;
            tokio::select! {
                Some(joined) = under_way.join_next() => ended.extend(joined.ok()),
                () = tokio::time::sleep(wait) => {}
                () = self.wakers.woken(OUTLET), if has_room && ended.is_empty() => {}
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
    pub async fn step(&self) -> Result<usize, Error> {
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
        let room = self.tuning.at_once.saturating_sub(under_way.len());
        if room == 0 {
            return Ok(0);
        }
        let lease = self.tuning.lease;
        let look = retry_serialization(|| {
            delivery_sends::begin(&self.pool, OUTLET, room, lease, FIRST_LOOK)
        })
        .await?;
        let begun_at = Instant::now();
        let met = look.begun.len() + look.cancelled.len() + look.doubtful.len();
        for id in &look.cancelled {
            tracing::info!(delivery.id = %id, "cancelled: a person acted first, or opted out");
        }
        for id in &look.doubtful {
            tracing::warn!(delivery.id = %id, "a worker stopped while sending");
        }
        for begun in look.begun {
            let attempt = Attempt {
                client: Arc::clone(&self.client),
                pace: Arc::clone(&self.pace),
                // Past half its lease a worker starts no request.
                start_until: begun_at + lease / 2,
                begun_at,
            };
            under_way.spawn(attempt.run(begun));
        }
        Ok(met)
    }

    /// Writes the ends of tries down, and publishes what follows.
    async fn write(&self, ended: &mut Vec<Finished>) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let facts = ends::write(&self.pool, ended).await?;
        ended.clear();
        ends::publish(&self.outbox, facts).await;
        Ok(())
    }
}

/// One try.
struct Attempt {
    client: Arc<TwilioClient>,
    pace: Arc<Pace>,
    start_until: Instant,
    begun_at: Instant,
}

impl Attempt {
    async fn run(self, begun: BegunSend) -> Finished {
        let in_hand = InHand::new(begun.delivery.clone(), OUTLET);
        let end = self.send(&begun).instrument(in_hand.span.clone()).await;
        in_hand.finished(end, self.begun_at.elapsed())
    }

    async fn send(&self, begun: &BegunSend) -> Ending {
        let delivery = &begun.delivery;
        let Some(to) = begun.address.as_deref() else {
            return failed("the conversation has no address");
        };
        if delivery.body.trim().is_empty() {
            return failed("the text is empty");
        }
        let Some(window) = OpenWindow::at(delivery.begun_at, begun.last_inbound_at) else {
            return failed(WINDOW_CLOSED);
        };
        let late = || {
            let reason = "its turn did not come in time".to_owned();
            Ending::Again { after: Duration::ZERO, reason }
        };
        let Some(start) = self.pace.start(Instant::now(), self.start_until) else {
            return late();
        };
        tokio::time::sleep_until(start).await;
        // A process that was stopped meanwhile wakes up later than that.
        if Instant::now() >= self.start_until {
            return late();
        }
        let text = Text {
            delivery_id: delivery.id,
            to,
            from: begun.our_address.as_deref(),
            body: &delivery.body,
        };
        let sent = self.client.send(&window, text).await;
        self.end(sent, delivery.id, delivery.attempt)
    }

    fn end(&self, sent: Sent, id: DeliveryId, attempt: i32) -> Ending {
        match sent {
            Sent::Accepted { status, error_code, .. } if is_failure(&status) => {
                refused(id, self.client.table().meaning(error_code))
            }
            Sent::Accepted { sid, .. } => Ending::Accepted { provider_id: Some(sid) },
            Sent::Again { after, reason } => {
                let after = after.unwrap_or_else(|| back_off(id, attempt));
                tracing::info!(delivery.id = %id, reason, "not sent, comes again");
                Ending::Again { after, reason }
            }
            Sent::Refused(meaning) => refused(id, meaning),
            Sent::Unknown { reason } => {
                tracing::warn!(delivery.id = %id, reason, "the outcome of a send is unknown");
                Ending::Unknown { look_after: FIRST_LOOK, reason }
            }
        }
    }
}

fn failed(reason: &str) -> Ending {
    Ending::Failed { reason: reason.to_owned(), hands_over_to: Some(SUPPORT_QUEUE) }
}

fn refused(id: DeliveryId, meaning: Meaning) -> Ending {
    if meaning.action == Action::Settings {
        tracing::error!(delivery.id = %id, reason = meaning.reason, "a setting must be mended");
    } else {
        tracing::warn!(delivery.id = %id, reason = meaning.reason, "a send was refused");
    }
    Ending::Failed { hands_over_to: successor(&meaning), reason: meaning.reason }
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
    fn a_request_that_starts_in_time_has_ended_before_its_lease() {
        let tuning = Tuning::default();

        assert!(tuning.lease / 2 + REQUEST_LIMIT < tuning.lease);
    }

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
