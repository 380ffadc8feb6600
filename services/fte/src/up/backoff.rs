//! How long a stopped service waits before its next life.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);
/// Who lived this long starts again without a history.
const HEALTHY: Duration = Duration::from_secs(60);

/// Doubles from life to life.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    short_lives: u32,
}

impl Backoff {
    /// The wait after a life of this length.
    pub(crate) fn after(&mut self, life: Duration) -> Duration {
        if life >= HEALTHY {
            self.short_lives = 0;
        }
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.short_lives)).min(LONGEST);
        self.short_lives = self.short_lives.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_a_long_life_forgives() {
        let mut backoff = Backoff::default();

        let waits: Vec<_> = (0..10).map(|_| backoff.after(Duration::ZERO)).collect();

        assert_eq!(waits.first(), Some(&FIRST));
        assert_eq!(waits.get(1), Some(&(FIRST * 2)));
        assert_eq!(waits.last(), Some(&LONGEST));
        assert_eq!(backoff.after(HEALTHY), FIRST);
    }
}
