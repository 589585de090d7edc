//! Types for JSON fields: the narrowest one that holds all values, and columns of it.
//!
//! JSON has numbers, not integers, and lets a field be a number here and a text there. The order of
//! kinds is such that nothing is lost by widening: whole numbers become doubles only as long as
//! every one of them is the double's own value, else numbers stay as they are written; scalars fit
//! texts, and whatever has an array or object in it is kept as JSON text.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_schema::{DataType, Field};

use super::json::Cell;
use crate::files::block::{BLOCK_ROWS, raw_json};

/// The narrowest type that holds all values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only nulls so far.
    Null,
    Bool,
    /// Whole numbers that a double holds as well.
    Int,
    /// Whole numbers of 64 bits, some of which a double would change.
    Long,
    /// Numbers that a double holds, to the last digit that is written.
    Float,
    /// Numbers of which some fit neither, kept as they are written.
    Digits,
    Text,
    /// Arrays, objects, or a mixture with them: kept as JSON text.
    Json,
}

impl Kind {
    /// The column of a field of this kind.
    pub(super) fn field(self, name: &str) -> Field {
        match self {
            Self::Bool => Field::new(name, DataType::Boolean, true),
            Self::Int | Self::Long => Field::new(name, DataType::Int64, true),
            Self::Float => Field::new(name, DataType::Float64, true),
            Self::Null | Self::Text => Field::new(name, DataType::Utf8, true),
            Self::Digits | Self::Json => raw_json(Field::new(name, DataType::Utf8, true)),
        }
    }

    /// The kind of one value.
    pub(super) fn of(cell: &Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Bool(_) => Self::Bool,
            Cell::Number(digits) => match (digits.parse::<i64>().is_ok(), is_double(digits)) {
                (true, true) => Self::Int,
                (true, false) => Self::Long,
                (false, true) => Self::Float,
                (false, false) => Self::Digits,
            },
            Cell::Text(_) => Self::Text,
            Cell::Nested(_) => Self::Json,
        }
    }

    /// The narrowest kind that holds both.
    pub(super) fn with(self, other: Self) -> Self {
        match (self, other) {
            (same, also) if same == also => same,
            (Self::Null, kind) | (kind, Self::Null) => kind,
            (Self::Json, _) | (_, Self::Json) => Self::Json,
            (Self::Int, Self::Long) | (Self::Long, Self::Int) => Self::Long,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            (one, other) if one.is_number() && other.is_number() => Self::Digits,
            _ => Self::Text,
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::Float | Self::Digits)
    }

    /// Whether a column of this kind takes the value.
    pub(super) fn holds(self, cell: &Cell<'_>) -> bool {
        match self {
            Self::Json => true,
            Self::Null | Self::Text => !matches!(cell, Cell::Nested(_)),
            Self::Digits => matches!(cell, Cell::Null | Cell::Number(_)),
            _ => self.with(Self::of(cell)) == self,
        }
    }

    /// For messages.
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int | Self::Long => "whole numbers",
            Self::Float | Self::Digits => "numbers",
            Self::Null | Self::Text => "texts",
            Self::Json => "any JSON",
        }
    }
}

/// Whether the nearest double, printed with as many digits, is what is written. Programs write a
/// double's digits in many ways, all of which pass; an id of nineteen digits does not.
fn is_double(written: &str) -> bool {
    let (sign, digits) = written.strip_prefix('-').map_or(("", written), |rest| ("-", rest));
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() <= EXACT_DIGITS && exponent == "0" {
        return true;
    }
    if !written.contains(['.', 'e', 'E']) {
        return is_exact(written);
    }
    let Ok(exponent) = exponent.parse::<i32>() else { return false };
    let all = format!("{whole}{}", fraction.trim_end_matches('0'));
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return true;
    }
    let (Ok(double), true) = (written.parse::<f64>(), significant.len() <= MOST_DIGITS) else {
        return false;
    };
    let point = whole.len() as i32 - (all.len() - significant.len()) as i32 - 1;
    let Some(power) = exponent.checked_add(point) else { return false };
    let printed = format!("{double:.*e}", significant.len() - 1);
    let (first, rest) = significant.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    printed == format!("{sign}{first}{point}{rest}e{power}")
}

/// Whether a whole number has a double of its own.
fn is_exact(written: &str) -> bool {
    written.parse::<i64>().is_ok_and(|number| number.unsigned_abs() <= 1 << 53)
}

/// Decimals of so many digits come back from a double as they went in.
const EXACT_DIGITS: usize = 15;

