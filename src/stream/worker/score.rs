//! What a worker wants of whoever judges, and what it tells of its memory.

use crate::core::engine::{Decision, Engine, EngineError, Memory, Place};
use crate::core::transaction::Transaction;

/// What judges a batch against the worker's memory: the engine, or something simpler in tests.
pub trait Score {
    /// Remembers and judges transactions. One entry of `decisions` (cleared first) for each in
    /// order; `None` for one whose id was seen before. `places` has where each comes from.
    ///
    /// # Errors
    /// The scorer cannot go on; no transaction is to blame.
    fn score(
        &mut self,
        memory: &mut Memory,
        batch: &[Transaction<'_>],
        places: &[Place],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError>;

    /// Remembers a transaction that was judged before.
    fn restore(&mut self, memory: &mut Memory, transaction: &Transaction<'_>, place: Place);
}

impl Score for Engine {
    fn score(
        &mut self,
        memory: &mut Memory,
        batch: &[Transaction<'_>],
        places: &[Place],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        Self::score(self, memory, batch, |index| places[index], decisions)
    }

    fn restore(&mut self, memory: &mut Memory, transaction: &Transaction<'_>, place: Place) {
        Self::restore(self, memory, transaction, place);
    }
}

/// What a worker's memory has met and holds.
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

impl Met {
    /// What this memory has met and holds now.
    pub fn of(memory: &Memory) -> Self {
        let counts = memory.counts();
        Self {
            late: counts.late,
            folded: counts.folded,
            customers: memory.customer_count(),
            frauds: memory.frauds().len(),
            evicted: counts.evicted,
        }
    }
}
