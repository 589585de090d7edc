//! A payment as planned, and the sums that people pay.

use super::FraudKind;
use super::random::Random;
use super::traces::Traces;
use super::trade::{Channel, Mode};
use crate::core::transaction::Status;

/// A payment of which everything is known but its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payment {
    pub(super) time_ms: i64,
    pub(super) customer: u32,
    pub(super) merchant: u32,
    /// Hundredths of a rupee.
    pub(super) paise: u64,
    pub(super) mode: Mode,
    pub(super) channel: Channel,
    pub(super) status: Status,
    pub(super) traces: Traces,
    pub(super) fraud: Option<FraudKind>,
}

/// A price as people ask for it, in hundredths: whole rupees mostly, round sums often.
pub(super) fn to_paise(rupees: f64, random: &mut Random) -> u64 {
    let rupees = rupees.clamp(1.0, 2_000_000.0);
    let step = match random.below(100) {
        0..12 if rupees >= 500.0 => 100.0,
        0..35 if rupees >= 50.0 => 10.0,
        0..75 => 1.0,
        _ => 0.01,
    };
    ((rupees / step).round() * step * 100.0).round().max(100.0) as u64
}

/// A sum that only shows whether a card is alive, in hundredths: a thief who tests a card asks for
/// it, and so does a shop that keeps a customer's card for later.
pub(super) fn small_sum(random: &mut Random) -> u64 {
    let most = if random.chance(0.4) { 150.0 } else { 49.0 };
    to_paise(random.between(1.0, most), random)
}
