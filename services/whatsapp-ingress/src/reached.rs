//! How far the identity-resolver has come in the log. What it has not read yet is not
//! stored yet, and is no gap for that.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bus::{BusError, Lag};
use chrono::{DateTime, Utc};
use contract::Topic;
use futures::future::BoxFuture;

/// The group that stores what this service publishes.
pub const RESOLVER: &str = "identity-resolver";

/// Asks the log how far its groups are; tests answer.
pub type Lags = Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Lag>, BusError>> + Send + Sync>;

/// The end of the log at some time.
struct Mark {
    at: DateTime<Utc>,
    /// By partition.
    ends: Vec<(i32, i64)>,
}

/// Remembers an end of the log until the resolver has come there: where messages never
/// stop it may never be at the newest end.
pub(crate) struct Reached {
    lags: Lags,
    mark: Mutex<Option<Mark>>,
}

impl Reached {
    pub(crate) fn new(lags: Lags) -> Self {
        Self { lags, mark: Mutex::new(None) }
    }

    /// A time before which everything that was in the log is stored; `None` while that
    /// cannot be said. Waiting loses nothing: what would be filled meanwhile would stand
    /// in the log behind what the resolver has not read.
    pub(crate) async fn by(&self, now: DateTime<Utc>) -> anyhow::Result<Option<DateTime<Utc>>> {
        let mut lags = (self.lags)().await.context("the log does not say how far it is read")?;
        lags.retain(|lag| lag.group == RESOLVER && lag.topic == Topic::WhatsappInbound);
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if lags.iter().all(|lag| lag.records() == 0) {
            *mark = None;
            return Ok(Some(now));
        }
        let has_passed = |(partition, end): &(i32, i64)| {
            lags.iter().all(|lag| lag.partition != *partition || lag.committed >= *end)
        };
        let passed = match &*mark {
            Some(mark) if !mark.ends.iter().all(has_passed) => return Ok(None),
            Some(mark) => Some(mark.at),
            None => None,
        };
        *mark =
            Some(Mark { at: now, ends: lags.iter().map(|lag| (lag.partition, lag.end)).collect() });
        Ok(passed)
    }
}
