//! How often an event is tried, and when giving up on it is believed.
//!
//! One event that fails among many that succeed is a bad event. Many that fail while
//! none succeeds are a bad release, and burying them would empty the topic into the
//! dead letters. So an exhausted event waits until another key has succeeded, and is
//! tried on meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use super::lane::LaneId;

/// Exhausted keys at once that mean a bad release.
const OUTAGE_KEYS: usize = 20;

/// Jitter, so that events that failed together do not come back together.
const JITTER: std::ops::Range<f64> = 0.8..1.2;

#[derive(Debug)]
pub(crate) struct Patience {
    delays: Vec<Duration>,
    exhausted: HashSet<LaneId>,
}

impl Patience {
    pub(crate) fn new(delays: Vec<Duration>) -> Self {
        Self { delays, exhausted: HashSet::new() }
    }

    /// The wait after this failed attempt (the first is 1), and whether it was the
    /// last one granted.
    pub(crate) fn after(&self, attempt: u32) -> (Duration, bool) {
        let index = usize::try_from(attempt).unwrap_or(usize::MAX).saturating_sub(1);
        let (delay, is_last) = match self.delays.get(index) {
            Some(delay) => (*delay, false),
            None => (self.delays.last().copied().unwrap_or(Duration::from_secs(1)), true),
        };
        (delay.mul_f64(rand::random_range(JITTER)), is_last)
    }

    /// Gives the number of exhausted keys once they are too many.
    pub(crate) fn exhaust(&mut self, lane: LaneId) -> Option<usize> {
        self.exhausted.insert(lane);
        Some(self.exhausted.len()).filter(|keys| *keys >= OUTAGE_KEYS)
    }

    pub(crate) fn forget(&mut self, lane: LaneId) {
        self.exhausted.remove(&lane);
    }

    /// This key succeeded: gives the exhausted others, which may be buried now.
    pub(crate) fn succeeded(&mut self, lane: LaneId) -> Vec<LaneId> {
        self.exhausted.remove(&lane);
        self.exhausted.drain().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience::new([1, 5, 30].map(Duration::from_secs).to_vec())
    }

    #[test]
    fn the_waits_are_1_5_and_30_seconds_with_jitter() {
        for (attempt, seconds, last) in [(1, 1.0, false), (2, 5.0, false), (3, 30.0, false)] {
            let (delay, is_last) = patience().after(attempt);

            assert!((seconds * 0.8..seconds * 1.2).contains(&delay.as_secs_f64()), "{delay:?}");
            assert_eq!(is_last, last);
        }
        assert!(patience().after(4).1);
    }

    #[test]
    fn an_exhausted_key_is_released_by_another_key_only() {
        let mut patience = patience();
        patience.exhaust(LaneId(1));

        assert_eq!(patience.succeeded(LaneId(1)), []);
        patience.exhaust(LaneId(1));
        assert_eq!(patience.succeeded(LaneId(2)), [LaneId(1)]);
        assert_eq!(patience.succeeded(LaneId(2)), []);
    }

    #[test]
    fn twenty_exhausted_keys_are_an_outage() {
        let mut patience = patience();

        let counts: Vec<_> = (0..20).map(|lane| patience.exhaust(LaneId(lane))).collect();

        assert_eq!(counts[18], None);
        assert_eq!(counts[19], Some(20));
    }
}
