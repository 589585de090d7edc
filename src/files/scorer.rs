//! What a shard needs from an engine.
//!
//! The pipeline is about files, order and threads; it must give the same rows whatever is scored
//! and however many shards there are. That is a law about the pipeline, so tests hold it with a
//! small engine of their own that remembers, and the commands pass the real [`Engine`].

use crate::core::engine::{Decision, Engine, EngineError, Seen};
use crate::core::transaction::{Label, Transaction};

/// State and model of the customers of one shard. See [`Engine`] for what each call means.
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

impl Scorer for Engine {
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        Self::score(self, batch, decisions)
    }

    fn features(
        &mut self,
        batch: &[Transaction<'_>],
        rows: &mut Vec<f64>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), EngineError> {
        Self::features(self, batch, rows, seen)
    }

    fn width(&self) -> usize {
        Self::width(self)
    }

    fn learn(&mut self, label: &Label<'_>) {
        Self::learn(self, label);
    }

    fn late(&self) -> u64 {
        self.counts().late
    }
}
