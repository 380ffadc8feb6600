//! The rate of requests: each gets a moment to start at.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Pace {
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// The moment at which a request that is ready now may start; `None`, and nothing is
    /// taken, when that is not before `limit`.
    pub(crate) fn start(&self, per_second: u32, now: Instant, limit: Instant) -> Option<Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let start = next.map_or(now, |at| at.max(now));
        if start >= limit {
            return None;
        }
        *next = Some(start + Duration::from_secs(1) / per_second.max(1));
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_start_one_after_another_and_a_pause_saves_up_nothing() {
        let pace = Pace::default();
        let began = Instant::now();
        let after = |ms| began + Duration::from_millis(ms);

        let starts = [0, 0, 0, 5000, 5000].map(|ms| pace.start(10, after(ms), after(60_000)));

        assert_eq!(starts, [0, 100, 200, 5000, 5100].map(|ms| Some(after(ms))));
    }

    #[test]
    fn a_request_that_would_start_too_late_takes_no_place() {
        let pace = Pace::default();
        let began = Instant::now();
        let after = |ms| began + Duration::from_millis(ms);

        let starts = [150, 150, 150, 300].map(|limit| pace.start(10, began, after(limit)));

        assert_eq!(starts, [Some(after(0)), Some(after(100)), None, Some(after(200))]);
    }
}
