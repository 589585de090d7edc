//! Known frauds: analysts' verdicts, by merchant and by customer.
//!
//! A label is about a past transaction and counts from the moment when it was given. Both times are
//! kept: features ask which frauds at this merchant were known at time t, and nothing more. So a
//! replay, a training table and the live stream see the same. Labels are few compared with
//! transactions, and every worker holds all of them.
//!
//! No label is forgotten because of its age: labels come in whatever order their sources have (a
//! whole year before the first transaction, or customer by customer), so the newest one does not
//! tell which transactions are still to come. Only the number of labels bounds memory.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::hash::{hash32, hash64};
use crate::base::limits::MAX_KNOWN_FRAUDS;
use crate::core::transaction::Label;

/// One transaction that an analyst called fraud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraud {
    /// From when on it counts, in milliseconds since the epoch.
    pub known_at: i64,
    /// Event time of the transaction.
    pub event_time: i64,
    /// [`hash64`] of the transaction id.
    pub transaction: u64,
    /// [`hash64`] of the customer.
    pub customer: u64,
    /// [`hash32`] of the merchant.
    pub merchant: u32,
}

/// Frauds of one merchant or customer, in the order in which they became known.
#[derive(Debug, Clone)]
struct List {
    key: u64,
    frauds: Vec<Fraud>,
}

/// All known frauds.
#[derive(Debug, Clone)]
pub struct KnownFrauds {
    by_time: BTreeMap<(i64, u64), Fraud>,
    by_transaction: BTreeMap<u64, i64>,
    by_merchant: HashTable<List>,
    by_customer: HashTable<List>,
    /// A bit for each value of the low 16 bits of a merchant's hash, set if any fraud has it. Most
    /// merchants are honest, and one look at these 8 KiB tells so. Bits are never cleared.
    merchant_bits: Box<[u64; 1024]>,
    /// How many frauds are kept at most; the oldest verdict is forgotten first.
    most: usize,
}

impl Default for KnownFrauds {
    fn default() -> Self {
        Self {
            by_time: BTreeMap::new(),
            by_transaction: BTreeMap::new(),
            by_merchant: HashTable::new(),
            by_customer: HashTable::new(),
            merchant_bits: Box::new([0; 1024]),
            most: MAX_KNOWN_FRAUDS,
        }
    }
}

impl KnownFrauds {
    /// Takes a verdict in. The first verdict of fraud on a transaction counts; a later verdict that
    /// it was honest takes it back.
    pub fn learn(&mut self, label: &Label<'_>) {
        let transaction = hash64(label.transaction_id);
        if !label.is_fraud {
            self.retract(transaction);
        } else if !self.by_transaction.contains_key(&transaction) {
            self.insert(Fraud {
                known_at: label.labeled_at.millis(),
                event_time: label.event_time.millis(),
                transaction,
                customer: hash64(label.customer_id),
                merchant: hash32(label.merchant_id),
            });
            self.forget_oldest();
        }
    }

    /// How many frauds are known.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Whether no fraud is known.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    /// Frauds at a merchant ([`hash32`]) that became known in (`after`, `until`], oldest first.
    #[inline]
    pub fn at_merchant(&self, merchant: u32, after: i64, until: i64) -> &[Fraud] {
        if !self.may_have_merchant(merchant) {
            return &[];
        }
        known_within(&self.by_merchant, u64::from(merchant), after, until)
    }

    /// Frauds of a customer ([`hash64`]) that became known in (`after`, `until`], oldest first.
    #[inline]
    pub fn of_customer(&self, customer: u64, after: i64, until: i64) -> &[Fraud] {
        if self.is_empty() {
            return &[];
        }
        known_within(&self.by_customer, customer, after, until)
    }

    #[inline]
    fn may_have_merchant(&self, merchant: u32) -> bool {
        let residue = merchant as usize & 0xffff;
        self.merchant_bits[residue >> 6] >> (residue & 63) & 1 == 1
    }

    fn insert(&mut self, fraud: Fraud) {
        self.by_time.insert((fraud.known_at, fraud.transaction), fraud);
        self.by_transaction.insert(fraud.transaction, fraud.known_at);
        put(&mut self.by_merchant, u64::from(fraud.merchant), fraud);
        put(&mut self.by_customer, fraud.customer, fraud);
        let residue = fraud.merchant as usize & 0xffff;
        self.merchant_bits[residue >> 6] |= 1 << (residue & 63);
    }

