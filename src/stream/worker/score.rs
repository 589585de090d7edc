//! What a worker wants of the engine.

use crate::core::engine::{Decision, Engine, EngineError, Place};
use crate::core::state::customer::CustomerState;
use crate::core::state::customers::Customers;
use crate::core::transaction::{Label, Transaction};

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

    /// The customers in these slots are stored, of those that were cut last.
    fn settle_some(&mut self, partition: i32, slots: &[u32]);

    /// Takes customers out of memory that are stored as they are, to free so many bytes.
    fn evict(&mut self, bytes: usize);

    /// A customer of a partition is stored: it is asked for before it is scored.
    fn expect(&mut self, partition: i32, customer_id: &str);

    /// Every customer of a partition may be stored, until [`Self::list`] tells more.
    fn expect_all(&mut self, partition: i32);

    /// Who is stored of a partition has been told, up to this id; `None`: to the end.
    fn list(&mut self, partition: i32, up_to: Option<&str>);

    /// Whether any customer is stored and not in memory, or may be.
    fn expects(&self) -> bool;

    /// Whether this one is.
    fn is_missing(&self, partition: i32, customer_id: &str) -> bool;

    /// Takes a stored customer into memory, unless it is there already; it is missing no more.
    fn admit(&mut self, partition: i32, id: &str, applied_offset: i64, state: CustomerState);

    /// As [`Self::admit`], for a customer who is not stored like that and has changed still.
    fn admit_changed(
        &mut self,
        partition: i32,
        id: &str,
        applied_offset: i64,
        state: CustomerState,
    );

    /// The store has been asked for this customer: whether it is in memory now or not, it is
    /// missing no more.
    fn met_in_store(&mut self, partition: i32, customer_id: &str);

    /// Takes a verdict in.
    fn learn(&mut self, label: &Label<'_>);

    /// What it has met and holds.
    fn met(&self) -> Met;

    /// Memory of what it remembers in bytes, about; asked some ten times a second.
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

    fn settle_some(&mut self, partition: i32, slots: &[u32]) {
        Self::settle_some(self, partition, slots);
    }

    fn evict(&mut self, bytes: usize) {
        Self::evict(self, bytes);
    }

    fn expect(&mut self, partition: i32, customer_id: &str) {
        Self::expect(self, partition, customer_id);
    }

    fn expect_all(&mut self, partition: i32) {
        Self::expect_all(self, partition);
    }

    fn list(&mut self, partition: i32, up_to: Option<&str>) {
        Self::list(self, partition, up_to);
    }

    fn expects(&self) -> bool {
        Self::expects(self)
    }

    fn is_missing(&self, partition: i32, customer_id: &str) -> bool {
        Self::is_missing(self, partition, customer_id)
    }

    fn admit(&mut self, partition: i32, id: &str, applied_offset: i64, state: CustomerState) {
        Self::admit(self, partition, id, applied_offset, state);
    }

    fn admit_changed(
        &mut self,
        partition: i32,
        id: &str,
        applied_offset: i64,
        state: CustomerState,
    ) {
        Self::admit_changed(self, partition, id, applied_offset, state);
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
            evicted: counts.evicted,
        }
    }

    fn state_bytes(&self) -> usize {
        Self::state_bytes(self)
    }
}
