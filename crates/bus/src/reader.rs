//! Reading a topic for people: from a place, by key, with or without a group.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use contract::Topic;
use futures::future::BoxFuture;

use crate::bus::BusError;
use crate::record::Headers;

/// Where a reader without a group, or with a new one, starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    Beginning,
    Latest,
    /// The first record that the log took at or after this instant.
    Timestamp(DateTime<Utc>),
}

/// What to read.
#[derive(Debug, Clone)]
pub struct ReadSettings {
    pub topic: Topic,
    pub from: ReadFrom,
    /// Only records of this key.
    pub key: Option<String>,
    /// Whether to wait for more at the end; else the reader ends at the end that
    /// the topic had when it started.
    pub follow: bool,
    /// A group to resume: reading goes on where its last reader stopped.
    pub group: Option<String>,
}

impl ReadSettings {
    pub fn new(topic: Topic) -> Self {
        Self { topic, from: ReadFrom::Beginning, key: None, follow: false, group: None }
    }
}

/// A record with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRecord {
    pub topic: Topic,
    pub partition: i32,
    pub offset: i64,
    /// When the log took it.
    pub at: DateTime<Utc>,
    pub key: String,
    pub headers: Headers,
    pub payload: Bytes,
}

/// What a backend gives a [`Reader`].
pub(crate) trait ReadRecords: Send {
    /// The next record; `None` at the end of a reader that does not follow.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<ReadRecord>, BusError>>;

    /// Makes the group's place durable and leaves it.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), BusError>>;
}

/// Reads one topic, whichever backend stands behind it.
pub struct Reader(Box<dyn ReadRecords>);

impl Reader {
    pub(crate) fn new(backend: impl ReadRecords + 'static) -> Self {
        Self(Box::new(backend))
    }

    /// The next record; `None` at the end of a reader that does not follow. A reader
    /// of a group counts a record as read when the next one is asked for.
    pub async fn next(&mut self) -> Result<Option<ReadRecord>, BusError> {
        self.0.next().await
    }

    /// Makes the group's place durable; without a group there is nothing to do.
    pub async fn close(self) -> Result<(), BusError> {
        self.0.close().await
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
