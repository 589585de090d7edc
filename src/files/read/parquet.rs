//! Parquet files in, one or a directory of them.
//!
//! A directory, as Spark and others write one, is one table: its files are read in the order of
//! their names, and directories named `column=value` on the way are columns too.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::LogicalType;

use super::typed::{Batches, TypedBlocks, find_texts, unclear};
use crate::files::Error;
use crate::files::block::{BLOCK_ROWS, Choose};
use crate::files::texts::{Shape, Shaping};

/// One file of a table.
pub(super) struct Part {
    bytes: PartBytes,
    name: String,
    /// Columns of which the file's directories tell the one value.
    partitions: Vec<(String, Option<String>)>,
}

enum PartBytes {
    Path(PathBuf),
    Open(File),
}

/// What Hive and Spark call a directory for rows without a value.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

impl Part {
    /// A file that is open already.
    pub(super) fn of_file(file: File, name: String) -> Self {
        Self { bytes: PartBytes::Open(file), name, partitions: Vec::new() }
    }

    fn builder(&self) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
        let failed = |error| Error::read(&self.name, error);
        let file = match &self.bytes {
            PartBytes::Path(path) => File::open(path),
            PartBytes::Open(file) => file.try_clone(),
        };
        let file = file.map_err(|error| Error::read(&self.name, error))?;
        let again = file.try_clone().map_err(|error| Error::read(&self.name, error))?;
        // What Arrow's writers note beside the types can be what this reader does not know; the
        // types themselves then do.
        let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        ParquetRecordBatchReaderBuilder::try_new(file)
            .or_else(|_| ParquetRecordBatchReaderBuilder::try_new_with_options(again, plain))
            .map(|builder| builder.with_batch_size(BLOCK_ROWS))
            .map_err(failed)
    }

    /// The batches of the columns at `kept`, ascending; of all for `None`.
    fn batches(self, kept: Option<&[usize]>) -> Result<Batches, Error> {
        let builder = self.builder()?;
        let width = builder.schema().fields().len();
        let builder = match kept {
            Some(kept) => {
                let own = kept.iter().copied().filter(|place| *place < width);
                let mask = ProjectionMask::roots(builder.parquet_schema(), own);
                builder.with_projection(mask)
            }
            None => builder,
        };
        let is_kept = |place: usize| kept.is_none_or(|kept| kept.contains(&place));
        let partitions = self.partitions.iter().enumerate();
        let partitions = partitions.filter(|(at, _)| is_kept(width + at)).map(|(_, value)| value);
        let partitions: Vec<(String, Option<String>)> = partitions.cloned().collect();
        let batches = builder.build().map_err(|error| Error::read(&self.name, error))?;
        Ok(Box::new(batches.map(move |batch| {
            let batch = batch.map_err(|error| match self.culprit() {
                Some(column) => Error::read(&self.name, format!("column {column}: {error}")),
                None => Error::read(&self.name, error),
            })?;
            with_partitions(batch, &partitions)
        })))
    }

    /// The first column that cannot be read by itself: the library does not say which it was.
    #[cold]
    fn culprit(&self) -> Option<String> {
        let columns = self.builder().ok()?.schema().clone();
        let fails = |place: &usize| {
            let builder = self.builder().ok();
            let alone = builder.and_then(|builder| {
                let mask = ProjectionMask::roots(builder.parquet_schema(), [*place]);
                builder.with_projection(mask).build().ok()
            });
            alone.is_none_or(|mut batches| batches.any(|batch| batch.is_err()))
        };
        let place = (0..columns.fields().len()).find(fails)?;
        Some(columns.field(place).name().clone())
    }
}

/// The batch with a column for each of the directories' values.
fn with_partitions(
    batch: RecordBatch,
    partitions: &[(String, Option<String>)],
) -> Result<RecordBatch, Error> {
    if partitions.is_empty() {
        return Ok(batch);
    }
    let rows = batch.num_rows();
    let mut fields = batch.schema().fields().to_vec();
    let mut columns = batch.columns().to_vec();
    for (name, value) in partitions {
        fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
        let values: StringArray = std::iter::repeat_n(value.as_deref(), rows).collect();
        columns.push(Arc::new(values) as ArrayRef);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// The files of a directory and of those in it, by name. What begins with `_` or `.` is a note of
/// the writer's.
pub(super) fn parts(directory: &Path, name: &str) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    collect(directory, &[], &mut parts)?;
    if parts.is_empty() {
        return Err(Error::Usage(format!("the directory {name} holds no .parquet file")));
    }
    Ok(parts)
}

fn collect(
    directory: &Path,
    partitions: &[(String, Option<String>)],
    parts: &mut Vec<Part>,
) -> Result<(), Error> {
    let failed = |error| Error::read(&directory.display().to_string(), error);
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    let entries = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<Result<Vec<PathBuf>, _>>().map_err(failed)?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(['_', '.']) {
            continue;
        }
        if path.is_dir() {
            let mut inner = partitions.to_vec();
            if let Some((column, value)) = name.split_once('=') {
                let value = (value != NO_VALUE).then(|| unescaped(value));
                inner.push((column.to_owned(), value));
            }
            collect(&path, &inner, parts)?;
        } else if name.ends_with(".parquet") || name.ends_with(".pq") {
            let name = path.display().to_string();
            let bytes = PartBytes::Path(path);
            parts.push(Part { bytes, name, partitions: partitions.to_vec() });
        }
    }
    Ok(())
}

