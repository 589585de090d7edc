//! `features`: the training table of a file, or the catalogue itself.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::failure::UsageError;
use super::files::FileArguments;
use super::{engines, output};
use crate::base::config::{Settings, parse_duration};
use crate::core::engine::{Engine, EngineError, Memory};
use crate::core::features::catalog::{CATALOG, FeatureId};
use crate::core::features::feature::Feature;
use crate::files::{Shard, Table, features};

/// Arguments of `features`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synfinance features payments.parquet --output table.parquet --label-column is_fraud\n  \
    synfinance features payments.csv --output - --output-format csv \
    --features amount,txn_frequency_1h\n  \
    synfinance features --list")]
pub(super) struct Arguments {
    /// CSV, JSON Lines, Parquet or Avro file, - for stdin
    #[arg(required_unless_present = "list")]
    input: Option<PathBuf>,

    /// File to write, - for stdout
    #[arg(long, short, value_name = "FILE", required_unless_present = "list")]
    output: Option<PathBuf>,

    #[command(flatten)]
    files: FileArguments,

    /// Features to write, in this order; default: all of the catalogue
    #[arg(long, value_name = "a,b,c", value_delimiter = ',')]
    features: Vec<String>,

    /// Column with the verdicts (true: fraud); it is passed on and learned
    #[arg(long, value_name = "COLUMN")]
    label_column: Option<String>,

    /// Time from a transaction until its verdict counts, such as 7d or 12h
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    label_delay: String,

    /// Print the catalogue: names, groups, ranges, formulas
    #[arg(long, conflicts_with_all = ["input", "output", "label_column"])]
    list: bool,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<()> {
    let columns = arguments.columns()?;
    if arguments.list {
        return list(&columns, arguments.files.wants_json());
    }
    let (Some(input), Some(output)) = (&arguments.input, &arguments.output) else {
        return Err(UsageError("an input and --output FILE are needed".to_owned()).into());
    };
    let label_delay_ms = arguments.label_delay_ms()?;
    let files = arguments.files.settle(input, output)?;
    let context = engines::context(settings)?;
    let forest = Some(engines::forest(&settings.models)?);
    let names: Vec<String> = columns.iter().map(|id| Feature::of(*id).name.to_owned()).collect();
    let table =
        Table { names: &names, label_column: arguments.label_column.as_deref(), label_delay_ms };
    let bounds = engines::bounds(&settings.state);
    let shard = || {
        let engine = Engine::for_features(context.clone(), columns.clone(), forest.clone())?;
        Ok::<_, EngineError>(Shard { engine, memory: Memory::new(bounds) })
    };
    shard()?;
    arguments.files.run(files, "with features", |source, job| {
        let made = || shard().expect("invariant: the same engine was made before");
        features(source, job, table, made)
    })
}

impl Arguments {
    fn columns(&self) -> Result<Vec<FeatureId>, UsageError> {
        if self.features.is_empty() {
            return Ok(CATALOG.iter().map(|feature| feature.id).collect());
        }
        let mut columns = Vec::with_capacity(self.features.len());
        for name in self.features.iter().map(|name| name.trim()) {
            let id = Feature::named(name).map_err(|near| unknown(name, &near))?.id;
            if columns.contains(&id) {
                return Err(UsageError(format!("--features names {name} twice")));
            }
            columns.push(id);
        }
        Ok(columns)
    }

    fn label_delay_ms(&self) -> Result<i64, UsageError> {
        parse_duration(&self.label_delay)
            .and_then(|delay| i64::try_from(delay.as_millis()).ok())
            .ok_or_else(|| {
                UsageError(format!(
                    "--label-delay is {:?}, it must be a duration such as 7d or 12h",
                    self.label_delay
                ))
            })
    }
}

fn unknown(name: &str, near: &[String]) -> UsageError {
    let hint = match near {
        [] => "features --list shows all".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    };
    UsageError(format!("--features names the unknown feature {name:?}; {hint}"))
}

fn list(columns: &[FeatureId], wants_json: bool) -> anyhow::Result<()> {
    let features: Vec<&Feature> = columns.iter().map(|id| Feature::of(*id)).collect();
    if wants_json {
        return output::print_json(&features.iter().map(|f| row_json(f)).collect::<Vec<_>>());
    }
    let mut text = String::new();
    let mut group = "";
    for feature in features {
        if feature.group.name() != group {
            group = feature.group.name();
            text.push_str(&format!("\n{group}\n"));
        }
        let Feature { name, range, formula, .. } = feature;
        text.push_str(&format!("  {name:<32} {range:<12} {formula}\n"));
    }
    output::print(text.trim_start_matches('\n'))
}

fn row_json(feature: &Feature) -> Value {
    json!({
        "name": feature.name,
        "group": feature.group.name(),
        "range": feature.range,
        "neutral": feature.neutral,
        "needs": feature.needs,
        "code": feature.code,
        "formula": feature.formula,
    })
}
