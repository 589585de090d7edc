//! A time written as text.
//!
//! Exports write the same instant in many ways. All that name one instant without doubt are taken:
//! RFC 3339 with any offset, a date with a time after a blank or a `T`, a bare date, the word UTC
//! or an offset behind a blank (BigQuery, Snowflake), and epoch milliseconds in digits, also as a
//! float without a fraction. Where no zone is written it is UTC.
//! Forms that need guessing (day before month? seconds or milliseconds?) are not: a wrong guess
//! would move windows silently.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Milliseconds since the epoch of a time written as text, or `None` when it is none. Fractions of
/// a millisecond are cut off.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if is_integer(text) {
        return text.parse().ok();
    }
    if let Some(millis) = whole_float(text) {
        return Some(millis);
    }
    if text.len() < SHORTEST || text.contains('[') {
        return None;
    }
    match text.parse::<Timestamp>() {
        Ok(instant) => Some(floor_millis(instant)),
        Err(_) => match text.parse::<DateTime>() {
            Ok(datetime) => civil(datetime),
            Err(_) => with_zone_apart(text),
        },
    }
}

/// A date and a time, a blank, and what tells the offset.
fn with_zone_apart(text: &str) -> Option<i64> {
    let (time, zone) = text.rsplit_once(' ')?;
    let time = time.trim_end();
    if ["UTC", "GMT", "Z"].iter().any(|word| zone.eq_ignore_ascii_case(word)) {
        return civil(time.parse().ok()?);
    }
    let is_offset = zone.starts_with(['+', '-']) && time.len() > SHORTEST;
    let instant = || format!("{time}{zone}").parse::<Timestamp>().ok();
    is_offset.then(instant).flatten().map(floor_millis)
}

/// `YYYY-MM-DD`: anything shorter is not a time (jiff would take some of it, such as `20240301`).
const SHORTEST: usize = 10;

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Epoch milliseconds that passed through a tool with floats only: `1767225700000.0`, `1.7e12`.
fn whole_float(text: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().ok()?;
    let is_whole = number.fract() == 0.0 && number.abs() <= EXACT && text.contains(['.', 'e', 'E']);
    is_whole.then_some(number as i64)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_instant_in_many_forms() {
        const INSTANT: i64 = 1_709_287_200_000;
        let forms = [
            "2024-03-01T10:00:00Z",
            "2024-03-01T10:00:00+00:00",
            "2024-03-01T10:00:00.000000Z",
            "2024-03-01T15:30:00+05:30",
            "2024-03-01 15:30:00+05:30",
            "2024-03-01T05:00:00-05:00",
            "2024-03-01t10:00:00z",
            "2024-03-01 10:00:00",
            "2024-03-01T10:00:00",
            "2024-03-01 10:00:00.000",
            " 2024-03-01 10:00:00 ",
            "2024-03-01 10:00:00 UTC",
            "2024-03-01 10:00:00.000000 UTC",
            "2024-03-01 10:00:00 utc",
            "2024-03-01 10:00:00 GMT",
            "2024-03-01 10:00:00 Z",
            "2024-03-01 10:00:00+00",
            "2024-03-01 15:30:00+0530",
            "2024-03-01 15:30:00 +0530",
            "2024-03-01 15:30:00.000 +05:30",
            "2024-03-01 05:00:00 -0500",
            "1709287200000",
            "1709287200000.0",
            "1.7092872e12",
            "1.7092872E+12",
        ];
        for form in forms {
            assert_eq!(parse_time(form), Some(INSTANT), "{form}");
        }
        assert_eq!(parse_time("2024-03-01"), Some(INSTANT - 36_000_000));
        assert_eq!(parse_time("2024-03-01 10:00:00.2509"), Some(INSTANT + 250));
        assert_eq!(parse_time("1969-12-31T23:59:59.9995Z"), Some(-1));
        assert_eq!(parse_time("-5"), Some(-5));
    }

    #[test]
    fn what_needs_guessing_is_no_time() {
        let forms = [
            "",
            "-",
            "10:00",
            "01/03/2024",
            "03-01-2024",
            "2024-3-1",
            "2024-13-01",
            "2024-02-30 10:00:00",
            "1709287200.5",
            "nan",
            "inf",
            "2024-03",
            "2024-03-01 10:00:00 CET",
            "2024-03-01 10:00:00 EST",
            "2024-03-01 -0500",
            "10:00:00 UTC",
            "1709287200000 UTC",
            "yesterday",
            "2024-03-01T10:00:00[Asia/Kolkata]",
            "99999999999999999999",
        ];
        for form in forms {
            assert_eq!(parse_time(form), None, "{form}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(millis in -62_000_000_000_000..250_000_000_000_000_i64) {
            prop_assert_eq!(parse_time(&format_time(millis)), Some(millis));
        }

        #[test]
        fn no_text_panics(text in any::<String>(), like in "[-0-9TZ:+. ]{0,30}") {
            let _ = parse_time(&text);
            let _ = parse_time(&like);
        }
    }
}
