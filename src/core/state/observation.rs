//! One transaction against its customer's past.
//!
//! Detectors and features compare a transaction with the past *before* it. That past is read here,
//! at the one moment when the windows already end at the transaction but do not contain it yet.

use super::columns::Entry;
use super::customer::CustomerState;
use super::detectors::{Evidence, Verdict};
use super::geo::{PositionE7, distance_km, mean_position};
use super::symbols::{SymbolKind, UNKNOWN};
use crate::core::transaction::{Amount, HOUR_MS, Position, SECOND_MS, Status};

/// How many positions a customer must have before a home is learned from them.
const MIN_HOME_POSITIONS: u16 = 5;

/// The largest speed reported, km/h; all speeds beyond are capped to it.
pub const MAX_VELOCITY_KMH: f64 = 20_000.0;

/// A transaction as the state takes it: texts are hashed, position and local hour are worked out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incoming {
    /// [`super::hash::hash64`] of the transaction id.
    pub transaction: u64,
    /// Event time, milliseconds since the epoch.
    pub time: i64,
    /// Ten-thousandths of the major unit.
    pub amount: i64,
    /// [`super::hash::hash32`] of the merchant.
    pub merchant: u32,
    /// Whether it was approved, declined or refunded.
    pub status: Status,
    /// Local hour, 0 to 23.
    pub hour: u8,
    /// [`super::hash::hash30`] of the category.
    pub category: u32,
    /// [`super::hash::hash30`] of the city.
    pub city: u32,
    /// [`super::hash::hash30`] of the device.
    pub device: u32,
    /// The merchant's reputation in millionths.
    pub reputation: Option<u32>,
    /// Where it was made: its own coordinates, else its city's.
    pub position: Option<Position>,
    /// The home that the transaction names, if any.
    pub home: Option<Position>,
}

impl Incoming {
    /// The entry to remember; its symbols are not set yet.
    pub(super) fn entry(&self, verdict: &Verdict) -> Entry {
        Entry {
            time: self.time,
            amount: self.amount,
            merchant: self.merchant,
            position: self.position.map(PositionE7::from),
            status: self.status,
            hour: self.hour,
            kind: verdict.anomaly.map(|(kind, _)| kind),
            category: UNKNOWN,
            city: UNKNOWN,
            device: UNKNOWN,
            reputation: self.reputation,
        }
    }
}

/// A transaction compared with those remembered before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// How many transactions are remembered before it.
    pub history: usize,
    /// Their mean amount in major units, without refunds; 0 if there are none.
    pub mean_amount: f64,
    /// Their population standard deviation in major units, without refunds.
    pub sd_amount: f64,
    /// How many of them the mean is taken over.
    pub summed: u16,
    /// Speed from the previous position in km/h, at most [`MAX_VELOCITY_KMH`]; 0 if unknown.
    pub velocity_kmh: f64,
    /// Kilometres from home; 0 if the position or the home is unknown.
    pub distance_km: f64,
    /// Milliseconds since the previous transaction, if there is one.
    pub since_last_ms: Option<i64>,
    /// No remembered transaction has this merchant.
    pub new_merchant: bool,
    /// The device is known, and no remembered transaction has it.
    pub new_device: bool,
    /// What the detectors say.
    pub verdict: Verdict,
}

impl Observation {
    /// Compares `incoming` with a state whose windows end at its time.
    #[inline]
    pub(super) fn of(past: &CustomerState, incoming: &Incoming) -> Self {
        let history = past.columns.len();
        let (mean_amount, sd_amount) = past.amount_statistics();
        let amount = Amount::from_minor(incoming.amount).major();
        let (travelled_km, velocity_kmh) = journey(past, incoming);
        let evidence = Evidence {
            history,
            travelled_km,
            velocity_kmh,
            category_share: category_share(past, incoming.category),
            hour_share: hour_share(past, incoming.hour),
            z_score: (amount - mean_amount) / sd_amount.max(1.0),
        };
        Self {
            history,
            mean_amount,
            sd_amount,
            summed: past.totals.history_summed,
            velocity_kmh,
            distance_km: distance_from_home(past, incoming),
            since_last_ms: past.columns.newest().map(|newest| incoming.time - newest),
            new_merchant: past.columns.find_merchant(incoming.merchant, history).is_none(),
            new_device: incoming.device != 0
                && past.symbols.find(SymbolKind::Device, incoming.device).is_none(),
            verdict: Verdict::of(&evidence),
        }
    }
}

fn category_share(past: &CustomerState, category: u32) -> Option<f64> {
    if category == 0 {
        return None;
    }
    let used =
        past.symbols.find(SymbolKind::Category, category).map_or(0, |s| past.symbols.used(s));
    Some(f64::from(used) / past.columns.len().max(1) as f64)
}

fn hour_share(past: &CustomerState, hour: u8) -> f64 {
    let mut near = [false; 24];
    for distance in [23, 0, 1] {
        near[(usize::from(hour) + distance) % 24] = true;
    }
    past.columns.count_hours(near) as f64 / past.columns.len().max(1) as f64
}

/// Kilometres from the previous position, and km/h on the way.
fn journey(past: &CustomerState, incoming: &Incoming) -> (f64, f64) {
    let (Some(position), Some((previous, time))) = (incoming.position, past.last_position()) else {
        return (0.0, 0.0);
    };
    if position == previous {
        return (0.0, 0.0);
    }
    let hours = (incoming.time - time).max(SECOND_MS) as f64 / HOUR_MS as f64;
    let km = distance_km(previous, position);
    (km, (km / hours).min(MAX_VELOCITY_KMH))
}

/// The home that the transaction names, else the mean of the remembered positions if there are at
/// least [`MIN_HOME_POSITIONS`].
pub(super) fn home(past: &CustomerState, incoming: &Incoming) -> Option<Position> {
    let totals = &past.totals;
    incoming.home.or_else(|| {
        let [latitudes, longitudes] = totals.position_sums;
        let learned = || mean_position(latitudes, longitudes, u32::from(totals.positions));
        (totals.positions >= MIN_HOME_POSITIONS).then(learned).flatten()
    })
}

fn distance_from_home(past: &CustomerState, incoming: &Incoming) -> f64 {
    match (incoming.position, home(past, incoming)) {
        (Some(position), Some(home)) if position != home => distance_km(position, home),
        _ => 0.0,
    }
}
