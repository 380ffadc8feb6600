//! What every webhook of a provider does: bounds on calls and bodies, one record that
//! the log confirms, and the answer. Who may call is each provider's own matter.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest as _, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bus::{Publisher, Record};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contract::{DeadLetter, DeadLetterClass, Event, EventId, EventMeta};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{error, warn};

use crate::problem::Problem;

/// Calls worked on at once; the next ones are refused, so that memory stays bounded:
/// each holds at most one body.
const MOST_CALLS: usize = 1024;

/// Providers give a call ten to fifteen seconds in all.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Below the time after which a provider listens no more. The publisher has its own,
/// shorter limit; this one holds if it does not.
const LONGEST_PUBLISH: Duration = Duration::from_secs(12);

/// Seconds after which a call that was not confirmed may come again.
const RETRY_AFTER_S: u64 = 5;

/// Why a call is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The body is of another type than this one.
    MediaType(&'static str),
    TooLarge,
    TooSlow,
    /// The connection broke while the body came.
    Unreadable,
    Stranger(Stranger),
    /// Whether the caller is known cannot be said now.
    Unchecked,
    /// More calls at once than are worked on.
    Busy,
    /// The log did not confirm.
    Unconfirmed,
}

/// A call that is not the provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stranger {
    pub status: StatusCode,
    /// The word for it in metrics.
    pub reason: &'static str,
    /// All that the caller is told: which check failed is nobody's business.
    pub detail: &'static str,
}

impl Refusal {
    /// The word for it in metrics.
    fn as_str(self) -> &'static str {
        match self {
            Self::MediaType(_) => "media_type",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Unreadable => "unreadable",
            Self::Stranger(stranger) => stranger.reason,
            Self::Unchecked => "unchecked",
            Self::Busy => "busy",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::MediaType(expected) => {
                Problem::unsupported_media_type(format!("the body must be {expected}"))
            }
            Self::TooLarge => Problem::payload_too_large(),
            Self::TooSlow => Problem::request_timeout(),
            Self::Unreadable => Problem::bad_request("the body could not be read"),
            Self::Stranger(stranger) => Problem::new(stranger.status, stranger.detail),
            Self::Unchecked | Self::Busy | Self::Unconfirmed => Problem::unavailable(RETRY_AFTER_S),
        };
        problem.into_response()
    }
}

/// A call that was authenticated and is no event.
#[derive(Debug)]
pub struct Unusable<'a> {
    /// What stands where others name their topic.
    pub route: &'static str,
    /// The body as it came.
    pub body: &'a Bytes,
    /// Names the letter: a repeat of the call has the same.
    pub cause: EventId,
    pub key: String,
    /// Why, without anything of the call.
    pub error: String,
    pub now: DateTime<Utc>,
}

impl Unusable<'_> {
    /// The dead letter of this service that keeps it.
    pub fn letter(self, service: &str) -> DeadLetter {
        let role = format!("dead-letter:{service}");
        DeadLetter {
            meta: EventMeta::derived(self.cause, &role, self.now),
            // No topic: it never was an event, and nothing could read it as one.
            topic: self.route.to_owned(),
            partition: 0,
            offset: 0,
            group: service.to_owned(),
            key: self.key,
            headers: Vec::new(),
            payload: self.body.clone(),
            class: DeadLetterClass::Rejected,
            error: self.error,
            attempts: 1,
        }
    }
}

/// The part that all webhooks of a service share.
#[derive(Clone)]
pub struct Webhook {
    service: &'static str,
    publisher: Arc<dyn Publisher>,
    slots: Arc<Semaphore>,
    body_timeout: Duration,
    received: Counter<u64>,
    refused: Counter<u64>,
}

impl Webhook {
    /// `channel` is the word for it in the metrics' names. `body_timeout` is how long a
    /// call's body may take to come.
    pub fn new(
        service: &'static str,
        channel: &str,
        publisher: Arc<dyn Publisher>,
        body_timeout: Duration,
        meter: &Meter,
    ) -> Self {
        let counter = |name: &str, description: &'static str| {
            let name = format!("fte.{channel}.webhooks.{name}");
            meter.u64_counter(name).with_description(description).build()
        };
        Self {
            service,
            publisher,
            slots: Arc::new(Semaphore::new(MOST_CALLS)),
            body_timeout,
            received: counter("received", "calls that the log has, by what they became"),
            refused: counter("refused", "calls that were refused, by reason"),
        }
    }

    /// A place among the calls worked on; held until the answer.
    pub fn slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Refusal::Busy)
    }

    /// The body, within the router's limit and its time.
    pub async fn body(&self, request: Request) -> Result<Bytes, Refusal> {
        let read = tokio::time::timeout(self.body_timeout, Bytes::from_request(request, &()));
        read.await.map_err(|_| Refusal::TooSlow)?.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
            _ => Refusal::Unreadable,
        })
    }

    /// Counts a call that is not accepted.
    pub fn refused(&self, refusal: Refusal) {
        self.refused.add(1, &[KeyValue::new("reason", refusal.as_str())]);
    }

    /// Keeps what an authenticated call became, whatever it is: a refusal would lose it
    /// or have it come again for days. Answers once the log has it.
    pub async fn keep<E: Event>(
        &self,
        event: Result<E, Unusable<'_>>,
    ) -> Result<StatusCode, Refusal> {
        let kept = match event {
            Ok(event) => {
                let published = self.publish(Record::of(&event), event.meta().event_id).await;
                published.map(|()| "event")
            }
            Err(unusable) => {
                let letter = unusable.letter(self.service);
                let id = letter.meta.event_id;
                let published = self.publish(Record::of(&letter), id).await;
                published.map(|()| {
                    error!(
                        dead_letter.id = %id,
                        dead_letter.error = letter.error,
                        "webhook moved to the dead letters"
                    );
                    "dead_letter"
                })
            }
        };
        match kept {
            Ok(became) => self.received.add(1, &[KeyValue::new("became", became)]),
            Err(refusal) => {
                self.refused(refusal);
                return Err(refusal);
            }
        }
        Ok(StatusCode::NO_CONTENT)
    }

    /// Returns once the log has the record.
    async fn publish(&self, record: Record, id: EventId) -> Result<(), Refusal> {
        let publishing = self.publisher.publish_all(vec![record]);
        let cause = match tokio::time::timeout(LONGEST_PUBLISH, publishing).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => anyhow::Error::new(error),
            Err(elapsed) => anyhow::Error::new(elapsed),
        };
        warn!(event.id = %id, error.cause_chain = format!("{cause:#}"), "webhook not confirmed");
        Err(Refusal::Unconfirmed)
    }
}

/// Whether the body is said to be of this type.
pub fn is_of_type(headers: &HeaderMap, expected: &str) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(expected)
}

/// Of two headers nobody knows which one is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandsTwice;

/// A header that may stand once.
pub fn single(headers: &HeaderMap, name: &str) -> Result<Option<Vec<u8>>, StandsTwice> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.as_bytes().to_vec());
    if values.next().is_some() { Err(StandsTwice) } else { Ok(value) }
}
