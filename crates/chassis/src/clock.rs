//! The one reader of the system clock.

use chrono::{DateTime, SubsecRound as _, Utc};

/// The time now, to the microsecond: what the log and the database both keep.
#[expect(clippy::disallowed_methods, reason = "the one place")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
