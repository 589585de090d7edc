//! Avro container files: the same bytes for the same rows.
//!
//! The container format separates blocks by sixteen bytes that the writer chooses; usual writers
//! draw them at random, so two runs never give the same file. Here they are the hash of the schema:
//! as unlikely to occur in the data, and the same every time. Blocks are not compressed: of all
//! codecs, only `null` and `deflate` are known to every reader, and deflate costs more than
//! scoring.

use std::io::Write;

use arrow_avro::compression::CompressionCodec;
use arrow_avro::errors::AvroError;
use arrow_avro::schema::SCHEMA_METADATA_KEY;
use arrow_avro::writer::format::AvroFormat;
use arrow_schema::Schema;
use xxhash_rust::xxh3::xxh3_128;

/// The container format with a sync marker that depends on the schema alone.
#[derive(Debug, Default)]
pub(super) struct FixedSync {
    marker: [u8; 16],
}

impl AvroFormat for FixedSync {
    const NEEDS_PREFIX: bool = false;

    fn start_stream<W: Write>(
        &mut self,
        writer: &mut W,
        schema: &Schema,
        _compression: Option<CompressionCodec>,
    ) -> Result<(), AvroError> {
        let json = schema.metadata.get(SCHEMA_METADATA_KEY).map_or("", String::as_str);
        self.marker = xxh3_128(json.as_bytes()).to_le_bytes();
        let mut header = b"Obj\x01".to_vec();
        put_long(&mut header, 2);
        for text in ["avro.schema", json, "avro.codec", "null"] {
            put_long(&mut header, text.len() as i64);
            header.extend_from_slice(text.as_bytes());
        }
        put_long(&mut header, 0);
        header.extend_from_slice(&self.marker);
        let failed = |error| AvroError::IoError("writing the header".to_owned(), error);
        writer.write_all(&header).map_err(failed)
    }

    fn sync_marker(&self) -> Option<&[u8; 16]> {
        Some(&self.marker)
    }
}

/// Avro's long: zigzag, then seven bits a byte, lowest first.
fn put_long(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}
