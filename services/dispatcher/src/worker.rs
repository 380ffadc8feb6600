//! Sends what is due at one outlet: begin, send, finish, many at a time.

use std::time::Duration;

use bus::{Headers, Record};
use chrono::{DateTime, Utc};
use contract::{Author, Classified as _, EventMeta, Fact, FailureClass, MetricFact};
use sqlx::PgPool;
use store::deliveries::{self, Begun, Ending, Finished};
use store::outbox::OutboxPublisher;
use store::{Error, retry_serialization};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::SERVICE;
use crate::outlet::{Outlet, SendError, Wakers};

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

/// A delivery in this worker's hands, with the span that continues its trace.
struct InHand {
    delivery: Begun,
    span: Span,
}

impl Worker {
    pub fn new(outlet: Outlet, pool: PgPool, outbox: OutboxPublisher, wakers: Wakers) -> Self {
        Self { outlet, pool, outbox, wakers }
    }

    /// Works until shutdown. While the database is away it waits, and goes on.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        // Rounds in a row that could do nothing of what they should.
        let mut in_vain = 0;
        while !shutdown.is_cancelled() {
            let next_round = Instant::now() + PACE;
            let (wait, wakes) = match self.step().await {
                Ok((step, facts)) => {
                    self.publish(facts).await;
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
                () = self.wakers.woken(self.outlet), if wakes => {}
                () = shutdown.cancelled() => {}
            }
            tokio::time::sleep_until(next_round).await;
        }
        Ok(())
    }

    /// One round: begins what is due, sends it, records the ends. Returns what is
    /// to be published.
    pub async fn step(&self) -> Result<(Step, Vec<Record>), Error> {
        let look = retry_serialization(|| {
            deliveries::begin(&self.pool, self.outlet.as_str(), BATCH, LEASE)
        })
        .await?;
        let begun_at = Instant::now();
        for id in &look.cancelled {
            tracing::info!(delivery.id = %id, "cancelled: a person acted first");
        }
        let met = look.begun.len() + look.cancelled.len();
        let step = match look.skipped {
            _ if look.has_more => Step::More,
            0 => Step::Idle,
            _ if met > 0 => Step::More,
            _ => Step::Blocked,
        };
        if look.begun.is_empty() {
            return Ok((step, Vec::new()));
        }
        let mut finished = Vec::with_capacity(look.begun.len());
        let mut spans = Vec::with_capacity(look.begun.len());
        for delivery in look.begun {
            let in_hand = self.take_in_hand(delivery);
            let result = self.outlet.send(&in_hand.delivery).await;
            finished.push(in_hand.finished(result, begun_at.elapsed()));
            spans.push(in_hand.span);
        }
        let written =
            retry_serialization(|| deliveries::finish(&self.pool, SERVICE, &finished)).await?;
        drop(spans);
        let records =
            finished.into_iter().flat_map(|end| end.first_reply.into_iter().chain(end.records));
        Ok((step, records.filter(|record| written.contains(&record.event_id)).collect()))
    }

    fn take_in_hand(&self, delivery: Begun) -> InHand {
        let span = tracing::info_span!(
            "deliver",
            delivery.id = %delivery.id,
            delivery.outlet = self.outlet.as_str(),
            conversation.id = %delivery.conversation_id,
        );
        if let Some(traceparent) = delivery.traceparent.as_ref().filter(|_| !span.is_disabled()) {
            let mut headers = Headers::default();
            headers.insert("traceparent", traceparent.clone());
            // Fails only where no telemetry is installed.
            drop(span.set_parent(bus::trace::extract(&headers)));
        }
        InHand { delivery, span }
    }

    /// What is not published here stays in the outbox for the relay.
    async fn publish(&self, facts: Vec<Record>) {
        if let Err(error) = self.outbox.publish(facts).await {
            tracing::warn!(error.cause_chain = chain(&error), "facts wait in the outbox");
        }
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

impl InHand {
    /// The end of this try, in the database's time: when it began, and how long ago
    /// that was.
    fn finished(&self, result: Result<Option<String>, SendError>, elapsed: Duration) -> Finished {
        let delivery = &self.delivery;
        let at = delivery.begun_at + elapsed;
        let is_reply = delivery.hand_off.is_none()
            && (delivery.author == Author::Person || delivery.last_seq > 0);
        let (ending, fact) = match result {
            Ok(provider_id) => (Ending::Accepted { provider_id }, None),
            Err(SendError::Again { after, reason }) => (Ending::Again { after, reason }, None),
            Err(SendError::Refused(reason)) => {
                let fact =
                    self.fact("send-failed", at, Fact::SendFailed { reason: reason.clone() });
                (Ending::Failed { reason }, Some(fact))
            }
        };
        let first_reply = delivery
            .unanswered_since
            .filter(|_| is_reply && matches!(ending, Ending::Accepted { .. }))
            .map(|since| self.first_reply(since, at));
        Finished {
            id: delivery.id,
            conversation_id: delivery.conversation_id,
            attempt: delivery.attempt,
            at,
            ending,
            is_reply,
            first_reply,
            records: fact.into_iter().collect(),
        }
    }

    /// One per conversation, whichever of its deliveries comes first.
    fn first_reply(&self, since: DateTime<Utc>, at: DateTime<Utc>) -> Record {
        let conversation_id = self.delivery.conversation_id;
        // The two clocks may differ by more than a quick answer takes.
        let latency = (at - since).to_std().unwrap_or_default();
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.record(MetricFact {
            meta: EventMeta::derived(conversation_id, "first-reply", at),
            channel: self.delivery.channel,
            conversation_id: Some(conversation_id),
            fact: Fact::FirstReplyDelivered { latency_us },
        })
    }

    fn fact(&self, role: &str, at: DateTime<Utc>, fact: Fact) -> Record {
        self.record(MetricFact {
            meta: EventMeta::derived(self.delivery.id, role, at),
            channel: self.delivery.channel,
            conversation_id: Some(self.delivery.conversation_id),
            fact,
        })
    }

    fn record(&self, fact: MetricFact) -> Record {
        self.span.in_scope(|| Record::of(&fact))
    }
}

/// Twice as long with every round in vain after the first.
fn doubled(pause: Duration, in_vain: u32) -> Duration {
    pause.saturating_mul(1 << in_vain.saturating_sub(1).min(10))
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
