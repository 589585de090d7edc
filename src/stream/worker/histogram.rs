//! Latencies in fixed space.
//!
//! Percentiles of everything ever measured, from 1,920 counters: 32 buckets for each power of two,
//! so a percentile is at most 1/32 (3 %) above the truth, from microseconds to centuries. (The idea
//! of Gil Tene's HdrHistogram.)

/// Buckets per power of two, as an exponent of 2.
const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;
const BUCKETS: usize = (64 - SUB_BITS as usize + 1) * SUB;

/// Counts of measurements in microseconds.
#[derive(Clone)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), total: 0 }
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| self.percentile_ms(share));
        write!(formatter, "Histogram({}: p50 {p50} ms, p99 {p99} ms, p999 {p999} ms)", self.total)
    }
}

impl Histogram {
    /// Counts a measurement, in microseconds.
    #[inline]
    pub fn record(&mut self, micros: u64) {
        self.counts[bucket(micros)] += 1;
        self.total += 1;
    }

    /// Adds another histogram's counts.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts.iter()).for_each(|(own, other)| *own += other);
        self.total += other.total;
    }

    /// The number of measurements.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The end of the first bucket that at least `share` (0 to 1) of the measurements do not
    /// exceed, in milliseconds; 0 without measurements.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return last_micros(index) as f64 / 1e3;
            }
        }
        0.0
    }
}

fn bucket(micros: u64) -> usize {
    let exponent = (u64::BITS - micros.leading_zeros()).saturating_sub(SUB_BITS + 1);
    // The leading SUB_BITS + 1 bits; below 2 * SUB every number has its own bucket.
    exponent as usize * SUB + (micros >> exponent) as usize
}

/// The largest number in a bucket.
fn last_micros(bucket: usize) -> u64 {
    let exponent = (bucket / SUB).saturating_sub(1) as u32;
    let leading = (bucket - exponent as usize * SUB) as u64;
    (leading << exponent) + ((1 << exponent) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_number_has_a_bucket() {
        for micros in [0, 1, 31, 32, 63, 64, 65, 1_000, u64::MAX / 2, u64::MAX] {
            assert!(last_micros(bucket(micros)) >= micros, "{micros}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn nothing_counted_is_zero() {
        assert_eq!(Histogram::default().percentile_ms(0.5), 0.0);
    }

    proptest! {
        #[test]
        fn percentiles_are_at_most_a_32nd_above_the_truth(
            mut numbers in prop::collection::vec(0u64..10_000_000_000, 1..200),
            share in 0.0f64..=1.0,
        ) {
            let (mut histogram, mut half) = (Histogram::default(), Histogram::default());
            let (left, right) = numbers.split_at(numbers.len() / 2);
            left.iter().for_each(|&number| histogram.record(number));
            right.iter().for_each(|&number| half.record(number));
            histogram.add(&half);
            numbers.sort_unstable();
            let rank = ((numbers.len() as f64 * share).ceil() as usize).max(1);
            let truth = numbers[rank - 1] as f64 / 1e3;
            let found = histogram.percentile_ms(share);
            prop_assert!(found >= truth && found <= truth * (1.0 + 1.0 / 32.0), "{found} {truth}");
        }
    }
}
