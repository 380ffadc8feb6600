//! When a hand-off is told again: soon at first, and for three days.

use std::time::Duration;

use contract::DeliveryId;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Seconds from one attempt to the next.
const WAITS: [u64; 9] =
    [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// How long after this attempt, counted from 1, the next one is due; `None` after the
/// last. Up to a tenth more, so that what failed together does not come again together.
pub(super) fn wait(attempt: i32, id: DeliveryId) -> Option<Duration> {
    let place = usize::try_from(attempt).ok()?.checked_sub(1)?;
    let wait = Duration::from_secs(*WAITS.get(place)?);
    let share = id.as_uuid().as_bytes().get(place).copied().unwrap_or_default();
    Some(wait + wait.mul_f64(f64::from(share) / 2550.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_take_three_days_and_each_hand_off_has_its_own_times() {
        let waits = |name| (1..).map_while(move |attempt| wait(attempt, DeliveryId::named(name)));

        let least: u64 = WAITS.iter().sum();
        assert_eq!(least, 272_105, "75.6 hours");
        let total: Duration = waits("one").sum();
        assert!((least..=least + least / 10).contains(&total.as_secs()), "{total:?}");
        assert_eq!(waits("one").count(), 9);
        assert!(waits("one").zip(waits("other")).all(|(one, other)| one != other));
    }
}
