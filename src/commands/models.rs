//! `models`: look into model files.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{engines, output};
use crate::core::model::{ModelKind, Summary};

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Load an ONNX file as the service would and print what it says about itself
    #[command(
        after_help = "Example:\n  synfinance models inspect models/fraud-detector.onnx --json"
    )]
    Inspect {
        /// ONNX file
        file: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments::Inspect { file, json } = arguments;
    let model = engines::open(file)?;
    let summary = model.summary();
    if *json { output::print_json(&summary_json(summary)) } else { output::print(&text(summary)) }
}

fn summary_json(summary: &Summary) -> Value {
    let metrics: serde_json::Map<String, Value> =
        summary.metrics.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "name": summary.name,
        "version": summary.version,
        "threshold": summary.threshold,
        "features": summary.features,
        "kind": kind_json(&summary.kind),
        "has_baseline": summary.has_baseline,
        "baseline_score": summary.baseline_score,
        "examples_checked": summary.examples_checked,
        "warnings": summary.warnings,
        "trained_at": summary.trained_at,
        "metrics": metrics,
    })
}

fn kind_json(kind: &ModelKind) -> Value {
    match kind {
        ModelKind::TreeEnsemble { trees, leaves, most_leaves, evaluation } => json!({
            "type": "tree_ensemble",
            "trees": trees,
            "leaves": leaves,
            "most_leaves": most_leaves,
            "evaluation": evaluation,
        }),
        ModelKind::Graph { operators } => json!({"type": "graph", "operators": operators}),
    }
}

fn text(summary: &Summary) -> String {
    let kind = match &summary.kind {
        ModelKind::TreeEnsemble { trees, leaves, most_leaves, evaluation } => format!(
            "{trees} trees, {leaves} leaves (at most {most_leaves} a tree), run as {evaluation}"
        ),
        ModelKind::Graph { operators } => format!("graph of {}", operators.join(", ")),
    };
    let mut lines = vec![
        format!("model      {} {}", summary.name, summary.version),
        format!("kind       {kind}"),
        format!("threshold  {}", summary.threshold),
        match summary.has_baseline {
            true => format!("baseline   scores {}", summary.baseline_score),
            false => format!(
                "baseline   none in the file: reasons compare with zeros, which score {}",
                summary.baseline_score
            ),
        },
        match summary.examples_checked {
            0 => "examples   none in the file".to_owned(),
            checked => format!("examples   {checked} checked, all agree"),
        },
    ];
    lines.extend(summary.warnings.iter().map(|warning| format!("warning    {warning}")));
    lines.extend(summary.trained_at.iter().map(|time| format!("trained    {time}")));
    lines
        .extend(summary.metrics.iter().map(|(name, value)| format!("metric     {name} = {value}")));
    lines.push(format!("features   {}", summary.features.len()));
    lines.extend(summary.features.iter().map(|name| format!("  {name}")));
    lines.join("\n")
}
