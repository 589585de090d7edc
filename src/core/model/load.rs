//! From the bytes of a file to a model that has proved itself.
//!
//! A wrong model is worse than none: it scores, and nobody sees that it scores nonsense. So
//! everything that can be checked is checked here, once: the description, the names of the
//! features, the graph's ends, every operator, and the scores of rows from usual to extreme.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::Framework;

use super::Model;
use super::error::LoadError;
use super::graph::Graph;
use super::manifest::Manifest;
use super::operators::framework;
use super::outline::Outline;
use super::scorer::{Runner, Scorer};
use super::summary::{ModelKind, Summary, evaluation_text};
use super::trees::attributes::{Attributes, Kind};
use super::trees::error::TreeError;
use super::trees::{self, Ensemble};
use super::trial;

/// Largest model file: 256 MiB.
pub const MAX_MODEL_BYTES: u64 = 256 << 20;

/// Answers what a feature name stands for: the lowest and the highest value of the feature, or
/// `Err` with the nearest names that exist.
pub type Known<'a> = &'a dyn Fn(&str) -> Result<RangeInclusive<f64>, Vec<String>>;

impl Model {
    /// Reads the model file at `path`; see [`Model::from_bytes`].
    pub fn load(path: &Path, known: Known<'_>) -> Result<Self, LoadError> {
        let unreadable = |source| LoadError::Read { path: path.to_owned(), source };
        check_size(std::fs::metadata(path).map_err(unreadable)?.len())?;
        Self::from_bytes(&std::fs::read(path).map_err(unreadable)?, known)
    }

    /// The model in `bytes`, an ONNX file with metadata. `known` says which feature names exist.
    pub fn from_bytes(bytes: &[u8], known: Known<'_>) -> Result<Self, LoadError> {
        check_size(bytes.len() as u64)?;
        let proto = decode(bytes)?;
        let properties = proto.metadata_props.iter();
        let properties = properties.map(|entry| (entry.key.as_str(), entry.value.as_str()));
        let manifest = Manifest::from_metadata(properties)?;
        let bounds = bounds(&manifest, known)?;
        let width = manifest.features.len();
        let outline = Outline::of(proto, width)?;
        check_operators(&outline)?;
        let (runner, kind) = runner(&outline, width)?;
        let runner = Arc::new(runner);
        let label: Arc<str> = manifest.label().into();
        let mut scorer = Scorer::new(runner.clone(), label.clone(), width);
        let passed = trial::run(&mut scorer, &manifest, &bounds, &outline)?;
        let summary = Summary {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            threshold: manifest.threshold,
            features: manifest.features.clone(),
            kind,
            has_baseline: manifest.has_baseline,
            baseline_score: passed.baseline_score,
            examples_checked: manifest.examples.len(),
            warnings: passed.warnings,
            trained_at: manifest.trained_at.clone(),
            metrics: manifest.metrics.clone(),
        };
        Ok(Self { manifest, label, runner, summary })
    }
}

fn check_size(bytes: u64) -> Result<(), LoadError> {
    match bytes > MAX_MODEL_BYTES {
        true => Err(LoadError::TooLarge { bytes, limit: MAX_MODEL_BYTES }),
        false => Ok(()),
    }
}

fn decode(mut bytes: &[u8]) -> Result<ModelProto, LoadError> {
    let not_onnx = |reason: &str| LoadError::NotOnnx { reason: reason.to_owned() };
    let proto = framework().proto_model_for_read(&mut bytes);
    let proto = proto.map_err(|_| not_onnx("the bytes are not a protobuf message"))?;
    match proto.graph {
        Some(_) => Ok(proto),
        None => Err(not_onnx("it has no graph")),
    }
}

fn bounds(manifest: &Manifest, known: Known<'_>) -> Result<Vec<RangeInclusive<f64>>, LoadError> {
    let (mut bounds, mut unknown) = (Vec::new(), Vec::new());
    for name in &manifest.features {
        match known(name) {
            Ok(found) => bounds.push(found),
            Err(nearest) => unknown.push((name.clone(), nearest)),
        }
    }
    match unknown.is_empty() {
        true => Ok(bounds),
        false => Err(LoadError::UnknownFeatures { features: unknown }),
    }
}

fn check_operators(outline: &Outline) -> Result<(), LoadError> {
    let operators = outline.operators();
    if operators.iter().any(|name| name == "ZipMap") {
        return Err(LoadError::ZipMap { output: outline.output.clone() });
    }
    let known = framework().op_register.0;
    let names: Vec<String> =
        operators.into_iter().filter(|name| !known.contains_key(name)).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(LoadError::UnsupportedOperator { names }),
    }
}

fn runner(outline: &Outline, width: usize) -> Result<(Runner, ModelKind), LoadError> {
    for node in outline.graph().node.iter().filter(|node| Kind::of(&node.op_type).is_some()) {
        // tract would wrap what is wrong into its own words, so it is found before.
        let checked = Attributes::of(node).and_then(|attributes| trees::check(&attributes));
        checked.map_err(|source| in_node(node.name.clone(), source))?;
    }
    let Some(node) = outline.lone_ensemble() else {
        let graph = Graph::of(outline, width)?;
        return Ok((Runner::Graph(graph), ModelKind::Graph { operators: outline.operators() }));
    };
    let ensemble = Attributes::of(node).and_then(|a| Ensemble::of(&a, width));
    let ensemble = ensemble.map_err(|source| in_node(node.name.clone(), source))?;
    if ensemble.classes() > 2 {
        let found = format!("the output is of shape [N, {}]", ensemble.classes());
        return Err(LoadError::Output { found });
    }
    let size = ensemble.size();
    let kind = ModelKind::TreeEnsemble {
        trees: size.trees,
        leaves: size.leaves,
        most_leaves: size.most_leaves,
        evaluation: evaluation_text(ensemble.evaluation()),
    };
    Ok((Runner::Trees(Box::new(ensemble)), kind))
}

fn in_node(node: String, source: TreeError) -> LoadError {
    LoadError::Trees { node, source }
}