/// A directory's value with its `%XX` as the characters that they stand for.
fn unescaped(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits =
            tail.get(..2).filter(|_| *first == b'%').and_then(|two| str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Opens the files of a table and lets `choose` pick the columns. `name` is for messages about all.
pub(super) fn open(
    parts: Vec<Part>,
    name: String,
    choose: Choose<'_>,
) -> Result<TypedBlocks, Error> {
    let mut first: Option<(String, Schema)> = None;
    let mut shapes = Vec::new();
    for part in &parts {
        let builder = part.builder()?;
        let schema = with_partition_fields(builder.schema(), part)?;
        match &first {
            None => {
                let fields = builder.parquet_schema().root_schema().get_fields();
                let is_uuid = |place: usize| {
                    let of = fields
                        .get(place)
                        .and_then(|field| field.get_basic_info().logical_type_ref());
                    of == Some(&LogicalType::Uuid)
                };
                let shape = |place| if is_uuid(place) { Shape::Uuid } else { Shape::Plain };
                shapes = (0..schema.fields().len()).map(shape).collect();
                first = Some((part.name.clone(), schema));
            }
            Some(first) => same_columns(first, (&part.name, &schema))?,
        }
    }
    let schema = first.map_or_else(Schema::empty, |(_, schema)| schema);
    let open: Vec<usize> =
        unclear(&schema).into_iter().filter(|place| shapes[*place] == Shape::Plain).collect();
    if !open.is_empty() {
        find_texts(each_part(again(&parts)?, Some(open.clone())), &open, &mut shapes)?;
    }
    let shaping = Shaping::new(&schema, shapes);
    TypedBlocks::open(shaping, name, choose, |kept| {
        Ok((Box::new(each_part(parts, kept.map(<[usize]>::to_vec))), false))
    })
}

/// The batches of one file after the other; a file is open only while it is read.
fn each_part(
    parts: Vec<Part>,
    kept: Option<Vec<usize>>,
) -> impl Iterator<Item = Result<RecordBatch, Error>> + Send {
    parts.into_iter().flat_map(move |part| match part.batches(kept.as_deref()) {
        Ok(batches) => batches,
        Err(error) => Box::new(std::iter::once(Err(error))),
    })
}

/// The same files once more.
fn again(parts: &[Part]) -> Result<Vec<Part>, Error> {
    let same = |part: &Part| {
        let bytes = match &part.bytes {
            PartBytes::Path(path) => PartBytes::Path(path.clone()),
            PartBytes::Open(file) => {
                let again = file.try_clone().map_err(|error| Error::read(&part.name, error))?;
                PartBytes::Open(again)
            }
        };
        Ok(Part { bytes, name: part.name.clone(), partitions: part.partitions.clone() })
    };
    parts.iter().map(same).collect()
}

fn with_partition_fields(schema: &Schema, part: &Part) -> Result<Schema, Error> {
    let mut fields = schema.fields().to_vec();
    for (name, _) in &part.partitions {
        if schema.index_of(name).is_ok() {
            let what = "is a column of the file and a directory's name; rename the directory";
            return Err(Error::Usage(format!("{}: {name} {what}", part.name)));
        }
        fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
    }
    Ok(Schema::new(fields))
}

/// An error that names file and column where a file of a table has other columns than its first.
fn same_columns(first: &(String, Schema), other: (&String, &Schema)) -> Result<(), Error> {
    let shape = |schema: &Schema| -> Vec<String> {
        let fields = schema.fields().iter();
        fields.map(|field| format!("{} ({})", field.name(), field.data_type())).collect()
    };
    let (expected, found) = (shape(&first.1), shape(other.1));
    let none = || "none".to_owned();
    match (0..expected.len().max(found.len())).find(|at| expected.get(*at) != found.get(*at)) {
        None => Ok(()),
        Some(at) => Err(Error::Usage(format!(
            "{} has other columns than {}: column {} is {}, not {}; score them apart",
            other.0,
            first.0,
            at + 1,
            found.get(at).cloned().unwrap_or_else(none),
            expected.get(at).cloned().unwrap_or_else(none)
        ))),
    }
}
