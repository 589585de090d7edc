//! Amounts and counts: aggregates, velocity, and the amount against the customer's history.

use super::catalog::FeatureId as F;
use super::row::{Moment, Row, flag, ratio};
use crate::core::state::MEMORY_MS;
use crate::core::state::totals::Window;
use crate::core::transaction::{Amount, DAY_MS, SECOND_MS, Status};

/// Amounts below this share of the mean look like card testing.
const SMALL_SHARE: f64 = 0.01;

/// A round amount is a multiple of this many major units.
const ROUND_MAJOR: i64 = 100;

/// What the transaction itself says.
#[inline]
pub(super) fn amount(moment: &Moment<'_>, row: &mut Row) {
    row[F::Amount] = Amount::from_minor(moment.incoming.amount).major();
}

/// Counts and sums of the day and the week.
#[inline]
pub(super) fn aggregate(moment: &Moment<'_>, row: &mut Row) {
    let (day, week) = (moment.window(Window::Day), moment.window(Window::Week));
    row[F::DailyTxnCount] = day.count;
    row[F::WeeklyTxnCount] = week.count;
    row[F::DailyTxnAmount] = day.amount;
    row[F::WeeklyTxnAmount] = week.amount;
    row[F::AvgDailyAmount] = ratio(day.amount, day.summed);
    row[F::AvgWeeklyAmount] = ratio(week.amount, week.summed);
}

/// Counts of recent hours, and amounts per minute.
#[inline]
pub(super) fn velocity(moment: &Moment<'_>, row: &mut Row) {
    let windows = [
        (Window::Hour, F::TxnFrequency1h, F::AmountVelocity1h, 60.0),
        (Window::SixHours, F::TxnFrequency6h, F::AmountVelocity6h, 360.0),
        (Window::Day, F::TxnFrequency24h, F::AmountVelocity24h, 1_440.0),
    ];
    for (window, frequency, velocity, minutes) in windows {
        let totals = moment.window(window);
        row[frequency] = totals.count;
        row[velocity] = totals.amount / minutes;
    }
}

/// Features beyond the standard set: amount against history, month, devices, card testing.
pub(super) fn history(moment: &Moment<'_>, row: &mut Row) {
    let observation = moment.observation;
    let amount = Amount::from_minor(moment.incoming.amount).major();
    row[F::LogAmount] = amount.ln_1p();
    row[F::AmountZscore] = if observation.summed == 0 {
        0.0
    } else {
        (amount - observation.mean_amount) / observation.sd_amount.max(1.0)
    };
    row[F::AmountToMeanRatio] = ratio_or_one(amount, observation.mean_amount);
    row[F::AmountToMaxRatio] = ratio_or_one(amount, largest_before(moment));
    let since_ms = observation.since_last_ms.unwrap_or(MEMORY_MS);
    row[F::SecondsSinceLastTxn] = since_ms as f64 / SECOND_MS as f64;
    month(moment, row);
    devices_and_merchants(moment, row);
    card_testing(moment, row);
}

fn month(moment: &Moment<'_>, row: &mut Row) {
    let month = moment.window(Window::Month);
    row[F::MonthlyTxnCount] = month.count;
    row[F::MonthlyTxnAmount] = month.amount;
    row[F::AvgMonthlyAmount] = ratio(month.amount, month.summed);
    let first = moment.state.first_seen().unwrap_or(moment.incoming.time);
    row[F::CustomerAgeDays] = (moment.incoming.time - first) as f64 / DAY_MS as f64;
}

fn devices_and_merchants(moment: &Moment<'_>, row: &mut Row) {
    row[F::NewDeviceFlag] = flag(moment.observation.new_device);
    row[F::UniqueDevices7d] = f64::from(moment.state.totals.devices_week);
    row[F::UniqueMerchants24h] = f64::from(moment.state.totals.merchants_day);
}

fn card_testing(moment: &Moment<'_>, row: &mut Row) {
    let columns = &moment.state.columns;
    row[F::DeclinedCount1h] =
        f64::from(moment.state.totals.declined_hour) + moment.folded_outcomes(Window::Hour).1;
    let small = moment.observation.mean_amount * SMALL_SHARE;
    let is_small = |&index: &usize| Amount::from_minor(columns.amount(index)).major() < small;
    let count = (moment.tail(Window::Hour)..columns.len()).filter(is_small).count();
    row[F::SmallAmountCount1h] = count as f64;
    let minor = moment.incoming.amount;
    row[F::RoundAmountFlag] = flag(minor > 0 && minor % (ROUND_MAJOR * Amount::SCALE) == 0);
}

fn ratio_or_one(amount: f64, usual: f64) -> f64 {
    if usual > 0.0 { amount / usual } else { 1.0 }
}

/// The largest amount remembered before the transaction, in major units, without refunds; 0 if
/// none.
fn largest_before(moment: &Moment<'_>) -> f64 {
    let columns = &moment.state.columns;
    let summed = (0..moment.index()).filter(|&i| columns.status(i) != Status::Refunded);
    Amount::from_minor(summed.map(|index| columns.amount(index)).max().unwrap_or(0)).major()
}