    fn retract(&mut self, transaction: u64) {
        let Some(known_at) = self.by_transaction.remove(&transaction) else { return };
        if let Some(fraud) = self.by_time.remove(&(known_at, transaction)) {
            take(&mut self.by_merchant, u64::from(fraud.merchant), transaction);
            take(&mut self.by_customer, fraud.customer, transaction);
        }
    }

    fn forget_oldest(&mut self) {
        while self.by_time.len() > self.most
            && let Some((&(_, transaction), _)) = self.by_time.first_key_value()
        {
            self.retract(transaction);
        }
    }
}

/// Keys are hashes already; multiplying spreads their low bits to where the table looks as well.
fn spread(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn known_within(table: &HashTable<List>, key: u64, after: i64, until: i64) -> &[Fraud] {
    let Some(list) = table.find(spread(key), |list| list.key == key) else { return &[] };
    let first = list.frauds.partition_point(|fraud| fraud.known_at <= after);
    let end = list.frauds.partition_point(|fraud| fraud.known_at <= until);
    &list.frauds[first.min(end)..end]
}

fn put(table: &mut HashTable<List>, key: u64, fraud: Fraud) {
    let entry = table.entry(spread(key), |list| list.key == key, |list| spread(list.key));
    let mut list = entry.or_insert_with(|| List { key, frauds: Vec::new() });
    let frauds = &mut list.get_mut().frauds;
    let place = (fraud.known_at, fraud.transaction);
    let at = frauds.partition_point(|other| (other.known_at, other.transaction) < place);
    frauds.insert(at, fraud);
}

fn take(table: &mut HashTable<List>, key: u64, transaction: u64) {
    if let Ok(mut entry) = table.find_entry(spread(key), |list| list.key == key) {
        entry.get_mut().frauds.retain(|fraud| fraud.transaction != transaction);
        if entry.get().frauds.is_empty() {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::transaction::EventTime;

    const T0: i64 = 1_767_225_600_000;

    fn label(transaction_id: &'static str, labeled_after: i64, is_fraud: bool) -> Label<'static> {
        Label {
            transaction_id,
            customer_id: "c",
            merchant_id: "m",
            event_time: EventTime::from_trusted_millis(T0),
            is_fraud,
            labeled_at: EventTime::from_trusted_millis(T0 + labeled_after),
            fraud_type: None,
        }
    }

    fn known(frauds: &KnownFrauds, after: i64, until: i64) -> usize {
        let at_merchant = frauds.at_merchant(hash32("m"), T0 + after, T0 + until);
        let of_customer = frauds.of_customer(hash64("c"), T0 + after, T0 + until);
        assert_eq!(at_merchant, of_customer);
        at_merchant.len()
    }

    #[test]
    fn a_label_counts_from_when_it_is_given() {
        let mut frauds = KnownFrauds::default();
        frauds.learn(&label("b", 20, true));
        frauds.learn(&label("a", 10, true));
        let cases = [(0, 9, 0), (0, 10, 1), (9, 10, 1), (10, 20, 1), (0, 20, 2), (20, 99, 0)];
        for (after, until, expected) in cases {
            assert_eq!(known(&frauds, after, until), expected, "({after}, {until}]");
        }
        assert!(frauds.at_merchant(hash32("other"), T0, T0 + 99).is_empty());
    }

    #[test]
    fn verdicts_are_counted_once_and_can_be_taken_back() {
        let mut frauds = KnownFrauds::default();
        frauds.learn(&label("a", 10, true));
        frauds.learn(&label("a", 15, true));
        assert_eq!(known(&frauds, 0, 99), 1);
        frauds.learn(&label("a", 20, false));
        assert_eq!((known(&frauds, 0, 99), frauds.len()), (0, 0));
    }

    #[test]
    fn beyond_the_bound_the_oldest_verdict_is_forgotten() {
        let mut frauds = KnownFrauds { most: 2, ..KnownFrauds::default() };
        frauds.learn(&label("b", 20, true));
        frauds.learn(&label("a", 10, true));
        assert_eq!((known(&frauds, 0, 10), frauds.len()), (1, 2));
        frauds.learn(&label("c", 30, true));
        assert_eq!((known(&frauds, 0, 10), frauds.len()), (0, 2));
        assert_eq!(known(&frauds, 10, 30), 2);
    }

    #[test]
    fn a_verdict_far_ahead_leaves_older_ones_known() {
        let mut frauds = KnownFrauds::default();
        frauds.learn(&label("a", 0, true));
        frauds.learn(&label("b", 400 * crate::core::transaction::DAY_MS, true));
        assert_eq!(known(&frauds, -1, 0), 1);
    }
}
