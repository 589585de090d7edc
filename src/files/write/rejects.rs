//! Rows set aside, written down with why: the original columns, then `row`, `reason`, `message`.
//!
//! The file is meant to be mended and fed in again, so it keeps every column as it came. A row that
//! could not be split into columns has none; its beginning is in the message.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::take::take;

use super::naming::{Naming, extended};
use super::sink::Sink;
use crate::files::Error;
use crate::files::format::Target;
use crate::files::rejection::Rejection;

/// The file of rejected rows.
pub(in crate::files) struct Rejects {
    sink: Sink,
    schema: Arc<Schema>,
}

impl Rejects {
    /// A file for rejected rows of an input with these columns.
    pub(in crate::files) fn create(target: &Target, input: &Schema) -> Result<Self, Error> {
        let added = vec![
            Field::new("row", DataType::UInt64, false),
            Field::new("reason", DataType::Utf8, false),
            Field::new("message", DataType::Utf8, false),
        ];
        let nullable =
            input.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let input = Schema::new(nullable.collect::<Vec<_>>());
        let Naming { schema, .. } = extended(&input, added, target.format());
        Ok(Self { sink: Sink::create(target, &schema)?, schema: Arc::new(schema) })
    }

    /// Writes the rejected rows of a block, in the order given.
    pub(in crate::files) fn write(
        &mut self,
        batch: &RecordBatch,
        rows: &[Rejection],
    ) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let places: UInt32Array = rows.iter().map(|row| row.place.map(|at| at as u32)).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for column in batch.columns() {
            columns.push(match column.is_empty() {
                true => arrow_array::new_null_array(column.data_type(), rows.len()),
                false => take(column, &places, None)?,
            });
        }
        columns.push(Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.row))));
        let reasons = rows.iter().map(|row| row.reason);
        columns.push(Arc::new(StringArray::from_iter_values(reasons)));
        let messages = rows.iter().map(|row| &row.message);
        columns.push(Arc::new(StringArray::from_iter_values(messages)));
        self.sink.write(&RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// Gives the file its name.
    pub(in crate::files) fn finish(self) -> Result<(), Error> {
        self.sink.finish()
    }
}
