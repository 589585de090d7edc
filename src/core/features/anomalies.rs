//! A customer's anomalies: how many, how severe, of which kinds, how close together.

use super::catalog::FeatureId as F;
use super::network::KNOWN_MS;
use super::row::{Moment, NEVER_HOURS, Row, flag, hours_since, ratio};
use crate::core::state::detectors::Kind;
use crate::core::state::labels::Fraud;
use crate::core::state::totals::Window;
use crate::core::transaction::DAY_MS;

/// An anomaly of at least this severity is a severe one.
pub(super) const HIGH_SEVERITY: f64 = 0.7;

/// How many earlier anomalies the severity statistics look at.
const LOOK_BACK: usize = 10;

/// Every feature of the group but the isolation forest's, whose score comes from a model.
#[inline]
pub(super) fn anomalies(moment: &Moment<'_>, row: &mut Row) {
    let verdict = &moment.observation.verdict;
    row[F::CurrentSeverity] = verdict.severity();
    row[F::HasImpossibleTravel] = flag(verdict.has(Kind::Geographic));
    row[F::HasUnusualCategory] = flag(verdict.has(Kind::Behavioural));
    row[F::HasUnusualHour] = flag(verdict.has(Kind::Temporal));
    row[F::HasSpendingSpike] = flag(verdict.has(Kind::Amount));
    counts(moment, row);
    severities(moment, row);
    kinds(moment, row);
    streaks(moment, row);
    labelled(moment, row);
}

/// How many anomalies lie at `index` or later.
fn count_from(moment: &Moment<'_>, index: usize) -> f64 {
    moment.state.anomalies.iter().rev().take_while(|&(place, _)| place >= index).count() as f64
}

#[inline]
fn counts(moment: &Moment<'_>, row: &mut Row) {
    row[F::HourlyAnomalyCount] = count_from(moment, moment.tail(Window::Hour));
    row[F::DailyAnomalyCount] = count_from(moment, moment.tail(Window::Day));
    let week = count_from(moment, moment.tail(Window::Week));
    row[F::WeeklyAnomalyCount] = week;
    let both = if moment.state.anomalies.is_empty() {
        0.0
    } else {
        let fortnight_ago = moment.incoming.time - 14 * DAY_MS;
        count_from(moment, moment.state.columns.at_or_before(fortnight_ago))
    };
    row[F::AnomalyFrequencyTrend] = ratio(2.0 * week - both, both);
}

#[inline]
fn severities(moment: &Moment<'_>, row: &mut Row) {
    let index = moment.index();
    let before = moment.state.anomalies.iter().rev().skip_while(|&(place, _)| place == index);
    row[F::TimeSinceLastAnomalyHours] = before
        .clone()
        .next()
        .map_or(NEVER_HOURS, |(place, _)| hours_since(moment, moment.state.columns.time(place)));
    let mut last = [0.0; LOOK_BACK];
    let mut count = 0;
    for (slot, (_, severity)) in last.iter_mut().zip(before) {
        *slot = severity;
        count += 1;
    }
    let last = &last[..count];
    let n = count as f64;
    let mean = ratio(last.iter().sum(), n);
    let squares: f64 = last.iter().map(|s| (s - mean) * (s - mean)).sum();
    row[F::MeanSeverityLast10] = mean;
    row[F::MaxSeverityLast10] = last.iter().copied().fold(0.0, f64::max);
    row[F::SeverityStdLast10] = ratio(squares, n).sqrt();
    let high = last.iter().filter(|&&severity| is_high(severity)).count();
    row[F::HighSeverityRateLast10] = ratio(high as f64, n);
}

/// Severities are remembered in single precision; rounding must not make 0.7 less than severe.
fn is_high(remembered_severity: f64) -> bool {
    remembered_severity >= f64::from(HIGH_SEVERITY as f32)
}

