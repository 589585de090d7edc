//! One save of a partition, a few customers per turn.
//!
//! A save begins with the partition's offset and the list of changed customers, and the stream goes
//! on. A customer who pays before being encoded is encoded with that payment, and is saved again
//! next time. The last batch says that everything before the offset is stored.

use std::collections::VecDeque;
use std::ops::Range;

use crate::core::state::customers::{Customer, Customers};
use crate::core::state::snapshot::encode;
use crate::edges::database::{Holder, SavedCustomer};

/// Bytes from which a batch takes no further customer.
const BATCH_BYTES: usize = 1 << 20;

/// Most chunks of a handover that wait.
const HELD_CHUNKS: usize = 1;

/// Most batches that wait for their records to be committed: some megabytes, enough for the
/// customers of the second between two commits.
const HELD_BATCHES: usize = 16;

/// How much is saved at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portions {
    /// Most customers of a batch.
    pub batch_customers: usize,
    /// Bytes from which a chunk of a handover takes no further customer.
    pub chunk_bytes: usize,
    /// Up to this many customers of leaving partitions are always saved, never handed over.
    pub few_customers: usize,
}

impl Default for Portions {
    /// A batch takes half a millisecond of a turn and has some hundred kilobytes. A chunk holds up
    /// no turn and is one statement. Saving few customers takes some milliseconds.
    fn default() -> Self {
        Self { batch_customers: 256, chunk_bytes: 4 << 20, few_customers: 1_024 }
    }
}

/// Encoded customers on their way to the store. A batch owns its bytes, so memory may change
/// meanwhile.
#[derive(Debug)]
pub struct Batch {
    /// The claim under which it is saved.
    pub holder: Holder,
    /// With this batch everything changed before this offset is stored, or handed over; `None` if
    /// more batches follow.
    pub saved_offset: Option<i64>,
    /// Whether the save begins with this batch.
    pub is_first: bool,
    /// Its number from 0 if it is handed over; `None` if it is saved.
    pub chunk: Option<i32>,
    bytes: Vec<u8>,
    rows: Vec<Row>,
    /// Every record in it, or covered by its saved offset, is before this offset.
    highest_offset: i64,
}

/// Where a customer is in a batch's bytes.
#[derive(Debug)]
struct Row {
    customer_id: Range<usize>,
    state: Range<usize>,
    applied_offset: i64,
}

impl Batch {
    /// The customers, as the store takes them.
    pub fn customers(&self) -> Vec<SavedCustomer<'_>> {
        let customer = |row: &Row| SavedCustomer {
            customer_id: std::str::from_utf8(&self.bytes[row.customer_id.clone()])
                .expect("invariant: it was a text"),
            applied_offset: row.applied_offset,
            state: &self.bytes[row.state.clone()],
        };
        self.rows.iter().map(customer).collect()
    }

    fn new(holder: Holder) -> Self {
        let (bytes, rows) = (Vec::new(), Vec::new());
        let (saved_offset, chunk, highest_offset) = (None, None, 0);
        Self { holder, saved_offset, chunk, is_first: false, bytes, rows, highest_offset }
    }

    fn add(&mut self, customer: &Customer) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(customer.id().as_bytes());
        let middle = self.bytes.len();
        encode(&customer.state, &mut self.bytes);
        let applied_offset = customer.applied_offset();
        let (customer_id, state) = (start..middle, middle..self.bytes.len());
        self.rows.push(Row { customer_id, state, applied_offset });
        self.highest_offset = self.highest_offset.max(applied_offset);
    }

    fn promise(&mut self, offset: i64) {
        self.saved_offset = Some(offset);
        self.highest_offset = self.highest_offset.max(offset);
    }

    /// Whether everything in it and covered by it is committed.
    fn is_committed(&self, committed: i64) -> bool {
        self.highest_offset <= committed
    }

    /// The number of customers.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no customers and only moves the saved offset.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// A save under way. It owns the slots left to encode and the batches not handed on, not the
