//! Which transactions are fraud, and which alerts were right.
//!
//! The truth stays with the generator: it is not in the records, so no model can use it. The number
//! of ids kept is bounded. If old frauds are forgotten, their late alerts count as wrong, but that
//! takes a million frauds between a transaction and its alert.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::core::state::hash::hash64;

/// How many ids are kept.
const MAX_KEPT: usize = 1 << 20;

/// The newest ids, as hashes.
#[derive(Default)]
struct Recent {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Recent {
    /// Adds an id; returns whether it is new.
    fn insert(&mut self, id: &str) -> bool {
        let hash = hash64(id);
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > MAX_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    fn contains(&self, id: &str) -> bool {
        self.known.contains(&hash64(id))
    }
}

/// The planted fraud, shared by the generator and the subscriber.
#[derive(Default)]
pub(super) struct Truth(Mutex<Planted>);

#[derive(Default)]
struct Planted {
    frauds: Recent,
    count: u64,
}

impl Truth {
    /// Notes that this transaction is fraud. Call it before the transaction is produced.
    pub(super) fn plant(&self, transaction_id: &str) {
        let mut planted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        planted.count += u64::from(planted.frauds.insert(transaction_id));
    }

    fn is_fraud(&self, transaction_id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).frauds.contains(transaction_id)
    }

    fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count
    }
}

/// The alerts that the subscriber received, compared with the truth.
#[derive(Default)]
pub(super) struct Verdicts {
    seen: Recent,
    /// Distinct alerts.
    alerts: u64,
    /// Alerts of planted fraud.
    right: u64,
    /// Alerts that had been received before.
    repeated: u64,
}

/// The alert numbers of a finished demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) alerts: u64,
    pub(super) right: u64,
    pub(super) planted: u64,
}

impl Verdicts {
    /// Takes an alert in; returns whether it is new.
    pub(super) fn receive(&mut self, alert_id: &str, transaction_id: &str, truth: &Truth) -> bool {
        if !self.seen.insert(alert_id) {
            self.repeated += 1;
            return false;
        }
        self.alerts += 1;
        self.right += u64::from(truth.is_fraud(transaction_id));
        true
    }

    /// How many alerts were received, including repeated ones.
    pub(super) fn received(&self) -> u64 {
        self.alerts + self.repeated
    }

    pub(super) fn tally(&self, truth: &Truth) -> Tally {
        Tally { alerts: self.alerts, right: self.right, planted: truth.count() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_count_once_and_are_right_or_wrong() {
        let truth = Truth::default();
        ["t-1", "t-2", "t-2"].into_iter().for_each(|id| truth.plant(id));
        let mut verdicts = Verdicts::default();
        let alerts = [("a-1", "t-1", true), ("a-9", "t-9", true), ("a-1", "t-1", false)];
        for (alert, transaction, is_new) in alerts {
            assert_eq!(verdicts.receive(alert, transaction, &truth), is_new, "{alert}");
        }
        assert_eq!(verdicts.received(), 3);
        assert_eq!(verdicts.tally(&truth), Tally { alerts: 2, right: 1, planted: 2 });
    }

    #[test]
    fn the_oldest_id_is_forgotten_at_the_bound() {
        let mut recent = Recent::default();
        for number in 0..=MAX_KEPT {
            assert!(recent.insert(&number.to_string()));
        }
        assert!(!recent.contains("0"));
        assert!(recent.contains("1"));
    }
}