/// More digits than any program writes of a double.
const MOST_DIGITS: usize = 800;

impl Cell<'_> {
    /// The value as JSON.
    pub(super) fn as_json(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(written) | Self::Nested(written) => (*written).to_owned(),
            Self::Text(text) => serde_json::Value::from(text.as_ref()).to_string(),
        }
    }

    fn into_text(self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.into_owned()),
            other => Some(other.as_json()),
        }
    }
}

/// A column being filled.
pub(super) enum Builder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Json(StringBuilder),
}

impl Builder {
    /// An empty column for a block of rows.
    pub(super) fn new(kind: Kind) -> Self {
        let text = || StringBuilder::with_capacity(BLOCK_ROWS, BLOCK_ROWS * 12);
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::with_capacity(BLOCK_ROWS)),
            Kind::Int | Kind::Long => Self::Int(Int64Builder::with_capacity(BLOCK_ROWS)),
            Kind::Float => Self::Float(Float64Builder::with_capacity(BLOCK_ROWS)),
            Kind::Null | Kind::Text => Self::Text(text()),
            Kind::Digits | Kind::Json => Self::Json(text()),
        }
    }

    /// Appends a cell that the column's kind holds.
    pub(super) fn append(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Self::Float(builder), Cell::Number(digits)) => {
                builder.append_option(digits.parse().ok())
            }
            (Self::Int(builder), Cell::Number(digits)) => {
                builder.append_option(digits.parse().ok())
            }
            (Self::Bool(builder), Cell::Bool(value)) => builder.append_value(value),
            (Self::Bool(builder), _) => builder.append_null(),
            (Self::Int(builder), _) => builder.append_null(),
            (Self::Float(builder), _) => builder.append_null(),
            (Self::Text(builder), cell) => builder.append_option(cell.into_text()),
            (Self::Json(builder), Cell::Null) => builder.append_null(),
            (Self::Json(builder), cell) => builder.append_value(cell.as_json()),
        }
    }

    /// The filled column.
    pub(super) fn finish(self) -> ArrayRef {
        match self {
            Self::Bool(mut builder) => Arc::new(builder.finish()),
            Self::Int(mut builder) => Arc::new(builder.finish()),
            Self::Float(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) | Self::Json(mut builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_a_double_if_no_digit_is_lost() {
        let cases = [
            ("0", true),
            ("-0.0", true),
            ("1.50", true),
            ("9007199254740992", true),
            ("9007199254740993", false),
            ("9007199254740993.0", false),
            ("1234567890123456789", false),
            ("1234567890123456768", false),
            ("-9007199254740992", true),
            ("-9007199254740993", false),
            ("1234567890123456.00", true),
            ("100.0", true),
            ("18446744073709551615", false),
            ("0.1", true),
            ("0.10000000000000001", true),
            ("0.1000000000000000055511151231257827", true),
            ("0.12345678901234567890", false),
            ("1e22", true),
            ("1e400", false),
            ("-12.5e-3", true),
            ("0.0000000000000000001234", true),
        ];
        for (written, expected) in cases {
            assert_eq!(is_double(written), expected, "{written}");
        }
    }

    #[test]
    fn kinds_widen_without_losing_a_digit() {
        let kind = |written: &[&'static str]| {
            let kinds = written.iter().map(|digits| Kind::of(&Cell::Number(digits)));
            kinds.fold(Kind::Null, Kind::with)
        };
        let cases: [(&[&str], Kind); 6] = [
            (&["1", "2"], Kind::Int),
            (&["1", "2.5"], Kind::Float),
            (&["1", "1234567890123456789"], Kind::Long),
            (&["1234567890123456789", "1.0"], Kind::Digits),
            (&["1.0", "18446744073709551615"], Kind::Digits),
            (&["12345678901234567890", "1"], Kind::Digits),
        ];
        for (written, expected) in cases {
            assert_eq!(kind(written), expected, "{written:?}");
            let kept = written.iter().all(|digits| expected.holds(&Cell::Number(digits)));
            assert!(kept, "{written:?}");
        }
        assert_eq!(Kind::Digits.with(Kind::Text), Kind::Text);
    }

    proptest! {
        #[test]
        fn what_programs_write_of_a_double_is_one(value in any::<f64>()) {
            prop_assume!(value.is_finite());
            for written in [format!("{value:?}"), format!("{value:e}"), format!("{value:.17e}")] {
                prop_assert!(is_double(&written), "{}", written);
            }
        }
    }
}
