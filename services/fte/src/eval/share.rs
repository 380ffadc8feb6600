//! A share of cases with its 95 % interval.

use serde::Serialize;

/// The standard normal quantile of 97.5 %.
const Z: f64 = 1.959_964;

/// How many of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Share {
    pub(crate) right: usize,
    pub(crate) of: usize,
}

impl Share {
    /// Counts what is true.
    pub(crate) fn of(cases: impl IntoIterator<Item = bool>) -> Self {
        cases.into_iter().fold(Self::default(), |share, is_right| Self {
            right: share.right + usize::from(is_right),
            of: share.of + 1,
        })
    }

    /// From 0 to 1; `None` of nothing.
    pub(crate) fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.right as f64 / self.of as f64)
    }

    /// Wilson's score interval: sensible near 0 and 1 and for few cases, where the
    /// textbook interval has no width.
    pub(crate) fn interval(self) -> Option<(f64, f64)> {
        let share = self.value()?;
        let cases = self.of as f64;
        let scale = 1.0 + Z * Z / cases;
        let middle = share + Z * Z / (2.0 * cases);
        let spread = Z * ((share * (1.0 - share) + Z * Z / (4.0 * cases)) / cases).sqrt();
        Some((((middle - spread) / scale).max(0.0), ((middle + spread) / scale).min(1.0)))
    }
}

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written {
            right: usize,
            n: usize,
            share: Option<f64>,
            interval_95: Option<(f64, f64)>,
        }
        let written = Written {
            right: self.right,
            n: self.of,
            share: self.value(),
            interval_95: self.interval(),
        };
        written.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // Newcombe (1998), table I: 81 of 263 and 0 of 20.
        let (low, high) = Share { right: 81, of: 263 }.interval().unwrap();
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        let (low, high) = Share { right: 0, of: 20 }.interval().unwrap();
        assert!(low == 0.0 && (high - 0.1611).abs() < 1e-4, "{low} {high}");
        assert_eq!(Share { right: 5, of: 5 }.interval().unwrap().1, 1.0);
    }

    #[test]
    fn nothing_has_no_share() {
        assert_eq!(Share::default().value(), None);
        assert_eq!(Share::default().interval(), None);
        assert_eq!(Share::of([true, false, true]), Share { right: 2, of: 3 });
    }
}
