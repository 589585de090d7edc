//! What one worker or shard remembers: customers by partition, and known frauds.
//!
//! Memory is separate from judgement: an engine judges a transaction *against* a memory and owns
//! none. So a model can be swapped while the memory stays, and a prediction reads the memory
//! without changing it.
//!
//! A partition can move to another worker at any time, and all of its customers leave with it. They
//! must not mix with the same ids in another partition (which happens when a producer keys its
//! records badly), so each partition has an index of its own. A worker has few partitions and
//! mostly asks for the one it asked for last.
//!
//! Life: it starts empty; customers enter when a transaction of theirs is remembered or when they
//! are admitted from a snapshot; stored ones may be evicted; a partition that leaves is dropped.

use super::Bounds;
use super::customer::{CustomerState, Remembered, Seen};
use super::customers::Customers;
use super::hash::hash64;
use super::labels::KnownFrauds;
use super::observation::{Incoming, Observation};
use crate::core::transaction::Label;

/// Where a transaction stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The partition that the record was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

impl Place {
    /// The place of transactions that come from no topic: nobody asks up to which offset those are
    /// applied.
    pub const NOWHERE: Self = Self { partition: Memory::WHOLE, offset: 0 };
}

/// Counters since the memory was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Transactions judged but not remembered, because they came too late.
    pub late: u64,
    /// Transactions whose id had been seen before.
    pub duplicates: u64,
    /// Transactions folded into hourly sums.
    pub folded: u64,
    /// Stored customers evicted to make room.
    pub evicted: u64,
}

/// Customers by partition, and known frauds. It does no I/O and knows nothing of models.
#[derive(Debug, Default)]
pub struct Memory {
    bounds: Bounds,
    partitions: Vec<(i32, Customers)>,
    /// The index in `partitions` that was used last.
    last: usize,
    frauds: KnownFrauds,
    counts: Counts,
}

impl Memory {
    /// The partition of transactions that come from no topic.
    pub const WHOLE: i32 = 0;

    /// An empty memory; `bounds` apply to each customer's state.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// The bounds of each customer's state.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The customers of a partition; `None` if the memory holds nothing of it.
    pub fn customers(&self, partition: i32) -> Option<&Customers> {
        self.partitions.iter().find(|(id, _)| *id == partition).map(|(_, customers)| customers)
    }

    /// The customers of a partition, which is added empty if it is new.
    #[inline]
    pub fn customers_mut(&mut self, partition: i32) -> &mut Customers {
        self.locate(partition);
        &mut self.partitions[self.last].1
    }

    /// A customer's state, as of the newest transaction remembered; `None` if it is not in memory.
    pub fn state(&self, partition: i32, customer_id: &str) -> Option<&CustomerState> {
        let customer = self.customers(partition)?.get(customer_id, hash64(customer_id))?;
        Some(&customer.state)
    }

    /// Whether a customer is stored and not in memory, or may be. Then read the customer from the
    /// store before you judge or remember a transaction of theirs.
    pub fn is_missing(&self, partition: i32, customer_id: &str) -> bool {
        self.customers(partition).is_some_and(|customers| customers.is_missing(customer_id))
    }

    /// Whether [`Self::is_missing`] could be true for any customer.
    pub fn may_miss_anybody(&self) -> bool {
        self.partitions.iter().any(|(_, customers)| customers.may_miss_anybody())
    }

    /// How many customers of a partition have changed since the last save of it began.
    pub fn changed(&self, partition: i32) -> usize {
        self.customers(partition).map_or(0, Customers::changed)
    }

    /// How many customers are in memory, in all partitions together.
    pub fn customer_count(&self) -> usize {
        self.partitions.iter().map(|(_, customers)| customers.len()).sum()
    }

    /// Approximate memory of all states in bytes; see [`Customers::bytes`].
    pub fn bytes(&self) -> usize {
        let parts = self.partitions.len();
        self.partitions.iter().map(|(_, customers)| customers.bytes(parts)).sum()
    }

    /// The frauds that analysts have confirmed.
    pub fn frauds(&self) -> &KnownFrauds {
        &self.frauds
    }

    /// The counters so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes an analyst's verdict in; it counts from its `labeled_at` on.
    pub fn learn(&mut self, label: &Label<'_>) {
        self.frauds.learn(label);
    }

