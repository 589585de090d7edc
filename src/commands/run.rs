//! `run`: the service, until it is told to end.

use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::Context;
use clap::Args;

use super::engines;
use super::failure::UsageError;
use super::interrupt::{Hangup, Interrupt};
use super::snapshots::location;
use crate::base::clock::now_millis;
use crate::base::config::{self, Settings};
use crate::core::engine::Engine;
use crate::edges::database::{Location, Replica};
use crate::edges::telemetry::Logging;
use crate::service;
use crate::stream::snapshots::Policy;
use crate::stream::snapshots::policy::SavePoint;
use crate::stream::worker::ModelName;

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synfinance run\n  \
    SYNFINANCE_ENV=production synfinance --config site.yaml run\n\n\
    Ends on SIGTERM or SIGINT within stream.shutdown_deadline. SIGHUP reads the configuration\n  \
    again and takes telemetry.level over.")]
pub struct Arguments {}

/// Reads the configuration again, for the level of log lines.
pub(super) type Reread<'a> = &'a dyn Fn() -> anyhow::Result<Settings>;

pub(super) fn run(
    _: &Arguments,
    settings: &Settings,
    logging: &Logging,
    reread: Reread<'_>,
) -> anyhow::Result<()> {
    let interrupt = Interrupt::listen()?;
    let hangup = Hangup::listen()?;
    let (service, make) = prepare(settings)?;
    let mut idle = || {
        if hangup.was_raised() {
            take_level_over(logging, reread);
        }
    };
    service::run(&service, &make, &interrupt.shared(), &mut idle).context("the service failed")
}

/// The settings of the service, and how to build engines; reads all files that they need.
pub(super) fn prepare(settings: &Settings) -> anyhow::Result<(service::Settings, service::Make)> {
    let context = engines::context(settings)?;
    let model = engines::model(None, &settings.models)?;
    let forest = Some(engines::forest(&settings.models)?);
    let threshold = settings.decision.threshold;
    let manifest = model.manifest();
    let service = service::Settings {
        stream: settings.stream.clone(),
        schema_registry: settings.schema_registry.clone(),
        http: settings.http.clone(),
        database: location(settings)?,
        replica: replica(settings)?,
        save: Policy(settings.state.save.iter().map(save_point).collect()),
        goes_on_incomplete: settings.state.goes_on_incomplete,
        bounds: engines::bounds(&settings.state),
        max_bytes: usize::try_from(settings.state.max_bytes).unwrap_or(usize::MAX),
        workers: settings.stream.workers.unwrap_or_else(cores),
        model: ModelName {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            threshold: threshold.unwrap_or(manifest.threshold),
        },
        process: process_name(),
    };
    let make: service::Make = Arc::new(move || {
        Engine::for_scoring(context.clone(), model.clone(), forest.clone(), threshold)
    });
    Ok((service, make))
}

/// The replica of the database that customers are read from, if one is configured.
fn replica(settings: &Settings) -> Result<Option<Replica>, UsageError> {
    let Some(url) = &settings.state.read_url else { return Ok(None) };
    if matches!(location(settings)?, Location::Sqlite(_)) {
        let what = "state.read_url is set, and state.database_url is a SQLite file, which has no \
                    replica: remove it, or set state.database_url to a PostgreSQL database";
        return Err(UsageError(what.to_owned()));
    }
    Ok(Location::parse(url.expose()).and_then(|location| location.replica()))
}

fn save_point(point: &config::SavePoint) -> SavePoint {
    let changed = usize::try_from(point.changes).unwrap_or(usize::MAX);
    SavePoint { after: point.interval, changed }
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// A name that no other process has, now or later.
fn process_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "host" } else { host };
    format!("{host}-{}-{}", std::process::id(), now_millis())
}

/// Takes over the log level of a configuration read again. If it cannot be read, nothing changes.
fn take_level_over(logging: &Logging, reread: Reread<'_>) {
    let changed = reread().and_then(|settings| {
        let level = settings.telemetry.level;
        logging.set_level(&level)?;
        Ok(level)
    });
    match changed {
        Ok(level) => tracing::info!(level, "log level taken over"),
        Err(error) => tracing::error!("the configuration was not taken over: {error:#}"),
    }
}
