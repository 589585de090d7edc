//! Local time: hour, weekday and holidays in the customer's market.
//!
//! A time-zone library takes some hundred nanoseconds per answer. Here it is asked once for all
//! changes of the offset until 2200, and a transaction costs a binary search among them (there is
//! one entry for Asia/Kolkata).

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::core::transaction::{DAY_MS, HOUR_MS, SECOND_MS};

/// 1970-01-01 was a Thursday: 3 days after Monday.
const EPOCH_WEEKDAY: i64 = 3;

/// A moment on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// 0 to 23.
    pub hour: u8,
    /// Monday 0 to Sunday 6.
    pub weekday: u8,
    /// The date is a holiday.
    pub is_holiday: bool,
}

/// A time zone and its holidays.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// (From when, offset from UTC), both in milliseconds. The first entry also applies before its
    /// time.
    offsets: Vec<(i64, i64)>,
    /// Days since 1970-01-01, ascending.
    holidays: Vec<i64>,
}

/// Why a calendar cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// The name is not in the time-zone database.
    #[error("unknown time zone {name:?}; use an IANA name such as Asia/Kolkata or UTC")]
    UnknownZone {
        /// The name that was given.
        name: String,
    },
    /// A line of the holidays table does not begin with a date.
    #[error("line {line} of the holidays: {text:?} is no date; write YYYY-MM-DD,name")]
    BadDate {
        /// Counted from 1.
        line: u64,
        /// The text in the date's place.
        text: String,
    },
    /// The holidays table is not CSV.
    #[error("the holidays are not CSV: {message}")]
    NotCsv {
        /// What the CSV reader reports.
        message: String,
    },
}

impl Calendar {
    /// The calendar of an IANA time zone with a table of holidays: CSV `date,name`, with or without
    /// these names on its first line.
    pub fn new(zone: &str, holidays: &str) -> Result<Self, CalendarError> {
        let unknown = |_| CalendarError::UnknownZone { name: zone.to_owned() };
        let zone = TimeZone::get(zone).map_err(unknown)?;
        Ok(Self { offsets: offsets(&zone), holidays: read_holidays(holidays)? })
    }

    /// The wall clock at `millis` since the epoch.
    #[inline]
    pub fn local(&self, millis: i64) -> LocalTime {
        let after = self.offsets.partition_point(|&(from, _)| from <= millis);
        let local = millis + self.offsets[after.max(1) - 1].1;
        let day = local.div_euclid(DAY_MS);
        LocalTime {
            hour: (local.rem_euclid(DAY_MS) / HOUR_MS) as u8,
            weekday: (day + EPOCH_WEEKDAY).rem_euclid(7) as u8,
            is_holiday: self.holidays.binary_search(&day).is_ok(),
        }
    }
}

fn offsets(zone: &TimeZone) -> Vec<(i64, i64)> {
    let offset_ms = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * SECOND_MS;
    let start = Timestamp::from_second(0).expect("the epoch is a timestamp");
    let end = Timestamp::from_second(7_258_118_400).expect("the year 2200 is a timestamp");
    let mut offsets = vec![(0, offset_ms(zone.to_offset(start)))];
    for change in zone.following(start).take_while(|change| change.timestamp() < end) {
        offsets.push((change.timestamp().as_millisecond(), offset_ms(change.offset())));
    }
    offsets
}

fn read_holidays(table: &str) -> Result<Vec<i64>, CalendarError> {
    let mut days = Vec::new();
    let table = table.trim_start_matches('\u{feff}');
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(table.as_bytes());
    for record in reader.records() {
        let record =
            record.map_err(|error| CalendarError::NotCsv { message: error.to_string() })?;
        let text = record.get(0).unwrap_or("");
        let is_first = record.position().is_some_and(|position| position.line() == 1);
        if is_first && !text.contains(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let date: Date = text.trim().parse().map_err(|_| CalendarError::BadDate {
            line: record.position().map_or(0, csv::Position::line),
            text: text.to_owned(),
        })?;
        days.push(i64::from(Date::constant(1970, 1, 1).until(date).map_or(0, |s| s.get_days())));
    }
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(zone: &str, time: &str) -> LocalTime {
        let calendar = Calendar::new(zone, "date,name\n2026-01-26,Republic Day\n").unwrap();
        calendar.local(time.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn hours_weekdays_and_holidays_are_local() {
        let cases = [
            ("UTC", "2026-01-25T23:59:59.999Z", (23, 6, false)),
            ("UTC", "2026-01-26T00:00:00Z", (0, 0, true)),
            ("Asia/Kolkata", "2026-01-25T18:29:59Z", (23, 6, false)),
            ("Asia/Kolkata", "2026-01-25T18:30:00Z", (0, 0, true)),
            // Daylight saving begins at 02:00 on 2026-03-08, and ends at 02:00 on 2026-11-01.
            ("America/New_York", "2026-03-08T06:59:59Z", (1, 6, false)),
            ("America/New_York", "2026-03-08T07:00:00Z", (3, 6, false)),
            ("America/New_York", "2026-11-01T06:00:00Z", (1, 6, false)),
            ("America/New_York", "2150-07-01T12:00:00Z", (8, 2, false)),
            ("UTC", "2000-01-01T00:00:00Z", (0, 5, false)),
        ];
        for (zone, time, (hour, weekday, is_holiday)) in cases {
            assert_eq!(local(zone, time), LocalTime { hour, weekday, is_holiday }, "{zone} {time}");
        }
    }

    #[test]
    fn bad_tables_are_refused_by_line() {
        let zone = Calendar::new("Asia/Calcuta", "").unwrap_err();
        assert!(zone.to_string().contains("Asia/Calcuta"), "{zone}");
        let date = Calendar::new("UTC", "date,name\n2026-01-26,x\n26.1.2026,y\n").unwrap_err();
        assert_eq!(date, CalendarError::BadDate { line: 3, text: "26.1.2026".to_owned() });
        let date = Calendar::new("UTC", "26.1.2026,y\n").unwrap_err();
        assert_eq!(date, CalendarError::BadDate { line: 1, text: "26.1.2026".to_owned() });
    }

    #[test]
    fn a_table_without_a_header_keeps_its_first_line() {
        let midnight = "2026-01-26T00:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        for table in ["2026-01-26,Republic Day\n", "\u{feff}2026-01-26\n", "date\n2026-01-26\n"] {
            let calendar = Calendar::new("UTC", table).unwrap();
            assert!(calendar.local(midnight).is_holiday, "{table:?}");
        }
    }
}
