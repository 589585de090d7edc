//! Stored customers who were read ahead and have not paid since.
//!
//! Decoding a state costs more than reading it, and most customers read ahead do not pay for a
//! while. So their rows stay bytes, and the customers missing, until they return. A row here is
//! never older than the stored one: a customer who comes into memory leaves the shelf, and a scan
//! that began before an eviction adds no rows.

use compact_str::CompactString;
use hashbrown::HashTable;

use crate::core::state::hash::hash64;
use crate::edges::database::StoredCustomer;

/// The rows read ahead of one partition.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    rows: HashTable<Row>,
    /// Bytes of all states.
    state_bytes: usize,
}

/// A [`StoredCustomer`] in less memory.
#[derive(Debug)]
struct Row {
    customer_id: CompactString,
    state: Box<[u8]>,
    applied_offset: i64,
    erased_at_ms: Option<i64>,
}

impl Shelf {
    /// Keeps a row, unless the customer has one here already.
    pub(super) fn put(&mut self, row: StoredCustomer) {
        let StoredCustomer { customer_id, applied_offset, state, erased_at_ms } = row;
        let (hash, bytes) = (hash64(&customer_id), state.len());
        let customer_id = CompactString::from(customer_id);
        if self.rows.find(hash, |other| other.customer_id == customer_id).is_some() {
            return;
        }
        let row = Row { customer_id, state: state.into(), applied_offset, erased_at_ms };
        self.rows.insert_unique(hash, row, |row| hash64(&row.customer_id));
        self.state_bytes += bytes;
    }

    /// Takes a customer's row; `None` if it is not here.
    pub(super) fn take(&mut self, customer_id: &str) -> Option<StoredCustomer> {
        let found = self.rows.find_entry(hash64(customer_id), |row| row.customer_id == customer_id);
        let (Row { customer_id, state, applied_offset, erased_at_ms }, _) = found.ok()?.remove();
        self.state_bytes -= state.len();
        let (customer_id, state) = (customer_id.into(), state.into());
        Some(StoredCustomer { customer_id, applied_offset, state, erased_at_ms })
    }

    /// Approximate memory of the rows, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.state_bytes + self.rows.len() * size_of::<Row>()
    }

    /// Drops arbitrary rows to free at least `bytes`, or all. Returns the bytes freed. Customers
    /// dropped are asked for when they return.
    pub(super) fn drop_some(&mut self, bytes: usize) -> usize {
        let before = self.bytes();
        let mut freed = 0;
        for row in self.rows.extract_if(|_| true) {
            self.state_bytes -= row.state.len();
            freed += row.state.len() + size_of::<Row>();
            if freed >= bytes {
                break;
            }
        }
        if self.rows.is_empty() {
            *self = Self::default();
        }
        before - self.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, applied_offset: i64) -> StoredCustomer {
        let (customer_id, erased_at_ms) = (id.to_owned(), Some(3).filter(|_| id == "b"));
        StoredCustomer { customer_id, applied_offset, state: vec![7; 100], erased_at_ms }
    }

    #[test]
    fn rows_come_back_as_they_were_and_once() {
        let mut shelf = Shelf::default();
        for id in ["a", "b"] {
            shelf.put(row(id, 5));
            shelf.put(row(id, 9));
        }
        assert_eq!(shelf.take("a"), Some(row("a", 5)));
        assert_eq!((shelf.take("a"), shelf.take("c")), (None, None));
        assert_eq!(shelf.take("b"), Some(row("b", 5)));
        assert_eq!(shelf.bytes(), 0);
    }

    #[test]
    fn no_more_is_dropped_than_has_to_be() {
        let mut shelf = Shelf::default();
        (0..1_000).for_each(|n| shelf.put(row(&n.to_string(), n)));
        let (before, each) = (shelf.bytes(), shelf.bytes() / 1_000);
        let freed = shelf.drop_some(before / 4);
        assert!((before / 4..=before / 4 + each).contains(&freed), "{freed} of {before}");
        assert_eq!(shelf.bytes(), before - freed);
        let left = (0..1_000).filter(|n| shelf.take(&n.to_string()).is_some()).count();
        assert_eq!(left, (before - freed) / each);
        shelf.put(row("a", 1));
        assert_eq!(shelf.drop_some(usize::MAX), each);
        assert_eq!(shelf.drop_some(1), 0);
    }
}
