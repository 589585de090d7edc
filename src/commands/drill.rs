//! `drill`: failures on real servers, and what they do to alerts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::failure::UsageError;
use super::interrupt::Interrupt;
use super::snapshots::location;
use super::{engines, framing, output};
use crate::base::clock::now_millis;
use crate::base::config::{Environment, Secret, Settings, Stream, load, parse_duration};
use crate::core::codec::{ALERT_SCHEMA, Framing, TRANSACTION_SCHEMA};
use crate::core::engine::Engine;
use crate::core::model::Model;
use crate::core::transaction::DAY_MS;
use crate::edges::database::Location;
use crate::edges::kafka::{self, Connection};
use crate::edges::registry::{Schemas, subject_of};
use crate::service::connection;
use crate::stream::worker::ModelName;
use crate::tools::drill::{self, Address, Failure, Names, Report, Service, evolved_schema};
use crate::tools::generate;

/// The ports of servers whose address names none.
const POSTGRES_PORT: u16 = 5_432;
const HTTP_PORT: u16 = 80;

/// Arguments of `drill`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synfinance --config site.yaml drill\n  \
    synfinance --config site.yaml drill --only kill,database --delivery exactly_once --json\n  \
    synfinance --config site.yaml drill --restart-broker \
    'docker restart kafka-$SYNFINANCE_BROKER'\n\n\
    The service runs as processes of this program with the given configuration, on topics, a group \
    and subjects of the drill's own (synfinance-drill-...), which are deleted at the end. It has \
    two workers and saves every second. The database and the registry are not stopped: the service \
    reaches them through a relay, which hangs for half of --outage and refuses for the other half. \
    Every failure has at least --seconds of load, and strikes after a quarter of it:\n  \
    kill         SIGKILL, and a new start at once\n  \
    move         a second process joins the group, and leaves it with SIGTERM after --outage\n  \
    database     state.database_url is away\n  \
    registry     schema_registry.url is away while records of a schema come that is new\n  \
    broker       --restart-broker\n  \
    coordinator  the same for the broker that coordinates the group, if there are several\n  \
    leader       the same for a broker that leads a partition of the alerts\n\n\
    The command of --restart-broker finds in $SYNFINANCE_BROKER the id of the broker to restart, \
    and in $SYNFINANCE_OUTAGE the seconds of --outage: brokers miss one that is away after nine. \
    To run coordinator and leader it has to name the former.\n\n\
    What had to be alerted is computed by one engine that nothing disturbs, over the same records. \
    A subscriber of its own receives what came. missed: never came. wrong: differs from the \
    undisturbed run in a bit of any field. doubled: came again. late: came more than --late after \
    its record's timestamp. time to recover: from the failure's end (kill: from the kill; move: \
    from joining and from leaving, the longer one) until the last alert that came more than a \
    second after its record; with exactly_once a second and stream.commit_interval.\n\n\
    Exit code 1: an alert was missed or wrong, doubled with exactly_once, or not recovered.")]
pub(super) struct Arguments {
    /// Failures, separated by commas: kill, move, database, registry, broker, coordinator, leader;
    /// default: all
    #[arg(long, value_name = "FAILURES", value_delimiter = ',', value_parser = failure)]
    only: Vec<Failure>,

    /// What subscribers may see after a crash; default: stream.delivery
    #[arg(long)]
    delivery: Option<Delivery>,

    /// Shell command that restarts broker $SYNFINANCE_BROKER, and returns when it is back or coming
    /// back
    #[arg(long, value_name = "COMMAND")]
    restart_broker: Option<String>,

    /// Transactions a second
    #[arg(long, value_name = "R", default_value_t = 2_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,

    /// Seconds of load for each failure; more where it takes longer to recover
    #[arg(long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(2..=3_600))]
    seconds: u32,

    /// How long a server is away, and a second process there
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    outage: String,

    /// An alert that comes so much later than its record is late
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    late: String,

    /// How long recovery is waited for, and everything else
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    patience: String,

    /// How many customers pay
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    customers: u32,

