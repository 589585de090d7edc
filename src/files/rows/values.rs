//! Columns of any type brought into the four shapes that a transaction is made of.
//!
//! The same field arrives as text from CSV, as an integer from one Parquet file and as a decimal
//! from the next. Asking every cell for its type would cost more than scoring it, so a whole column
//! is converted at once, before any row is looked at: texts (ids from integers are written as
//! decimal text into one buffer), numbers as doubles, times as epoch milliseconds, verdicts as
//! booleans. A cell that could not be converted is null here and not null in its source, which is
//! how [`Lookup`] tells a broken cell from an empty one.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Float32Type, Float64Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float64Array, Int64Array, PrimitiveArray,
    RecordBatch, StringArray, TimestampMillisecondArray, builder::StringBuilder,
};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};

use super::times::parse_time;
use crate::core::transaction::{DAY_MS, is_no_value};
use crate::files::Error;
use crate::files::block::is_raw_json;
use crate::files::texts::{hexadecimal, is_bytes, is_text};

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::files) enum Lookup<T> {
    /// A value.
    Value(T),
    /// Nothing: null, or an empty cell of a text file.
    Missing,
    /// Something that is no value of the shape asked for.
    Broken,
}

/// A column of a file, ready to be converted.
#[derive(Debug, Clone)]
pub(in crate::files) struct Cells {
    /// As the file has it.
    source: ArrayRef,
    /// The same, with JSON values as what they are.
    plain: ArrayRef,
}

impl Cells {
    /// The column at `place`.
    pub(in crate::files) fn of(batch: &RecordBatch, place: usize) -> Self {
        let source = batch.column(place);
        let plain = match is_raw_json(batch.schema_ref().field(place)) {
            true => Arc::new(scalars(source.as_string())),
            false => source.clone(),
        };
        Self { source: source.clone(), plain }
    }
}

/// JSON texts as the texts, numbers and words that they hold; arrays and objects are null. A whole
/// number is written without a fraction, so that 1.0 is the customer 1.
fn scalars(values: &StringArray) -> StringArray {
    let scalar = |json: &str| match json.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(json).ok(),
        b'{' | b'[' => None,
        b't' | b'f' => Some(json.to_owned()),
        _ if json.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
            Some(json.to_owned())
        }
        _ => Some(json.parse().ok().and_then(whole_text).unwrap_or_else(|| json.to_owned())),
    };
    values.iter().map(|value| value.and_then(scalar)).collect()
}

/// A column converted to one shape, and the column it came from.
#[derive(Debug, Clone)]
pub(in crate::files) struct Converted<A> {
    values: A,
    source: ArrayRef,
}

pub(in crate::files) type TextColumn = Converted<StringArray>;
pub(in crate::files) type NumberColumn = Converted<Float64Array>;
pub(in crate::files) type TimeColumn = Converted<Int64Array>;
pub(in crate::files) type VerdictColumn = Converted<BooleanArray>;

impl<A: Array> Converted<A> {
    /// The kind of nothing that a cell without a value holds.
    #[cold]
    fn nothing<T>(&self, row: usize) -> Lookup<T> {
        if is_blank(&self.source, row) { Lookup::Missing } else { Lookup::Broken }
    }

    /// The cell as it was in the file, for messages; cut to a readable length.
    pub(in crate::files) fn shown(&self, row: usize) -> String {
        show(&self.source, row)
    }
}

impl TextColumn {
    pub(in crate::files) fn text(cells: &Cells) -> Result<Self, Error> {
        let column = &cells.plain;
        let values = match column.data_type() {
            DataType::Utf8 => column.as_string::<i32>().clone(),
            DataType::Float32 => float_ids(cast(column, &DataType::Float64)?.as_primitive()),
            DataType::Float64 => float_ids(column.as_primitive::<Float64Type>()),
            other if is_bytes(other) => hexadecimal(column)?,
            _ => cast(column, &DataType::Utf8)?.as_string::<i32>().clone(),
        };
        Ok(Self { values, source: cells.source.clone() })
    }

    #[inline]
    pub(in crate::files) fn get(&self, row: usize) -> Lookup<&str> {
        if !self.values.is_valid(row) {
            return self.nothing(row);
        }
        match self.values.value(row) {
            nothing if is_no_value(nothing) => Lookup::Missing,
            text => Lookup::Value(text),
        }
    }

    pub(in crate::files) fn values(&self) -> &StringArray {
        &self.values
    }
}

impl<T: ArrowPrimitiveType> Converted<PrimitiveArray<T>> {
    #[inline]
    pub(in crate::files) fn get(&self, row: usize) -> Lookup<T::Native> {
        if self.values.is_valid(row) {
            Lookup::Value(self.values.value(row))
        } else {
            self.nothing(row)
        }
    }
}

impl NumberColumn {
    pub(in crate::files) fn number(cells: &Cells) -> Result<Self, Error> {
        let column = &cells.plain;
        let values = match column.data_type() {
            DataType::Float64 => column.as_primitive::<Float64Type>().clone(),
            data_type if is_text(data_type) => {
                let texts = cast(column, &DataType::Utf8)?;
                let texts = texts.as_string::<i32>().iter();
                texts.map(|text| text.and_then(number)).collect()
            }
            _ => cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().clone(),
        };
        Ok(Self { values, source: cells.source.clone() })
    }
}

impl TimeColumn {
    /// All rows as timestamps in milliseconds; rows without a time are null.
    pub(in crate::files) fn timestamps(&self) -> TimestampMillisecondArray {
        self.values.reinterpret_cast()
    }