/// Shares of the kinds in the month, and how evenly they are spread.
#[inline]
fn kinds(moment: &Moment<'_>, row: &mut Row) {
    let tail = moment.tail(Window::Month);
    let mut counts = [0.0; 4];
    let mut oldest = None;
    for (place, _) in moment.state.anomalies.iter().filter(|&(place, _)| place >= tail) {
        if let Some(kind) = moment.state.columns.kind(place) {
            counts[kind as usize] += 1.0;
        }
        oldest = oldest.or(Some(place));
    }
    let all: f64 = counts.iter().sum();
    row[F::GeographicAnomalyRate] = ratio(counts[Kind::Geographic as usize], all);
    row[F::BehavioralAnomalyRate] = ratio(counts[Kind::Behavioural as usize], all);
    row[F::TemporalAnomalyRate] = ratio(counts[Kind::Temporal as usize], all);
    row[F::AmountAnomalyRate] = ratio(counts[Kind::Amount as usize], all);
    let bits = |count: &f64| if *count > 0.0 { count / all * (all / count).log2() } else { 0.0 };
    row[F::AnomalyTypeDiversity] = counts.iter().map(bits).sum::<f64>() / 2.0;
    let days = |place| (moment.incoming.time - moment.state.columns.time(place)) as f64;
    row[F::DaysSinceFirstAnomaly] = oldest.map_or(0.0, |place| days(place) / DAY_MS as f64);
}

/// Anomalies in a row: the run that ends at this transaction, and the month's longest.
#[inline]
fn streaks(moment: &Moment<'_>, row: &mut Row) {
    let index = moment.index();
    let mut expected = index;
    let mut ending_here = 0;
    for (place, _) in moment.state.anomalies.iter().rev() {
        if place != expected {
            break;
        }
        ending_here += 1;
        expected = expected.wrapping_sub(1);
    }
    row[F::ConsecutiveAnomalyCount] = f64::from(ending_here);
    let tail = moment.tail(Window::Month);
    let (mut longest, mut current, mut next) = (0, 0, usize::MAX);
    for (place, _) in moment.state.anomalies.iter().filter(|&(place, _)| place >= tail) {
        current = if place == next { current + 1 } else { 1 };
        next = place + 1;
        longest = longest.max(current);
    }
    row[F::AnomalyStreakLength] = f64::from(longest);
}

/// Anomalies compared with the frauds that analysts found at this customer.
#[inline]
fn labelled(moment: &Moment<'_>, row: &mut Row) {
    let now = moment.incoming.time;
    let is_anomaly = moment.observation.verdict.anomaly.is_some();
    let known_lately = moment.frauds.of_customer(moment.customer, now - KNOWN_MS, now);
    row[F::IsFraudAndAnomaly] = flag(is_anomaly && !known_lately.is_empty());
    let known = moment.frauds.of_customer(moment.customer, i64::MIN, now);
    row[F::FraudAnomalyCorrelationScore] =
        if known.is_empty() { 0.0 } else { overlap(moment, known) };
}

/// Jaccard index of the month's labelled frauds and anomalies. A labelled transaction is recognised
/// among the anomalies by its time and merchant.
fn overlap(moment: &Moment<'_>, known: &[Fraud]) -> f64 {
    let columns = &moment.state.columns;
    let tail = moment.tail(Window::Month);
    let after = moment.incoming.time - Window::Month.millis();
    let in_month =
        |fraud: &&Fraud| fraud.event_time > after && fraud.event_time <= moment.incoming.time;
    let frauds = known.iter().filter(in_month);
    let anomalies = moment.state.anomalies.iter().filter(|&(place, _)| place >= tail);
    let is_at = |fraud: &Fraud, place: usize| {
        fraud.event_time == columns.time(place) && fraud.merchant == columns.merchants()[place]
    };
    // Of several anomalies at one merchant and time, only as many overlap as there are labels.
    let is_known = |&(place, _): &(usize, f64)| {
        let labelled = frauds.clone().filter(|fraud| is_at(fraud, place)).count();
        let is_twin = |&(other, _): &(usize, f64)| {
            columns.time(other) == columns.time(place)
                && columns.merchants()[other] == columns.merchants()[place]
        };
        let earlier = |anomaly: &(usize, f64)| anomaly.0 < place && is_twin(anomaly);
        labelled > 0 && anomalies.clone().filter(earlier).count() < labelled
    };
    let both = anomalies.clone().filter(is_known).count() as f64;
    ratio(both, frauds.clone().count() as f64 + anomalies.count() as f64 - both)
}
