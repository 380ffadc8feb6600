//! What a service gives the consumer runner, and what it may answer.

use std::future::Future;

use chrono::{DateTime, Utc};
use contract::{Classified, Event, FailureClass};

use crate::record::Received;

/// Handles events one by one. Events of one key come one after another.
pub trait Handler: Send + Sync + 'static {
    type Event: Event;

    fn handle(
        &self,
        event: Self::Event,
        received: &Received,
    ) -> impl Future<Output = Result<Outcome, Failure>> + Send;
}

/// Handles events many at a time. A batch holds what was waiting, in log order
/// per key; no two batches in flight share a key. A failed batch is handled
/// again event by event.
pub trait BatchHandler: Send + Sync + 'static {
    type Event: Event;

    fn handle_batch(
        &self,
        batch: Vec<(Self::Event, Received)>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A handled event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Come again at this instant, at most ten seconds away. The event stays
    /// unfinished, its key waits, no slot is held.
    DeferUntil(DateTime<Utc>),
}

/// An event that could not be handled now.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Database, log or a provider as a whole is away: the consumer starts
    /// nothing new and probes for ever. Never a dead letter.
    #[error("unavailable")]
    Unavailable(#[source] anyhow::Error),
    /// This event failed: again after 1, 5 and 30 s, then a dead letter.
    #[error("failed")]
    Retry(#[source] anyhow::Error),
    /// This event can never succeed: a dead letter now.
    #[error("rejected")]
    Reject(#[source] anyhow::Error),
}

/// `?` on an error that knows its class makes the right failure.
impl<E: Classified> From<E> for Failure {
    fn from(error: E) -> Self {
        let class = error.class();
        let error = anyhow::Error::new(error);
        match class {
            FailureClass::Unavailable => Failure::Unavailable(error),
            FailureClass::Retry => Failure::Retry(error),
            FailureClass::Reject => Failure::Reject(error),
        }
    }
}
