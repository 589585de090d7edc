//! Judgement: from a transaction to features, a score and a decision.
//!
//! Training tables, backtests, predictions and the live stream agree because they all run this
//! code. It is synchronous and deterministic: the same transactions in the same order give the same
//! features, scores and memory, however they are cut into batches. Batches only make it faster:
//! their rows are remembered one after the other, then scored together.
//!
//! An [`Engine`] owns what judges: the plan of features, the models, the threshold. It owns no
//! customers; those are in the [`Memory`] that the caller passes in. So one engine can replace
//! another over the same memory, and two can judge against it side by side.

use std::sync::Arc;

use crate::core::features::calendar::{Calendar, LocalTime};
use crate::core::features::catalog::FeatureId;
use crate::core::features::cities::Cities;
use crate::core::features::plan::Plan;
use crate::core::features::row::{Moment, Row};
use crate::core::state::customer::CustomerState;
use crate::core::state::hash::{hash30, hash32, hash64};
use crate::core::state::labels::KnownFrauds;
use crate::core::state::observation::{Incoming, Observation};
use crate::core::transaction::Transaction;

mod scoring;

pub use crate::core::state::customer::Seen;
pub use crate::core::state::memory::{Memory, Place};
use scoring::{Decider, Forest};
pub use scoring::{Decision, EngineError};

/// The tables that all engines of a process share.
#[derive(Debug)]
pub struct Context {
    /// Local time and holidays.
    pub calendar: Calendar,
    /// Where cities lie.
    pub cities: Cities,
}

/// What judges transactions against a [`Memory`]. It is `Send` and not shared: one for each shard
/// or worker, with room for its batch.
pub struct Engine {
    context: Arc<Context>,
    plan: Plan,
    /// How many leading columns of `plan` are handed out; the rest only feeds the forest.
    width: usize,
    decider: Option<Decider>,
    forest: Option<Forest>,
    row: Row,
    /// The rows of the batch, one for each transaction that is not a duplicate, with all of
    /// `plan`'s columns.
    values: Vec<f64>,
    seen: Vec<Seen>,
}

impl Engine {
    /// Remembers transactions in order of arrival and computes the features of each, as of its own
    /// time: row-major, [`width`] columns a row. Both outputs are cleared first; a duplicate's row
    /// is all NaN.
    ///
    /// [`width`]: Engine::width
    ///
    /// # Errors
    /// [`EngineError::Score`] if the isolation forest fails: the batch is remembered.
    pub fn features(
        &mut self,
        memory: &mut Memory,
        batch: &[Transaction<'_>],
        rows: &mut Vec<f64>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), EngineError> {
        self.remember(memory, batch, |_| Place::NOWHERE)?;
        let stride = self.plan.columns().len();
        let mut computed = self.values.chunks_exact(stride);
        rows.clear();
        for seen in &self.seen {
            match seen {
                Seen::Duplicate => rows.resize(rows.len() + self.width, f64::NAN),
                _ => rows.extend(computed.by_ref().take(1).flat_map(|row| &row[..self.width])),
            }
        }
        seen.clear();
        seen.extend_from_slice(&self.seen);
        Ok(())
    }

    /// How many columns a row of [`Engine::features`] has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features, in the order of those columns.
    pub fn columns(&self) -> &[FeatureId] {
        &self.plan.columns()[..self.width]
    }

    /// Remembers a transaction that was judged before, without judging it; see [`Memory::restore`].
    pub fn restore(
        &self,
        memory: &mut Memory,
        transaction: &Transaction<'_>,
        place: Place,
    ) -> bool {
        let (incoming, _) = self.incoming(transaction);
        memory.restore(transaction.customer_id, &incoming, place)
    }

    /// Remembers a batch and leaves its rows in `values`, with the forest's columns filled in.
    /// `place_of` gives the place of the transaction at an index of the batch.
    fn remember(
        &mut self,
        memory: &mut Memory,
        batch: &[Transaction<'_>],
        place_of: impl Fn(usize) -> Place,
    ) -> Result<(), EngineError> {
        self.values.clear();
        self.seen.clear();
        for (index, transaction) in batch.iter().enumerate() {
            let (incoming, local) = self.incoming(transaction);
            let customer = hash64(transaction.customer_id);
            let (plan, row, values) = (&self.plan, &mut self.row, &mut self.values);
            let read = |state: &CustomerState, observation: &Observation, frauds: &KnownFrauds| {
                let incoming = &incoming;
                plan.fill(&Moment { incoming, local, state, observation, frauds, customer }, row);
                values.extend(plan.columns().iter().map(|&id| row[id]));
            };
            let id = (transaction.customer_id, customer);
            let seen = memory.remember(id, &incoming, place_of(index), read);
            self.seen.push(seen);
        }
        self.fill_forest()
    }

    /// Like [`Self::remember`] for one transaction, but leaves `memory` as it is.
    fn preview(
        &mut self,
        memory: &Memory,
        partition: i32,
        transaction: &Transaction<'_>,
    ) -> Result<(), EngineError> {
        self.values.clear();
        self.seen.clear();
        let (incoming, local) = self.incoming(transaction);
        let customer = hash64(transaction.customer_id);
        let unknown = CustomerState::default();
        let state = memory.state(partition, transaction.customer_id).unwrap_or(&unknown);
        let (plan, row, values) = (&self.plan, &mut self.row, &mut self.values);
        let frauds = memory.frauds();
        let seen = state.preview(&incoming, memory.bounds(), |state, observation| {
            let incoming = &incoming;
            plan.fill(&Moment { incoming, local, state, observation, frauds, customer }, row);
            values.extend(plan.columns().iter().map(|&id| row[id]));
        });
        self.seen.push(seen);
        self.fill_forest()
    }

    /// Fills in the isolation forest's columns, if the plan has them.
    fn fill_forest(&mut self) -> Result<(), EngineError> {
        match &mut self.forest {
            Some(forest) => forest.fill(&mut self.values, self.plan.columns().len()),
            None => Ok(()),
        }
    }

    /// A transaction in the form that a memory takes, and its local time.
    #[inline]
    fn incoming(&self, transaction: &Transaction<'_>) -> (Incoming, LocalTime) {
        let time = transaction.event_time.millis();
        let local = self.context.calendar.local(time);
        let millionths = |reputation: f64| (reputation * 1e6).round() as u32;
        let city = transaction.city.unwrap_or("");
        let position =
            transaction.position.or_else(|| self.context.cities.find(city, transaction.country));
        let incoming = Incoming {
            transaction: hash64(transaction.transaction_id),
            time,
            amount: transaction.amount.minor(),
            merchant: hash32(transaction.merchant_id),
            status: transaction.status,
            hour: local.hour,
            category: hash30(transaction.category),
            city: hash30(city),
            device: hash30(transaction.device_id.unwrap_or("")),
            reputation: transaction.merchant_reputation.map(millionths),
            position,
            home: transaction.home,
        };
        (incoming, local)
    }
}
