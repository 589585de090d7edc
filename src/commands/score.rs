//! `score`: a file of transactions in, the same rows with probability, verdict and reasons out.

use std::path::PathBuf;

use clap::Args;

use super::engines;
use super::failure::UsageError;
use super::files::FileArguments;
use crate::base::config::Settings;
use crate::core::engine::{Engine, EngineError, Memory};
use crate::files::{Shard, score};

/// Arguments of `score`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synfinance score payments.csv --output scored.parquet --rejected rejected.csv\n  \
    synfinance score day.csv --output - --output-format csv \
    --columns amount=TX_AMOUNT,customer_id=CUSTOMER_ID\n  \
    zcat day.jsonl.gz | synfinance score - --format jsonl --output scored.jsonl --json\n\n\
    Rows are scored in the file's order, as if they arrived like that: a row's features know what \
    stands before it. Sort by event_time, or at least each customer's rows.")]
pub(super) struct Arguments {
    /// CSV, JSON Lines, Parquet or Avro file, - for stdin
    input: PathBuf,

    /// File to write, - for stdout
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    files: FileArguments,

    /// ONNX file; default: models.active
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// Score from which a row is an alert, 0 to 1; default: decision.threshold, then the model's
    /// own
    #[arg(long, value_name = "SCORE")]
    threshold: Option<f64>,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<()> {
    let threshold = arguments.threshold()?.or(settings.decision.threshold);
    let files = arguments.files.settle(&arguments.input, &arguments.output)?;
    let context = engines::context(settings)?;
    let model = engines::model(arguments.model.as_deref(), &settings.models)?;
    let forest = Some(engines::forest(&settings.models)?);
    let bounds = engines::bounds(&settings.state);
    let shard = || {
        let (model, forest) = (model.clone(), forest.clone());
        let engine = Engine::for_scoring(context.clone(), model, forest, threshold)?;
        Ok::<_, EngineError>(Shard { engine, memory: Memory::new(bounds) })
    };
    shard()?;
    arguments.files.run(files, "scored", |source, job| {
        score(source, job, || shard().expect("invariant: the same engine was made before"))
    })
}

impl Arguments {
    fn threshold(&self) -> Result<Option<f64>, UsageError> {
        match self.threshold {
            Some(threshold) if !(0.0..=1.0).contains(&threshold) => Err(UsageError(format!(
                "--threshold is {threshold}, it must be a number from 0 to 1"
            ))),
            threshold => Ok(threshold),
        }
    }
}
