//! The customers of one engine, apart by the partition that they come from.
//!
//! A partition can be taken away from an engine and given to another one at any time. What is
//! remembered of its customers then has to go as a whole, and must not be mixed up with what the
//! same ids did in another partition (a producer that keys its records badly does that): so each
//! partition has an index of its own. An engine has few of them and asks mostly for the one it
//! asked for last.

use super::customers::Customers;

/// Where a transaction stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The partition that it was read from.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
}

/// Customers by partition.
#[derive(Debug, Default)]
pub struct Partitions {
    list: Vec<(i32, Customers)>,
    /// The place that was asked for last.
    last: usize,
}

impl Partitions {
    /// The customers of a partition, none if it is new.
    #[inline]
    pub fn of_mut(&mut self, partition: i32) -> &mut Customers {
        if self.list.get(self.last).is_none_or(|(id, _)| *id != partition) {
            self.last = self.place(partition);
        }
        &mut self.list[self.last].1
    }

    /// The customers of a partition; `None` if nothing of it is remembered.
    pub fn of(&self, partition: i32) -> Option<&Customers> {
        self.list.iter().find(|(id, _)| *id == partition).map(|(_, customers)| customers)
    }

    /// The customers of each partition.
    pub fn iter(&self) -> impl Iterator<Item = &Customers> {
        self.list.iter().map(|(_, customers)| customers)
    }

    /// Forgets all customers of a partition.
    pub fn forget(&mut self, partition: i32) {
        self.list.retain(|(id, _)| *id != partition);
    }

    /// Frees about `bytes`, from each partition as much as its share of the memory is; see
    /// [`Customers::evict`]. How many customers go.
    pub fn evict(&mut self, bytes: usize) -> usize {
        let all = self.bytes().max(1) as u128;
        let parts = self.list.len();
        let share = |own: usize| (bytes as u128 * own as u128).div_ceil(all) as usize;
        let customers = self.list.iter_mut().map(|(_, customers)| customers);
        customers.map(|one| one.evict(share(one.bytes(parts)), parts)).sum()
    }

    /// How many customers there are, all partitions together.
    pub fn customers(&self) -> usize {
        self.list.iter().map(|(_, customers)| customers.len()).sum()
    }

    /// Memory of all states in bytes, about; see [`Customers::bytes`].
    pub fn bytes(&self) -> usize {
        let parts = self.list.len();
        self.list.iter().map(|(_, customers)| customers.bytes(parts)).sum()
    }

    #[cold]
    fn place(&mut self, partition: i32) -> usize {
        let found = self.list.iter().position(|(id, _)| *id == partition);
        found.unwrap_or_else(|| {
            self.list.push((partition, Customers::default()));
            self.list.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::state::hash::hash64;

    fn remember(partitions: &mut Partitions, partition: i32, id: &str) {
        partitions.of_mut(partition).slot(id, hash64(id));
    }

    #[test]
    fn the_same_id_in_two_partitions_is_two_customers() {
        let mut partitions = Partitions::default();
        for (partition, id) in [(7, "a"), (3, "a"), (7, "b"), (7, "a")] {
            remember(&mut partitions, partition, id);
        }
        let count = |partition| partitions.of(partition).map(Customers::len);
        assert_eq!((count(7), count(3), count(0)), (Some(2), Some(1), None));
        assert_eq!(partitions.customers(), 3);
        let own = std::mem::size_of::<crate::core::state::customers::Customer>();
        assert!(partitions.bytes() >= 3 * own && partitions.bytes() < 3 * own + 1_000);
    }

    #[test]
    fn what_is_forgotten_begins_anew() {
        let mut partitions = Partitions::default();
        remember(&mut partitions, 1, "a");
        remember(&mut partitions, 2, "a");
        partitions.forget(1);
        assert!(partitions.of(1).is_none());
        assert_eq!(partitions.of_mut(2).len(), 1);
        assert_eq!(partitions.of_mut(1).len(), 0);
    }
}