    /// Remembers a transaction of the customer whose id has this `hash` ([`hash64`]). `read` sees
    /// the state as of the transaction; it is not called for a duplicate.
    #[inline]
    pub fn remember(
        &mut self,
        (customer_id, hash): (&str, u64),
        incoming: &Incoming,
        place: Place,
        read: impl FnOnce(&CustomerState, &Observation, &KnownFrauds),
    ) -> Seen {
        self.locate(place.partition);
        let Self { bounds, partitions, last, frauds, counts } = self;
        let customers = &mut partitions[*last].1;
        let slot = customers.slot(customer_id, hash);
        let state = customers.state_mut(slot);
        let read = |state: &CustomerState, observation: &Observation| {
            read(state, observation, frauds);
        };
        let Remembered { seen, folded } = state.remember(incoming, bounds, read);
        counts.folded += folded as u64;
        match seen {
            Seen::New => customers.applied(slot, place.offset),
            Seen::Late => {
                counts.late += 1;
                customers.applied(slot, place.offset);
            }
            Seen::Duplicate => counts.duplicates += 1,
        }
        seen
    }

    /// Remembers a transaction that was judged before, to rebuild lost state. The state ends up the
    /// same as after [`Self::remember`], but [`Counts`] do not change. Returns `false` and changes
    /// nothing if the customer's state, as read from a snapshot, contains the record already.
    pub fn restore(&mut self, customer_id: &str, incoming: &Incoming, place: Place) -> bool {
        let bounds = self.bounds;
        let customers = self.customers_mut(place.partition);
        let slot = customers.slot(customer_id, hash64(customer_id));
        if place.offset < customers.at(slot).applied_offset() {
            return false;
        }
        let remembered = customers.state_mut(slot).remember(incoming, &bounds, |_, _| ());
        if remembered.seen != Seen::Duplicate {
            customers.applied(slot, place.offset);
        }
        true
    }

    /// Evicts stored and unchanged customers to free about `bytes`, from each partition in
    /// proportion to its size, and returns how many. It may free less: one call visits a bounded
    /// number of slots. See [`Customers::evict`].
    pub fn evict(&mut self, bytes: usize) -> usize {
        let all = self.bytes().max(1) as u128;
        let parts = self.partitions.len();
        let share = |own: usize| (bytes as u128 * own as u128).div_ceil(all) as usize;
        let customers = self.partitions.iter_mut().map(|(_, customers)| customers);
        let evicted = customers.map(|one| one.evict(share(one.bytes(parts)), parts)).sum();
        self.counts.evicted += evicted as u64;
        evicted
    }

    /// Drops all customers of a partition: another worker owns it now, or it is read anew.
    pub fn drop_partition(&mut self, partition: i32) {
        self.partitions.retain(|(id, _)| *id != partition);
    }

    /// Drops all customers; the known frauds stay.
    pub fn drop_customers(&mut self) {
        self.partitions.clear();
    }

    /// Makes `last` the index of a partition, which is new if it has to be.
    #[inline]
    fn locate(&mut self, partition: i32) {
        if self.partitions.get(self.last).is_none_or(|(id, _)| *id != partition) {
            self.last = self.index_of(partition);
        }
    }

    #[cold]
    fn index_of(&mut self, partition: i32) -> usize {
        let found = self.partitions.iter().position(|(id, _)| *id == partition);
        found.unwrap_or_else(|| {
            self.partitions.push((partition, Customers::default()));
            self.partitions.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(memory: &mut Memory, partition: i32, id: &str) {
        memory.customers_mut(partition).slot(id, hash64(id));
    }

    #[test]
    fn the_same_id_in_two_partitions_is_two_customers() {
        let mut memory = Memory::default();
        for (partition, id) in [(7, "a"), (3, "a"), (7, "b"), (7, "a")] {
            meet(&mut memory, partition, id);
        }
        let count = |partition| memory.customers(partition).map(Customers::len);
        assert_eq!((count(7), count(3), count(0)), (Some(2), Some(1), None));
        assert_eq!(memory.customer_count(), 3);
        let own = std::mem::size_of::<crate::core::state::customers::Customer>();
        assert!(memory.bytes() >= 3 * own && memory.bytes() < 3 * own + 1_000);
    }

    #[test]
    fn a_dropped_partition_begins_anew() {
        let mut memory = Memory::default();
        meet(&mut memory, 1, "a");
        meet(&mut memory, 2, "a");
        memory.drop_partition(1);
        assert!(memory.customers(1).is_none());
        assert_eq!(memory.customers_mut(2).len(), 1);
        assert_eq!(memory.customers_mut(1).len(), 0);
        memory.drop_customers();
        assert_eq!((memory.customer_count(), memory.state(2, "a").is_some()), (0, false));
    }
}
