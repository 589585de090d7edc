//! `score`: a file of transactions in, the same rows with probability, verdict and reasons out.

use std::path::PathBuf;

use clap::Args;

use crate::config::Settings;

/// Arguments of `score`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synfinance score payments.csv --output scored.parquet --rejected rejected.csv\n  \
    synfinance score day.csv --output - --format csv --columns \
    amount=TX_AMOUNT,customer_id=CUSTOMER_ID\n  \
    zcat day.jsonl.gz | synfinance score - --format jsonl --output scored.jsonl --json")]
pub(super) struct Arguments {
    /// CSV, JSON Lines, Parquet or Avro file, - for stdin
    input: PathBuf,
    /// File to write, - for stdout
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(arguments: &Arguments, _settings: &Settings) -> anyhow::Result<()> {
    anyhow::bail!("score of {arguments:?} is not wired yet")
}
