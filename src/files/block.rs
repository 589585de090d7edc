//! What passes from room to room: blocks of columns with their row numbers.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{Error, Rejection};

/// Rows in a block: enough that work per block vanishes, few enough that a block stays in cache.
pub(super) const BLOCK_ROWS: usize = 8_192;

/// Picks columns of a file by index, ascending; `None` takes all. Its error ends the reading before
/// it begins. JSON Lines without a line have no columns and no rows, and nothing is asked.
pub(super) type Choose<'a> = &'a mut dyn FnMut(&Schema) -> Result<Option<Vec<usize>>, Error>;

/// A stream of blocks.
pub(super) trait Blocks: Send {
    /// The columns of every block.
    fn schema(&self) -> SchemaRef;

    /// The next block, or `None` at the end. After an error nothing more is to be had.
    fn next(&mut self) -> Result<Option<Block>, Error>;

    /// What a person should know about the reading, after the end.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Rows as they come from a file, a bounded number at a time.
#[derive(Debug)]
pub(super) struct Block {
    /// All columns that were asked for.
    pub(super) batch: RecordBatch,
    /// The row number of each row of `batch`.
    pub(super) numbers: RowNumbers,
    /// Rows that could not even be split into columns.
    pub(super) malformed: Vec<Rejection>,
}

/// Row numbers of a block.
#[derive(Debug)]
pub(super) enum RowNumbers {
    /// Consecutive, from this one on.
    From(u64),
    /// One by one.
    Lines(Vec<u64>),
}

impl RowNumbers {
    pub(super) fn of(&self, row: usize) -> u64 {
        match self {
            Self::From(first) => first + row as u64,
            Self::Lines(lines) => lines[row],
        }
    }
}

/// Marks a text column whose texts are JSON (Arrow's canonical extension type).
const EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");

/// A field whose texts are JSON values: JSON Lines writes them as values, other formats as the
/// texts that they hold.
pub(super) fn raw_json(field: Field) -> Field {
    field.with_metadata(HashMap::from([(EXTENSION.0.to_owned(), EXTENSION.1.to_owned())]))
}

/// Whether [`raw_json`] made the field.
pub(super) fn is_raw_json(field: &Field) -> bool {
    field.data_type() == &DataType::Utf8
        && field.metadata().get(EXTENSION.0).is_some_and(|name| name == EXTENSION.1)
}