/// customers, and ends without either.
#[derive(Debug)]
pub struct Saving {
    holder: Holder,
    /// Everything changed before this offset is in the list.
    offset: i64,
    slots: std::vec::IntoIter<u32>,
    held: VecDeque<Batch>,
    has_begun: bool,
    is_encoded: bool,
    /// The number of the next chunk of a handover; `None` for a save.
    chunk: Option<i32>,
    portions: Portions,
}

impl Saving {
    /// Begins to save the customers in `slots`: all changed since the last save by records before
    /// `offset`.
    pub fn begin(holder: Holder, offset: i64, slots: Vec<u32>) -> Self {
        let (slots, held) = (slots.into_iter(), VecDeque::new());
        let (has_begun, is_encoded, chunk) = (false, false, None);
        let portions = Portions::default();
        Self { holder, offset, slots, held, has_begun, is_encoded, chunk, portions }
    }

    /// The same save in other portions.
    #[must_use]
    pub fn in_portions(self, portions: Portions) -> Self {
        Self { portions, ..self }
    }

    /// Begins to hand over these customers, who do not pay meanwhile. `goes_on`: the save under way
    /// has stored others already.
    pub fn hand_over(holder: Holder, offset: i64, slots: Vec<u32>, goes_on: bool) -> Self {
        Self { chunk: Some(0), has_begun: goes_on, ..Self::begin(holder, offset, slots) }
    }

    /// Encodes one more batch, unless all is encoded or too many wait. Returns whether it did.
    pub fn encode(&mut self, customers: &Customers) -> bool {
        let Portions { batch_customers, chunk_bytes, .. } = self.portions;
        match self.chunk {
            Some(_) => self.encode_some((usize::MAX, chunk_bytes, HELD_CHUNKS), customers),
            None => self.encode_some((batch_customers, BATCH_BYTES, HELD_BATCHES), customers),
        }
    }

    /// Encodes a batch of at most `most` customers that ends at `bytes`, unless `batches` wait.
    pub(super) fn encode_some(
        &mut self,
        (most, bytes, batches): (usize, usize, usize),
        customers: &Customers,
    ) -> bool {
        if self.is_encoded || self.held.len() >= batches {
            return false;
        }
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let mut batch = Batch { is_first, chunk: self.chunk, ..Batch::new(self.holder) };
        self.chunk = self.chunk.map(|chunk| chunk + 1);
        while batch.rows.len() < most && batch.bytes.len() < bytes {
            let Some(slot) = self.slots.next() else { break };
            batch.add(customers.at(slot));
        }
        if self.slots.len() == 0 {
            self.is_encoded = true;
            batch.promise(self.offset);
        }
        self.held.push_back(batch);
        true
    }

    /// The next batch, if all of it is before the partition's `committed` offset.
    pub fn ready(&mut self, committed: i64) -> Option<Batch> {
        self.held.pop_front_if(|batch| batch.is_committed(committed))
    }

    /// Takes back a batch that could not be handed on.
    pub fn put_back(&mut self, batch: Batch) {
        self.held.push_front(batch);
    }

    /// The number of customers not encoded yet.
    pub fn left(&self) -> usize {
        self.slots.len()
    }

    /// Whether everything is encoded and handed on.
    pub fn is_done(&self) -> bool {
        self.is_encoded && self.held.is_empty()
    }

