//! Where, when and how the customer usually pays.

use super::catalog::FeatureId as F;
use super::row::{Moment, Row, flag, ratio};
use crate::core::state::totals::Window;

/// Local hours before this one are unusual for everyone.
const NIGHT_ENDS: u8 = 6;

/// The first day of the weekend, Monday being 0.
const SATURDAY: u8 = 5;

/// The state keeps reputations in millionths.
const REPUTATION_SCALE: f64 = 1e6;

/// Distances, cities, speed.
#[inline]
pub(super) fn geographic(moment: &Moment<'_>, row: &mut Row) {
    row[F::DistanceFromHome] = moment.observation.distance_km;
    let (mean, variance) = moment.state.distances.mean_and_variance();
    row[F::AvgDistanceLast10] = mean;
    row[F::DistanceVariance] = variance;
    row[F::UniqueCities7d] = f64::from(moment.state.totals.cities_week);
    row[F::TravelVelocityKmh] = moment.observation.velocity_kmh;
}

/// The wall clock.
#[inline]
pub(super) fn temporal(moment: &Moment<'_>, row: &mut Row) {
    let local = moment.local;
    row[F::IsUnusualHour] = flag(local.hour < NIGHT_ENDS);
    row[F::IsWeekend] = flag(local.weekday >= SATURDAY);
    row[F::IsHoliday] = flag(local.is_holiday);
    row[F::HourOfDay] = f64::from(local.hour);
    row[F::DayOfWeek] = f64::from(local.weekday);
}

/// Categories, merchants, refunds and declined payments.
#[inline]
pub(super) fn behavioural(moment: &Moment<'_>, row: &mut Row) {
    let totals = &moment.state.totals;
    let exact = moment.exact_count(Window::Month) as f64;
    row[F::CategoryDiversityScore] = totals.category_entropy_month();
    row[F::MerchantLoyaltyScore] = 1.0 - f64::from(totals.merchants_month) / exact;
    if totals.reputations_month > 0 {
        let n = f64::from(totals.reputations_month);
        let sum = f64::from(totals.reputation_sum_month);
        row[F::AvgMerchantReputation] = sum / REPUTATION_SCALE / n;
    } else {
        row[F::AvgMerchantReputation] = 0.5;
    }
    row[F::NewMerchantFlag] = flag(moment.observation.new_merchant);
    outcomes(moment, row);
}

#[inline]
fn outcomes(moment: &Moment<'_>, row: &mut Row) {
    let totals = &moment.state.totals;
    let refunds = f64::from(totals.refunds_month) + moment.folded_outcomes(Window::Month).0;
    let declined = f64::from(totals.declined_week) + moment.folded_outcomes(Window::Week).1;
    row[F::RefundRate30d] = ratio(refunds, moment.window(Window::Month).count);
    row[F::DeclinedRate7d] = ratio(declined, moment.window(Window::Week).count);
}
