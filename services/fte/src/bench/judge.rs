//! What is judged how: pure functions over what was measured, and one table for all.

use crate::output::{line, table};

/// How much longer others may wait beside a disturber.
pub(crate) const MOST_DELAY: f64 = 2.0;

/// How much the last third of a soak may be above the second.
const MOST_GROWTH: f64 = 1.2;

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) limit: String,
    pub(crate) holds: bool,
}

impl Verdict {
    /// Of something that must not be there.
    pub(crate) fn none(what: &str, count: u64) -> Self {
        Self {
            what: what.to_owned(),
            measured: count.to_string(),
            limit: "0".to_owned(),
            holds: count == 0,
        }
    }
}

/// Prints the table and says whether everything holds.
pub(crate) fn print(verdicts: &[Verdict]) -> anyhow::Result<bool> {
    let mut rows = table(["what", "measured", "limit", ""]);
    for Verdict { what, measured, limit, holds } in verdicts {
        rows.add_row([what.as_str(), measured, limit, if *holds { "holds" } else { "BREACH" }]);
    }
    line(rows.to_string())?;
    Ok(verdicts.iter().all(|verdict| verdict.holds))
}

/// The value below which this share of the sorted values lies; `None` without values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(((last as f64) * share).ceil() as usize).copied()
}

/// Whether others waited at most twice as long as without the disturber. Without any of
/// them nothing is shown.
pub(crate) fn is_fair(without: Option<f64>, with: Option<f64>) -> bool {
    matches!((without, with), (Some(without), Some(with)) if with <= without * MOST_DELAY)
}

/// The medians of the three thirds of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Thirds(pub(crate) [f64; 3]);

impl Thirds {
    /// `None` with less than three values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let third = values.len() / 3;
        let [first, second, last] = [0, third, values.len() - third];
        let median = |from: usize| {
            let mut part = values.get(from..from + third)?.to_vec();
            part.sort_by(f64::total_cmp);
            part.get(part.len() / 2).copied()
        };
        Some(Self([median(first)?, median(second)?, median(last)?]))
    }

    /// The median of the last third may be a fifth above that of the second, and `slack`:
    /// the first third is for caches and pools to fill.
    pub(crate) fn are_flat(self, slack: f64) -> bool {
        let Self([_, second, last]) = self;
        last <= second * MOST_GROWTH + slack
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_may_wait_twice_as_long_and_no_longer() {
        assert!(is_fair(Some(50.0), Some(100.0)));
        assert!(!is_fair(Some(50.0), Some(100.1)));
        assert!(!is_fair(None, Some(1.0)) && !is_fair(Some(1.0), None));
    }

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();

        assert_eq!(quantile(&values, 0.5), Some(51.0));
        assert_eq!(quantile(&values, 0.95), Some(96.0));
        assert_eq!(quantile(&[7.0], 0.95), Some(7.0));
        assert_eq!(quantile(&[], 0.95), None);
    }

    #[test]
    fn a_soak_is_flat_when_it_grows_only_at_its_beginning() {
        let warm = [10.0, 40.0, 70.0, 80.0, 81.0, 80.0, 82.0, 90.0, 81.0];
        let leak = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0];

        let warm = Thirds::of(&warm).unwrap();
        assert_eq!(warm, Thirds([40.0, 80.0, 82.0]));
        assert!(warm.are_flat(0.0));
        assert!(!Thirds::of(&leak).unwrap().are_flat(8.0));
        assert!(Thirds::of(&leak).unwrap().are_flat(20.0));
        assert_eq!(Thirds::of(&[1.0, 2.0]), None);
    }
}
