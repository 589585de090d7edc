//! The result of a demo.

use super::truth::Tally;
use crate::stream::worker::{Counts, Histogram};

/// The numbers of a finished demo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Transactions generated and acknowledged by the brokers.
    pub transactions: u64,
    /// Transactions scored.
    pub scored: u64,
    /// Distinct alerts that the subscriber received.
    pub alerts: u64,
    /// Transactions whose id had been seen before.
    pub duplicates: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Transactions generated that were neither scored, nor duplicates, nor dead letters.
    pub lost: u64,
    /// Share of the alerts that are planted fraud, 0 to 1; `None` if there are no alerts.
    pub precision: Option<f64>,
    /// Share of the planted fraud that was alerted, 0 to 1; `None` if there is no fraud.
    pub recall: Option<f64>,
    /// Transactions handled per second, from the first to the last.
    pub transactions_per_second: f64,
    /// Time from a transaction's Kafka timestamp to the acknowledgement of its alert.
    pub alert_latency_ms: LatencyMs,
    /// Time from a transaction's Kafka timestamp to its score, over all transactions.
    pub score_latency_ms: LatencyMs,
}

/// Percentiles in milliseconds, at most 3 % too high; 0 if nothing was measured. Kafka's timestamps
/// are whole milliseconds rounded down, which adds half a millisecond on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyMs {
    /// Half are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// 999 of 1,000 are at most this.
    pub p999: f64,
}

impl LatencyMs {
    fn of(histogram: &Histogram) -> Self {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| histogram.percentile_ms(share));
        Self { p50, p99, p999 }
    }
}

impl Summary {
    /// The summary of `generated` transactions, handled within `seconds`.
    pub(super) fn new(generated: u64, counts: &Counts, tally: &Tally, seconds: f64) -> Self {
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        Self {
            transactions: generated,
            scored: counts.scored,
            alerts: tally.alerts,
            duplicates: counts.duplicates,
            dead_letters: counts.dead_letters_total(),
            lost: generated.saturating_sub(counts.handled()),
            precision: share(tally.right, tally.alerts),
            recall: share(tally.right, tally.planted),
            transactions_per_second: counts.handled() as f64 / seconds.max(1e-6),
            alert_latency_ms: LatencyMs::of(&counts.alert_latency),
            score_latency_ms: LatencyMs::of(&counts.score_latency),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_lost() {
        let counts = Counts { scored: 90, duplicates: 4, ..Counts::default() };
        let tally = Tally { alerts: 8, right: 6, planted: 12 };
        let summary = Summary::new(100, &counts, &tally, 2.0);
        assert_eq!((summary.lost, summary.transactions_per_second), (6, 47.0));
        assert_eq!((summary.precision, summary.recall), (Some(0.75), Some(0.5)));
    }

    #[test]
    fn shares_of_nothing_are_none() {
        let tally = Tally { alerts: 0, right: 0, planted: 0 };
        let summary = Summary::new(0, &Counts::default(), &tally, 0.0);
        assert_eq!((summary.precision, summary.recall), (None, None));
        assert_eq!(summary.alert_latency_ms, LatencyMs { p50: 0.0, p99: 0.0, p999: 0.0 });
    }
}