    /// The same seed generates the same transactions
    #[arg(long, default_value_t = 42)]
    seed: u64,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Delivery {
    AtLeastOnce,
    ExactlyOnce,
}

impl Delivery {
    fn word(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least_once",
            Self::ExactlyOnce => "exactly_once",
        }
    }
}

fn failure(word: &str) -> Result<Failure, String> {
    let words = Failure::ALL.map(Failure::word).join(", ");
    let found = Failure::ALL.into_iter().find(|failure| failure.word() == word);
    found.ok_or_else(|| format!("must be some of {words}"))
}

pub(super) fn run(arguments: &Arguments, files: &[PathBuf]) -> anyhow::Result<()> {
    let mut environment = Environment::of_process();
    if let Some(delivery) = arguments.delivery {
        environment.set("SYNFINANCE__STREAM__DELIVERY", delivery.word());
    }
    let settings = load(environment, files)?.settings;
    let interrupt = Interrupt::listen()?;
    let context = engines::context(&settings)?;
    let model = engines::model(None, &settings.models)?;
    let forest = Some(engines::forest(&settings.models)?);
    let threshold = settings.decision.threshold;
    let make = || Engine::for_scoring(context.clone(), model.clone(), forest.clone(), threshold);
    let drill = drill_settings(arguments, files, &settings, &model, &interrupt)?;
    let mut report = Report::default();
    let outcome = drill::run(&drill, &make, interrupt.flag(), &mut report);
    if report.rows.iter().any(|row| row.outcome.is_ok()) {
        output::summary(&report.table(), &report.json(), arguments.json, false)?;
    }
    interrupt.check()?;
    outcome.context("the drill did not come to its end")?;
    let complaints = report.complaints();
    if !complaints.is_empty() {
        anyhow::bail!("{}", complaints.join("; "));
    }
    Ok(())
}

fn drill_settings(
    arguments: &Arguments,
    files: &[PathBuf],
    settings: &Settings,
    model: &Model,
    interrupt: &Interrupt,
) -> anyhow::Result<drill::Settings> {
    let patience = duration("--patience", &arguments.patience)?;
    let outage = duration("--outage", &arguments.outage)?;
    let late = duration("--late", &arguments.late)?;
    let names = Names::new(&format!("{:x}-{}", now_millis(), std::process::id()));
    let failures = match arguments.only.is_empty() {
        true => Failure::ALL.to_vec(),
        false => {
            let is_wanted = |failure: &Failure| arguments.only.contains(failure);
            Failure::ALL.into_iter().filter(is_wanted).collect()
        }
    };
    let seconds = Duration::from_secs(arguments.seconds.into());
    let generate = generated(arguments, failures.len(), seconds + patience)?;
    let location = location(settings)?;
    let config_arguments = files.iter().flat_map(|file| ["--config".into(), file.into()]);
    let program = std::env::current_exe().context("this program's own file is not known")?;
    let manifest = model.manifest();
    let threshold = settings.decision.threshold.unwrap_or(manifest.threshold);
    let (name, version) = (manifest.name.clone(), manifest.version.clone());
    let schemas = schemas(settings, &names, interrupt)?;
    Ok(drill::Settings {
        connection: prompt(&settings.stream)?,
        bounds: engines::bounds(&settings.state),
        service: Service { program, arguments: config_arguments.collect() },
        database: match &location {
            Location::Postgres(url) => Address::parse(url, POSTGRES_PORT),
            Location::Sqlite(_) => Err("state.database_url is a file, which cannot be away"),
        },
        location,
        registry: match &settings.schema_registry.url {
            Some(url) => Address::parse(url.expose(), HTTP_PORT),
            None => Err("schema_registry.url is not set, schemas are files"),
        },
        registry_auth: settings
            .schema_registry
            .basic_auth
            .as_ref()
            .map(|(user, password)| Secret::new(format!("{user}:{}", password.expose()))),
        has_registry: settings.schema_registry.url.is_some(),
        framing: schemas.0,
        evolved: schemas.1,
        alerts: schemas.2,
        model: ModelName { name, version, threshold },
        generate,
        rate: f64::from(arguments.rate),
        seconds,
        outage,
        late,
        delivery: match settings.stream.delivery {
            crate::base::config::Delivery::AtLeastOnce => Delivery::AtLeastOnce.word(),
            crate::base::config::Delivery::ExactlyOnce => Delivery::ExactlyOnce.word(),
        },
        commit_interval: settings.stream.commit_interval,
        patience,
        failures,
        restart_broker: arguments.restart_broker.clone(),
        names,
    })
}

