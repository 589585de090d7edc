//! The customers of one partition: an index from id to state.
//!
//! States lie in blocks that never move: growing copies nothing and never needs twice the memory.
//! The index holds slot numbers only.
//!
//! A customer whose stored row equals the state in memory can be *evicted*. Its slot becomes free,
//! and the hash of its id is kept, so that the customer is looked up in the database on return.
//! Eviction takes the customers that have been quiet longest, by the offset of their last record.
//! Lists in order of use or reference bits would need an update at every payment; here a sample
//! shows which offsets are old, as in Redis.
//!
//! After a restart it takes seconds to list the stored customers. Until then every customer whose
//! id is after the last listed one may be stored ([`Customers::presume_all_stored`]), and is looked
//! up when a payment comes.

use std::collections::HashSet;

use compact_str::CompactString;
use hashbrown::HashTable;

use super::changes::Changes;
use super::customer::CustomerState;
use super::hash::hash64;

/// States per block.
const BLOCK: usize = 1_024;

/// How many states [`Customers::bytes`] and [`Customers::evict`] sample at most.
const SAMPLE: usize = 1_024;

/// How many slots one call of [`Customers::evict`] visits at most: about a millisecond.
const SWEEP: usize = 8_192;

/// The smallest sample that says something about the rest.
const SMALLEST_SAMPLE: usize = 32;

/// One customer.
#[derive(Debug)]
pub struct Customer {
    /// Ids of up to 24 bytes need no allocation of their own.
    id: CompactString,
    /// The remembered transactions and what is derived from them.
    pub state: CustomerState,
    /// The state contains the records of the partition before this offset.
    applied_offset: i64,
}

impl Customer {
    /// The id, as transactions spell it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The state contains the records of the partition before this offset.
    pub fn applied_offset(&self) -> i64 {
        self.applied_offset
    }
}

/// All customers of a partition, by id: their states, which of them have changed since they were
/// saved, and which are stored but not in memory. It reads and writes no database; the caller does
/// and reports it here.
#[derive(Debug, Default)]
pub struct Customers {
    index: HashTable<u32>,
    blocks: Vec<Vec<Customer>>,
    /// Slots of evicted customers. Their ids are empty.
    free: Vec<u32>,
    changes: Changes,
    /// Hashes of ids that are stored and not in memory. Two ids with the same hash have two
    /// entries.
    stored: HashTable<u64>,
    /// Customers that may be stored as well, until all stored ones have been listed.
    unlisted: Option<Unlisted>,
    /// The slot at which the next sweep begins.
    hand: usize,
}

/// Customers not listed yet: nobody knows whether they are stored.
#[derive(Debug, Default)]
struct Unlisted {
    /// Ids after this one are meant.
    after: CompactString,
    /// Except these, which have been looked up already.
    met: HashSet<CompactString>,
}

impl Unlisted {
    fn has(&self, id: &str) -> bool {
        id > self.after.as_str() && !self.met.contains(id)
    }
}

impl Customers {
    /// How many customers are in memory.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no customer is in memory.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The customer, if it is in memory. `hash` is [`hash64`] of `id`.
    #[inline]
    pub fn get(&self, id: &str, hash: u64) -> Option<&Customer> {
        self.find(id, hash).map(|slot| self.at(slot))
    }

    /// Whether the customer is in memory. `hash` is [`hash64`] of `id`.
    #[inline]
    pub fn has(&self, id: &str, hash: u64) -> bool {
        self.find(id, hash).is_some()
    }

    /// The slot of a customer, which is added if it is not in memory. `hash` is [`hash64`] of `id`.
    #[inline]
    pub fn slot(&mut self, id: &str, hash: u64) -> u32 {
        self.find(id, hash).unwrap_or_else(|| self.add(id, hash))
    }

    /// The customer in a slot.
    #[inline]
    pub fn at(&self, slot: u32) -> &Customer {
        at(&self.blocks, slot)
    }

    /// The state in a slot. Call [`Self::applied`] after changing it.
    #[inline]
    pub fn state_mut(&mut self, slot: u32) -> &mut CustomerState {
        &mut self.customer_mut(slot).state
    }

