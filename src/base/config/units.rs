//! Durations and sizes as people write them: `24h`, `1h30m`, `512MiB`.
//!
//! A bare number is refused as a duration, because its unit would be left to memory. A bare number
//! as a size means bytes, which nobody misreads.

use std::time::Duration;

/// Milliseconds in each unit of a duration, longest first.
const DURATION_UNITS: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Bytes in each unit of a size, largest first of each family.
const SIZE_UNITS: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

/// The duration that `text` names: whole numbers, each with a unit of w, d, h, m, s or ms, added
/// up. `None` for anything else, such as a number without a unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (_, millis) = DURATION_UNITS.iter().find(|(unit, _)| *unit == &after[..end])?;
        total = total.checked_add(number.checked_mul(*millis)?)?;
        rest = after[end..].trim_start();
    }
    Some(Duration::from_millis(total))
}

/// Writes a duration as [`parse_duration`] reads it, in the largest exact units; never in weeks,
/// and in days only from two days on.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in DURATION_UNITS {
        if rest >= millis && !(unit == "w" || unit == "d" && rest < 2 * millis) {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// The size in bytes that `text` names: a whole number with a unit of B, kB, MB, GB, TB (powers of
/// 1,000) or KiB, MiB, GiB, TiB (powers of 1,024); without a unit it is bytes. `None` for anything
/// else.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text.trim())?;
    let unit = unit.trim_start();
    let (_, bytes) =
        SIZE_UNITS.iter().find(|(name, _)| *name == unit || unit.is_empty() && *name == "B")?;
    number.checked_mul(*bytes)
}

/// Writes a size as [`parse_size`] reads it, in the largest power of 1,024 that is exact.
pub fn format_size(bytes: u64) -> String {
    let exact =
        SIZE_UNITS[..4].iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match exact {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("500ms", Some(500)),
            ("0s", Some(0)),
            ("24h", Some(86_400_000)),
            ("7d", Some(604_800_000)),
            ("1w", Some(604_800_000)),
            ("1h30m", Some(5_400_000)),
            (" 1 h 30 m ", Some(5_400_000)),
            ("", None),
            ("24", None),
            ("h", None),
            ("-1s", None),
            ("1.5h", None),
            ("1y", None),
            ("99999999999999999w", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), millis.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn durations_are_written_as_people_would() {
        let cases = [
            (0, "0s"),
            (500, "500ms"),
            (86_400_000, "24h"),
            (604_800_000, "7d"),
            (90_061_001, "25h1m1s1ms"),
        ];
        for (millis, text) in cases {
            let duration = Duration::from_millis(millis);
            assert_eq!(format_duration(duration), text);
            assert_eq!(parse_duration(text), Some(duration), "{text}");
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            ("0", Some(0)),
            ("1024", Some(1_024)),
            ("64KiB", Some(65_536)),
            ("512 MiB", Some(536_870_912)),
            ("10MB", Some(10_000_000)),
            ("1kB", Some(1_000)),
            ("7B", Some(7)),
            ("", None),
            ("MiB", None),
            ("1.5GiB", None),
            ("-1", None),
            ("1mib", None),
            ("99999999999TiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_written_in_the_largest_exact_unit() {
        for (bytes, text) in [(0, "0"), (1_023, "1023"), (1_025, "1025"), (536_870_912, "512MiB")] {
            assert_eq!(format_size(bytes), text);
            assert_eq!(parse_size(text), Some(bytes));
        }
    }
}
