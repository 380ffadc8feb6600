//! The wall clock, for what people read: event times, ages, instants to come back at.
//! Waits and limits use the monotonic clock instead.

use chrono::{DateTime, Utc};

#[expect(clippy::disallowed_methods, reason = "chassis owns the clock and stands above this crate")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