    /// Notes that the state in this slot now contains the record at `offset`: the customer has
    /// changed.
    #[inline]
    pub fn applied(&mut self, slot: u32, offset: i64) {
        self.customer_mut(slot).applied_offset = offset + 1;
        self.changes.note(slot);
    }

    /// Adds a customer with the stored state, and marks it as looked up. Returns `false` and
    /// changes no state if the customer is in memory already: that state may be newer.
    pub fn admit(&mut self, id: &str, state: CustomerState, applied_offset: i64) -> bool {
        self.mark_asked(id);
        let hash = hash64(id);
        if self.has(id, hash) {
            return false;
        }
        let slot = self.add(id, hash);
        let customer = self.customer_mut(slot);
        (customer.state, customer.applied_offset) = (state, applied_offset);
        true
    }

    /// Like [`Self::admit`], for a state that differs from the stored row: the customer counts as
    /// changed and the next save includes it.
    pub fn admit_changed(&mut self, id: &str, state: CustomerState, applied_offset: i64) -> bool {
        let is_new = self.admit(id, state, applied_offset);
        if let (true, Some(slot)) = (is_new, self.find(id, hash64(id))) {
            self.changes.note(slot);
        }
        is_new
    }

    /// Notes that a customer is stored, which matters only if it is not in memory. A customer that
    /// was evicted before the listing reached it has two entries then, which costs a few bytes.
    pub fn mark_stored(&mut self, id: &str) {
        let hash = hash64(id);
        if !self.has(id, hash) {
            self.mark_hash_stored(hash);
        }
    }

    /// Nobody knows yet which customers are stored: each one not in memory may be, until
    /// [`Self::mark_known`] says more.
    pub fn presume_all_stored(&mut self) {
        self.unlisted = Some(Unlisted::default());
    }

    /// All stored customers with ids up to `up_to`, in the order of ids, are known; `None`: all of
    /// them. The caller has passed them to [`Self::mark_stored`], or does so before anything else.
    pub fn mark_known(&mut self, up_to: Option<&str>) {
        match (&mut self.unlisted, up_to) {
            (Some(unlisted), Some(id)) => unlisted.after = id.into(),
            _ => self.unlisted = None,
        }
    }

    /// Whether any customer is stored and not in memory, or may be.
    pub fn may_miss_anybody(&self) -> bool {
        !self.stored.is_empty() || self.unlisted.is_some()
    }

    /// Whether this customer is stored and not in memory, or may be. Equal hashes can make it a
    /// false yes.
    pub fn is_missing(&self, id: &str) -> bool {
        let hash = hash64(id);
        let may_be_stored = self.stored.find(hash, |&other| other == hash).is_some()
            || self.unlisted.as_ref().is_some_and(|unlisted| unlisted.has(id));
        may_be_stored && !self.has(id, hash)
    }

    /// Notes that this customer has been looked up in the database: it is not missing any more.
    pub fn mark_asked(&mut self, id: &str) {
        let hash = hash64(id);
        if let Ok(entry) = self.stored.find_entry(hash, |&other| other == hash) {
            entry.remove();
        }
        if let Some(unlisted) = self.unlisted.as_mut().filter(|unlisted| unlisted.has(id)) {
            unlisted.met.insert(id.into());
        }
    }

    /// How many customers have changed since the last save started.
    pub fn changed(&self) -> usize {
        self.changes.len()
    }

    /// Starts a save and returns the slots of all changed customers, which count as unchanged from
    /// now on. A save under way is cancelled first.
    pub fn start_save(&mut self) -> Vec<u32> {
        self.changes.start_save()
    }

    /// The whole save is stored.
    pub fn confirm_save(&mut self) {
        self.changes.confirm_save();
    }

    /// The rows of these slots, part of the save, are stored.
    pub fn confirm_rows(&mut self, slots: &[u32]) {
        self.changes.confirm_rows(slots);
    }

    /// The save will not complete: customers not confirmed count as changed again.
    pub fn cancel_save(&mut self) {
        self.changes.cancel_save();
    }

