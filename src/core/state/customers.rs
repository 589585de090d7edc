//! The customers of one engine: an index from id to state.
//!
//! States lie in blocks that never move, so that growing costs no copy and no second home for a
//! gigabyte; the index holds slot numbers alone.
//!
//! A customer whose state is stored as it is in memory can be *evicted*: the slot is free for
//! somebody else, and the hash of the id stays, so that the customer is asked for on return. Who
//! goes is who has been quiet longest, by the offset of the last record: nothing has to be noted
//! when a customer pays, as lists and reference bits would want, and a sample says which offsets
//! are old, as in Redis.
//!
//! After a restart it takes seconds to learn who is stored. Until then everybody behind the last id
//! that is known about may be ([`Customers::presume_all_stored`]), and is asked for when a payment
//! comes.

use std::collections::HashSet;

use compact_str::CompactString;
use hashbrown::HashTable;

use super::changes::Changes;
use super::customer::CustomerState;
use super::hash::hash64;

/// States in a block.
const BLOCK: usize = 1_024;

/// Most states that [`Customers::bytes`] and [`Customers::evict`] look at to know the rest.
const SAMPLE: usize = 1_024;

/// Most slots that one call of [`Customers::evict`] visits: about a millisecond.
const SWEEP: usize = 8_192;

/// Fewest states that tell something about the rest.
const SMALLEST_SAMPLE: usize = 32;

/// One customer.
#[derive(Debug)]
pub struct Customer {
    /// Ids of up to 24 bytes need no allocation of their own.
    id: CompactString,
    /// What is remembered.
    pub state: CustomerState,
    /// Records of the partition before this offset are in the state.
    applied_offset: i64,
}

impl Customer {
    /// The id, as it stands in the transactions.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Records of the partition before this offset are in the state.
    pub fn applied_offset(&self) -> i64 {
        self.applied_offset
    }
}

/// All customers, by id.
#[derive(Debug, Default)]
pub struct Customers {
    index: HashTable<u32>,
    blocks: Vec<Vec<Customer>>,
    /// Slots of those that were evicted. Their ids are empty.
    free: Vec<u32>,
    changes: Changes,
    /// Hashes of ids that are stored and not in memory. Two ids with one hash have two entries.
    stored: HashTable<u64>,
    /// Who else may be stored.
    unlisted: Option<Unlisted>,
    /// Where the next sweep begins.
    hand: usize,
}

/// Customers of whom it is not known yet whether they are stored.
#[derive(Debug, Default)]
struct Unlisted {
    /// They are behind this id.
    after: CompactString,
    /// But for these, who have been asked for.
    met: HashSet<CompactString>,
}

impl Unlisted {
    fn has(&self, id: &str) -> bool {
        id > self.after.as_str() && !self.met.contains(id)
    }
}

