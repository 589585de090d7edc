//! What the batch commands have in common: a file in, a file out, rows set aside, a summary.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use super::Summary;
use super::order::note;
use super::shards::Prepared;
use crate::files::block::Blocks;
use crate::files::format::{Source, Target};
use crate::files::read;
use crate::files::rows::{ColumnMap, Fields, Resolved, find, no_such_column};
use crate::files::write::{Rejects, Sink};
use crate::files::{Error, Rejection};

/// One run over a file.
pub struct Job<'a> {
    /// Where results go.
    pub output: &'a Target,
    /// Where rejected rows go; they are counted all the same without it.
    pub rejected: Option<&'a Target>,
    /// Fields that the file calls otherwise.
    pub columns: &'a ColumnMap,
    /// Engines that work side by side, at least one; the results do not depend on it.
    pub shards: usize,
    /// The caller's clock, in milliseconds since the epoch: later times are refused.
    pub now: i64,
    /// Time since any fixed moment, for the summary.
    pub clock: &'a dyn Fn() -> Duration,
    /// Told how many rows are done, about every 8,192 rows.
    pub progress: &'a dyn Fn(u64),
    /// Set by the caller to end the run early without an output.
    pub stop: &'a AtomicBool,
}

/// Which columns to read.
pub(super) enum Wanted<'a> {
    /// All, for results that carry them along.
    All,
    /// Those of the transaction, and the label column if there is one.
    Mapped { label: Option<&'a str> },
}

/// An input whose columns are known.
pub(super) struct Opened {
    pub(super) blocks: Box<dyn Blocks>,
    pub(super) resolved: Resolved,
    /// Place of the label column.
    pub(super) label: Option<usize>,
}

/// Opens the input and finds the columns of the transaction and the label in it.
pub(super) fn open(
    source: Source,
    columns: &ColumnMap,
    wanted: Wanted<'_>,
) -> Result<Opened, Error> {
    let mut found = None;
    let blocks = read::open(source, &mut |schema: &Schema| {
        let resolved = columns.resolve(schema)?;
        Fields::check(schema, &resolved)?;
        let Wanted::Mapped { label } = &wanted else {
            found = Some((resolved, None));
            return Ok(None);
        };
        let label = label.map(|name| label_place(schema, name)).transpose()?;
        let mut kept: Vec<usize> = resolved.places().chain(label).collect();
        kept.sort_unstable();
        kept.dedup();
        let label = label.and_then(|place| kept.binary_search(&place).ok());
        found = Some((resolved.projected(&kept), label));
        Ok(Some(kept))
    })?;
    let (resolved, label) = found.unwrap_or_else(|| (Resolved::nowhere(), None));
    Ok(Opened { blocks, resolved, label })
}

fn label_place(schema: &Schema, name: &str) -> Result<usize, Error> {
    find(schema, name)?.ok_or_else(|| no_such_column(schema, name, "the label"))
}

/// The far end of a run: files, counts, and the caller's wishes.
pub(super) struct Outcome<'a> {
    sink: Sink,
    rejects: Option<Rejects>,
    pub(super) summary: Summary,
    progress: &'a dyn Fn(u64),
    stop: &'a AtomicBool,
    clock: &'a dyn Fn() -> Duration,
}

impl<'a> Outcome<'a> {
    /// Opens the output files of a job.
    pub(super) fn create(job: &Job<'a>, input: &Schema, output: &Schema) -> Result<Self, Error> {
        if job.rejected.is_some_and(|rejected| rejected.path == job.output.path) {
            return Err(Error::Usage(format!(
                "results and rejected rows cannot both go to {}",
                job.output.name()
            )));
        }
        let rejects = job.rejected.map(|target| Rejects::create(target, input)).transpose()?;
        Ok(Self {
            sink: Sink::create(job.output, output)?,
            rejects,
            summary: Summary::default(),
            progress: job.progress,
            stop: job.stop,
            clock: job.clock,
        })
    }

    /// Takes the results of a block in: `batch` holds the scored rows, `rejected` the others.
    pub(super) fn block(
        &mut self,
        prepared: &Prepared,
        batch: &RecordBatch,
        mut rejected: Vec<Rejection>,
    ) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { rows: self.summary.rows });
        }
        rejected.extend(prepared.block.malformed.iter().cloned());
        rejected.sort_by_key(|rejection| rejection.row);
        self.summary.reject(&rejected);
        self.summary.score(batch.num_rows());
        if let Some(rejects) = &mut self.rejects {
            rejects.write(&prepared.block.batch, &rejected)?;
        }
        self.sink.write(batch)?;
        (self.progress)(self.summary.rows);
        Ok(())
    }

    /// Gives the files their names and adds up; `began` is the clock at the beginning of the run.
    pub(super) fn finish(mut self, notes: Vec<String>, began: Duration) -> Result<Summary, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { rows: self.summary.rows });
        }
        self.sink.finish()?;
        if let Some(rejects) = self.rejects {
            rejects.finish()?;
        }
        self.summary.notes.extend(notes);
        self.summary.notes.extend(note(self.summary.out_of_order, self.summary.scored));
        self.summary.elapsed = (self.clock)().saturating_sub(began);
        Ok(self.summary)
    }
}