    /// Evicts stored and unchanged customers to free about `bytes`, those that have been quiet
    /// longest first. Returns how many. It evicts fewer than needed if too few are stored, or if it
    /// has visited its share of slots; the next call continues there. `parts` is the number of
    /// partitions that share one call's effort.
    pub fn evict(&mut self, bytes: usize, parts: usize) -> usize {
        let mean = (self.bytes(parts) / self.len().max(1)).max(1);
        let wanted = bytes.div_ceil(mean).min(self.len());
        let live = self.sample(parts).filter(|customer| !customer.id.is_empty());
        let mut quiet: Vec<i64> = live.map(Customer::applied_offset).collect();
        if wanted == 0 || quiet.is_empty() {
            return 0;
        }
        quiet.sort_unstable();
        // If all have to go, no offset is spared.
        let last = quiet.len() * wanted / self.len();
        let oldest = quiet.get(last).copied().unwrap_or(i64::MAX);
        let mut evicted = 0;
        for _ in 0..self.slots().min(SWEEP / parts.max(1) + 1) {
            let slot = (self.hand % self.slots()) as u32;
            self.hand = slot as usize + 1;
            let customer = self.at(slot);
            let is_quiet = !customer.id.is_empty() && customer.applied_offset <= oldest;
            if is_quiet && self.changes.is_stored(slot) {
                self.remove(slot);
                evicted += 1;
                if evicted == wanted {
                    break;
                }
            }
        }
        evicted
    }

    /// Every customer in memory; in order of first appearance if nobody was evicted.
    pub fn iter(&self) -> impl Iterator<Item = &Customer> {
        self.blocks.iter().flatten().filter(|customer| !customer.id.is_empty())
    }

    /// Approximate memory of all states in bytes, estimated from a sample of about [`SAMPLE`] /
    /// `parts` states and at least [`SMALLEST_SAMPLE`]: states differ with what their customers do,
    /// and a question asked this often cannot visit a million of them. Free slots do not count: the
    /// next customers reuse them.
    pub fn bytes(&self, parts: usize) -> usize {
        let sampled = self.sample(parts).len();
        let heap: usize = self.sample(parts).map(|customer| customer.state.heap_bytes()).sum();
        let own = self.len() * (size_of::<Customer>() + size_of::<u32>());
        own + (heap as u128 * self.slots() as u128 / sampled.max(1) as u128) as usize
    }

    /// The content of some slots, evenly spaced, free ones included.
    fn sample(&self, parts: usize) -> impl ExactSizeIterator<Item = &Customer> {
        let most = (SAMPLE / parts.max(1)).max(SMALLEST_SAMPLE);
        let stride = self.slots().div_ceil(most).max(1);
        (0..self.slots()).step_by(stride).map(|slot| self.at(slot as u32))
    }

    /// How many slots there are, free ones included; a slot number fits a `u32`.
    fn slots(&self) -> usize {
        self.len() + self.free.len()
    }

    /// Evicts the customer in a slot.
    fn remove(&mut self, slot: u32) {
        let customer = self.customer_mut(slot);
        customer.state = CustomerState::default();
        let hash = hash64(&std::mem::take(&mut customer.id));
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == slot) {
            entry.remove();
        }
        self.free.push(slot);
        self.mark_hash_stored(hash);
    }

    fn mark_hash_stored(&mut self, hash: u64) {
        self.stored.insert_unique(hash, hash, |&hash| hash);
    }

    #[inline]
    fn find(&self, id: &str, hash: u64) -> Option<u32> {
        self.index.find(hash, |&slot| at(&self.blocks, slot).id() == id).copied()
    }

    #[inline]
    fn customer_mut(&mut self, slot: u32) -> &mut Customer {
        &mut self.blocks[slot as usize / BLOCK][slot as usize % BLOCK]
    }

    #[cold]
    fn add(&mut self, id: &str, hash: u64) -> u32 {
        let customer =
            || Customer { id: id.into(), state: CustomerState::default(), applied_offset: 0 };
        let slot = if let Some(slot) = self.free.pop() {
            *self.customer_mut(slot) = customer();
            slot
        } else {
            let slot = u32::try_from(self.slots()).expect("four billion states exceed any memory");
            if self.slots().is_multiple_of(BLOCK) {
                self.blocks.push(Vec::with_capacity(BLOCK));
            }
            let block = self.blocks.last_mut().expect("a block was just made if there was none");
            block.push(customer());
            slot
        };
        let blocks = &self.blocks;
        self.index.insert_unique(hash, slot, |&slot| hash64(at(blocks, slot).id()));
        slot
    }
}

