//! From settings to engines: tables and models are read once and shared, and every shard gets an
//! engine.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::failure::UsageError;
use crate::base::clock::millis;
use crate::base::config::{Models, Settings, State};
use crate::core::engine::Context;
use crate::core::features::calendar::Calendar;
use crate::core::features::cities::Cities;
use crate::core::features::feature::Feature;
use crate::core::model::Model;
use crate::core::state::Bounds;

/// The table of holidays, unless the configuration names another.
const HOLIDAYS: &str = include_str!("../../config/holidays.csv");

/// The table of cities, unless the configuration names another.
const CITIES: &str = include_str!("../../config/cities.csv");

/// The model that scores, unless the configuration names another.
const DETECTOR: &[u8] = include_bytes!("../../models/fraud-detector.onnx");

/// The isolation forest, unless the configuration names another.
const FOREST: &[u8] = include_bytes!("../../models/isolation-forest.onnx");

/// The tables that all engines of a run share.
pub(super) fn context(settings: &Settings) -> anyhow::Result<Arc<Context>> {
    let features = &settings.features;
    let holidays = table("features.holidays", features.holidays.as_deref(), HOLIDAYS)?;
    let cities = table("features.cities", features.cities.as_deref(), CITIES)?;
    let calendar = Calendar::new(&features.timezone, &holidays)
        .map_err(|error| UsageError(format!("features.holidays: {error}")))?;
    let cities =
        Cities::new(&cities).map_err(|error| UsageError(format!("features.cities: {error}")))?;
    Ok(Arc::new(Context { calendar, cities }))
}

/// The configured bounds of each customer's state.
pub(super) fn bounds(state: &State) -> Bounds {
    let max_transactions = u16::try_from(state.max_transactions_per_customer)
        .unwrap_or(Bounds::MAX_TRANSACTIONS)
        .min(Bounds::MAX_TRANSACTIONS);
    let dedup_horizon_ms = millis(state.dedup_horizon);
    Bounds { max_transactions, dedup_horizon_ms }
}

/// The model that scores: the file of `--model`, else the configured one, else the bundled one.
pub(super) fn model(flag: Option<&Path>, models: &Models) -> anyhow::Result<Arc<Model>> {
    match (flag, &models.active) {
        (Some(path), _) => load("--model", path),
        (None, Some(path)) => load("models.active", path),
        (None, None) => bundled(DETECTOR),
    }
}

/// The isolation forest behind two of the features: the configured one, else the bundled one.
pub(super) fn forest(models: &Models) -> anyhow::Result<Arc<Model>> {
    match &models.isolation_forest {
        Some(path) => load("models.isolation_forest", path),
        None => bundled(FOREST),
    }
}

fn bundled(bytes: &[u8]) -> anyhow::Result<Arc<Model>> {
    let model = Model::from_bytes(bytes, &known).context("a bundled model is refused")?;
    Ok(Arc::new(model))
}

fn known(name: &str) -> Result<RangeInclusive<f64>, Vec<String>> {
    Feature::named(name).map(Feature::bounds)
}

/// Loads a model file; the error says which features exist.
pub(super) fn open(path: &Path) -> anyhow::Result<Model> {
    Model::load(path, &known).with_context(|| format!("model {} is refused", path.display()))
}

fn load(asked_by: &str, path: &Path) -> anyhow::Result<Arc<Model>> {
    if !path.exists() {
        let message = format!("{asked_by}: there is no model file {}", path.display());
        return Err(UsageError(message).into());
    }
    // The user names the file to load, so a refused file is wrong usage.
    let model = open(path).map_err(|error| UsageError(format!("{asked_by}: {error:#}")))?;
    for warning in &model.summary().warnings {
        tracing::warn!(model = model.label(), "{warning}");
    }
    Ok(Arc::new(model))
}

fn table(key: &str, path: Option<&Path>, bundled: &str) -> anyhow::Result<String> {
    match path {
        None => Ok(bundled.to_owned()),
        Some(path) => std::fs::read_to_string(path).map_err(|error| {
            UsageError(format!("{key}: cannot read {}: {error}", path.display())).into()
        }),
    }
}
