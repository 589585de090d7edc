//! Whether a file's rows stand in the order of their times.
//!
//! Windows are in event time and a row knows what stands before it. In a file whose times go
//! backwards, as many exports do, each row is judged without the part of the past that follows it:
//! no error, but hardly what anybody wants, and nothing in the output shows it. So such rows are
//! counted, within each customer, for a file sorted by customer and then by time is as good.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::core::transaction::Transaction;

/// The newest time of each customer of a shard: 16 bytes a customer.
#[derive(Default)]
pub(super) struct Order {
    newest: HashTable<(u64, i64)>,
}

impl Order {
    /// Takes a row in; whether its customer had a later one before it.
    pub(super) fn is_older(&mut self, transaction: &Transaction<'_>) -> bool {
        let customer = xxh3_64(transaction.customer_id.as_bytes());
        let time = transaction.event_time.millis();
        match self.newest.find_mut(customer, |(other, _)| *other == customer) {
            Some((_, newest)) if time < *newest => true,
            Some((_, newest)) => {
                *newest = time;
                false
            }
            None => {
                self.newest.insert_unique(customer, (customer, time), |(customer, _)| *customer);
                false
            }
        }
    }
}

/// What a person should know of a file with `older` rows of that kind among `rows`.
pub(super) fn note(older: u64, rows: u64) -> Option<String> {
    (older > 0).then(|| {
        format!(
            "times go backwards: {older} of {rows} rows are older than a row of their customer that \
             stands before them; a row's windows hold only what stands before it and is not later, \
             so sort by event_time for the results of the live stream"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::transaction::RawTransaction;

    #[test]
    fn only_a_customer_s_own_rows_count() {
        const NOW: i64 = 1_767_225_600_000;
        let mut order = Order::default();
        let rows =
            [("a", 5, false), ("a", 6, false), ("b", 1, false), ("b", 1, false), ("a", 5, true)];
        for (customer_id, time, expected) in rows {
            let raw = RawTransaction {
                transaction_id: "t",
                customer_id,
                merchant_id: "m",
                event_time: NOW + time,
                ..RawTransaction::default()
            };
            let transaction = raw.validate(NOW).unwrap();
            assert_eq!(order.is_older(&transaction), expected, "{customer_id} {time}");
        }
        assert_eq!(note(0, 3), None);
    }
}