impl Customers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
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

    /// The slot of a customer, a new one if it is not in memory. `hash` is [`hash64`] of `id`.
    #[inline]
    pub fn slot(&mut self, id: &str, hash: u64) -> u32 {
        self.find(id, hash).unwrap_or_else(|| self.add(id, hash))
    }

    /// The customer in a slot.
    #[inline]
    pub fn at(&self, slot: u32) -> &Customer {
        at(&self.blocks, slot)
    }

    /// The state in a slot. Whoever changes it calls [`Self::applied`].
    #[inline]
    pub fn state_mut(&mut self, slot: u32) -> &mut CustomerState {
        &mut self.customer_mut(slot).state
    }

    /// The record at `offset` is in the state of this slot now.
    #[inline]
    pub fn applied(&mut self, slot: u32, offset: i64) {
        self.customer_mut(slot).applied_offset = offset + 1;
        self.changes.note(slot);
    }

    /// Takes a customer in as it was stored. `false` if it is in memory already, where it may be
    /// newer: then its state is not changed. The customer is missing no more.
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

    /// As [`Self::admit`], for a customer who is not stored like that and has changed still.
    pub fn admit_changed(&mut self, id: &str, state: CustomerState, applied_offset: i64) -> bool {
        let is_new = self.admit(id, state, applied_offset);
        if let (true, Some(slot)) = (is_new, self.find(id, hash64(id))) {
            self.changes.note(slot);
        }
        is_new
    }

    /// A customer is stored. One who is in memory is not missing. Who was evicted before the list
    /// of those who are stored came to them is in it twice, which costs a few bytes.
    pub fn mark_stored(&mut self, id: &str) {
        let hash = hash64(id);
        if !self.has(id, hash) {
            self.mark_hash_stored(hash);
        }
    }

    /// Nobody knows who is stored: everybody who is not in memory may be, until
    /// [`Self::mark_known`] says more.
    pub fn presume_all_stored(&mut self) {
        self.unlisted = Some(Unlisted::default());
    }

    /// Who is stored is known up to this id, in the order of ids; `None`: to the end. Those who are
    /// stored up to there have been marked so, or are before anything else is done.
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

    /// Whether this one is or may be, as far as hashes tell.
    pub fn is_missing(&self, id: &str) -> bool {
        let hash = hash64(id);
        let may_be_stored = self.stored.find(hash, |&other| other == hash).is_some()
            || self.unlisted.as_ref().is_some_and(|unlisted| unlisted.has(id));
        may_be_stored && !self.has(id, hash)
    }

    /// The store has been asked for this customer.
    pub fn mark_asked(&mut self, id: &str) {
        let hash = hash64(id);
        if let Ok(entry) = self.stored.find_entry(hash, |&other| other == hash) {
            entry.remove();
        }
        if let Some(unlisted) = self.unlisted.as_mut().filter(|unlisted| unlisted.has(id)) {
            unlisted.met.insert(id.into());
        }
    }

    /// How many have changed since the last save started.
    pub fn changed(&self) -> usize {
        self.changes.len()
    }

    /// Starts a save: the slots of all who have changed; from now on nobody has. A save that was
    /// under way is cancelled first.
    pub fn start_save(&mut self) -> Vec<u32> {
        self.changes.start_save()
    }

    /// The save is stored completely.
    pub fn confirm_save(&mut self) {
        self.changes.confirm_save();
    }

    /// These slots of the save are stored.
    pub fn confirm_rows(&mut self, slots: &[u32]) {
        self.changes.confirm_rows(slots);
    }

    /// The save will not be completed: who is not confirmed has changed still.
    pub fn cancel_save(&mut self) {
        self.changes.cancel_save();
    }

    /// Evicts customers that are stored as they are, those first that have been quiet longest, to
    /// free about `bytes`. How many; fewer than it takes if too few are stored, or if a sweep ends
    /// first: the next call goes on. The effort is the `parts`th part of what one call may cost.
    pub fn evict(&mut self, bytes: usize, parts: usize) -> usize {
        let mean = (self.bytes(parts) / self.len().max(1)).max(1);
        let wanted = bytes.div_ceil(mean).min(self.len());
        let live = self.sample(parts).filter(|customer| !customer.id.is_empty());
        let mut quiet: Vec<i64> = live.map(Customer::applied_offset).collect();
        if wanted == 0 || quiet.is_empty() {
            return 0;
        }
        quiet.sort_unstable();
        // Nobody is spared where all are to go.
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

    /// Every customer in memory, without evictions in order of first appearance.
    pub fn iter(&self) -> impl Iterator<Item = &Customer> {
        self.blocks.iter().flatten().filter(|customer| !customer.id.is_empty())
    }

    /// Memory of all states in bytes, from a sample of at most the `parts`th part of [`SAMPLE`]:
    /// states differ by what their customers do, and what is asked all the time must not visit a
    /// million of them. Free slots do not count, they are for who comes next.
    pub fn bytes(&self, parts: usize) -> usize {
        let sampled = self.sample(parts).len();
        let heap: usize = self.sample(parts).map(|customer| customer.state.heap_bytes()).sum();
        let own = self.len() * (size_of::<Customer>() + size_of::<u32>());
        own + (heap as u128 * self.slots() as u128 / sampled.max(1) as u128) as usize
    }

    /// What is in some slots, free ones too, evenly apart.
    fn sample(&self, parts: usize) -> impl ExactSizeIterator<Item = &Customer> {
        let most = (SAMPLE / parts.max(1)).max(SMALLEST_SAMPLE);
        let stride = self.slots().div_ceil(most).max(1);
        (0..self.slots()).step_by(stride).map(|slot| self.at(slot as u32))
    }

    /// Slots, free ones too; a `u32` holds each.
    fn slots(&self) -> usize {
        self.len() + self.free.len()
    }

    /// Takes a stored customer out of memory.
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
