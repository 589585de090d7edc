//! Rows out, whatever the format, and never half a file.
//!
//! A reader that finds `scored.parquet` must be able to trust it. So rows go to a temporary file in
//! the same directory, which takes its name only when the last row and the footer are written;
//! after a failure nothing is left. What cannot be renamed (stdout, a device, a pipe) is written to
//! directly.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_json::writer::LineDelimited;
use arrow_schema::{FieldRef, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use tempfile::NamedTempFile;

use super::avro::FixedSync;
use super::json_out::RawJson;
use super::types::shaped;
use crate::files::Error;
use crate::files::block::is_raw_json;
use crate::files::format::{Format, Target};
use crate::files::texts::{lossless, texts_of_json};

type Out = BufWriter<Box<dyn Write + Send>>;

/// Rows in a Parquet row group: what a reader must hold at once, and what is held while writing.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// Bytes of a Parquet dictionary before a column is held to be too varied for one. Small, because
/// looking every value of an id or a double up in vain costs more than all the rest of writing.
const DICTIONARY_BYTES: usize = 128 << 10;

/// Where rows are written.
pub(in crate::files) struct Sink {
    writer: Writer,
    schema: SchemaRef,
    /// Columns of JSON values that are written as the texts that they hold.
    unquoted: Vec<bool>,
    place: Place,
    name: String,
}

enum Writer {
    Csv(Box<arrow_csv::Writer<Out>>),
    Json(arrow_json::Writer<Out, LineDelimited>),
    Parquet(Box<ArrowWriter<Out>>),
    Avro(Box<arrow_avro::writer::Writer<Out, FixedSync>>),
}

/// What happens at the end.
enum Place {
    /// The bytes are where they should be.
    Direct,
    /// The temporary file takes its name.
    Rename { file: NamedTempFile, path: PathBuf },
}

impl Sink {
    /// A sink for rows with these columns. A usage error when the format cannot hold one of them.
    pub(in crate::files) fn create(target: &Target, schema: &Schema) -> Result<Self, Error> {
        let name = target.name();
        let is_unquoted =
            |field: &FieldRef| target.format != Format::JsonLines && is_raw_json(field);
        let unquoted = schema.fields().iter().map(is_unquoted).collect();
        let schema = Arc::new(shaped(schema, target.format, &name)?);
        let (bytes, place) = open(target).map_err(|error| Error::write(&name, error))?;
        let out = BufWriter::with_capacity(1 << 18, bytes);
        let writer =
            Writer::new(target.format, out, &schema).map_err(|error| Error::write(&name, error))?;
        Ok(Self { writer, schema, unquoted, place, name })
    }

    /// Writes rows; their columns must be those the sink was made for.
    pub(in crate::files) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let batch = self.shape(batch)?;
        let written = match &mut self.writer {
            Writer::Csv(writer) => writer.write(&batch).map_err(Into::into),
            Writer::Json(writer) => writer.write(&batch).map_err(Into::into),
            Writer::Parquet(writer) => writer.write(&batch).map_err(Into::into),
            Writer::Avro(_) if batch.num_rows() == 0 => Ok(()),
            Writer::Avro(writer) => writer.write(&batch).map_err(Into::into),
        };
        written.map_err(|source: WriteError| Error::write(&self.name, source))
    }

    /// Writes what is still held and gives the file its name.
    pub(in crate::files) fn finish(self) -> Result<(), Error> {
        let name = self.name;
        let finished = self.writer.finish();
        finished.map_err(|source| Error::write(&name, source))?;
        match self.place {
            Place::Direct => Ok(()),
            Place::Rename { file, path } => file
                .as_file()
                .sync_all()
                .and_then(|()| file.persist(path).map(drop).map_err(|error| error.error))
                .map_err(|error| Error::write(&name, error)),
        }
    }

    /// The batch with the types that the format takes. A value that they do not hold is an error.
    fn shape(&self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let columns = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .zip(&self.unquoted)
            .map(|((column, field), unquoted)| match column.data_type() == field.data_type() {
                true if *unquoted => Ok(Arc::new(texts_of_json(column.as_string())) as ArrayRef),
                true => Ok(column.clone()),
                false => lossless(column, field.data_type())
                    .map_err(|error| self.misfit(field.name(), &error)),
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    #[cold]
    fn misfit(&self, column: &str, error: &arrow_schema::ArrowError) -> Error {
        Error::write(&self.name, format!("column {column} does not fit the format: {error}"))
    }
}

type WriteError = Box<dyn std::error::Error + Send + Sync>;

impl Writer {
    fn new(format: Format, out: Out, schema: &SchemaRef) -> Result<Self, WriteError> {
        Ok(match format {
            Format::Csv => {
                let mut writer = arrow_csv::Writer::new(out);
                writer.write(&RecordBatch::new_empty(schema.clone()))?;
                Self::Csv(Box::new(writer))
            }
            Format::JsonLines => {
                let builder = arrow_json::WriterBuilder::new()
                    .with_explicit_nulls(true)
                    .with_encoder_factory(Arc::new(RawJson));
                Self::Json(builder.build(out))
            }
            Format::Parquet => Self::Parquet(Box::new(ArrowWriter::try_new(
                out,
                schema.clone(),
                Some(properties()),
            )?)),
            Format::Avro => {
                let builder = arrow_avro::writer::WriterBuilder::new(schema.as_ref().clone());
                Self::Avro(Box::new(builder.with_capacity(1 << 20).build(out)?))
            }
        })
    }

    fn finish(self) -> Result<(), WriteError> {
        let mut out = match self {
            Self::Csv(writer) => writer.into_inner(),
            Self::Json(mut writer) => {
                writer.finish()?;
                writer.into_inner()
            }
            Self::Parquet(writer) => writer.into_inner()?,
            Self::Avro(mut writer) => {
                writer.finish()?;
                writer.into_inner()
            }
        };
        Ok(out.flush()?)
    }
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(concat!("synfinance ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}

fn open(target: &Target) -> std::io::Result<(Box<dyn Write + Send>, Place)> {
    let Some(path) = &target.path else {
        return Ok((Box::new(std::io::stdout()), Place::Direct));
    };
    if path.exists() && !path.is_file() {
        let file = OpenOptions::new().write(true).open(path)?;
        return Ok((Box::new(file), Place::Direct));
    }
    let path = if path.exists() { path.canonicalize()? } else { path.clone() };
    let file = beside(&path)?;
    let bytes: File = file.as_file().try_clone()?;
    Ok((Box::new(bytes), Place::Rename { file, path }))
}

/// A temporary file in the directory of `path`, with the permissions that a new file would have.
fn beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(".synfinance-")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
}
