//! A time written as text.
//!
//! Exports write the same instant in many ways. All that name one instant without doubt are taken:
//! RFC 3339 with any offset, a date with a time after a blank or a `T`, a bare date, and epoch
//! milliseconds in digits. Where no zone is written it is UTC. Forms that need guessing (day before
//! month? seconds or milliseconds?) are not: a wrong guess would move windows silently.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Milliseconds since the epoch of a time written as text, or `None` when it is none. Fractions of a
/// millisecond are cut off.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() <= 10 && text.parse::<Date>().is_ok() && text.contains('-') {
        return civil(text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()));
    }
    if is_integer(text) {
        return text.parse().ok();
    }
    match text.parse::<Timestamp>() {
        Ok(instant) => Some(floor_millis(instant)),
        Err(_) => civil(text.parse::<DateTime>().ok()?),
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn civil(datetime: DateTime) -> Option<i64> {
    datetime.to_zoned(TimeZone::UTC).ok().map(|zoned| floor_millis(zoned.timestamp()))
}

fn floor_millis(instant: Timestamp) -> i64 {
    let nanos = instant.as_nanosecond().div_euclid(1_000_000);
    i64::try_from(nanos).expect("a jiff timestamp in milliseconds fits 64 bits")
}

/// RFC 3339 with milliseconds in UTC, for messages and text files.
pub fn format_time(millis: i64) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(instant) => format!("{instant:.3}"),
        Err(_) => millis.to_string(),
    }
}
