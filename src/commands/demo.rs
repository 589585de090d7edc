//! `demo`: the whole product in one process, with nothing to install.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::alert_line::AlertLine;
use super::engines;
use super::failure::UsageError;
use super::interrupt::Interrupt;
use super::output::{count, note, print, print_json};
use super::progress::Progress;
use super::snapshots::location;
use crate::base::clock::rfc3339;
use crate::base::config::Settings;
use crate::base::error::with_causes;
use crate::core::engine::Engine;
use crate::edges::database::Location;
use crate::stream::worker::ModelName;
use crate::tools::demo::{self, Archive, Past};
use crate::tools::generate;

/// The name of the file that keeps the customers.
const FILE: &str = "demo.db";

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synfinance demo\n  \
    synfinance demo --transactions 500000 --json\n  \
    synfinance demo --rate 200\n\n\
    Customers are remembered in demo.db beside the SQLite file of state.database_url, data/demo.db \
    by default: the next demo with the same seed and number of transactions goes on where this one \
    ended. The summary is about one demo alone.")]
pub struct Arguments {
    /// How many transactions are generated
    #[arg(long, value_name = "N", default_value_t = 50_000,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub transactions: u64,

    /// Transactions a second; default: as fast as it goes
    #[arg(long, value_name = "R")]
    pub rate: Option<f64>,

    /// The same seed generates the same transactions
    #[arg(long, default_value_t = 42)]
    pub seed: u64,

    /// Forget what earlier demos of this seed and as many customers remember, and begin again
    #[arg(long)]
    pub fresh: bool,

    /// Print the summary as one JSON object, and no alerts
    #[arg(long)]
    pub json: bool,
}

/// The result of a demo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Transactions generated.
    pub transactions: u64,
    /// Transactions scored.
    pub scored: u64,
    /// Alerts that the subscriber received.
    pub alerts: u64,
    /// Transactions that were neither scored, nor duplicates, nor dead letters.
    pub lost: u64,
    /// Share of the alerts that are planted fraud, 0 to 1; `None` if there are no alerts.
    pub precision: Option<f64>,
    /// Share of the planted fraud that was alerted, 0 to 1; `None` if there is no fraud.
    pub recall: Option<f64>,
    /// Transactions handled per second of wall time.
    pub transactions_per_second: f64,
    /// Time from a transaction's Kafka timestamp to the acknowledgement of its alert.
    pub latency_ms: Latency,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Half are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// 999 of 1,000 are at most this.
    pub p999: f64,
}

