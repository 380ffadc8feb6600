//! What a customer is promised: the time of the first answer by plan.

use chrono::{DateTime, TimeDelta, Utc};
use contract::Plan;

/// The promised time of a first answer. An unknown plan counts as free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Promise {
    hours: i64,
}

impl Promise {
    pub(crate) fn of(plan: Option<Plan>) -> Self {
        let hours = match plan {
            Some(Plan::Enterprise) => 1,
            Some(Plan::Pro) => 4,
            Some(Plan::Free) | None => 24,
        };
        Self { hours }
    }

    /// By when the answer to a message of this time is promised.
    pub(crate) fn respond_by(self, received_at: DateTime<Utc>) -> DateTime<Utc> {
        received_at + TimeDelta::hours(self.hours)
    }

    /// The promise in words: `within 4 hours`.
    pub(crate) fn words(self) -> &'static str {
        match self.hours {
            1 => "within 1 hour",
            4 => "within 4 hours",
            _ => "within 24 hours",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_has_its_promise_and_an_unknown_plan_that_of_free() {
        let received_at = "2026-01-05T12:00:00Z".parse().unwrap();
        let promised = |plan| {
            let promise = Promise::of(plan);
            (promise.words(), promise.respond_by(received_at).to_rfc3339())
        };

        assert_eq!(
            promised(Some(Plan::Enterprise)),
            ("within 1 hour", "2026-01-05T13:00:00+00:00".into())
        );
        assert_eq!(
            promised(Some(Plan::Pro)),
            ("within 4 hours", "2026-01-05T16:00:00+00:00".into())
        );
        assert_eq!(
            promised(Some(Plan::Free)),
            ("within 24 hours", "2026-01-06T12:00:00+00:00".into())
        );
        assert_eq!(promised(None), promised(Some(Plan::Free)));
    }
}
