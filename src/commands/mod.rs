//! The command line: one file per command, each a thin shell around the library, and what commands
//! share (`engines`, `failure`, `files`, `framing`, `interrupt`, `kafka`, `output`, `progress`, and
//! the texts of alerts and letters).
//!
//! A shell reads its arguments, calls the library and prints. Results go to stdout, and nothing
//! else does, so that they can be piped; progress and logs go to stderr. The exit code says who has
//! to act: 0 done; 1 something failed while running; 2 wrong usage (arguments or configuration),
//! and the message says what to write instead.

mod alert_line;
mod config;
mod customers;
mod dead_letters;
pub mod demo;
mod drill;
mod engines;
mod failure;
mod features;
mod files;
mod framing;
mod generate;
mod interrupt;
mod kafka;
mod labels;
mod letter_text;
mod models;
mod output;
mod progress;
mod run;
mod schemas;
mod score;
mod snapshots;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::base::config::{Environment, LogFormat, Settings, load};
use crate::edges::telemetry::Logging;

/// Fraud detection on Kafka: velocity windows per customer, ONNX scoring, alerts with reasons.
#[derive(Debug, Parser)]
#[command(name = "synfinance", version, propagate_version = true)]
#[command(after_help = "Examples:\n  \
    synfinance demo\n  \
    synfinance run\n  \
    synfinance score payments.csv --output scored.csv\n  \
    synfinance --config site.yaml config check\n\n\
    Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.")]
struct Cli {
    /// Configuration file over the defaults; may be repeated, later ones win
    #[arg(long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,

    /// How log lines look on stderr; default: telemetry.format
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<LogFormatArgument>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormatArgument {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service: score a topic's transactions, publish alerts, answer probes
    Run(run::Arguments),
    /// See everything work: generated payments with fraud among them, alerts, a summary
    Demo(demo::Arguments),
    /// Let failures strike the service on real servers, and count what they do to alerts
    Drill(Box<drill::Arguments>),
    /// Write labelled synthetic transactions to a file
    Generate(generate::Arguments),
    /// Score a file of transactions
    Score(score::Arguments),
    /// Write the training table of a file, or list the features
    Features(features::Arguments),
    /// Look into model files
    #[command(subcommand)]
    Models(models::Arguments),
    /// Check producers' schemas, register schemas
    #[command(subcommand)]
    Schemas(schemas::Arguments),
    /// Tell the workers what analysts found out
    #[command(subcommand)]
    Labels(labels::Arguments),
    /// Look at records that could not be scored, and replay them
    #[command(subcommand)]
    DeadLetters(dead_letters::Arguments),
    /// Look at what is stored of customers, and move it
    #[command(subcommand)]
    Snapshots(snapshots::Arguments),
    /// Show what is remembered of a customer, or forget it
    #[command(subcommand)]
    Customers(customers::Arguments),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(config::Arguments),
}

/// Runs the command that this process's arguments name. Usage errors end the process at once with
/// 2, `--help` and `--version` with 0.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let loaded = load(Environment::of_process(), &cli.config)?;
    let settings: &Settings = &loaded.settings;
    let format = match cli.log_format {
        Some(LogFormatArgument::Text) => LogFormat::Text,
        Some(LogFormatArgument::Json) => LogFormat::Json,
        None => settings.telemetry.format,
    };
    let logging = Logging::start(&settings.telemetry, format)?;
    match cli.command {
        Command::Run(arguments) => {
            let reread = || Ok(load(Environment::of_process(), &cli.config)?.settings);
            run::run(&arguments, settings, &logging, &reread)
        }
        Command::Demo(arguments) => demo::run(&arguments, settings),
        Command::Drill(arguments) => drill::run(&arguments, &cli.config),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Score(arguments) => score::run(&arguments, settings),
        Command::Features(arguments) => features::run(&arguments, settings),
        Command::Models(arguments) => models::run(&arguments),
        Command::Schemas(arguments) => schemas::run(&arguments, settings),
        Command::Labels(arguments) => labels::run(&arguments, settings),
        Command::DeadLetters(arguments) => dead_letters::run(&arguments, settings),
        Command::Snapshots(arguments) => snapshots::run(&arguments, settings),
        Command::Customers(arguments) => customers::run(&arguments, settings),
        Command::Config(arguments) => config::run(&arguments, &loaded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
