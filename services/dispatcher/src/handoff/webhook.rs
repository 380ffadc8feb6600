//! Tells the endpoint what is due. An attempt whose end could not be written down comes
//! again after its lease, under the same id, by which the receiver knows it.

use std::sync::Arc;
use std::time::Duration;

use channels::handoff::endpoint::{Endpoint, REQUEST_LIMIT, Told};
use sqlx::PgPool;
use store::hand_off_notices::{self, End, Notice, Way};
use store::{Error, retry_serialization};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Ways, escalation, report, schedule};
use crate::in_hand::chain;

/// Requests under way: one that hangs holds back few others.
const AT_ONCE: i64 = 8;

/// How often a replica looks for what is due.
const PACE: Duration = Duration::from_millis(500);

/// The pause while the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_secs(5);

/// How long what is under way may go on after the order to stop.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// How long an endpoint with too much to do is left alone when it does not say.
const THROTTLE: Duration = Duration::from_secs(30);

/// From this attempt on a person is told by mail as well.
const MAIL_FROM: i32 = 2;

/// How long an attempt belongs to its worker.
#[derive(Debug, Clone, Copy)]
pub struct HandoffTuning {
    /// A request that starts in its first half has ended before its second does.
    pub lease: Duration,
}

impl Default for HandoffTuning {
    fn default() -> Self {
        Self { lease: 2 * REQUEST_LIMIT + Duration::from_secs(20) }
    }
}

/// Tells one endpoint.
#[derive(Clone)]
pub struct HandoffWebhook {
    pool: PgPool,
    endpoint: Arc<Endpoint>,
    /// The endpoint without its URL.
    fingerprint: Arc<str>,
    /// Where people find conversations, without a trailing slash.
    origin: Arc<str>,
    ways: Ways,
    tuning: HandoffTuning,
}

impl HandoffWebhook {
    pub fn new(
        pool: PgPool,
        endpoint: Endpoint,
        origin: &str,
        ways: Ways,
        tuning: HandoffTuning,
    ) -> Self {
        let fingerprint = endpoint.fingerprint().into();
        let endpoint = Arc::new(endpoint);
        Self { pool, endpoint, fingerprint, origin: origin.into(), ways, tuning }
    }

    /// Tells until shutdown.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let stopped = async {
            shutdown.cancelled().await;
            tokio::time::sleep(LAST_MOMENTS).await;
        };
        tokio::pin!(stopped);
        while !shutdown.is_cancelled() {
            let step = tokio::select! {
                step = self.step() => step,
                () = &mut stopped => return Ok(()),
            };
            let wait = match step {
                Ok(0) => PACE,
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    tracing::warn!(error.cause_chain = chain(&error), "hand-offs wait to be told");
                    OUTAGE_PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Begins what is due and waits for all of it. Returns how many it has met.
    pub async fn step(&self) -> Result<usize, Error> {
        let look = retry_serialization(|| {
            let (lease, mail) = (self.tuning.lease, self.ways.mail);
            hand_off_notices::begin(
                &self.pool,
                Way::Webhook,
                &self.fingerprint,
                AT_ONCE,
                lease,
                mail,
            )
        })
        .await?;
        let start_until = Instant::now() + self.tuning.lease / 2;
        if look.disabled > 0 {
            let count = look.disabled;
            tracing::error!(count, "hand-offs not told: the endpoint wants no more of them");
        }
        let met = look.begun.len() + look.obsolete + look.disabled;
        let mut under_way = JoinSet::new();
        for notice in look.begun {
            under_way.spawn(self.clone().attempt(notice, start_until));
        }
        // One that could not be written down ends no other.
        let mut written = Ok(());
        while let Some(joined) = under_way.join_next().await {
            written = written.and(joined.unwrap_or(Ok(())));
        }
        written.map(|()| met)
    }

    async fn attempt(self, notice: Notice, start_until: Instant) -> Result<(), Error> {
        // A process that was stopped meanwhile wakes up later than that.
        if Instant::now() >= start_until {
            return Ok(());
        }
        let escalation = escalation(&notice);
        let body = escalation.payload(&self.origin);
        let told = self.endpoint.tell(&escalation.webhook_id(), chassis::clock::now(), body).await;
        let end = end(told, &notice);
        let wants_mail = self.ways.has_mail_for(&notice.hand_off)
            && match &end {
                End::Delivered => false,
                End::Again { .. } => notice.attempt >= MAIL_FROM,
                End::GaveUp { .. } | End::Gone { .. } => true,
            };
        report(&notice, &end);
        retry_serialization(|| {
            let endpoint = &self.fingerprint;
            hand_off_notices::finish(&self.pool, &notice, Way::Webhook, endpoint, &end, wants_mail)
        })
        .await?;
        Ok(())
    }
}

fn end(told: Told, notice: &Notice) -> End {
    let (reason, after, throttled_for) = match told {
        Told::Delivered => return End::Delivered,
        Told::Gone => return End::Gone { reason: "it answered 410".to_owned() },
        Told::Failed { reason } => (reason, Duration::ZERO, None),
        Told::Throttled { after, reason } => {
            (reason, after.unwrap_or_default(), Some(after.unwrap_or(THROTTLE)))
        }
    };
    match schedule::wait(notice.attempt, notice.delivery_id) {
        Some(wait) => End::Again { after: wait.max(after), reason, throttled_for },
        None => End::GaveUp { reason },
    }
}