/// A positive duration.
fn duration(flag: &str, text: &str) -> Result<Duration, UsageError> {
    let found = parse_duration(text).filter(|duration| !duration.is_zero());
    found.ok_or_else(|| {
        UsageError(format!("{flag} is {text:?}, it must be a duration such as 10s or 2m"))
    })
}

/// Payments per customer and day: enough to form habits in the first seconds of a drill.
const DAILY: u64 = 2;

/// The longest time over which payments are spread.
const LONGEST_DAYS: u32 = 3_660;

/// The share of fraud: a few alerts in every tenth of a second show when they are late.
const FRAUD_RATE: f64 = 0.05;

/// The generator's settings: more transactions than needed even if every failure takes as long as
/// it may. All of them lie in the past, because later event times are rejected.
fn generated(
    arguments: &Arguments,
    failures: usize,
    longest: Duration,
) -> Result<generate::Settings, UsageError> {
    let seconds = longest.as_secs().saturating_mul(failures as u64 + 1);
    let transactions = seconds.saturating_mul(arguments.rate.into()).max(1);
    let days = transactions / (u64::from(arguments.customers.max(1)) * DAILY);
    let days = u32::try_from(days).unwrap_or(LONGEST_DAYS).clamp(30, LONGEST_DAYS);
    let defaults = generate::Settings::default();
    let settings = generate::Settings {
        transactions,
        customers: arguments.customers,
        fraud_rate: FRAUD_RATE,
        seed: arguments.seed,
        start_ms: defaults.start_ms - i64::from(days) * DAY_MS,
        days,
        ..defaults
    };
    settings.check().map_err(|error| UsageError(error.to_string()))?;
    Ok(settings)
}

/// A connection whose clients reconnect soon after a broker was away, unless the configuration says
/// otherwise. Else the drill would measure its own pauses.
fn prompt(stream: &Stream) -> Result<Connection, kafka::Error> {
    let mut stream = stream.clone();
    let key = "reconnect.backoff.max.ms".to_owned();
    stream.kafka.entry(key).or_insert_with(|| Secret::new("1000"));
    connection(&stream)
}

/// The header of transactions, the id of the evolved schema if there is a registry, and the header
/// of alerts.
fn schemas(
    settings: &Settings,
    names: &Names,
    interrupt: &Interrupt,
) -> anyhow::Result<(Framing, Option<u32>, Framing)> {
    let registry = &settings.schema_registry;
    let schemas = Schemas::start(registry, Arc::new(|_| ()))?;
    let register = |subject: &str, json: &str| {
        schemas.register(subject, json).context("the drill's schemas have no id")
    };
    let subject = subject_of(&names.transactions);
    let framing = framing::choose(None, registry, (&subject, TRANSACTION_SCHEMA), &register)?;
    let mut evolved = None;
    if registry.url.is_some() {
        evolved = Some(register(&subject, &evolved_schema())?);
        register(&subject_of(&names.alerts), ALERT_SCHEMA)?;
    }
    let alerts = schemas.alert_framing(&names.alerts, interrupt.flag())?;
    Ok((framing, evolved, alerts.context("interrupted")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_known_words() {
        for known in Failure::ALL {
            assert_eq!(failure(known.word()), Ok(known));
        }
        let why = failure("fire").unwrap_err();
        assert!(why.contains("registry, broker, coordinator, leader"), "{why}");
    }

    #[test]
    fn durations_are_positive() {
        assert_eq!(duration("--late", "1500ms").unwrap(), Duration::from_millis(1_500));
        for text in ["", "5", "0s", "soon"] {
            assert!(duration("--late", text).unwrap_err().to_string().contains("--late"), "{text}");
        }
    }
}
