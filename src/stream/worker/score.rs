//! What a worker needs of its scorer, and what it tells of its memory.

use crate::core::engine::{Decision, Engine, EngineError, Memory, Place};
use crate::core::transaction::Transaction;

/// Judges a batch against the worker's memory: the engine, or a simpler fake in tests.
pub trait Score {
    /// Remembers and judges transactions. `decisions` is cleared and gets one entry per transaction
    /// in order; `None` if its id was seen before. `places` says where each comes from.
    ///
    /// # Errors
    /// The scorer cannot continue; no transaction is to blame.
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

/// What a worker's memory has met and holds: `late`, `folded` and `evicted` since the start, the
/// others now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Met {
    /// Transactions scored and not remembered, because they came too late.
    pub late: u64,
    /// Transactions folded into hourly sums.
    pub folded: u64,
    /// Customers in memory.
    pub customers: usize,
    /// Known frauds.
    pub frauds: usize,
    /// Customers evicted to make room.
    pub evicted: u64,
}

impl Met {
    /// Reads these numbers of `memory`.
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
