//! Latencies in buckets whose bounds grow by the eighth root of two, so that a
//! percentile is right to a few percent from a millisecond to a day, and two
//! histograms add up by adding their buckets.
//!
//! Bucket 1 holds everything up to 1 ms; bucket `n` ends at 1 ms × 2^((n − 1) / 8).
//! The last one, 214, holds everything beyond 24.9 hours.

/// Buckets per doubling.
const PER_DOUBLING: f64 = 8.0;

/// The end of the first bucket.
const FIRST_US: f64 = 1_000.0;

/// The last bucket; the one before ends beyond a day.
pub const LAST_BUCKET: i32 = 214;

/// The bucket of a latency, counted from 1.
pub fn bucket_of(latency_us: u64) -> i32 {
    // A latency beyond 2^53 µs is in the last bucket however it rounds.
    let doublings = (latency_us as f64 / FIRST_US).log2();
    let bucket = (doublings * PER_DOUBLING).ceil() + 1.0;
    // Clamped first, so the cast loses nothing.
    bucket.clamp(1.0, f64::from(LAST_BUCKET)) as i32
}

/// Where a bucket ends.
fn end_us(bucket: usize) -> f64 {
    FIRST_US * ((bucket as f64 - 1.0) / PER_DOUBLING).exp2()
}

/// The `q`-quantile in milliseconds, to a tenth; `None` without values.
///
/// Within its bucket a value is placed by rank, evenly on the logarithmic scale.
pub fn quantile_ms(buckets: &[i64], q: f64) -> Option<f64> {
    let total: i64 = buckets.iter().sum();
    if total <= 0 {
        return None;
    }
    // The product of a decimal share may lie a rounding error above the whole rank.
    let rank = (q * total as f64 - 1e-6).ceil().max(1.0);
    let mut before = 0.0;
    for (index, &count) in buckets.iter().enumerate() {
        let count = count as f64;
        if before + count >= rank {
            let share = (rank - before - 0.5) / count;
            return Some(to_tenth_ms(place(index + 1, share)));
        }
        before += count;
    }
    None
}

/// A point in a bucket, `share` of the way through it.
fn place(bucket: usize, share: f64) -> f64 {
    let end = end_us(bucket);
    if bucket == 1 {
        return end * share;
    }
    let start = end_us(bucket - 1);
    start * (end / start).powf(share)
}

fn to_tenth_ms(us: f64) -> f64 {
    (us / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(latencies_us: &[u64]) -> Vec<i64> {
        let mut buckets = vec![0; LAST_BUCKET as usize];
        for latency in latencies_us {
            buckets[bucket_of(*latency) as usize - 1] += 1;
        }
        buckets
    }

    #[test]
    fn every_latency_is_below_its_buckets_end_and_above_the_one_before() {
        for bucket in 1..LAST_BUCKET {
            let end = end_us(bucket as usize).floor() as u64;
            assert_eq!(bucket_of(end), bucket, "the end of {bucket}");
            assert_eq!(bucket_of(end + 1), bucket + 1, "after the end of {bucket}");
        }
    }

    #[test]
    fn the_scale_reaches_from_nothing_to_beyond_a_day() {
        let day_us = 86_400_000_000;

        assert_eq!((bucket_of(0), bucket_of(1_000), bucket_of(1_001)), (1, 1, 2));
        assert!(bucket_of(day_us) < LAST_BUCKET);
        assert_eq!(bucket_of(day_us * 2), LAST_BUCKET);
        assert_eq!(bucket_of(u64::MAX), LAST_BUCKET);
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(quantile_ms(&[], 0.5), None);
        assert_eq!(quantile_ms(&[0, 0], 0.95), None);
    }

    #[test]
    fn a_rank_is_whole_although_its_share_is_not() {
        // 0.14 × 100 is 14.000000000000002.
        assert!(quantile_ms(&[14, 0, 86], 0.14).unwrap() <= 1.0);
        assert!(quantile_ms(&[13, 0, 87], 0.14).unwrap() > 1.0);
    }

    proptest! {
        #[test]
        fn a_quantile_is_right_to_a_twelfth(
            mut latencies in proptest::collection::vec(1_000_u64..86_400_000_000, 1..200),
            percent in 1_usize..=100,
        ) {
            latencies.sort_unstable();
            let rank = (percent * latencies.len()).div_ceil(100).max(1);
            let exact_ms = latencies[rank - 1] as f64 / 1_000.0;

            let found = quantile_ms(&histogram(&latencies), percent as f64 / 100.0).unwrap();

            // One bucket's width, and the rounding to a tenth of a millisecond.
            prop_assert!((found / exact_ms - 1.0).abs() < 0.0906 + 0.05 / exact_ms,
                "{found} for {exact_ms}");
        }
    }
}
