//! Writes results to stdout and remarks to stderr.
//!
//! `println!` panics when the reader has gone away (`synfinance ... | head`). Here that is an
//! ordinary error, which [`failure`](super::failure) treats as a quiet end.

use std::io::Write;

use anyhow::Context;
use serde::Serialize;

/// Prints a text and a line break to stdout.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end_matches('\n'))
        .and_then(|()| stdout.flush())
        .context("writing to stdout")
}

/// Prints a value as JSON on one line to stdout.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string(value).context("writing JSON")?)
}

/// Prints a text and a line break to stderr. If stderr is closed, there is nobody left to tell.
pub(super) fn note(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Prints a run's summary as text or as one JSON object: to stdout, or to stderr if stdout carries
/// the data.
pub(super) fn summary(
    text: &str,
    json: &impl Serialize,
    wants_json: bool,
    stdout_is_taken: bool,
) -> anyhow::Result<()> {
    let shown = if wants_json {
        serde_json::to_string(json).context("writing JSON")?
    } else {
        text.to_owned()
    };
    if stdout_is_taken {
        note(&shown);
        Ok(())
    } else {
        print(&shown)
    }
}

/// A count with thousands separators: 1234567 is `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), text);
        }
    }
}