#[inline]
fn at(blocks: &[Vec<Customer>], slot: u32) -> &Customer {
    &blocks[slot as usize / BLOCK][slot as usize % BLOCK]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pay(customers: &mut Customers, number: i64, offset: i64) {
        let id = format!("c{number}");
        let slot = customers.slot(&id, hash64(&id));
        customers.applied(slot, offset);
    }

    fn stored(count: i64) -> Customers {
        let mut customers = Customers::default();
        (0..count).for_each(|number| pay(&mut customers, number, number));
        customers.start_save();
        customers.confirm_save();
        customers
    }

    #[test]
    fn who_has_been_quiet_longest_goes() {
        let mut customers = stored(2_000);
        pay(&mut customers, 7, 5_000);
        customers.start_save();
        customers.confirm_save();
        let half = customers.bytes(1) / 2;
        let evicted = customers.evict(half, 1);
        assert!((900..=1_001).contains(&evicted), "{evicted}");
        assert_eq!((customers.len(), customers.may_miss_anybody()), (2_000 - evicted, true));
        let is_here = |id: &str| customers.has(id, hash64(id));
        assert!(is_here("c7") && is_here("c1999") && !is_here("c6"));
        assert!(customers.is_missing("c6") && !customers.is_missing("c7"));
        assert!(customers.bytes(1) <= half + half / 5);
    }

    #[test]
    fn what_is_not_stored_stays() {
        let mut customers = stored(10);
        (0..5).for_each(|number| pay(&mut customers, number, 20 + number));
        customers.start_save();
        (2..4).for_each(|number| pay(&mut customers, number, 30 + number));
        assert_eq!(customers.evict(usize::MAX, 1), 5);
        customers.cancel_save();
        assert_eq!((customers.evict(usize::MAX, 1), customers.changed()), (0, 5));
        customers.start_save();
        customers.confirm_save();
        assert_eq!(
            (customers.evict(usize::MAX, 1), customers.len(), customers.bytes(1)),
            (5, 0, 0)
        );
        assert_eq!(customers.iter().count(), 0);
    }

    #[test]
    fn a_free_slot_is_for_who_comes_next() {
        let mut customers = stored(3_000);
        while customers.evict(usize::MAX, 1) > 0 {}
        (5_000..8_000).for_each(|number| pay(&mut customers, number, number));
        assert_eq!((customers.len(), customers.slots()), (3_000, 3_000));
        assert_eq!((customers.changed(), customers.iter().count()), (3_000, 3_000));
        assert!(customers.admit("c5", CustomerState::default(), 6));
        assert!(!customers.is_missing("c5") && customers.has("c5", hash64("c5")));
    }

    #[test]
    fn who_may_be_stored_is_asked_for_once() {
        let mut customers = stored(10);
        customers.presume_all_stored();
        let missing =
            |customers: &Customers, ids: [&str; 4]| ids.map(|id| customers.is_missing(id));
        let ids = ["c3", "d1", "d2", "e"];
        assert_eq!(missing(&customers, ids), [false, true, true, true]);
        customers.mark_asked("d2");
        assert_eq!(missing(&customers, ids), [false, true, false, true]);
        customers.mark_known(Some("d1"));
        customers.mark_stored("d0");
        assert_eq!(missing(&customers, ["d0", "d1", "d2", "e"]), [true, false, false, true]);
        customers.mark_known(None);
        assert_eq!(missing(&customers, ["d0", "d1", "d2", "e"]), [true, false, false, false]);
        customers.mark_asked("d0");
        assert!(!customers.may_miss_anybody());
    }

    #[test]
    fn who_leaves_memory_before_being_listed_is_missing_still() {
        let mut customers = stored(10);
        customers.presume_all_stored();
        customers.mark_known(Some("c"));
        assert_eq!(customers.evict(usize::MAX, 1), 10);
        customers.mark_known(None);
        assert!(customers.is_missing("c4"));
        assert!(customers.admit("c4", CustomerState::default(), 5));
        assert!(!customers.is_missing("c4") && customers.is_missing("c5"));
    }
}
