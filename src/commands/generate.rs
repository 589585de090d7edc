//! `generate`: labelled synthetic transactions, the same for the same seed.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `generate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synfinance generate --output payments.csv\n  \
    synfinance generate --transactions 1000000 --customers 20000 --seed 7 --output - --format jsonl")]
pub(super) struct Arguments {
    /// How many transactions
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    transactions: u64,

    /// How many customers make them
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    customers: u32,

    /// Share of fraud among them, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    fraud_rate: f64,

    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 42)]
    seed: u64,

    /// Nothing is earlier: a date, or a time in RFC 3339
    #[arg(long, value_name = "DATE", default_value = "2026-01-01")]
    start: String,

    /// Everything is within so many days of the start
    #[arg(long, default_value_t = 30)]
    days: u32,

    /// File to write, - for stdout
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// csv, jsonl, parquet or avro; default: by the file's extension
    #[arg(long)]
    format: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    anyhow::bail!("generate to {} is not wired yet: {arguments:?}", arguments.output.display())
}
