//! What `score` and `features` share: files in and out, rejected rows, the summary.

use std::path::{Path, PathBuf};

use clap::Args;

use super::interrupt::Interrupt;
use super::output::{self, count};
use super::progress::Progress;
use crate::base::clock;
use crate::files::{ColumnMap, Error, Format, Job, Source, Summary, Target};

/// The option that names the output's format if its extension does not.
const OUTPUT_FORMAT: &str = "--output-format";

/// Arguments of every command that turns a file into another.
#[derive(Debug, Args)]
pub(super) struct FileArguments {
    /// Names of the file's columns where they differ: field=COLUMN, separated by commas
    #[arg(long, value_name = "field=COLUMN,...", default_value = "", hide_default_value = true)]
    columns: String,

    /// csv, jsonl, parquet or avro; default: by the input's extension
    #[arg(long)]
    format: Option<Format>,

    /// The same for the output; default: by its extension
    #[arg(long, value_name = "FORMAT")]
    output_format: Option<Format>,

    /// File for rows that cannot be used, with their reasons
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,

    /// Engines that work side by side; the results do not depend on it [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    jobs: Option<u16>,

    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

/// The source and targets of a run, with what was configured for them.
pub(super) struct Files {
    source: Source,
    target: Target,
    rejected: Option<Target>,
    columns: ColumnMap,
    stdout_is_taken: bool,
}

impl FileArguments {
    /// Determines formats and column names, before anything is opened.
    pub(super) fn settle(&self, input: &Path, output: &Path) -> anyhow::Result<Files> {
        let stdout_is_taken = output == Path::new("-");
        let fallback = if stdout_is_taken { self.format } else { None };
        let source = Source::from_argument(input, self.format)?;
        let target = Target::from_option(output, self.output_format.or(fallback), OUTPUT_FORMAT)?;
        let rejected = self.rejected.as_deref().map(|path| self.rejected_target(path));
        let rejected = rejected.transpose()?;
        source.spare(&target, "results")?;
        if let Some(rejected) = &rejected {
            source.spare(rejected, "rejected rows")?;
        }
        Ok(Files {
            source,
            target,
            rejected,
            columns: ColumnMap::parse(&self.columns)?,
            stdout_is_taken,
        })
    }

    /// The target of rejected rows. `--output-format` is meant for the results: rejected rows take
    /// it only if the extension of their own file says nothing.
    fn rejected_target(&self, path: &Path) -> Result<Target, Error> {
        let own = Target::from_argument(path, None);
        own.or_else(|_| Target::from_option(path, self.output_format, OUTPUT_FORMAT))
    }

    /// Runs `work` over the files and prints its summary; `what` says what became of a good row.
    pub(super) fn run(
        &self,
        files: Files,
        what: &str,
        work: impl FnOnce(Source, Job<'_>) -> Result<Summary, Error>,
    ) -> anyhow::Result<()> {
        let interrupt = Interrupt::listen()?;
        let progress = Progress::start("rows", None);
        let job = Job {
            output: &files.target,
            rejected: files.rejected.as_ref(),
            columns: &files.columns,
            shards: self.shards(),
            now: clock::now_millis(),
            clock: &|| progress.elapsed(),
            progress: &|rows| progress.set(rows),
            stop: interrupt.flag(),
        };
        let summary = work(files.source, job);
        progress.finish();
        let summary = summary?;
        let text = text(&summary, what, &files.target.name());
        output::summary(&text, &summary.json(), self.json, files.stdout_is_taken)
    }

    /// Whether the user wants the summary as JSON.
    pub(super) fn wants_json(&self) -> bool {
        self.json
    }

    fn shards(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.map_or_else(cores, usize::from)
    }
}

/// The summary for people.
fn text(summary: &Summary, what: &str, target: &str) -> String {
    let mut text = format!(
        "{} rows: {} {what}, {} rejected; written to {target} in {:.1} s ({} rows/s)",
        count(summary.rows),
        count(summary.scored),
        count(summary.rejected),
        summary.elapsed.as_secs_f64(),
        count(summary.rows_per_second().round() as u64),
    );
    if what == "scored" {
        text.push_str(&format!("\n{} alerts", count(summary.alerts)));
    }
    for (reason, rows) in &summary.rejected_by_reason {
        text.push_str(&format!("\nrejected as {reason}: {}", count(*rows)));
    }
    for example in &summary.examples {
        text.push_str(&format!("\n  row {}: {}", example.row, example.message));
    }
    for (old, new) in &summary.renamed {
        text.push_str(&format!("\nthe input's column {old} is now {new}"));
    }
    for note in &summary.notes {
        text.push_str(&format!("\n{note}"));
    }
    text
}
