//! Avro container files in, and no row lost in silence.
//!
//! A container has no end mark: a file that was cut off looks like one that ended, and readers stop
//! without a word. But what ends every block, and the header of an empty file, is the file's sync
//! marker, so [`Whole`] remembers the last sixteen bytes of the stream and compares.

use std::io::{BufReader, Read};
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_avro::reader::{Reader, ReaderBuilder};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};

use crate::files::texts::uuids;

/// The last bytes of a stream, as many as a sync marker has.
type Tail = Arc<Mutex<[u8; 16]>>;

/// The batches of a container file, and an error in place of a silent end.
pub(super) struct Whole {
    reader: Reader<BufReader<Tailed>>,
    schema: SchemaRef,
    tail: Tail,
    ended: bool,
}

/// A stream that remembers its last bytes.
struct Tailed {
    bytes: Box<dyn Read + Send>,
    tail: Tail,
}

impl Whole {
    /// Reads the header.
    pub(super) fn open(bytes: Box<dyn Read + Send>, rows: usize) -> Result<Self, ArrowError> {
        let tail = Tail::default();
        let bytes = Tailed { bytes, tail: tail.clone() };
        let bytes = BufReader::with_capacity(1 << 18, bytes);
        let reader = ReaderBuilder::new().with_batch_size(rows).build(bytes)?;
        let schema = Arc::new(with_text_uuids(&reader.schema()));
        Ok(Self { reader, schema, tail, ended: false })
    }

    /// The columns of every batch.
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The batch with UUIDs as the texts that they are in the file.
    fn shaped(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns =
            columns.map(|(column, field)| match (field.data_type(), column.data_type()) {
                (DataType::Utf8, DataType::FixedSizeBinary(_)) => Arc::new(uuids(column)),
                _ => column.clone(),
            });
        RecordBatch::try_new(self.schema.clone(), columns.collect())
    }

    fn is_cut(&self) -> bool {
        let tail = self.tail.lock().expect("invariant: nobody panics while holding the tail");
        *tail != self.reader.avro_header().sync()
    }
}

impl Iterator for Whole {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.reader.next();
        if next.is_some() || self.ended {
            return next.map(|batch| self.shaped(&batch?));
        }
        self.ended = true;
        let cut = "the file ends within a block; it was cut off".to_owned();
        self.is_cut().then_some(Err(ArrowError::AvroError(cut)))
    }
}

/// UUIDs, which Arrow holds as sixteen bytes, as text columns: ids must come out as they went in.
fn with_text_uuids(schema: &Schema) -> Schema {
    let is_uuid = |field: &Field| {
        field.data_type() == &DataType::FixedSizeBinary(16)
            && field.metadata().get("logicalType").is_some_and(|name| name == "uuid")
    };
    let shape = |field: &FieldRef| match is_uuid(field) {
        true => Arc::new(Field::new(field.name(), DataType::Utf8, field.is_nullable())),
        false => field.clone(),
    };
    Schema::new(schema.fields().iter().map(shape).collect::<Vec<_>>())
}

impl Read for Tailed {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(into)?;
        let mut tail = self.tail.lock().expect("invariant: nobody panics while holding the tail");
        let new = &into[read.saturating_sub(tail.len())..read];
        tail.rotate_left(new.len());
        let kept = tail.len() - new.len();
        tail[kept..].copy_from_slice(new);
        Ok(read)
    }
}
