//! Histograms in the text that Prometheus reads.

/// Seconds spent in all, and how often.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    pub(crate) times: f64,
}

impl Spent {
    pub(crate) fn mean_ms(self) -> f64 {
        if self.times > 0.0 { self.seconds / self.times * 1_000.0 } else { 0.0 }
    }
}

/// A histogram's sum and count over all of its series with this label, as `step="read"`.
pub(crate) fn spent(text: &str, histogram: &str, label: &str) -> Spent {
    let total = |suffix: &str| -> f64 {
        let prefix = format!("{histogram}_{suffix}");
        let lines = text.lines().filter_map(|line| line.strip_prefix(prefix.as_str()));
        let lines = lines.filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(label));
        let values = lines.filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok());
        // The sum of nothing is a negative zero.
        values.fold(0.0, |sum, value| sum + value)
    };
    Spent { seconds: total("sum"), times: total("count") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_counts_are_read_by_label() {
        let text = "# TYPE a_seconds histogram\n\
                    a_seconds_bucket{step=\"read\",le=\"1\"} 9\n\
                    a_seconds_sum{step=\"read\"} 1.5\n\
                    a_seconds_count{step=\"read\"} 3\n\
                    a_seconds_sum{step=\"search\"} 7\n\
                    a_seconds_sums{step=\"read\"} 100\n";

        let read = spent(text, "a_seconds", "step=\"read\"");

        assert_eq!(read, Spent { seconds: 1.5, times: 3.0 });
        assert!((read.mean_ms() - 500.0).abs() < 1e-9);
        assert!(spent(text, "a_seconds", "step=\"commit\"").mean_ms() < 1e-9);
    }
}
