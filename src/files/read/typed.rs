//! Blocks of the formats that bring their types along: Parquet and Avro.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Schema, SchemaRef};

use crate::files::Error;
use crate::files::block::{Block, Blocks, Choose, RowNumbers};
use crate::files::texts::{Shape, Shaping, are_texts, is_bytes, plain};

/// Batches as a library reads them; an error names its file.
pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, Error>> + Send>;

/// Blocks of shaped batches.
pub(super) struct TypedBlocks {
    batches: Batches,
    shaping: Shaping,
    name: String,
    rows: u64,
    /// The columns to keep, where the library reads all of them.
    kept: Option<Vec<usize>>,
}

impl TypedBlocks {
    /// Lets `choose` pick from the shaped columns; `batches` makes the batches of those picked (all
    /// for `None`) and says whether it left the picking to us.
    pub(super) fn open(
        shaping: Shaping,
        name: String,
        choose: Choose<'_>,
        batches: impl FnOnce(Option<&[usize]>) -> Result<(Batches, bool), Error>,
    ) -> Result<Self, Error> {
        let kept = choose(shaping.schema())?;
        let (batches, is_whole) = batches(kept.as_deref())?;
        let shaping = match &kept {
            Some(kept) => shaping.projected(kept)?,
            None => shaping,
        };
        Ok(Self { batches, shaping, name, rows: 0, kept: kept.filter(|_| is_whole) })
    }

    fn shaped(&self, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
        match &self.kept {
            Some(kept) => self.shaping.apply(&batch.project(kept)?),
            None => self.shaping.apply(&batch),
        }
    }
}

impl Blocks for TypedBlocks {
    fn schema(&self) -> SchemaRef {
        self.shaping.schema().clone()
    }

    fn next(&mut self) -> Result<Option<Block>, Error> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        let batch = self.shaped(batch.map_err(|error| error.behind(self.rows))?);
        let batch = batch.map_err(|error| Error::read(&self.name, error).behind(self.rows))?;
        let numbers = RowNumbers::From(self.rows + 1);
        self.rows += batch.num_rows() as u64;
        Ok(Some(Block { batch, numbers, malformed: Vec::new() }))
    }
}

/// Columns of bytes that could be texts.
pub(super) fn unclear(schema: &Schema) -> Vec<usize> {
    let fields = schema.fields().iter().enumerate();
    let unclear = fields.filter(|(_, field)| is_bytes(&plain(field.data_type())));
    unclear.map(|(place, _)| place).collect()
}

/// Makes the `unclear` columns texts whose values are texts throughout; `batches` hold these
/// columns alone, in this order.
pub(super) fn find_texts(
    batches: impl Iterator<Item = Result<RecordBatch, Error>>,
    unclear: &[usize],
    shapes: &mut [Shape],
) -> Result<(), Error> {
    let mut open: Vec<bool> = vec![true; unclear.len()];
    for batch in batches {
        let batch = batch?;
        for (is_text, column) in open.iter_mut().zip(batch.columns()) {
            *is_text = *is_text && is_text_throughout(column)?;
        }
        if !open.contains(&true) {
            return Ok(());
        }
    }
    for (place, _) in unclear.iter().zip(open).filter(|(_, is_text)| *is_text) {
        shapes[*place] = Shape::Text;
    }
    Ok(())
}

fn is_text_throughout(column: &ArrayRef) -> Result<bool, ArrowError> {
    let plain = plain(column.data_type());
    match &plain == column.data_type() {
        true => are_texts(column),
        false => are_texts(&crate::files::texts::lossless(column, &plain)?),
    }
}
