//! What a shard needs from whoever judges.
//!
//! The pipeline is about files, order and threads; it must give the same rows whatever is scored
//! and however many shards there are. That is a law about the pipeline, so tests hold it with a
//! small scorer of their own that remembers, and the commands pass a [`Shard`].

use crate::core::engine::{Decision, Engine, EngineError, Memory, Place, Seen};
use crate::core::transaction::{Label, Transaction};

/// Memory and judgement of the customers of one shard.
pub trait Scorer: Send {
    /// Scores transactions in order of arrival: one entry of `decisions` for each (cleared first),
    /// `None` for a duplicate. An error ends the run.
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError>;

    /// Features in order of arrival, row-major, [`Scorer::width`] columns a row; one entry of
    /// `seen` for each (both cleared first). An error ends the run.
    fn features(
        &mut self,
        batch: &[Transaction<'_>],
        rows: &mut Vec<f64>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), EngineError>;

    /// Columns of a row of [`Scorer::features`].
    fn width(&self) -> usize;

    /// Takes a verdict in; it counts from its `labeled_at`.
    fn learn(&mut self, label: &Label<'_>);

    /// Transactions so far that were judged and not remembered, because they came too late.
    fn late(&self) -> u64 {
        0
    }
}

/// An engine and the memory that it judges against.
pub struct Shard {
    /// What judges.
    pub engine: Engine,
    /// The customers of the shard and all known frauds.
    pub memory: Memory,
}

impl Scorer for Shard {
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        self.engine.score(&mut self.memory, batch, |_| Place::NOWHERE, decisions)
    }

    fn features(
        &mut self,
        batch: &[Transaction<'_>],
        rows: &mut Vec<f64>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), EngineError> {
        self.engine.features(&mut self.memory, batch, rows, seen)
    }

    fn width(&self) -> usize {
        self.engine.width()
    }

    fn learn(&mut self, label: &Label<'_>) {
        self.memory.learn(label);
    }

    fn late(&self) -> u64 {
        self.memory.counts().late
    }
}