impl Summary {
    /// The summary for people.
    pub fn text(&self) -> String {
        let share = |share: Option<f64>| share.map_or("none".to_owned(), |s| format!("{s:.3}"));
        let Latency { p50, p99, p999 } = self.latency_ms;
        format!(
            "transactions  {} ({} scored, {} lost)\n\
             alerts        {} (precision {}, recall {} against the planted fraud)\n\
             throughput    {} transactions/s\n\
             latency       p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms, \
             from record to acknowledged alert",
            count(self.transactions),
            count(self.scored),
            count(self.lost),
            count(self.alerts),
            share(self.precision),
            share(self.recall),
            count(self.transactions_per_second.round() as u64),
        )
    }
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<()> {
    if let Some(rate) = arguments.rate
        && !(rate > 0.0 && rate <= 1e7)
    {
        let message = format!("--rate is {rate}, it must be above 0 and at most 10000000");
        return Err(UsageError(message).into());
    }
    let interrupt = Interrupt::listen()?;
    let summary = stream(arguments, settings, &interrupt)?;
    if arguments.json {
        print_json(&summary)?
    } else {
        print(&summary.text())?
    }
    if summary.lost > 0 {
        anyhow::bail!("{} transactions are missing, this is a bug", summary.lost);
    }
    Ok(interrupt.check()?)
}

/// Runs the stream, printing alerts as the subscriber receives them.
fn stream(
    arguments: &Arguments,
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<Summary> {
    let context = engines::context(settings)?;
    let model = engines::model(None, &settings.models)?;
    let forest = Some(engines::forest(&settings.models)?);
    let threshold = settings.decision.threshold;
    let make = || Engine::for_scoring(context.clone(), model.clone(), forest.clone(), threshold);
    let progress = Progress::start("transactions", Some(arguments.transactions));
    let line = AlertLine::new(&settings.features.timezone, std::io::stdout().is_terminal());
    let mut printed = Ok(());
    let mut demonstrated = demo_settings(arguments, &model, threshold);
    demonstrated.bounds = engines::bounds(&settings.state);
    demonstrated.archive = archive(arguments, settings, &demonstrated.generate)?;
    let summary = demo::run(
        &demonstrated,
        &make,
        interrupt.flag(),
        &mut |alert| {
            if !arguments.json && printed.is_ok() {
                printed = progress.suspend(|| print(&line.of(alert)));
            }
        },
        &mut |at| progress.set(at.handled),
    );
    progress.finish();
    printed?;
    summary.map(Summary::from).context("the demo failed")
}

/// The archive of earlier demos. If nothing can be kept, the demo runs without one.
fn archive(
    arguments: &Arguments,
    settings: &Settings,
    world: &generate::Settings,
) -> anyhow::Result<Option<Archive>> {
    let file = match location(settings)? {
        Location::Sqlite(file) => file.with_file_name(FILE),
        Location::Postgres(_) => Path::new("data").join(FILE),
    };
    let max_bytes = usize::try_from(settings.state.max_bytes).unwrap_or(usize::MAX);
    let archive = match Archive::open(&file, world, max_bytes, arguments.fresh) {
        Ok(archive) => archive,
        Err(error) => {
            note(&format!("this demo is not remembered: {}", with_causes(&error)));
            return Ok(None);
        }
    };
    match archive.past() {
        Past::Nothing => {}
        Past::Kept { transactions, until_ms } => note(&format!(
            "going on after {} transactions of earlier demos, until {}, remembered in {}; --fresh \
             begins again",
            count(transactions),
            rfc3339(until_ms),
            file.display()
        )),
        Past::Forgotten => note(&format!(
            "what is in {} is not complete, the last demo did not end in order: beginning again",
            file.display()
        )),
    }
    Ok(Some(archive))
}

fn demo_settings(
    arguments: &Arguments,
    model: &crate::core::model::Model,
    threshold: Option<f64>,
) -> demo::Settings {
    let manifest = model.manifest();
    let name = ModelName {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        threshold: threshold.unwrap_or(manifest.threshold),
    };
    let Arguments { transactions, seed, rate, .. } = *arguments;
    let defaults = generate::Settings::default();
    // About fifty payments per customer, as in the bundled model's training data.
    let customers = (transactions / 50).clamp(50, 1_000_000) as u32;
    let generate = generate::Settings { transactions, seed, customers, ..defaults };
    demo::Settings { rate, ..demo::Settings::new(generate, name) }
}

impl From<demo::Summary> for Summary {
    fn from(summary: demo::Summary) -> Self {
        let demo::LatencyMs { p50, p99, p999 } = summary.alert_latency_ms;
        Self {
            transactions: summary.transactions,
            scored: summary.scored,
            alerts: summary.alerts,
            lost: summary.lost,
            precision: summary.precision,
            recall: summary.recall,
            transactions_per_second: summary.transactions_per_second,
            latency_ms: Latency { p50, p99, p999 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            transactions: 50_000,
            scored: 49_999,
            alerts: 900,
            lost: 1,
            precision: Some(0.875),
            recall: None,
            transactions_per_second: 123_456.7,
            latency_ms: Latency { p50: 1.25, p99: 8.0, p999: 20.0 },
        }
    }

    #[test]
    fn the_json_has_the_contract_s_names() {
        let json = serde_json::to_value(summary()).unwrap();
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "transactions",
            "scored",
            "alerts",
            "lost",
            "precision",
            "recall",
            "transactions_per_second",
            "latency_ms",
        ];
        assert_eq!(names, expected);
        assert_eq!(json["latency_ms"], serde_json::json!({"p50": 1.25, "p99": 8.0, "p999": 20.0}));
        assert_eq!(json["recall"], serde_json::Value::Null);
    }

    #[test]
    fn the_text_says_the_same() {
        let text = summary().text();
        for part in ["50,000 (49,999 scored, 1 lost)", "precision 0.875, recall none", "123,457"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
