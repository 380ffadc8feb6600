//! The seam between the runner and a backend: one member of one group on one topic.

use std::future::Future;

use bytes::Bytes;

use crate::record::Headers;

/// A record as the backend hands it over, not decoded yet.
#[derive(Debug, Clone)]
pub(crate) struct RawRecord {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: String,
    pub(crate) headers: Headers,
    pub(crate) payload: Bytes,
    /// When the log took it, milliseconds since the epoch.
    pub(crate) timestamp_ms: i64,
}

#[derive(Debug)]
pub(crate) enum SourceEvent {
    Records(Vec<RawRecord>),
    /// Partitions gained: reading goes on at each one's committed offset.
    Assigned(Vec<i32>),
    /// Partitions gone: results for them must be dropped, never committed.
    Revoked(Vec<i32>),
}

/// A backend's error on the consuming side.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// Broker or database away; calling again may succeed.
    #[error("the log is unavailable")]
    Unavailable(#[source] anyhow::Error),
    /// Nothing will help but a person: authentication, a fenced member.
    #[error("the log refused the consumer")]
    Fatal(#[source] anyhow::Error),
}

/// One member of a consumer group. Dropping it without [`Source::close`] is a crash.
pub(crate) trait Source: Send + 'static {
    /// Waits for records or an assignment change. Cancel-safe. Must be called
    /// often, also while every partition is paused.
    fn next(&mut self) -> impl Future<Output = Result<SourceEvent, SourceError>> + Send;

    /// Stops reading this partition; what was fetched and not handed over is read again.
    fn pause(&mut self, partition: i32);

    fn resume(&mut self, partition: i32);

    /// Marks everything below `next_offset` as finished; made durable soon and at
    /// [`Source::flush`]. A partition no longer owned is skipped in silence.
    fn finish(&mut self, partition: i32, next_offset: i64);

    /// Makes every finished offset durable now.
    fn flush(&mut self) -> impl Future<Output = Result<(), SourceError>> + Send;

    /// Leaves the group after a flush.
    fn close(self) -> impl Future<Output = Result<(), SourceError>> + Send;
}
