//! The customers of one engine: an index from id to state.
//!
//! States lie in blocks that never move, so that growing costs no copy and no second home for a
//! gigabyte; the index holds slot numbers alone.

use compact_str::CompactString;
use hashbrown::HashTable;

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
}

impl Customer {
    /// The id, as it stands in the transactions.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// All customers, by id.
#[derive(Debug, Default)]
pub struct Customers {
    index: HashTable<u32>,
    blocks: Vec<Vec<Customer>>,
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

    /// The state of a customer, a new one if it is not known. `hash` is [`hash64`] of `id`.
    #[inline]
    pub fn state_mut(&mut self, id: &str, hash: u64) -> &mut CustomerState {
        let blocks = &self.blocks;
        let found = self.index.find(hash, |&slot| at(blocks, slot).id() == id).copied();
        let slot = found.unwrap_or_else(|| self.add(id, hash));
        &mut self.blocks[slot as usize / BLOCK][slot as usize % BLOCK].state
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

    #[cold]
    fn add(&mut self, id: &str, hash: u64) -> u32 {
        let slot = u32::try_from(self.len()).expect("four billion states exceed any memory");
        if self.len().is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let block = self.blocks.last_mut().expect("a block was just made if there was none");
        block.push(Customer { id: id.into(), state: CustomerState::default() });
        let blocks = &self.blocks;
        self.index.insert_unique(hash, slot, |&slot| hash64(at(blocks, slot).id()));
        slot
    }
}

#[inline]
fn at(blocks: &[Vec<Customer>], slot: u32) -> &Customer {
    &blocks[slot as usize / BLOCK][slot as usize % BLOCK]
}
