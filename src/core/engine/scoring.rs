//! The second half of the engine's work: from the rows of a batch to scores and decisions.

use std::sync::Arc;

use super::{Context, Engine, Memory, Place, Seen};
use crate::core::decision::{Reason, Severity};
use crate::core::features::catalog::FeatureId;
use crate::core::features::feature::Feature;
use crate::core::features::plan::Plan;
use crate::core::features::row::Row;
use crate::core::model::{Model, ScoreError, Scorer, contributions};
use crate::core::transaction::Transaction;

/// What the engine decides about one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Fraud probability, 0 to 1; NaN if the model gives this row no number, see
    /// [`Decision::is_scored`].
    pub score: f64,
    /// How far the score lies above the threshold; `None` below it: no alert.
    pub severity: Option<Severity>,
    /// For alerts the features that raised the score most, strongest first, at most five. Else
    /// empty.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// Whether the model gave a score. A transaction without one is remembered but not judged:
    /// nobody knows whether it is fraud.
    pub fn is_scored(&self) -> bool {
        !self.score.is_nan()
    }
}

/// Why an engine cannot use a model. The transactions are not to blame.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model needs a feature that the catalogue does not have.
    #[error("model {model:?} needs the unknown feature {feature:?}")]
    UnknownFeature {
        /// The model's name.
        model: String,
        /// The feature's name.
        feature: String,
    },
    /// The engine was made to compute features only.
    #[error("this engine has no model to score with")]
    NoModel,
    /// The model gives no usable scores.
    #[error("the model cannot score")]
    Score(#[from] ScoreError),
}

/// A model with the buffers to score a batch.
struct Judge {
    model: Arc<Model>,
    scorer: Scorer,
    matrix: Vec<f32>,
    scores: Vec<f32>,
}

impl Judge {
    fn new(model: Arc<Model>) -> Self {
        let scorer = model.scorer();
        Self { model, scorer, matrix: Vec::new(), scores: Vec::new() }
    }

    /// The catalogue's ids of the model's features.
    fn columns(&self) -> Result<Vec<FeatureId>, EngineError> {
        let manifest = self.model.manifest();
        let id = |name: &String| {
            let feature = Feature::named(name).map_err(|_| EngineError::UnknownFeature {
                model: manifest.name.clone(),
                feature: name.clone(),
            })?;
            Ok(feature.id)
        };
        manifest.features.iter().map(id).collect()
    }
}

