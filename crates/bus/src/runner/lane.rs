//! One key's waiting events, and what passes between the runner and a running handler.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use contract::Topic;
use tokio::time::Instant;

use super::gate::Ticket;
use super::intake;
use crate::record::Received;
use crate::source::RawRecord;

/// The lane of one key in one assignment of its partition. Never used again, so that a
/// result that outlives the assignment finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LaneId(pub(crate) u64);

/// One unfinished event.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) received: Received,
    pub(crate) payload: Bytes,
    pub(crate) bytes: usize,
}

impl Item {
    pub(crate) fn new(topic: Topic, record: RawRecord) -> Self {
        let RawRecord { partition, offset, key, headers, payload, timestamp_ms: _ } = record;
        let bytes = intake::cost(payload.len(), key.len());
        Self {
            received: Received { topic, partition, offset, key, headers, attempt: 0 },
            payload,
            bytes,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Stands in the ready queue.
    Ready,
    /// Its front events are with a handler.
    Running,
    /// Comes back at this instant: deferred, or between two tries.
    Waiting(Instant),
    /// Its front event is on the way to the dead letters.
    Burying,
}

#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) partition: i32,
    pub(crate) key: Arc<str>,
    pub(crate) queue: VecDeque<Item>,
    pub(crate) phase: Phase,
    /// This many events at the front were in a batch that failed: one at a time now.
    pub(crate) singly: usize,
    /// The front event's last failure, once it has no tries left.
    pub(crate) exhausted: Option<anyhow::Error>,
    /// Another key has succeeded since: the next failure is the last.
    pub(crate) is_released: bool,
}

/// Events for one call of the handler.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) ticket: Ticket,
    pub(crate) items: Vec<(LaneId, Item)>,
}

/// What came of one event of a job.
#[derive(Debug)]
pub(crate) enum Verdict {
    Done,
    /// Was not for this group, or was handled before: finished without a handler.
    Skip,
    Defer(Instant),
    /// Something everybody needs is away; the job carries the error.
    Unavailable,
    Retry(anyhow::Error),
    Reject(anyhow::Error),
    /// Parked behind an earlier dead letter of its key.
    Follow,
    /// Was not tried: an earlier event of its key, or its batch, failed first.
    Again,
    /// Its batch failed, and who is to blame is not known.
    Singly,
}

/// A job's results. Those of one lane stand in log order.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) ticket: Ticket,
    pub(crate) results: Vec<(LaneId, Item, Verdict)>,
    pub(crate) unavailable: Option<anyhow::Error>,
}