    pub(in crate::files) fn time(cells: &Cells) -> Result<Self, Error> {
        Ok(Self { values: millis(&cells.plain)?, source: cells.source.clone() })
    }
}

impl VerdictColumn {
    pub(in crate::files) fn verdict(cells: &Cells) -> Result<Self, Error> {
        let column = &cells.plain;
        let values = match column.data_type() {
            DataType::Boolean => column.as_boolean().clone(),
            data_type if is_text(data_type) => {
                let texts = cast(column, &DataType::Utf8)?;
                texts.as_string::<i32>().iter().map(|text| text.and_then(verdict)).collect()
            }
            _ => {
                let numbers = cast(column, &DataType::Float64)?;
                let numbers = numbers.as_primitive::<Float64Type>().iter();
                numbers.map(|number| number.and_then(verdict_of_number)).collect()
            }
        };
        Ok(Self { values, source: cells.source.clone() })
    }

    #[inline]
    pub(in crate::files) fn get(&self, row: usize) -> Lookup<bool> {
        if self.values.is_valid(row) {
            Lookup::Value(self.values.value(row))
        } else {
            self.nothing(row)
        }
    }
}

/// Whether columns of this type can be brought into any of the shapes.
pub(in crate::files) fn is_scalar(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_scalar(values),
        other => !other.is_nested() && !matches!(other, DataType::Interval(_)),
    }
}

/// Null, not a number (what pandas writes for nothing), or a text that stands for no value.
fn is_blank(column: &ArrayRef, row: usize) -> bool {
    if column.is_null(row) {
        return true;
    }
    match column.data_type() {
        DataType::Null => true,
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).is_nan(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).is_nan(),
        _ => is_no_value(&show(column, row)),
    }
}

/// A cell as text for a message.
pub(in crate::files) fn show(column: &ArrayRef, row: usize) -> String {
    const LONGEST: usize = 80;
    let text = cast(&column.slice(row, 1), &DataType::Utf8)
        .ok()
        .and_then(|cell| cell.as_string::<i32>().iter().next().flatten().map(str::to_owned))
        .unwrap_or_default();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whole floats are ids that passed through a tool without integers-with-nulls.
fn float_ids(values: &Float64Array) -> StringArray {
    let mut texts = StringBuilder::with_capacity(values.len(), values.len() * 8);
    for value in values {
        match value.filter(|value| !value.is_nan()) {
            Some(value) => {
                texts.append_value(whole_text(value).unwrap_or_else(|| value.to_string()));
            }
            None => texts.append_null(),
        }
    }
    texts.finish()
}

/// A whole number's digits, if a double has them all.
fn whole_text(value: f64) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && value.abs() <= EXACT).then(|| (value as i64).to_string())
}

fn millis(column: &ArrayRef) -> Result<Int64Array, Error> {
    Ok(match column.data_type() {
        DataType::Timestamp(unit, _) => timestamps(column, *unit),
        DataType::Date32 => {
            column.as_primitive::<Date32Type>().unary(|days| i64::from(days).saturating_mul(DAY_MS))
        }
        DataType::Date64 => column.as_primitive::<Date64Type>().unary(|millis| millis),
        DataType::Float32 | DataType::Float64 => {
            let numbers = cast(column, &DataType::Float64)?;
            let whole = |number: f64| (number.fract() == 0.0).then_some(number as i64);
            let numbers = numbers.as_primitive::<Float64Type>().iter();
            numbers.map(|number| number.and_then(whole)).collect()
        }
        data_type if is_text(data_type) => {
            let texts = cast(column, &DataType::Utf8)?;
            texts.as_string::<i32>().iter().map(|text| text.and_then(parse_time)).collect()
        }
        _ => cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
    })
}

/// Milliseconds of a timestamp column. Arrow keeps UTC whatever the zone; without one it is UTC
/// too.
fn timestamps(column: &ArrayRef, unit: TimeUnit) -> Int64Array {
    match unit {
        TimeUnit::Second => column
            .as_primitive::<TimestampSecondType>()
            .unary(|seconds| seconds.saturating_mul(1_000)),
        TimeUnit::Millisecond => {
            column.as_primitive::<TimestampMillisecondType>().unary(|millis| millis)
        }
        TimeUnit::Microsecond => column
            .as_primitive::<TimestampMicrosecondType>()
            .unary(|micros| micros.div_euclid(1_000)),
        TimeUnit::Nanosecond => column
            .as_primitive::<TimestampNanosecondType>()
            .unary(|nanos| nanos.div_euclid(1_000_000)),
    }
}

/// A number as text; `nan` is what tools without nulls write for none.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| !number.is_nan())
}

/// A verdict as people and tools write it: a word, or a number in any spelling.
fn verdict(text: &str) -> Option<bool> {
    const TRUE: [&str; 3] = ["true", "yes", "y"];
    const FALSE: [&str; 3] = ["false", "no", "n"];
    let text = text.trim();
    let any = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if any(TRUE) {
        Some(true)
    } else if any(FALSE) {
        Some(false)
    } else {
        text.parse().ok().and_then(verdict_of_number)
    }
}

/// 1 is fraud and 0 is none. Another number is a count, a share or a code, and no verdict.
fn verdict_of_number(number: f64) -> Option<bool> {
    if number == 1.0 { Some(true) } else { (number == 0.0).then_some(false) }
}
