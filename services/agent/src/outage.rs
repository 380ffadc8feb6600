//! How long a customer is let wait while the model gives no answer. Pure.

use std::time::Duration;

use chrono::TimeDelta;
use store::turns::Snapshot;

/// After this long the customer is told once that it takes longer.
const STRAINED_AFTER: TimeDelta = TimeDelta::minutes(5);

/// After this long a person takes over.
const EXHAUSTED_AFTER: TimeDelta = TimeDelta::minutes(30);

/// What the person is told of it.
pub(crate) const TRIED: &str = "nothing: the model has given no answer for half an hour";

/// How patient the first customer's message that waits may still be taken to be. Its
/// age is the database's, so that a restart changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Fresh {
        left: Duration,
    },
    /// To be told that it takes longer.
    Strained {
        left: Duration,
    },
    Exhausted,
}

impl Patience {
    pub(crate) fn of(now: &Snapshot) -> Self {
        let age = now.messages.first().map_or(TimeDelta::zero(), |first| now.now - first.stored_at);
        let left = |until: TimeDelta| (until - age).to_std().unwrap_or_default();
        match age {
            age if age < STRAINED_AFTER => Patience::Fresh { left: left(STRAINED_AFTER) },
            age if age < EXHAUSTED_AFTER => Patience::Strained { left: left(EXHAUSTED_AFTER) },
            _ => Patience::Exhausted,
        }
    }

    /// How long until something else is due than another attempt.
    pub(crate) fn left(self) -> Duration {
        match self {
            Patience::Fresh { left } | Patience::Strained { left } => left,
            Patience::Exhausted => Duration::ZERO,
        }
    }
}
