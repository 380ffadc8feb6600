//! What a customer is promised: the time of the first answer, by plan.

use chrono::{DateTime, Utc};
use contract::Plan;

/// By when the answer to a message of this time is promised. An unknown plan counts
/// as free.
pub(crate) fn respond_by(plan: Option<Plan>, received_at: DateTime<Utc>) -> DateTime<Utc> {
    received_at + plan.unwrap_or(Plan::Free).first_answer()
}

/// The promise in words: `within 4 hours`.
pub(crate) fn in_words(plan: Option<Plan>) -> String {
    match plan.unwrap_or(Plan::Free).first_answer().num_hours() {
        1 => "within 1 hour".to_owned(),
        hours => format!("within {hours} hours"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_has_its_promise_and_an_unknown_plan_that_of_free() {
        let received_at = "2026-01-05T12:00:00Z".parse().unwrap();
        let promised = |plan| (in_words(plan), respond_by(plan, received_at).to_rfc3339());
        let expected = |words: &str, time: &str| (words.to_owned(), time.to_owned());

        assert_eq!(
            promised(Some(Plan::Enterprise)),
            expected("within 1 hour", "2026-01-05T13:00:00+00:00")
        );
        assert_eq!(
            promised(Some(Plan::Pro)),
            expected("within 4 hours", "2026-01-05T16:00:00+00:00")
        );
        assert_eq!(
            promised(Some(Plan::Free)),
            expected("within 24 hours", "2026-01-06T12:00:00+00:00")
        );
        assert_eq!(promised(None), promised(Some(Plan::Free)));
    }
}
