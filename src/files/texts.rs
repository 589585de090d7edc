//! Columns of bytes as the texts that they stand for.
//!
//! Many writers leave texts as bare bytes, and a UUID is sixteen bytes with a name. An id has to
//! come out as it went in, whoever reads it, so there is one place that says what bytes stand for:
//! readers shape whole columns by it, and `rows` takes ids from what is left.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow_cast::{CastOptions, cast, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

/// What becomes of a column before anybody looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// It stays, but for encodings that say nothing about its values.
    Plain,
    /// Sixteen bytes become the usual text of a UUID.
    Uuid,
    /// Bytes become the text that they are.
    Text,
}

/// How the columns of a file are shaped.
#[derive(Debug, Clone)]
pub(super) struct Shaping {
    shapes: Vec<Shape>,
    schema: SchemaRef,
}

impl Shaping {
    /// One shape for each of the columns.
    pub(super) fn new(schema: &Schema, shapes: Vec<Shape>) -> Self {
        let fields = schema.fields().iter().zip(&shapes).map(|(field, shape)| {
            let data_type = match shape {
                Shape::Plain => plain(field.data_type()),
                Shape::Uuid | Shape::Text => DataType::Utf8,
            };
            match &data_type == field.data_type() {
                true => field.as_ref().clone(),
                false => Field::new(field.name(), data_type, field.is_nullable()),
            }
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { shapes, schema }
    }

    /// The columns afterwards.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The same for the columns at `kept`.
    pub(super) fn projected(&self, kept: &[usize]) -> Result<Self, ArrowError> {
        let shapes = kept.iter().map(|place| self.shapes[*place]).collect();
        Ok(Self { shapes, schema: Arc::new(self.schema.project(kept)?) })
    }

    /// The batch with its columns shaped.
    pub(super) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = batch.columns().iter().zip(self.schema.fields()).zip(&self.shapes);
        let columns = columns.map(|((column, field), shape)| match shape {
            Shape::Uuid => Ok(Arc::new(uuids(&cast(column, &DataType::FixedSizeBinary(16))?)) as _),
            Shape::Text => texts(column),
            Shape::Plain if column.data_type() == field.data_type() => Ok(column.clone()),
            Shape::Plain => lossless(column, field.data_type()),
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }
}

/// The column in another type; a value that the type does not hold is an error, never a null.
pub(super) fn lossless(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(column, to, &CastOptions { safe: false, ..CastOptions::default() })
}

/// The type without encodings that say nothing about its values; categories of texts stay.
pub(super) fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) if is_text(values) => data_type.clone(),
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        other => other.clone(),
    }
}

/// Whether a type holds texts, as they are or as categories.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

/// Whether a type holds bytes.
pub(super) fn is_bytes(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_bytes(values),
        other => matches!(
            other,
            DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::FixedSizeBinary(_)
        ),
    }
}

/// Whether every value of a column of bytes is a text that people could have written.
pub(super) fn are_texts(column: &ArrayRef) -> Result<bool, ArrowError> {
    let bytes = cast(column, &DataType::Binary)?;
    let is_written = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let is_text =
        |value: &[u8]| str::from_utf8(value).is_ok_and(|text| text.chars().all(is_written));
    Ok(bytes.as_binary::<i32>().iter().flatten().all(is_text))
}

/// A column of bytes that are texts.
fn texts(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let bytes = cast(column, &DataType::Binary)?;
    lossless(&bytes, &DataType::Utf8)
}

/// Bytes that are no texts, in hexadecimal digits: what text formats show of them.
pub(super) fn hexadecimal(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    let bytes = cast(column, &DataType::Binary)?;
    let text = |value: &[u8]| {
        value.iter().fold(String::with_capacity(value.len() * 2), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        })
    };
    Ok(bytes.as_binary::<i32>().iter().map(|value| value.map(text)).collect())
}

/// JSON values as text: a text loses its quotes, all else stays as it is written.
pub(super) fn texts_of_json(values: &StringArray) -> StringArray {
    let text = |json: &str| match json.starts_with('"') {
        true => serde_json::from_str::<String>(json).ok(),
        false => Some(json.to_owned()),
    };
    values.iter().map(|value| value.and_then(text)).collect()
}

/// Sixteen bytes as the usual text of a UUID; other binaries are null.
fn uuids(column: &ArrayRef) -> StringArray {
    let values = column.as_fixed_size_binary().iter();
    let text = |bytes: &[u8]| uuid::Uuid::from_slice(bytes).ok().map(|uuid| uuid.to_string());
    values.map(|bytes| bytes.and_then(text)).collect()
}
