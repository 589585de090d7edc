//! Why a model is refused at load, and what can go wrong when it scores.
//!
//! Whoever reads a refusal trained or exported the model. So each text says what was found, where,
//! and how to mend it; the running model stays in place whatever is refused.

use std::path::PathBuf;

use thiserror::Error;

use super::manifest::ManifestError;
use super::meaning::Meaning;
use super::trees::error::TreeError;

/// Why a model file is refused. The caller keeps the model that it has.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read model file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than any model that scores in time.
    #[error("the model has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Size of the file.
        bytes: u64,
        /// Largest size.
        limit: u64,
    },
    /// The bytes are not an ONNX model.
    #[error("this is not an ONNX model: {reason}, export the model again as one .onnx file")]
    NotOnnx {
        /// What is missing.
        reason: String,
    },
    /// The metadata does not say what the model needs.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Feature names that the catalogue does not have.
    #[error("{}", describe_unknown(features))]
    UnknownFeatures {
        /// Each unknown name with the nearest that exist.
        features: Vec<(String, Vec<String>)>,
    },
    /// The graph's input is not one float32 tensor [N, F].
    #[error("{found}, expected one float32 input of shape [N, {width}]: {advice}")]
    Input {
        /// What the graph has.
        found: String,
        /// Columns that the manifest's features ask for.
        width: usize,
        /// How to mend it.
        advice: &'static str,
    },
    /// The probabilities come as a sequence of maps.
    #[error(
        "output {output} is a ZipMap (a list of dictionaries): convert with zipmap off \
         (skl2onnx: options={{id(model): {{'zipmap': False}}}}, onnxmltools: zipmap=False), or \
         remove the ZipMap node and make its input the output"
    )]
    ZipMap {
        /// The output's name.
        output: String,
    },
    /// No output that is a score.
    #[error(
        "{found}, expected an output `probabilities` of shape [N, 2], or `score` (or a single \
         output) of shape [N, 1] or [N]"
    )]
    Output {
        /// What the graph has.
        found: String,
    },
    /// Operators that nobody here implements.
    #[error(
        "unsupported operator {}: export the model without it, or with an older opset \
         (target_opset={{'': 17, 'ai.onnx.ml': 3}})", names.join(", ")
    )]
    UnsupportedOperator {
        /// Names of the operators, each once.
        names: Vec<String>,
    },
    /// A broken tree ensemble.
    #[error("tree ensemble node {node:?}: {source}; export the model again")]
    Trees {
        /// The node's name.
        node: String,
        /// What is wrong with it.
        source: TreeError,
    },
    /// Weights lie outside the file.
    #[error(
        "tensor `{tensor}` lies in another file (external data), and a model is one file: export \
         with torch.onnx.export(..., external_data=False), or bring both together with \
         onnx.save_model(onnx.load(\"model.onnx\"), \"one-file.onnx\", save_as_external_data=False)"
    )]
    ExternalData {
        /// The tensor's name.
        tensor: String,
    },
    /// The graph does not hold together or cannot be planned.
    #[error(
        "the model's graph cannot be run: {reason}; export the model again, rows as first axis"
    )]
    Graph {
        /// The first thing that went wrong.
        reason: String,
    },
    /// A usual row gets no number.
    #[error(
        "{row} gets no number as its score: look in the graph for what overflows or divides by zero"
    )]
    NoNumber {
        /// Which row.
        row: String,
    },
    /// A score is outside 0..1: the output is no probability.
    #[error(
        "{row} scores {score}, expected a number from 0 to 1: the output seems to be {meaning}"
    )]
    Range {
        /// Which row.
        row: String,
        /// Its score.
        score: f32,
        /// What the output seems to be, and how to mend it.
        meaning: Meaning,
    },
    /// An example does not come out as the manifest says.
    #[error(
        "example {index} scores {got}, the manifest expects {expected} (tolerance 1e-4): the file \
         is not the model that the examples were made with, or its features are in another order"
    )]
    Example {
        /// Which example, counted from 0.
        index: usize,
        /// What the manifest says.
        expected: f64,
        /// What the model says.
        got: f32,
    },
}

fn describe_unknown(features: &[(String, Vec<String>)]) -> String {
    let one = |(name, nearest): &(String, Vec<String>)| match nearest.as_slice() {
        [] => format!("unknown feature `{name}`"),
        nearest => format!("unknown feature `{name}` (nearest: {})", nearest.join(", ")),
    };
    let list: Vec<String> = features.iter().map(one).collect();
    format!("{}: use names of the catalogue (`synfinance features --list`)", list.join("; "))
}

/// Why a batch could not be scored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScoreError {
    /// The rows are not a multiple of the model's width: the caller's mistake.
    #[error("{values} values are not rows of {width} features")]
    Shape {
        /// How many values came.
        values: usize,
        /// Features of a row.
        width: usize,
    },
    /// A score is not a number from 0 to 1, or the model failed on a row. All scores of the batch
    /// are there, the bad ones as NaN: the caller decides what becomes of those rows, the others
    /// hold.
    #[error("model {model} gave no number from 0 to 1 for row {row} and {} other rows", count - 1)]
    NoProbability {
        /// Name and version of the model.
        model: String,
        /// The first such row.
        row: usize,
        /// How many rows.
        count: usize,
    },
}
