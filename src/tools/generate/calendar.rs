//! When payments happen: the hour of the day, the weekday, salaries and festivals.
//!
//! Payments drawn evenly over a month would make every rule about nights, bursts and peaks look
//! better than it is. [`Ticks`] spreads an exact number of payments over the days by an hourly
//! profile: the number up to each hour is the total times the profile's running share, rounded
//! down, so nothing is left over at the end and no list of times is ever kept.

use jiff::civil::Date;

use super::random::Random;
use crate::core::transaction::{DAY_MS, HOUR_MS};

/// Indian Standard Time: 5 hours and 30 minutes ahead of UTC, all year.
const LOCAL_OFFSET_MS: i64 = 5 * HOUR_MS + HOUR_MS / 2;

/// Payments by local hour of people who keep office hours, of night owls and of early birds;
/// each row sums to 1,000.
const PROFILES: [[u32; 24]; 3] = [
    [4, 2, 1, 1, 1, 4, 12, 24, 38, 50, 60, 66, 72, 68, 58, 54, 58, 68, 82, 94, 88, 60, 28, 7],
    [68, 52, 36, 18, 8, 4, 4, 6, 10, 16, 24, 32, 40, 44, 42, 42, 46, 54, 62, 72, 82, 86, 80, 72],
    [1, 1, 1, 3, 14, 44, 82, 98, 94, 82, 74, 68, 62, 54, 48, 46, 48, 50, 46, 38, 26, 14, 5, 1],
];

/// How many of a hundred customers have each profile.
pub(super) const PROFILE_SHARES: [u32; 3] = [80, 11, 9];

/// The hour of the local day, 0 to 23.
pub(super) fn local_hour(time_ms: i64) -> usize {
    ((time_ms + LOCAL_OFFSET_MS).rem_euclid(DAY_MS) / HOUR_MS) as usize
}

/// Local days since 1970-01-01.
pub(super) fn local_day(time_ms: i64) -> i64 {
    (time_ms + LOCAL_OFFSET_MS).div_euclid(DAY_MS)
}

/// The next local midnight at or after `time_ms`.
pub(super) fn next_midnight(time_ms: i64) -> i64 {
    let local = time_ms + LOCAL_OFFSET_MS;
    local + (-local).rem_euclid(DAY_MS) - LOCAL_OFFSET_MS
}

/// How likely a customer of this profile pays in this hour, against the likeliest profile: 0 to 1.
pub(super) fn appetite(profile: usize, hour: usize) -> f64 {
    let most = PROFILES.iter().map(|row| row[hour]).max().unwrap_or(1);
    f64::from(PROFILES[profile][hour]) / f64::from(most)
}

/// The days on which people spend more.
#[derive(Debug)]
pub(super) struct Calendar {
    /// Local days of holidays, ascending.
    holidays: Vec<i64>,
    /// Local days of Diwali, ascending.
    diwali: Vec<i64>,
}

impl Calendar {
    /// The bundled holidays.
    pub(super) fn bundled() -> Self {
        let table = include_str!("../../../config/holidays.csv");
        let days = |wanted: &dyn Fn(&str) -> bool| {
            table
                .lines()
                .filter_map(|line| line.split_once(','))
                .filter(|(_, name)| wanted(name))
                .filter_map(|(date, _)| date.parse::<Date>().ok().map(day_number))
                .collect()
        };
        Self { holidays: days(&|_| true), diwali: days(&|name| name == "Diwali") }
    }

    /// Whether a local day lies in the ten days up to Diwali, or is a holiday.
    pub(super) fn is_festive(&self, day: i64) -> bool {
        self.holidays.binary_search(&day).is_ok()
            || self.diwali.iter().any(|&diwali| (0..10).contains(&(diwali - day)))
    }

    /// Payments of a local day against an ordinary weekday, in hundredths: weekends, the days
    /// after the salary and festivals are busier, the end of the month is quieter.
    fn traffic(&self, day: i64) -> u64 {
        let weekend = if (day + 3).rem_euclid(7) >= 5 { 112 } else { 100 };
        let salary = match date(day).day() {
            1..=6 => 118,
            26.. => 92,
            _ => 100,
        };
        let festival = if self.is_festive(day) { 125 } else { 100 };
        weekend * salary * festival / 10_000
    }
}

fn epoch() -> Date {
    Date::constant(1970, 1, 1)
}

fn day_number(date: Date) -> i64 {
    (date - epoch()).get_days().into()
}

fn date(day: i64) -> Date {
    epoch().saturating_add(jiff::Span::new().days(day.clamp(0, 365 * 1_000)))
}

