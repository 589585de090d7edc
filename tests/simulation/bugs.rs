//! Mistakes that are made on purpose: a simulation that finds nothing proves nothing.

use synfinance::core::engine::{Decision, Engine, EngineError, Place};
use synfinance::core::state::customer::CustomerState;
use synfinance::core::state::customers::Customers;
use synfinance::core::transaction::{Label, Transaction};
use synfinance::stream::worker::{Met, Score};

/// A mistake of a worker, or of what it relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// Who is stored and not in memory is scored as if nothing were known.
    ForgetsStored,
    /// Who was handed over is taken for stored.
    TakesHandedOverForStored,
    /// What was read before an eviction is taken for what is stored.
    TrustsOldPages,
    /// What is sent is taken for acknowledged.
    TakesSentForAcknowledged,
    /// A commit that is on its way is taken for one that has arrived.
    SavesUncommitted,
    /// The saved offset moves before all that changed is stored.
    PromisesEarly,
    /// Whoever had a partition before may go on writing.
    IsNotFenced,
    /// A database that restarts is not noticed.
    OverlooksRestarts,
    /// Alerts of a transaction are visible before it is committed.
    ShowsUncommitted,
}

impl Bug {
    pub const PLANTED: [Self; 9] = [
        Self::ForgetsStored,
        Self::TakesHandedOverForStored,
        Self::TrustsOldPages,
        Self::TakesSentForAcknowledged,
        Self::SavesUncommitted,
        Self::PromisesEarly,
        Self::IsNotFenced,
        Self::OverlooksRestarts,
        Self::ShowsUncommitted,
    ];
}

/// An engine with a bug, or without.
pub struct Faulty {
    pub engine: Engine,
    pub bug: Bug,
}

impl Score for Faulty {
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        places: &[Place],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        Score::score(&mut self.engine, batch, places, decisions)
    }

    fn restore(&mut self, transaction: &Transaction<'_>, place: Place) {
        Score::restore(&mut self.engine, transaction, place);
    }

    fn forget(&mut self, partition: i32) {
        self.engine.forget(partition);
    }

    fn customers(&self, partition: i32) -> Option<&Customers> {
        self.engine.customers(partition)
    }

    fn changed(&self, partition: i32) -> usize {
        self.engine.changed(partition)
    }

    fn cut(&mut self, partition: i32) -> Vec<u32> {
        self.engine.cut(partition)
    }

    fn settle(&mut self, partition: i32, is_stored: bool) {
        self.engine.settle(partition, is_stored);
    }

    fn settle_some(&mut self, partition: i32, slots: &[u32]) {
        self.engine.settle_some(partition, slots);
    }

    fn evict(&mut self, bytes: usize) {
        Score::evict(&mut self.engine, bytes);
    }

    fn expect(&mut self, partition: i32, customer_id: &str) {
        self.engine.expect(partition, customer_id);
    }

    fn expect_all(&mut self, partition: i32) {
        self.engine.expect_all(partition);
    }

    fn list(&mut self, partition: i32, up_to: Option<&str>) {
        self.engine.list(partition, up_to);
    }

    fn expects(&self) -> bool {
        self.engine.expects()
    }

    fn is_missing(&self, partition: i32, customer_id: &str) -> bool {
        self.bug != Bug::ForgetsStored && self.engine.is_missing(partition, customer_id)
    }

    fn admit(&mut self, partition: i32, id: &str, applied_offset: i64, state: CustomerState) {
        Score::admit(&mut self.engine, partition, id, applied_offset, state);
    }

    fn admit_changed(&mut self, partition: i32, id: &str, applied: i64, state: CustomerState) {
        match self.bug {
            Bug::TakesHandedOverForStored => self.admit(partition, id, applied, state),
            _ => Score::admit_changed(&mut self.engine, partition, id, applied, state),
        }
    }

    fn met_in_store(&mut self, partition: i32, customer_id: &str) {
        self.engine.met_in_store(partition, customer_id);
    }

    fn learn(&mut self, label: &Label<'_>) {
        self.engine.learn(label);
    }

    fn met(&self) -> Met {
        let met = self.engine.met();
        match self.bug {
            Bug::TrustsOldPages => Met { evicted: 0, ..met },
            _ => met,
        }
    }

    fn state_bytes(&self) -> usize {
        self.engine.state_bytes()
    }
}
