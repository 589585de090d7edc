//! The customers of one engine: an index from id to state.
//!
//! States lie in blocks that never move, so that growing costs no copy and no second home for a
//! gigabyte; the index holds slot numbers alone.

use compact_str::CompactString;
use hashbrown::HashTable;

use super::changes::Changes;
use super::customer::CustomerState;
use super::hash::hash64;

/// States in a block.
const BLOCK: usize = 1_024;

/// Most states that [`Customers::bytes`] looks at.
const SAMPLE: usize = 1_024;

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
    changes: Changes,
    /// Hashes of ids that are stored and have not been in memory since.
    stored: HashTable<u64>,
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
    /// newer: then nothing is changed.
    pub fn admit(&mut self, id: &str, state: CustomerState, applied_offset: i64) -> bool {
        let hash = hash64(id);
        if self.has(id, hash) {
            return false;
        }
        let slot = self.add(id, hash);
        let customer = self.customer_mut(slot);
        (customer.state, customer.applied_offset) = (state, applied_offset);
        true
    }

    /// A customer is stored, and not in memory unless it says so.
    pub fn expect(&mut self, id: &str) {
        let hash = hash64(id);
        if !self.has(id, hash) && self.stored.find(hash, |&other| other == hash).is_none() {
            self.stored.insert_unique(hash, hash, |&hash| hash);
        }
    }

    /// Whether any customer is stored and not in memory.
    pub fn expects(&self) -> bool {
        !self.stored.is_empty()
    }

    /// Whether this one is, as far as hashes tell.
    pub fn is_missing(&self, id: &str) -> bool {
        let hash = hash64(id);
        self.stored.find(hash, |&other| other == hash).is_some() && !self.has(id, hash)
    }

    /// The store has been asked for this customer.
    pub fn met_in_store(&mut self, id: &str) {
        let hash = hash64(id);
        if let Ok(entry) = self.stored.find_entry(hash, |&other| other == hash) {
            entry.remove();
        }
    }

    /// How many have changed since the last [`Self::cut`].
    pub fn changed(&self) -> usize {
        self.changes.len()
    }

    /// The slots of those; from now on none has changed.
    pub fn cut(&mut self) -> Vec<u32> {
        self.changes.take()
    }

    /// Every customer, in order of first appearance.
    pub fn iter(&self) -> impl Iterator<Item = &Customer> {
        self.blocks.iter().flatten()
    }

    /// Memory of all states in bytes, from a sample of at most [`SAMPLE`] of them: states differ by
    /// what their customers do, and what is asked once a second must not visit a million of them.
    pub fn bytes(&self) -> usize {
        let stride = self.len().div_ceil(SAMPLE).max(1);
        let sample = (0..self.len()).step_by(stride);
        let sampled = sample.len();
        let slots = sample.filter_map(|slot| u32::try_from(slot).ok());
        let heap: usize = slots.map(|slot| at(&self.blocks, slot).state.heap_bytes()).sum();
        let own = self.len() * (size_of::<Customer>() + size_of::<u32>());
        own + (heap as u128 * self.len() as u128 / sampled.max(1) as u128) as usize
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
        let slot = u32::try_from(self.len()).expect("four billion states exceed any memory");
        if self.len().is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let block = self.blocks.last_mut().expect("a block was just made if there was none");
        block.push(Customer { id: id.into(), state: CustomerState::default(), applied_offset: 0 });
        let blocks = &self.blocks;
        self.index.insert_unique(hash, slot, |&slot| hash64(at(blocks, slot).id()));
        slot
    }
}

#[inline]
fn at(blocks: &[Vec<Customer>], slot: u32) -> &Customer {
    &blocks[slot as usize / BLOCK][slot as usize % BLOCK]
}
