//! Counts of what a worker has done.

use super::Histogram;
use crate::core::codec::Reason;
use crate::core::decision::Severity;

/// Counts since the worker started. After each batch, `received = scored +
/// duplicates + dead letters`.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Records read.
    pub received: u64,
    /// Transactions that got a score.
    pub scored: u64,
    /// Transactions whose id was seen before.
    pub duplicates: u64,
    /// Records judged before and only remembered again; not among `received`.
    pub restored: u64,
    /// Stored customers not in memory, asked for when they paid.
    pub missed: u64,
    /// Records whose key is not their customer_id; they are scored.
    pub miskeyed: u64,
    /// Records that could not be scored, by [`Reason`]'s place.
    pub dead_letters: [u64; Reason::ALL.len()],
    /// Alerts produced, by severity's place.
    pub alerts: [u64; Severity::ALL.len()],
    /// Alerts that the brokers have acknowledged.
    pub acknowledged_alerts: u64,
    /// From a record's Kafka timestamp to its score, in microseconds.
    pub score_latency: Histogram,
    /// From a record's Kafka timestamp to the acknowledgement of its alert, in microseconds.
    pub alert_latency: Histogram,
}

impl Counts {
    /// Counts a record that could not be scored.
    pub fn reject(&mut self, reason: Reason) {
        self.dead_letters[reason as usize] += 1;
    }

    /// Records that could not be scored for one reason.
    pub fn dead_letters(&self, reason: Reason) -> u64 {
        self.dead_letters[reason as usize]
    }

    /// Records that could not be scored.
    pub fn dead_letters_total(&self) -> u64 {
        self.dead_letters.iter().sum()
    }

    /// Alerts produced.
    pub fn alerts_total(&self) -> u64 {
        self.alerts.iter().sum()
    }

    /// Records dealt with: scored, duplicates and dead letters.
    pub fn handled(&self) -> u64 {
        self.scored + self.duplicates + self.dead_letters_total()
    }

    /// Copies the counters of `other`, without the distributions, which are large.
    pub fn take_over(&mut self, other: &Self) {
        let score_latency = std::mem::take(&mut self.score_latency);
        let alert_latency = std::mem::take(&mut self.alert_latency);
        *self = Self { score_latency, alert_latency, ..*other };
    }

    /// Adds another worker's counts and distributions.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.scored += other.scored;
        self.duplicates += other.duplicates;
        self.restored += other.restored;
        self.missed += other.missed;
        self.miskeyed += other.miskeyed;
        for (own, other) in self.dead_letters.iter_mut().zip(other.dead_letters) {
            *own += other;
        }
        for (own, other) in self.alerts.iter_mut().zip(other.alerts) {
            *own += other;
        }
        self.acknowledged_alerts += other.acknowledged_alerts;
        self.score_latency.add(&other.score_latency);
        self.alert_latency.add(&other.alert_latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_apart_and_added_up() {
        let mut counts = Counts { scored: 5, duplicates: 2, ..Counts::default() };
        let mut other = Counts { scored: 1, ..Counts::default() };
        Reason::ALL.into_iter().for_each(|reason| counts.reject(reason));
        other.reject(Reason::Empty);
        counts.add(&other);
        assert_eq!(counts.dead_letters(Reason::Empty), 2);
        assert_eq!(counts.dead_letters(Reason::InvalidField), 1);
        assert_eq!(counts.dead_letters_total(), 9);
        assert_eq!(counts.handled(), 6 + 2 + 9);
    }
}