    /// The offset that has to be committed before all that is encoded or promised can be handed on.
    pub fn highest_offset(&self) -> i64 {
        let held = self.held.iter().map(|batch| batch.highest_offset);
        held.max().unwrap_or(0).max(self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::state::hash::hash64;

    const HOLDER: Holder = Holder { partition: 2, epoch: 7 };

    fn pay(customers: &mut Customers, name: usize, offset: i64) {
        let id = format!("c-{name}");
        let slot = customers.slot(&id, hash64(&id));
        customers.applied(slot, offset);
    }

    fn all(saving: &mut Saving, customers: &Customers, committed: i64) -> Vec<Batch> {
        let mut batches = Vec::new();
        while !saving.is_done() {
            let is_encoded = saving.encode(customers);
            let ready = saving.ready(committed);
            assert!(is_encoded || ready.is_some(), "it does not end");
            batches.extend(ready);
        }
        batches
    }

    #[test]
    fn everything_that_changed_is_in_some_batch_and_the_last_one_says_so() {
        let mut customers = Customers::default();
        (0..1_500).for_each(|n| pay(&mut customers, n, n as i64));
        let mut saving = Saving::begin(HOLDER, 1_500, customers.start_save());
        pay(&mut customers, 1_400, 1_500);
        let batches = all(&mut saving, &customers, 1_501);
        let sizes: Vec<usize> = batches.iter().map(Batch::len).collect();
        assert_eq!(sizes, [256, 256, 256, 256, 256, 220]);
        let saved: Vec<_> = batches.iter().map(|batch| batch.saved_offset).collect();
        assert_eq!(saved, [None, None, None, None, None, Some(1_500)]);
        let rows: Vec<_> = batches.iter().flat_map(Batch::customers).collect();
        for (n, row) in rows.iter().enumerate() {
            let applied = if n == 1_400 { 1_501 } else { n as i64 + 1 };
            assert_eq!((row.customer_id, row.applied_offset), (&*format!("c-{n}"), applied));
        }
        assert_eq!(customers.changed(), 1, "who paid meanwhile is saved again");
    }

    #[test]
    fn nothing_is_handed_on_before_it_is_committed() {
        let mut customers = Customers::default();
        pay(&mut customers, 1, 10);
        let mut saving = Saving::begin(HOLDER, 14, customers.start_save());
        pay(&mut customers, 1, 20);
        saving.encode(&customers);
        assert_eq!(saving.highest_offset(), 21);
        assert!(saving.ready(20).is_none());
        let batch = saving.ready(21).unwrap();
        saving.put_back(batch);
        assert!(!saving.is_done());
        assert_eq!(saving.ready(21).unwrap().len(), 1);
        assert!(saving.is_done());
    }

    #[test]
    fn without_changes_the_saved_offset_alone_moves() {
        let customers = Customers::default();
        let mut saving = Saving::begin(HOLDER, 14, Vec::new());
        assert!(saving.encode(&customers) && !saving.encode(&customers));
        assert!(saving.ready(13).is_none(), "what is not committed is not saved");
        let batch = saving.ready(14).unwrap();
        assert_eq!((batch.is_empty(), batch.saved_offset), (true, Some(14)));
    }

    #[test]
    fn what_is_handed_over_comes_in_numbered_chunks_and_the_last_one_promises() {
        let mut customers = Customers::default();
        (0..150_000).for_each(|n| pay(&mut customers, n, n as i64));
        let mut saving = Saving::hand_over(HOLDER, 150_000, customers.start_save(), false);
        assert!(saving.encode(&customers) && !saving.encode(&customers), "one waits");
        assert!(saving.ready(149_999).is_some(), "its own customers are committed");
        let rest = all(&mut saving, &customers, 150_000);
        let chunks: Vec<_> = rest.iter().map(|batch| batch.chunk).collect();
        assert_eq!(chunks, (1..=rest.len() as i32).map(Some).collect::<Vec<_>>());
        let promised: Vec<_> = rest.iter().filter_map(|batch| batch.saved_offset).collect();
        assert_eq!((promised, rest.last().unwrap().saved_offset), (vec![150_000], Some(150_000)));
        assert!(rest.iter().all(|batch| batch.len() > Portions::default().batch_customers));
    }

    #[test]
    fn few_batches_wait() {
        let mut customers = Customers::default();
        (0..8_000).for_each(|n| pay(&mut customers, n, n as i64));
        let mut saving = Saving::begin(HOLDER, 8_000, customers.start_save());
        let encoded = (0..30).filter(|_| saving.encode(&customers)).count();
        assert_eq!(encoded, HELD_BATCHES);
        assert!(saving.ready(8_000).is_some() && saving.encode(&customers));
    }
}
