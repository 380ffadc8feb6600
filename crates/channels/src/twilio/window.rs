//! WhatsApp's window for free text, as a type: who holds one may send.

use chrono::{DateTime, TimeDelta, Utc};

/// How long after a customer's message free text goes: ten minutes less than WhatsApp
/// allows, for the way to it.
const LENGTH: TimeDelta = TimeDelta::minutes(23 * 60 + 50);

/// Proof that the customer has written recently enough for free text.
#[derive(Debug)]
pub struct OpenWindow {
    /// Nothing but [`OpenWindow::at`] makes one.
    _private: (),
}

impl OpenWindow {
    /// `None` when the customer's newest message is too old, or unknown.
    pub fn at(now: DateTime<Utc>, last_inbound_at: Option<DateTime<Utc>>) -> Option<Self> {
        let is_open = last_inbound_at.is_some_and(|at| now - at < LENGTH);
        is_open.then_some(Self { _private: () })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_closes_ten_minutes_before_a_day_and_is_closed_without_a_message() {
        let written = DateTime::from_timestamp(1_767_605_400, 0).unwrap();
        let after =
            |minutes, seconds| written + TimeDelta::minutes(minutes) + TimeDelta::seconds(seconds);

        assert!(OpenWindow::at(written, Some(written)).is_some());
        assert!(OpenWindow::at(after(1429, 59), Some(written)).is_some());
        assert!(OpenWindow::at(after(1430, 0), Some(written)).is_none());
        assert!(OpenWindow::at(written, None).is_none());
    }
}