impl Judge {
    /// Scores the matrix. A row for which the model gives no number gets NaN; the other rows stay
    /// valid.
    fn score(&mut self) -> Result<(), ScoreError> {
        match self.scorer.score(&self.matrix, &mut self.scores) {
            Err(ScoreError::NoProbability { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The model that decides.
pub(super) struct Decider {
    judge: Judge,
    threshold: f64,
    contributions: Vec<(usize, f32)>,
}

/// The isolation forest, whose score is a feature.
pub(super) struct Forest {
    judge: Judge,
    /// Where the forest's inputs lie among the plan's columns.
    inputs: Vec<usize>,
    /// Where its two features lie among the plan's columns, if the plan has them.
    score_at: Option<usize>,
    probability_at: Option<usize>,
}

impl Forest {
    /// Scores the batch's rows (`stride` columns each) and writes the two features into them.
    pub(super) fn fill(&mut self, values: &mut [f64], stride: usize) -> Result<(), EngineError> {
        let judge = &mut self.judge;
        judge.matrix.clear();
        for row in values.chunks_exact(stride) {
            judge.matrix.extend(self.inputs.iter().map(|&at| row[at] as f32));
        }
        judge.score()?;
        for (row, &probability) in values.chunks_exact_mut(stride).zip(&judge.scores) {
            // If the forest gives no number, the row counts as neither normal nor isolated.
            let probability = if probability.is_nan() { 0.5 } else { f64::from(probability) };
            self.score_at.into_iter().for_each(|at| row[at] = 2.0 * probability - 1.0);
            self.probability_at.into_iter().for_each(|at| row[at] = probability);
        }
        Ok(())
    }
}

impl Engine {
    /// An engine that scores with `model`. `forest` is used if the model needs its features;
    /// `threshold` overrides the model's own.
    ///
    /// # Errors
    /// [`EngineError::UnknownFeature`] if a model names a feature that the catalogue does not have.
    pub fn for_scoring(
        context: Arc<Context>,
        model: Arc<Model>,
        forest: Option<Arc<Model>>,
        threshold: Option<f64>,
    ) -> Result<Self, EngineError> {
        let threshold = threshold.unwrap_or(model.manifest().threshold);
        let judge = Judge::new(model);
        let columns = judge.columns()?;
        let mut engine = Self::for_features(context, columns, forest)?;
        engine.decider = Some(Decider { judge, threshold, contributions: Vec::new() });
        Ok(engine)
    }

    /// An engine that only computes features, in the order of `columns`.
    pub fn for_features(
        context: Arc<Context>,
        columns: Vec<FeatureId>,
        forest: Option<Arc<Model>>,
    ) -> Result<Self, EngineError> {
        let width = columns.len();
        let mut plan = Plan::new(columns);
        let forest = match forest.filter(|_| plan.needs_forest()) {
            Some(model) => Some(with_forest(&mut plan, model)?),
            None => None,
        };
        Ok(Self {
            context,
            plan,
            width,
            decider: None,
            forest,
            row: Row::default(),
            values: Vec::new(),
            seen: Vec::new(),
        })
    }

    /// Remembers transactions in order of arrival and decides about each. `decisions` is cleared
    /// and gets one entry per transaction; `None` for a duplicate. `place_of` gives the place of
    /// the transaction at an index of the batch, [`Place::NOWHERE`] outside Kafka. The caller makes
    /// sure that no customer is missing ([`Memory::is_missing`]).
    ///
    /// # Errors
    /// [`EngineError::NoModel`] if the engine was made to compute features only, and
    /// [`EngineError::Score`] if a model fails: the transactions are remembered, but not decided.
    pub fn score(
        &mut self,
        memory: &mut Memory,
        batch: &[Transaction<'_>],
        place_of: impl Fn(usize) -> Place,
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        decisions.clear();
        if self.decider.is_none() {
            return Err(EngineError::NoModel);
        }
        self.remember(memory, batch, place_of)?;
        self.decide(decisions)
    }

    /// What [`Engine::score`] would decide, to the bit, if `transaction` were the next record of
    /// `partition` ([`Memory::WHOLE`] outside Kafka); `None` for a duplicate. It remembers nothing.
    /// The caller makes sure that the customer is not missing.
    ///
    /// # Errors
    /// The same as [`Engine::score`].
    pub fn predict(
        &mut self,
        memory: &Memory,
        partition: i32,
        transaction: &Transaction<'_>,
    ) -> Result<Option<Decision>, EngineError> {
        if self.decider.is_none() {
            return Err(EngineError::NoModel);
        }
        self.preview(memory, partition, transaction)?;
        let mut decisions = Vec::with_capacity(1);
        self.decide(&mut decisions)?;
        Ok(decisions.pop().flatten())
    }

    /// Scores the rows in `values` and decides about the whole batch.
    fn decide(&mut self, decisions: &mut Vec<Option<Decision>>) -> Result<(), EngineError> {
        let decider = self.decider.as_mut().ok_or(EngineError::NoModel)?;
        decider.fill_matrix(&self.values, self.plan.columns().len(), self.width);
        decider.judge.score()?;
        let mut row = 0;
        for seen in &self.seen {
            let decision = match seen {
                Seen::Duplicate => None,
                _ => {
                    row += 1;
                    Some(decider.decide(row - 1, &self.plan.columns()[..self.width])?)
                }
            };
            decisions.push(decision);
        }
        Ok(())
    }
}

/// Adds the forest's inputs to the plan.
fn with_forest(plan: &mut Plan, model: Arc<Model>) -> Result<Forest, EngineError> {
    let judge = Judge::new(model);
    let inputs = judge.columns()?;
    *plan = plan.with(&Plan::new(inputs.clone()));
    let place = |id: FeatureId| plan.columns().iter().position(|&other| other == id);
    let inputs = inputs.into_iter().filter_map(place).collect();
    let score_at = place(FeatureId::IsolationForestScore);
    let probability_at = place(FeatureId::AnomalyProbability);
    Ok(Forest { judge, inputs, score_at, probability_at })
}

impl Decider {
    /// Builds the model's input: the first `width` of every `stride` columns.
    fn fill_matrix(&mut self, values: &[f64], stride: usize, width: usize) {
        let matrix = &mut self.judge.matrix;
        matrix.clear();
        matrix.reserve(values.len() / stride.max(1) * width);
        for row in values.chunks_exact(stride) {
            matrix.extend(row[..width].iter().map(|&value| value as f32));
        }
    }

    #[inline]
    fn decide(&mut self, row: usize, columns: &[FeatureId]) -> Result<Decision, EngineError> {
        let score = self.judge.scores[row];
        let is_scored = !score.is_nan();
        let severity = Severity::of(f64::from(score), self.threshold).filter(|_| is_scored);
        let reasons = match severity {
            Some(_) => self.explain(row, score, columns)?,
            None => Vec::new(),
        };
        Ok(Decision { score: f64::from(score), severity, reasons })
    }

    fn explain(
        &mut self,
        row: usize,
        score: f32,
        columns: &[FeatureId],
    ) -> Result<Vec<Reason>, EngineError> {
        let judge = &mut self.judge;
        let row = &judge.matrix[row * columns.len()..][..columns.len()];
        let baseline = &judge.model.manifest().baseline;
        contributions(&mut judge.scorer, row, score, baseline, &mut self.contributions)?;
        let reason = |&(column, drop): &(usize, f32)| {
            let feature = Feature::of(columns[column]);
            let value = f64::from(row[column]);
            Reason {
                code: feature.code,
                feature: feature.name,
                value,
                contribution: f64::from(drop),
                message: feature.message(value),
            }
        };
        Ok(self.contributions.iter().map(reason).collect())
    }
}
