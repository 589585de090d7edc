//! What analysts' verdicts say about merchants and customers, as far as known at the time.

use super::catalog::FeatureId as F;
use super::row::{Moment, NEVER_HOURS, Row, flag, hours_since};
use crate::core::state::columns::Last;
use crate::core::state::symbols::UNKNOWN;
use crate::core::state::totals::Window;
use crate::core::transaction::DAY_MS;

/// So many payments within an hour make a cluster.
const CLUSTER: usize = 3;

/// A label counts as known "in the last 30 days" for this long after it was given.
pub(super) const KNOWN_MS: i64 = 30 * DAY_MS;

/// Merchants of the month with a known fraud of another customer: marked merchants.
#[inline]
pub(super) fn network(moment: &Moment<'_>, row: &mut Row) {
    row[F::TemporalClusterFlag] = flag(moment.window(Window::Hour).count >= CLUSTER as f64);
    let (merchants, cities, payments) =
        if moment.frauds.is_empty() { (0, 0, 0) } else { count_marked(moment) };
    row[F::SharedMerchantCount] = f64::from(merchants);
    row[F::SharedLocationCount] = f64::from(cities);
    let count = moment.exact_count(Window::Month) as f64;
    row[F::CustomerProximityScore] = f64::from(payments) / count;
}

/// Distinct marked merchants, distinct cities in which they were used, and payments to them.
fn count_marked(moment: &Moment<'_>) -> (u32, u32, u32) {
    let columns = &moment.state.columns;
    let (mut merchants, mut payments) = (0, 0);
    let mut cities = Vec::new();
    for index in moment.tail(Window::Month)..columns.len() {
        if !is_marked(moment, columns.merchants()[index]) {
            continue;
        }
        payments += 1;
        merchants += u32::from(columns.is_last(index, Last::Merchant));
        let city = columns.city(index);
        if city != UNKNOWN && !cities.contains(&city) {
            cities.push(city);
        }
    }
    (merchants, cities.len() as u32, payments)
}

#[inline]
fn is_marked(moment: &Moment<'_>, merchant: u32) -> bool {
    let now = moment.incoming.time;
    let known = moment.frauds.at_merchant(merchant, now - KNOWN_MS, now);
    known.iter().any(|fraud| fraud.customer != moment.customer)
}

/// Known frauds at the merchant and of the customer.
pub(super) fn frauds(moment: &Moment<'_>, row: &mut Row) {
    let now = moment.incoming.time;
    let merchant = |after| moment.frauds.at_merchant(moment.incoming.merchant, after, now);
    let customer = |after| moment.frauds.of_customer(moment.customer, after, now);
    let windows = [
        (1, F::MerchantFraudCount1d, F::CustomerFraudCount1d),
        (7, F::MerchantFraudCount7d, F::CustomerFraudCount7d),
        (30, F::MerchantFraudCount30d, F::CustomerFraudCount30d),
    ];
    for (days, at_merchant, of_customer) in windows {
        row[at_merchant] = merchant(now - days * DAY_MS).len() as f64;
        row[of_customer] = customer(now - days * DAY_MS).len() as f64;
    }
    let newest = |frauds: &[crate::core::state::labels::Fraud]| {
        frauds.last().map_or(NEVER_HOURS, |fraud| hours_since(moment, fraud.known_at))
    };
    row[F::HoursSinceMerchantFraud] = newest(merchant(i64::MIN));
    row[F::HoursSinceCustomerFraud] = newest(customer(i64::MIN));
}
