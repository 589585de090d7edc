//! `labels`: sends analysts' verdicts from a file to the topic that every worker follows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::framing;
use super::interrupt::Interrupt;
use super::kafka::{PATIENCE, new_topics};
use super::output::{self, count};
use super::progress::Progress;
use crate::base::clock::now_millis;
use crate::base::config::{SchemaRegistry, Settings};
use crate::core::codec::{Framing, LABEL_SCHEMA, encode_label};
use crate::core::transaction::Label;
use crate::edges::kafka::{Outgoing, Producer, ensure_topics};
use crate::edges::registry::Schemas;
use crate::files::{Format, Source, Summary, Target, read_labels};
use crate::service::connection;

/// How long a verdict waits for others to be sent with: nobody waits for a single one.
const LINGER: Duration = Duration::from_millis(5);

/// How many verdicts are sent between two looks at acknowledgements.
const STEP: u64 = 1_024;

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Send a file of verdicts to the labels' topic
    Send(Box<Send>),
}

/// Arguments of `labels send`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synfinance labels send verdicts.csv --rejected rejected.csv\n  \
    zcat verdicts.csv.gz | synfinance labels send - --format csv --json\n\n\
    Columns: transaction_id, customer_id, merchant_id, event_time (of the transaction), is_fraud; \
    optional: labeled_at (default: now), fraud_type. Times are RFC 3339 or epoch milliseconds.")]
pub(super) struct Send {
    /// CSV, JSON Lines, Parquet or Avro file, - for stdin
    file: PathBuf,

    /// csv, jsonl, parquet or avro; default: by the file's extension
    #[arg(long)]
    format: Option<Format>,

    /// File for rows that cannot be sent, with their reasons
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,

    /// Id of the schema that records name; default: the registry's for {topic}-value, else that of
    /// schemas/label.avsc in schema_registry.static, else the schema's fingerprint
    #[arg(long, value_name = "ID")]
    schema_id: Option<u32>,

    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

/// The numbers of a finished command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Sent {
    rows: u64,
    sent: u64,
    rejected: u64,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<()> {
    let Arguments::Send(arguments) = arguments;
    let interrupt = Interrupt::listen()?;
    let source = Source::from_argument(&arguments.file, arguments.format)?;
    let rejected = arguments.rejected.as_deref().map(|path| Target::from_argument(path, None));
    let rejected = rejected.transpose()?;
    if let Some(rejected) = &rejected {
        source.spare(rejected, "rejected rows")?;
    }
    let stream = &settings.stream;
    let topic = stream.topics.labels.as_str();
    let connection = connection(stream)?;
    let subject = format!("{topic}-value");
    let registry = &settings.schema_registry;
    let named = (subject.as_str(), LABEL_SCHEMA);
    let register = |subject: &str, json: &str| register(registry, subject, json);
    let framing = framing::choose(arguments.schema_id, registry, named, &register)?;
    ensure_topics(&connection, &[topic], new_topics(stream), PATIENCE)?;
    let producer = Producer::new(&connection, LINGER)?;
    let mut sender = Sender { producer, topic, framing, value: Vec::new(), taken: 0, arrived: 0 };
    let progress = Progress::start("verdicts", None);
    let read = read_labels(source, rejected.as_ref(), now_millis(), &mut |label| {
        interrupt.check()?;
        sender.send(label)?;
        progress.set(sender.taken);
        Ok::<(), anyhow::Error>(())
    });
    progress.finish();
    let sent = sender.finish()?;
    let summary = read.with_context(|| format!("{sent} verdicts were sent before"))?;
    report(&summary, sent, topic, arguments.json)
}

fn register(registry: &SchemaRegistry, subject: &str, json: &str) -> anyhow::Result<u32> {
    let schemas = Schemas::start(registry, Arc::new(|_| ()))?;
    let registered = schemas.register(subject, json);
    registered.context("the verdicts' schema has no id; --schema-id names one without asking")
}

/// Encodes verdicts and produces them.
struct Sender<'a> {
    producer: Producer,
    topic: &'a str,
    framing: Framing,
    value: Vec<u8>,
    taken: u64,
    arrived: u64,
}

impl Sender<'_> {
    fn send(&mut self, label: &Label<'_>) -> anyhow::Result<()> {
        self.value.clear();
        self.framing.write(&mut self.value);
        encode_label(label, &mut self.value);
        let record = Outgoing {
            topic: self.topic,
            key: Some(label.transaction_id.as_bytes()),
            value: Some(&self.value),
            headers: None,
        };
        self.producer.send(record, 0, PATIENCE)?;
        self.taken += 1;
        if self.taken.is_multiple_of(STEP) { self.settle() } else { Ok(()) }
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        let mut sequences = Vec::new();
        self.producer.acknowledged(&mut sequences)?;
        self.arrived += sequences.len() as u64;
        Ok(())
    }

    /// Waits until the brokers have acknowledged all verdicts; returns how many there are.
    fn finish(mut self) -> anyhow::Result<u64> {
        self.producer.flush(PATIENCE)?;
        self.settle()?;
        if self.arrived < self.taken {
            let lost = self.taken - self.arrived;
            anyhow::bail!("{lost} verdicts are larger than topic {} takes", self.topic);
        }
        Ok(self.arrived)
    }
}

fn report(summary: &Summary, sent: u64, topic: &str, wants_json: bool) -> anyhow::Result<()> {
    for example in &summary.examples {
        output::note(&format!("row {}: {}: {}", example.row, example.reason, example.message));
    }
    let more = summary.rejected - summary.examples.len() as u64;
    if more > 0 {
        output::note(&format!("{} more rows were rejected, see --rejected FILE", count(more)));
    }
    let result = Sent { rows: summary.rows, sent, rejected: summary.rejected };
    let text = format!(
        "{} rows: {} sent to {topic}, {} rejected",
        count(result.rows),
        count(result.sent),
        count(result.rejected)
    );
    output::summary(&text, &result, wants_json, false)?;
    if result.rows > 0 && result.sent == 0 {
        anyhow::bail!("none of the rows could be sent");
    }
    Ok(())
}
