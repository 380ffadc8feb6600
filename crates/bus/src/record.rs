//! Records as they go into the log and come out of it.

use bytes::Bytes;
use contract::{Classified, Event, EventId, FailureClass, Topic};
use futures::future::BoxFuture;

/// Header that carries the event id, so that duplicates show without decoding.
pub(crate) const EVENT_ID_HEADER: &str = "event_id";

/// Record headers, in order. A name may repeat; [`Headers::get`] takes the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Bytes)>);

impl Headers {
    pub fn insert(&mut self, name: &str, value: impl Into<Bytes>) {
        self.0.retain(|(existing, _)| existing != name);
        self.0.push((name.to_owned(), value.into()));
    }

    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.0.iter().rev().find(|(existing, _)| existing == name).map(|(_, value)| value)
    }

    /// The value as text; `None` when absent or not UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl FromIterator<(String, Bytes)> for Headers {
    fn from_iter<I: IntoIterator<Item = (String, Bytes)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// One record to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: Topic,
    pub key: String,
    pub event_id: EventId,
    pub headers: Headers,
    pub payload: Bytes,
}

impl Record {
    /// The record of an event, with its id and the current trace in the headers.
    pub fn of<E: Event>(event: &E) -> Self {
        let event_id = event.meta().event_id;
        let mut headers = Headers::default();
        headers.insert(EVENT_ID_HEADER, event_id.to_string());
        crate::trace::inject(&mut headers);
        Self {
            topic: event.topic(),
            key: event.key().into_owned(),
            event_id,
            headers,
            payload: event.encode(),
        }
    }
}

/// Where a record stood when a consumer received it.
#[derive(Debug, Clone)]
pub struct Received {
    pub topic: Topic,
    pub partition: i32,
    pub offset: i64,
    pub key: String,
    pub headers: Headers,
    /// 1 at the first try.
    pub attempt: u32,
}

/// Puts records into the log.
pub trait Publisher: Send + Sync + 'static {
    /// Enqueues in order and returns once the log has acknowledged all of them.
    /// After an error any of them may still arrive.
    fn publish_all(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), PublishError>>;
}

/// Why the log has not confirmed a record.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Broker or database away, time-out, or the local buffer is full.
    #[error("the log is unavailable")]
    Unavailable(#[source] anyhow::Error),
    /// Over the topic's `max.message.bytes`; trying again cannot help.
    #[error("the record for {topic} is too large: {bytes} bytes")]
    TooLarge { topic: Topic, bytes: usize },
}

impl Classified for PublishError {
    fn class(&self) -> FailureClass {
        match self {
            PublishError::Unavailable(_) => FailureClass::Unavailable,
            PublishError::TooLarge { .. } => FailureClass::Reject,
        }
    }
}
