//! Rows in, whatever the format: a stream of bounded blocks.
//!
//! The reader decides nothing about meaning. It shows the columns that a file has, lets the caller
//! choose which to read, and hands out blocks of typed columns with the row numbers that messages
//! will name.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use tempfile::NamedTempFile;

use super::avro::{self, Stream};
use super::csv::CsvBlocks;
use super::jsonl::JsonBlocks;
use super::parquet::{self, Part};
use super::text::Buffer;
use crate::files::Error;
use crate::files::block::{Blocks, Choose};
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
        Format::Parquet => {
            let parts = match &source.bytes {
                Bytes::File(path) if path.is_dir() => parquet::parts(path, &name)?,
                _ => vec![Part::of_file(seekable(source.bytes, &name)?, name.clone())],
            };
            Ok(Box::new(parquet::open(parts, name, choose)?))
        }
        Format::Avro => {
            let again = name.clone();
            let twice = move |rest| {
                let spooled = spool(rest, &again)?;
                let second = spooled.reopen().map_err(|error| Error::read(&again, error))?;
                Ok((Box::new(second) as Stream, Box::new(spooled.into_file()) as Stream))
            };
            Ok(Box::new(avro::open(reader(source.bytes, &name)?, name, choose, twice)?))
        }
    }
}

fn file(path: &Path, name: &str) -> Result<File, Error> {
    let file = File::open(path).map_err(|error| Error::opening(name, error))?;
    match path.is_dir() {
        true => Err(Error::Usage(format!(
            "{name} is a directory; only Parquet files are read from one, in the order of their \
             names"
        ))),
        false => Ok(file),
    }
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
