//! `generate`: labelled synthetic transactions, the same for the same seed.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::failure::UsageError;
use super::interrupt::Interrupt;
use super::output::{self, count};
use super::progress::Progress;
use crate::files::{Format, Target, TransactionWriter, parse_time};
use crate::tools::generate::{Generator, Settings};

/// How many transactions are generated between two checks for a signal.
const STEP: u64 = 1_024;

/// Arguments of `generate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synfinance generate --output payments.csv\n  \
    synfinance generate --transactions 1000000 --seed 7 --output - --format jsonl")]
pub(super) struct Arguments {
    /// How many transactions
    #[arg(long, value_name = "N", default_value_t = Settings::default().transactions)]
    transactions: u64,

    /// How many customers make them
    #[arg(long, value_name = "N", default_value_t = Settings::default().customers)]
    customers: u32,

    /// Share of fraud among them, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = Settings::default().fraud_rate)]
    fraud_rate: f64,

    /// The same seed gives the same bytes
    #[arg(long, default_value_t = Settings::default().seed)]
    seed: u64,

    /// Nothing is earlier: a date, or a time in RFC 3339; UTC where no zone is written
    #[arg(long, value_name = "DATE", default_value = "2026-01-01")]
    start: String,

    /// Everything is within so many days of the start
    #[arg(long, default_value_t = Settings::default().days)]
    days: u32,

    /// File to write, - for stdout
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// csv, jsonl, parquet or avro; default: by the file's extension
    #[arg(long)]
    format: Option<Format>,

    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn settings(&self) -> Result<Settings, UsageError> {
        let start_ms = parse_time(&self.start).ok_or_else(|| {
            UsageError(format!(
                "--start is {:?}, it must be a date such as 2026-01-01 or a time in RFC 3339",
                self.start
            ))
        })?;
        let settings = Settings {
            transactions: self.transactions,
            customers: self.customers,
            fraud_rate: self.fraud_rate,
            seed: self.seed,
            start_ms,
            days: self.days,
            ..Settings::default()
        };
        settings.check().map_err(|error| UsageError(error.to_string()))?;
        Ok(settings)
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings()?;
    let target = Target::from_argument(&arguments.output, arguments.format)?;
    let interrupt = Interrupt::listen()?;
    let generator = Generator::new(&settings).map_err(|error| UsageError(error.to_string()))?;
    let progress = Progress::start("transactions", Some(settings.transactions));
    let mut writer = TransactionWriter::create(&target)?;
    let (mut transactions, mut frauds) = (0_u64, 0_u64);
    for generated in generator {
        let kind = generated.fraud_type.map(|kind| kind.word());
        writer.write(&generated.raw(), generated.is_fraud, kind)?;
        transactions += 1;
        frauds += u64::from(generated.is_fraud);
        if transactions.is_multiple_of(STEP) {
            progress.set(transactions);
            interrupt.check().with_context(|| format!("{} was not written", target.name()))?;
        }
    }
    writer.finish()?;
    progress.finish();
    report(arguments, &target, (transactions, frauds), progress.elapsed().as_secs_f64())
}

fn report(
    arguments: &Arguments,
    target: &Target,
    (transactions, frauds): (u64, u64),
    seconds: f64,
) -> anyhow::Result<()> {
    let text = format!(
        "{} transactions, {} of them fraud, written to {} in {seconds:.1} s",
        count(transactions),
        count(frauds),
        target.name()
    );
    let json = json!({
        "transactions": transactions,
        "frauds": frauds,
        "output": target.name(),
        "seconds": seconds,
    });
    let stdout_is_taken = arguments.output.as_os_str() == "-";
    output::summary(&text, &json, arguments.json, stdout_is_taken)
}
