//! Connection overrides: how patient a webhook's URL tells Twilio to be.

use std::time::Duration;

/// What stands after `#` in a webhook's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overrides {
    pub(super) connect: Duration,
    pub(super) read: Duration,
    pub(super) total: Duration,
    pub(super) retries: u32,
    retry_on: Vec<String>,
}

/// Why a post came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    Connect,
    Read,
    Client,
    Server,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(5000),
            read: Duration::from_millis(15_000),
            total: Duration::from_millis(15_000),
            retries: 1,
            retry_on: vec!["ct".to_owned()],
        }
    }
}

impl Overrides {
    pub(super) fn of(url: &str) -> Self {
        let mut overrides = Self::default();
        let Some((_, fragment)) = url.split_once('#') else { return overrides };
        for (name, value) in fragment.split('&').filter_map(|pair| pair.split_once('=')) {
            let number = value.parse::<u64>().ok();
            match (name, number) {
                ("ct", Some(ms)) => overrides.connect = within(ms, 10_000),
                ("rt", Some(ms)) => overrides.read = within(ms, 15_000),
                ("tt", Some(ms)) => overrides.total = within(ms, 15_000),
                ("rc", Some(count)) => overrides.retries = u32::try_from(count.min(5)).unwrap_or(5),
                ("rp", _) => overrides.retry_on = value.split(',').map(str::to_owned).collect(),
                _ => {}
            }
        }
        overrides
    }

    pub(super) fn retries_on(&self, failed: Failed) -> bool {
        let name = match failed {
            Failed::Connect => "ct",
            Failed::Read => "rt",
            Failed::Client => "4xx",
            Failed::Server => "5xx",
        };
        self.retry_on.iter().any(|word| word == name || word == "all")
    }
}

fn within(ms: u64, most: u64) -> Duration {
    Duration::from_millis(ms.clamp(100, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_overrides_only_a_failed_connection_is_tried_again() {
        let overrides = Overrides::of("https://host/path");

        assert_eq!(overrides, Overrides::default());
        assert!(overrides.retries_on(Failed::Connect) && !overrides.retries_on(Failed::Server));
    }

    #[test]
    fn overrides_are_read_and_kept_in_their_ranges() {
        let overrides = Overrides::of("https://host/path#ct=2000&rt=1&tt=99999&rc=9&rp=5xx,rt");

        assert_eq!(overrides.connect, Duration::from_millis(2000));
        assert_eq!(overrides.read, Duration::from_millis(100));
        assert_eq!(overrides.total, Duration::from_millis(15_000));
        assert_eq!(overrides.retries, 5);
        assert!(overrides.retries_on(Failed::Server) && overrides.retries_on(Failed::Read));
        assert!(!overrides.retries_on(Failed::Connect));
        assert!(Overrides::of("https://host/#rp=all").retries_on(Failed::Client));
    }
}
