//! The emulators' own clock, outside the product.

use chrono::{DateTime, Utc};

#[expect(clippy::disallowed_methods, reason = "the emulators' own clock, outside the product")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
