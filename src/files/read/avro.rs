//! Avro container files in, and no row lost in silence.
//!
//! A container has no end mark: a file that was cut off looks like one that ended, and readers stop
//! without a word. But what ends every block, and the header of an empty file, is the file's sync
//! marker, so [`Whole`] remembers the last sixteen bytes of the stream and compares.

use std::io::{BufReader, Cursor, Read};
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_avro::reader::{Reader, ReaderBuilder};
use arrow_schema::{ArrowError, DataType, Field};

use super::header::Header;
use super::typed::{TypedBlocks, find_texts, unclear};
use crate::files::Error;
use crate::files::block::{BLOCK_ROWS, Choose};
use crate::files::texts::{Shape, Shaping};

/// Bytes of a container file.
pub(super) type Stream = Box<dyn Read + Send>;

/// Opens a container file and lets `choose` pick its columns. `twice` makes two streams of what is
/// left of one, for files with columns of bytes: those are read before to find out which are texts.
pub(super) fn open(
    mut stream: Stream,
    name: String,
    choose: Choose<'_>,
    twice: impl FnOnce(Stream) -> Result<(Stream, Stream), Error>,
) -> Result<TypedBlocks, Error> {
    let failed = |error: ArrowError| Error::read(&name, error);
    let header = Header::read(&mut *stream).map_err(|error| Error::read(&name, error))?;
    let (before, stream) = match header.has_bytes {
        true => twice(stream).map(|(before, stream)| (Some(before), stream))?,
        false => (None, stream),
    };
    let whole = Whole::open(&header, stream).map_err(failed)?;
    let schema = whole.reader.schema();
    let mut shapes: Vec<Shape> = schema.fields().iter().map(|field| shape(field)).collect();
    if let Some(before) = before {
        let unclear = unclear(&schema).into_iter().filter(|place| shapes[*place] == Shape::Plain);
        let unclear: Vec<usize> = unclear.collect();
        let batches = Whole::open(&header, before).map_err(failed)?;
        let batches = batches.map(|batch| batch?.project(&unclear)).map(|b| b.map_err(failed));
        find_texts(batches, &unclear, &mut shapes)?;
    }
    let shaping = Shaping::new(&schema, shapes);
    TypedBlocks::open(shaping, name.clone(), choose, move |_| {
        let batches = whole.map(move |batch| batch.map_err(|error| Error::read(&name, error)));
        Ok((Box::new(batches), true))
    })
}

/// UUIDs, which Arrow holds as sixteen bytes, become text: ids must come out as they went in.
fn shape(field: &Field) -> Shape {
    let is_uuid = field.data_type() == &DataType::FixedSizeBinary(16)
        && field.metadata().get("logicalType").is_some_and(|name| name == "uuid");
    if is_uuid { Shape::Uuid } else { Shape::Plain }
}

/// The last bytes of a stream, as many as a sync marker has.
type Tail = Arc<Mutex<[u8; 16]>>;

/// The batches of a container file, and an error in place of a silent end.
struct Whole {
    reader: Reader<BufReader<Tailed>>,
    tail: Tail,
    ended: bool,
}

/// A stream that remembers its last bytes.
struct Tailed {
    bytes: Stream,
    tail: Tail,
}

impl Whole {
    /// The file with this header and this rest.
    fn open(header: &Header, rest: Stream) -> Result<Self, ArrowError> {
        let tail = Tail::default();
        let bytes = Box::new(Cursor::new(header.bytes.clone()).chain(rest));
        let bytes = BufReader::with_capacity(1 << 18, Tailed { bytes, tail: tail.clone() });
        let reader = ReaderBuilder::new().with_batch_size(BLOCK_ROWS).build(bytes)?;
        Ok(Self { reader, tail, ended: false })
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
            return next;
        }
        self.ended = true;
        let cut = "the file ends within a block; it was cut off".to_owned();
        self.is_cut().then_some(Err(ArrowError::AvroError(cut)))
    }
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
