//! A model: one ONNX file that describes itself, scores feature rows and explains its scores.
//!
//! The way of a file: `manifest` (what it says about itself), `outline` (the graph cut down to the
//! score), then `trees` if that is one tree ensemble, else `graph` (tract with the operators of
//! `operators`), and last `trial` (rows from usual to extreme). [`Model::load`] refuses what does
//! not fit with [`LoadError`], which says how to mend it. A loaded [`Model`] is immutable and
//! shared; each thread scores with a [`Scorer`] of its own; [`contributions`] says what made a
//! score.
//!
//! What holds: a row's score is the same to the bit whatever batch it comes in and however many
//! threads score; it is from 0 to 1 or none; it equals onnxruntime's to 1e-5; scoring reads nothing
//! but its arguments.

mod error;
mod explain;
mod graph;
mod guard;
mod load;
mod manifest;
mod meaning;
mod operators;
mod outline;
mod scorer;
mod summary;
mod trees;
mod trial;

use std::sync::Arc;

pub use error::{LoadError, ScoreError};
pub use explain::{MAX_CONTRIBUTIONS, contributions};
pub use load::{Known, MAX_MODEL_BYTES};
pub use manifest::{Example, Manifest, ManifestError};
pub use meaning::Meaning;
pub use scorer::Scorer;
pub use summary::{ModelKind, Summary};
pub use trees::error::TreeError;

use scorer::Runner;

/// A loaded model. Share it in an [`Arc`]; it never changes.
#[derive(Debug)]
pub struct Model {
    manifest: Manifest,
    label: Arc<str>,
    runner: Arc<Runner>,
    summary: Summary,
}

impl Model {
    /// What the file says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Name and version as they stand in logs, separated by a space.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What `synfinance models inspect` shows.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// A scorer for one thread.
    pub fn scorer(&self) -> Scorer {
        Scorer::new(self.runner.clone(), self.label.clone(), self.manifest.features.len())
    }
}