/// The moments of the honest payments, ascending: exactly as many as were asked for.
#[derive(Debug)]
pub(super) struct Ticks {
    start_ms: i64,
    hours: i64,
    ticks: u64,
    /// The profile's sum over all hours, and up to the end of the current one.
    total_weight: u128,
    weight: u128,
    hour: i64,
    /// Of the current hour: how many moments, and how many are used.
    size: u64,
    used: u64,
}

impl Ticks {
    /// `ticks` moments in the `days` from `start_ms`.
    pub(super) fn new(calendar: &Calendar, start_ms: i64, days: u32, ticks: u64) -> Self {
        let hours = i64::from(days) * 24;
        let weigh = |hour| u128::from(hour_weight(calendar, start_ms + hour * HOUR_MS));
        let total_weight = (0..hours).map(weigh).sum();
        Self { start_ms, hours, ticks, total_weight, weight: 0, hour: -1, size: 0, used: 0 }
    }

    /// The end of the last hour: no payment is that late.
    pub(super) fn end_ms(&self) -> i64 {
        self.start_ms + self.hours * HOUR_MS
    }

    /// The next moment, or none after the last.
    pub(super) fn next(&mut self, calendar: &Calendar, random: &mut Random) -> Option<i64> {
        while self.used == self.size {
            if self.hour + 1 >= self.hours {
                return None;
            }
            self.enter_hour(calendar);
        }
        // Each moment has its own stretch of the hour, so they come out in order by themselves.
        let hour_ms = HOUR_MS as u64;
        let offset = (u128::from(self.used) * u128::from(hour_ms)
            + u128::from(random.below(hour_ms)))
            / u128::from(self.size);
        self.used += 1;
        Some(self.start_ms + self.hour * HOUR_MS + offset as i64)
    }

    fn enter_hour(&mut self, calendar: &Calendar) {
        let before = self.share();
        self.hour += 1;
        self.weight += u128::from(hour_weight(calendar, self.start_ms + self.hour * HOUR_MS));
        self.size = self.share() - before;
        self.used = 0;
    }

    fn share(&self) -> u64 {
        (u128::from(self.ticks) * self.weight / self.total_weight.max(1)) as u64
    }
}

fn hour_weight(calendar: &Calendar, time_ms: i64) -> u64 {
    let hour = local_hour(time_ms);
    let mixed: u32 =
        PROFILES.iter().zip(PROFILE_SHARES).map(|(row, share)| row[hour] * share).sum();
    u64::from(mixed) * calendar.traffic(local_day(time_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z.
    const START: i64 = 1_767_225_600_000;

    #[test]
    fn profiles_weigh_the_same() {
        for row in PROFILES {
            assert_eq!(row.iter().sum::<u32>(), 1_000);
        }
    }

    #[test]
    fn local_time_is_indian() {
        assert_eq!(local_hour(START), 5);
        assert_eq!(local_day(START + 18 * HOUR_MS) - local_day(START), 0);
        assert_eq!(local_day(START + 19 * HOUR_MS) - local_day(START), 1);
        assert_eq!(next_midnight(START), START + 18 * HOUR_MS + HOUR_MS / 2);
        assert_eq!(next_midnight(next_midnight(START)), next_midnight(START));
    }

    #[test]
    fn every_tick_is_given_in_order_and_inside() {
        let calendar = Calendar::bundled();
        for (ticks, days) in [(0, 1), (1, 1), (7, 3), (10_000, 1), (5_000, 45)] {
            let mut random = Random::new(3, 0);
            let mut clock = Ticks::new(&calendar, START, days, ticks);
            let mut times = Vec::new();
            while let Some(time) = clock.next(&calendar, &mut random) {
                times.push(time);
            }
            assert_eq!(times.len() as u64, ticks);
            assert!(times.is_sorted());
            assert!(times.iter().all(|&time| time >= START && time < clock.end_ms()));
        }
    }

    #[test]
    fn salaries_weekends_and_festivals_are_busier() {
        let calendar = Calendar::bundled();
        let traffic =
            |year, month, day| calendar.traffic(day_number(Date::constant(year, month, day)));
        assert_eq!(traffic(2026, 1, 14), 100);
        assert!(traffic(2026, 1, 2) > 100, "after the salary");
        assert!(traffic(2026, 1, 17) > 100, "a Saturday");
        assert!(traffic(2026, 11, 5) > 100, "before Diwali");
        assert!(traffic(2026, 1, 28) < 100, "the end of the month");
    }
}
