//! `schemas`: checks producers' schemas, and registers schemas.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::output;
use crate::base::config::{Settings, Topics};
use crate::core::codec::{
    ALERT_SCHEMA, FieldReport, LABEL_SCHEMA, Outcome, Report, TRANSACTION_SCHEMA, Target,
    fingerprint, schema_report_for,
};
use crate::edges::registry::{Schemas, subject_of};

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Say field by field whether records of a producer's schema would be read
    #[command(after_help = "Examples:\n  \
        synfinance schemas check payment.avsc\n  \
        synfinance schemas check verdict.avsc --as label --json\n\n\
        Exit code: 0 they would be read, 1 they would not.")]
    Check(CheckArguments),
    /// Register a schema file, or the three schemas of the configured topics
    #[command(after_help = "Examples:\n  \
        synfinance --config site.yaml schemas register\n  \
        synfinance --config site.yaml schemas register payment.avsc --subject transactions-value")]
    Register(RegisterArguments),
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Avro schema file
    file: PathBuf,

    /// What records are to be read as; default: whichever they can be read as, else transaction
    #[arg(long = "as", value_name = "KIND")]
    kind: Option<Kind>,

    /// Print the outcome as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Transaction,
    Label,
}

#[derive(Debug, Args)]
pub(super) struct RegisterArguments {
    /// Avro schema file; default: the transactions', alerts' and labels' schemas of this program
    #[arg(requires = "subject")]
    file: Option<PathBuf>,

    /// What the file is registered under
    #[arg(long, requires = "file")]
    subject: Option<String>,

    /// Print subjects and ids as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<()> {
    match arguments {
        Arguments::Check(arguments) => check(arguments),
        Arguments::Register(arguments) => register(arguments, settings),
    }
}

fn check(arguments: &CheckArguments) -> anyhow::Result<()> {
    let file = arguments.file.display();
    let json = read(&arguments.file)?;
    let report = match report(arguments.kind, &json) {
        Ok(report) => report,
        Err(error) => {
            if arguments.json {
                let error = error.to_string();
                output::print_json(&json!({"readable": false, "error": error}))?;
            }
            return Err(error).with_context(|| format!("{file} is no schema of a record"));
        }
    };
    let kind = word(report.target);
    match arguments.json {
        true => output::print_json(&report_json(&report))?,
        false => output::print(&report.to_string())?,
    }
    if !report.is_readable() {
        bail!("records of {} in {file} cannot be read as {kind}", report.record);
    }
    if !arguments.json {
        output::print(&format!("ok: records of {} are read as {kind}", report.record))?;
    }
    Ok(())
}

/// The report for this kind, or else for the kind that the schema can be read as.
fn report(kind: Option<Kind>, json: &str) -> Result<Report, crate::core::codec::SchemaError> {
    let of = |target| schema_report_for(target, json);
    match kind {
        Some(Kind::Transaction) => of(Target::Transaction),
        Some(Kind::Label) => of(Target::Label),
        None => {
            let transaction = of(Target::Transaction)?;
            let label = of(Target::Label)?;
            let is_label = !transaction.is_readable() && label.is_readable();
            Ok(if is_label { label } else { transaction })
        }
    }
}

fn word(target: Target) -> &'static str {
    match target {
        Target::Transaction => "transaction",
        Target::Label => "label",
    }
}

fn report_json(report: &Report) -> Value {
    let field = |line: &FieldReport| {
        let outcome = match line.outcome {
            Outcome::Same => "same",
            Outcome::Converted(_) => "converted",
            Outcome::Default(_) => "default",
            Outcome::Missing => "missing",
            Outcome::Incompatible(_) => "incompatible",
        };
        json!({"field": line.field, "outcome": outcome, "detail": line.outcome.to_string()})
    };
    json!({
        "record": report.record,
        "as": word(report.target),
        "readable": report.is_readable(),
        "fields": report.fields.iter().map(field).collect::<Vec<_>>(),
        "ignored": report.ignored,
    })
}

fn register(arguments: &RegisterArguments, settings: &Settings) -> anyhow::Result<()> {
    let schemas = Schemas::start(&settings.schema_registry, Arc::new(|_| ()))?;
    let wanted = match (&arguments.file, &arguments.subject) {
        (Some(file), Some(subject)) => {
            let json = read(file)?;
            fingerprint(&json).with_context(|| format!("{} is no schema", file.display()))?;
            vec![(subject.clone(), json)]
        }
        _ => own(&settings.stream.topics),
    };
    let mut registered = Vec::with_capacity(wanted.len());
    for (subject, schema) in wanted {
        let id = schemas.register(&subject, &schema)?;
        if !arguments.json {
            output::print(&format!("{subject} {id}"))?;
        }
        registered.push(json!({"subject": subject, "id": id}));
    }
    if arguments.json {
        output::print_json(&json!({"registered": registered}))?;
    }
    Ok(())
}

/// The program's own schemas, with the subjects of their topics.
fn own(topics: &Topics) -> Vec<(String, String)> {
    let own = [
        (&topics.transactions, TRANSACTION_SCHEMA),
        (&topics.alerts, ALERT_SCHEMA),
        (&topics.labels, LABEL_SCHEMA),
    ];
    own.into_iter().map(|(topic, schema)| (subject_of(topic), schema.to_owned())).collect()
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the schema file {}", file.display()))
}
