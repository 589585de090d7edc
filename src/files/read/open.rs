//! Rows in, whatever the format: a stream of bounded blocks.
//!
//! The reader decides nothing about meaning. It shows the columns that a file has, lets the caller
//! choose which to read, and hands out blocks of typed columns with the row numbers that messages
//! will name.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::NamedTempFile;

use super::avro::Whole;
use super::csv::CsvBlocks;
use super::jsonl::JsonBlocks;
use super::text::Buffer;
use crate::files::Error;
use crate::files::block::{BLOCK_ROWS, Block, Blocks, Choose, RowNumbers};
use crate::files::format::{Bytes, Format, Source};

/// Opens a source and lets `choose` pick its columns.
pub(in crate::files) fn open(source: Source, choose: Choose<'_>) -> Result<Box<dyn Blocks>, Error> {
    let name = source.name();
    match source.format {
        Format::Csv => {
            let buffer = Buffer::new(reader(source.bytes, &name)?, name)?;
            Ok(Box::new(CsvBlocks::open(buffer, choose)?))
        }
        Format::JsonLines => {
            let (whole, again) = twice(source.bytes, &name)?;
            let whole = Buffer::new(Box::new(whole), name.clone())?;
            let buffer = || Buffer::new(Box::new(again), name);
            Ok(Box::new(JsonBlocks::open(whole, buffer, choose)?))
        }
        Format::Parquet => open_parquet(seekable(source.bytes, &name)?, name, choose),
        Format::Avro => open_avro(reader(source.bytes, &name)?, name, choose),
    }
}

fn file(path: &Path, name: &str) -> Result<File, Error> {
    File::open(path).map_err(|error| Error::read(name, error))
}

fn reader(bytes: Bytes, name: &str) -> Result<Box<dyn Read + Send>, Error> {
    match bytes {
        Bytes::File(path) => Ok(Box::new(file(&path, name)?)),
        Bytes::Stream(stream) => Ok(stream),
    }
}

/// A file that can be read from its end; a stream is copied to a temporary one.
fn seekable(bytes: Bytes, name: &str) -> Result<File, Error> {
    match bytes {
        Bytes::File(path) if !is_special(&path) => file(&path, name),
        other => Ok(spool(reader(other, name)?, name)?.into_file()),
    }
}

/// Two readers of the same bytes; a stream is copied to a temporary file.
fn twice(bytes: Bytes, name: &str) -> Result<(File, File), Error> {
    match bytes {
        Bytes::File(path) if !is_special(&path) => Ok((file(&path, name)?, file(&path, name)?)),
        other => {
            let spooled = spool(reader(other, name)?, name)?;
            let again = spooled.reopen().map_err(|error| Error::read(name, error))?;
            Ok((again, spooled.into_file()))
        }
    }
}

/// A pipe or a device under a path: its bytes come once.
fn is_special(path: &Path) -> bool {
    path.exists() && !path.is_file()
}

/// All bytes of a stream in a temporary file, read from its beginning.
fn spool(mut stream: Box<dyn Read + Send>, name: &str) -> Result<NamedTempFile, Error> {
    let mut copied = || -> std::io::Result<NamedTempFile> {
        let mut spooled = NamedTempFile::new()?;
        std::io::copy(&mut stream, &mut spooled)?;
        spooled.rewind()?;
        Ok(spooled)
    };
    copied().map_err(|error| Error::read(name, error))
}

fn open_parquet(file: File, name: String, choose: Choose<'_>) -> Result<Box<dyn Blocks>, Error> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| Error::read(&name, error))?
        .with_batch_size(BLOCK_ROWS);
    let builder = match choose(builder.schema())? {
        Some(kept) => {
            let mask = ProjectionMask::roots(builder.parquet_schema(), kept);
            builder.with_projection(mask)
        }
        None => builder,
    };
    let batches = builder.build().map_err(|error| Error::read(&name, error))?;
    let schema = arrow_array::RecordBatchReader::schema(&batches);
    Ok(Box::new(TypedBlocks { batches, schema, name, rows: 0, kept: None }))
}

fn open_avro(
    bytes: Box<dyn Read + Send>,
    name: String,
    choose: Choose<'_>,
) -> Result<Box<dyn Blocks>, Error> {
    let batches = Whole::open(bytes, BLOCK_ROWS).map_err(|error| Error::read(&name, error))?;
    let schema = batches.schema();
    let kept = choose(&schema)?;
    let schema = match &kept {
        Some(kept) => std::sync::Arc::new(schema.project(kept)?),
        None => schema,
    };
    Ok(Box::new(TypedBlocks { batches, schema, name, rows: 0, kept }))
}

/// Blocks of a format that brings its types along.
struct TypedBlocks<I> {
    batches: I,
    schema: SchemaRef,
    name: String,
    rows: u64,
    kept: Option<Vec<usize>>,
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>> + Send> Blocks for TypedBlocks<I> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next(&mut self) -> Result<Option<Block>, Error> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        let mut batch = batch.map_err(|error| Error::read(&self.name, error))?;
        if let Some(kept) = &self.kept {
            batch = batch.project(kept)?;
        }
        let numbers = RowNumbers::From(self.rows + 1);
        self.rows += batch.num_rows() as u64;
        Ok(Some(Block { batch, numbers, malformed: Vec::new() }))
    }
}
