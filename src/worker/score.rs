//! What a worker wants of the engine.

use crate::database::StoredCustomer;
use crate::engine::{Decision, Engine, EngineError, Place};
use crate::state::customers::Customers;
use crate::state::snapshot::SnapshotError;
use crate::transaction::{Label, Transaction};

/// What a scorer has met and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Met {
    /// Transactions that were scored and not remembered, because they came too late.
    pub late: u64,
    /// Transactions that were folded into hourly sums.
    pub folded: u64,
    /// Customers that are remembered.
    pub customers: usize,
    /// Frauds that are known.
    pub frauds: usize,
    /// Customers that came into memory as they were stored.
    pub loaded: u64,
    /// Stored customers that went out of memory to make room.
    pub evicted: u64,
}

/// What scores a batch: the engine, or something simpler in tests.
pub trait Score {
    /// One entry of `decisions` (cleared first) for each transaction in order; `None` for one whose
    /// id was seen before. `places` has where each comes from.
    ///
    /// # Errors
    /// The scorer cannot go on; no transaction is to blame.
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        places: &[Place],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError>;

    /// Remembers a transaction that was judged before.
    fn restore(&mut self, transaction: &Transaction<'_>, place: Place);

    /// Forgets all of a partition.
    fn forget(&mut self, partition: i32);

    /// The customers in memory of a partition, to be saved; `None` if nothing is to be.
    fn customers(&self, partition: i32) -> Option<&Customers>;

    /// How many of them have changed since the last [`Self::cut`].
    fn changed(&self, partition: i32) -> usize;

    /// The slots of those; from now on none has changed.
    fn cut(&mut self, partition: i32) -> Vec<u32>;

    /// What was cut last is stored, or never will be and has changed still.
    fn settle(&mut self, partition: i32, is_stored: bool);

    /// Takes customers out of memory that are stored as they are, to free so many bytes.
    fn evict(&mut self, bytes: usize);

    /// The customers of a partition with these hashes of their ids are stored: they are asked for
    /// before they are scored.
    fn expect(&mut self, partition: i32, hashes: &[u64]);

    /// Whether any customer is stored and not in memory.
    fn expects(&self) -> bool;

    /// Whether this one is.
    fn is_missing(&self, partition: i32, customer_id: &str) -> bool;

    /// Takes a stored customer into memory, unless it is there already.
    ///
    /// # Errors
    /// [`SnapshotError`]: it is not what a release up to this one wrote.
    fn admit(&mut self, partition: i32, customer: &StoredCustomer) -> Result<(), SnapshotError>;

    /// The store has been asked for this customer: whether it is in memory now or not, it is
    /// missing no more.
    fn met_in_store(&mut self, partition: i32, customer_id: &str);

    /// Takes a verdict in.
    fn learn(&mut self, label: &Label<'_>);

    /// What it has met and holds.
    fn met(&self) -> Met;

    /// Memory of what it remembers in bytes, about; asked once a second.
    fn state_bytes(&self) -> usize;
}

impl Score for Engine {
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        places: &[Place],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        self.score_of(batch, |place| places[place], decisions)
    }

    fn restore(&mut self, transaction: &Transaction<'_>, place: Place) {
        Self::restore(self, transaction, place);
    }

    fn forget(&mut self, partition: i32) {
        Self::forget(self, partition);
    }

    fn customers(&self, partition: i32) -> Option<&Customers> {
        Self::customers(self, partition)
    }

    fn changed(&self, partition: i32) -> usize {
        Self::changed(self, partition)
    }

    fn cut(&mut self, partition: i32) -> Vec<u32> {
        Self::cut(self, partition)
    }

    fn settle(&mut self, partition: i32, is_stored: bool) {
        Self::settle(self, partition, is_stored);
    }

    fn evict(&mut self, bytes: usize) {
        Self::evict(self, bytes);
    }

    fn expect(&mut self, partition: i32, hashes: &[u64]) {
        Self::expect(self, partition, hashes);
    }

    fn expects(&self) -> bool {
        Self::expects(self)
    }

    fn is_missing(&self, partition: i32, customer_id: &str) -> bool {
        Self::is_missing(self, partition, customer_id)
    }

    fn admit(&mut self, partition: i32, customer: &StoredCustomer) -> Result<(), SnapshotError> {
        let StoredCustomer { customer_id, applied_offset, state, .. } = customer;
        Self::admit(self, partition, customer_id, *applied_offset, state).map(drop)
    }

    fn met_in_store(&mut self, partition: i32, customer_id: &str) {
        Self::met_in_store(self, partition, customer_id);
    }

    fn learn(&mut self, label: &Label<'_>) {
        Self::learn(self, label);
    }

    fn met(&self) -> Met {
        let counts = self.counts();
        Met {
            late: counts.late,
            folded: counts.folded,
            customers: self.customer_count(),
            frauds: self.fraud_count(),
            loaded: counts.loaded,
            evicted: counts.evicted,
        }
    }

    fn state_bytes(&self) -> usize {
        Self::state_bytes(self)
    }
}
