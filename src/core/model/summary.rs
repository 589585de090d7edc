//! What `synfinance models inspect` shows about a model.

use super::trees::Evaluation;

/// A model in words and numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Name from the manifest.
    pub name: String,
    /// Version from the manifest.
    pub version: String,
    /// The score from which a transaction is an alert.
    pub threshold: f64,
    /// Catalogue names in the order of the input's columns; as many as the input is wide.
    pub features: Vec<String>,
    /// What the file computes, and how that is run.
    pub kind: ModelKind,
    /// Whether the file has a baseline; without one reasons compare with zeros.
    pub has_baseline: bool,
    /// Score of the baseline row.
    pub baseline_score: f32,
    /// How many examples were checked at load; all agreed.
    pub examples_checked: usize,
    /// What does not speak against the model and should still be known, one sentence each.
    pub warnings: Vec<String>,
    /// When it was trained, as the trainer wrote it.
    pub trained_at: Option<String>,
    /// Metrics, as the trainer wrote them.
    pub metrics: Vec<(String, String)>,
}

/// What a model file computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelKind {
    /// One tree ensemble and nothing else: run directly.
    TreeEnsemble {
        /// Trees.
        trees: usize,
        /// Leaves of all trees.
        leaves: usize,
        /// Leaves of the largest tree.
        most_leaves: usize,
        /// How it is evaluated: `bit masks (32 leaves)`, `bit masks (64 leaves)` or `walk`.
        evaluation: &'static str,
    },
    /// Any other graph, run by tract in blocks of 16 rows.
    Graph {
        /// Names of its operators, each once, in the order of the graph.
        operators: Vec<String>,
    },
}

/// The words of [`ModelKind::TreeEnsemble`].
pub(super) fn evaluation_text(evaluation: Evaluation) -> &'static str {
    match evaluation {
        Evaluation::Masks32 => "bit masks (32 leaves)",
        Evaluation::Masks64 => "bit masks (64 leaves)",
        Evaluation::Walk => "walk",
    }
}
