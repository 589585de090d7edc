//! `snapshots`: lists, moves and verifies what is stored of customers.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::UsageError;
use super::interrupt::Interrupt;
use super::output::{self, count};
use crate::base::clock::rfc3339;
use crate::base::config::Settings;
use crate::edges::database::{Location, Progress, SnapshotStore, Stream};
use crate::service::snapshot_stream;
use crate::stream::snapshots::transfer::{self, Moved, export, import, verify};

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// List partitions, how far each is saved, and who has it
    #[command(after_help = "Examples:\n  \
        synfinance --config site.yaml snapshots list\n  \
        synfinance snapshots list --json")]
    List(Shown),
    /// Write all snapshots to a file
    #[command(after_help = "Examples:\n  \
        synfinance --config site.yaml snapshots export snapshots.jsonl\n  \
        synfinance --config site.yaml snapshots export - | zstd > snapshots.jsonl.zst\n\n\
        The file is there when it is complete; an older one of its name stays until then. The \
        service may run meanwhile: each customer is written as of a moment of its own, and says \
        so. The file has personal data in it.")]
    Export(Export),
    /// Store the snapshots of a file
    #[command(after_help = "Example:\n  \
        synfinance --config new-database.yaml snapshots import snapshots.jsonl\n\n\
        For another database, of the same group and topic. A customer who is stored with a later \
        offset stays. A file that was cut off is refused; importing the whole one makes up for it. \
        Stop the service first: one that runs loses its claims and reads its \
        partitions again.")]
    Import(Import),
    /// Read every snapshot and say which cannot be read
    #[command(after_help = "Examples:\n  \
        synfinance --config site.yaml snapshots verify\n  \
        synfinance snapshots verify --json\n\n\
        Exit code: 0 all can be read, 1 some cannot. The service remembers those from the topic.")]
    Verify(Shown),
}

/// Arguments of what only shows something.
#[derive(Debug, Args)]
pub(super) struct Shown {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `snapshots export`.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file, JSON Lines; - is stdout
    file: PathBuf,

    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `snapshots import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file, JSON Lines
    file: PathBuf,

    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<()> {
    let interrupt = Interrupt::listen()?;
    let stop = interrupt.flag();
    let (mut store, stream, location) = open(settings)?;
    let store = &mut *store;
    match arguments {
        Arguments::List(arguments) => {
            let mut partitions = Vec::new();
            for row in store.progress()? {
                let customers = transfer::count(store, row.partition, stop)?;
                partitions.push((row, customers));
            }
            list(&partitions, &stream, &location, arguments.json)
        }
        Arguments::Export(arguments) => {
            let name = arguments.file.display();
            let moved =
                write_whole(&arguments.file, &mut |out| Ok(export(store, &stream, out, stop)?))
                    .with_context(|| format!("{name} is not written"))?;
            summary(moved, "exported", arguments.json, is_stdout(&arguments.file))
        }
        Arguments::Import(arguments) => {
            let name = arguments.file.display();
            let file =
                File::open(&arguments.file).with_context(|| format!("cannot read {name}"))?;
            let owner = format!("import of {name}");
            let moved = import(store, &stream, &owner, &mut BufReader::new(file), stop)
                .with_context(|| format!("{name} is not imported to its end"))?;
            summary(moved, "imported", arguments.json, false)
        }
        Arguments::Verify(arguments) => {
            let found = verify(store, stop)?;
            let unreadable = found.newer + found.damaged;
            let mut text = format!(
                "{} customers, {} bytes, {} cannot be read",
                count(found.customers),
                count(found.bytes),
                count(unreadable)
            );
            for (partition, customer_id, why) in &found.unreadable {
                text.push_str(&format!("\npartition {partition}, customer {customer_id}: {why}"));
            }
            output::summary(&text, &found, arguments.json, false)?;
            if unreadable > 0 {
                bail!("{unreadable} of {} snapshots cannot be read", found.customers);
            }
            Ok(())
        }
    }
}

/// Opens the configured database for the configured stream.
pub(super) fn open(
    settings: &Settings,
) -> anyhow::Result<(Box<dyn SnapshotStore>, Stream, Location)> {
    let location = location(settings)?;
    if let Location::Sqlite(file) = &location
        && !file.exists()
    {
        bail!(
            "there is no {}: state.database_url names a file that no service has made",
            file.display()
        );
    }
    let stream = snapshot_stream(&settings.stream);
    let store = location.open(&stream).context("the snapshot database cannot be opened")?;
    Ok((store, stream, location))
}

/// The database where customers are saved.
pub(super) fn location(settings: &Settings) -> Result<Location, UsageError> {
    let what = "state.database_url is none of postgres://user:password@host:5432/database and \
                sqlite:FILE";
    Location::parse(settings.state.database_url.expose()).ok_or_else(|| UsageError(what.to_owned()))
}

/// Prints the partitions, each with the number of its customers.
fn list(
    partitions: &[(Progress, u64)],
    stream: &Stream,
    location: &Location,
    wants_json: bool,
) -> anyhow::Result<()> {
    let rows: Vec<_> = partitions
        .iter()
        .map(|(row, customers)| {
            json!({
                "partition": row.partition,
                "customers": customers,
                "saved_offset": row.saved_offset,
                "handed_over_offset": row.handed_over,
                "saved_at": row.saved_at_ms.map(rfc3339),
                "owner": row.owner,
                "epoch": row.epoch,
                "incomplete_at": row.incomplete_at_ms.map(rfc3339),
            })
        })
        .collect();
    let json = json!({
        "database": location.name(),
        "group_id": stream.group_id,
        "topic": stream.topic,
        "partitions": rows,
    });
    let mut text = format!(
        "{}, group {}, topic {}: {} partitions\n{:>9}  {:>12}  {:>14}  {:24}  owner",
        location.name(),
        stream.group_id,
        stream.topic,
        partitions.len(),
        "partition",
        "customers",
        "saved offset",
        "saved at"
    );
    for (row, customers) in partitions {
        let saved = row.saved_offset.map_or("-".to_owned(), |offset| offset.to_string());
        let at = row.saved_at_ms.map_or("-".to_owned(), rfc3339);
        let owner = row.owner.as_deref().unwrap_or("-");
        let customers = count(*customers);
        let partition = row.partition;
        text.push_str(&format!("\n{partition:>9}  {customers:>12}  {saved:>14}  {at:24}  {owner}"));
        if let Some(offset) = row.handed_over {
            text.push_str(&format!(
                "\n{:>9}  up to offset {offset}: handed over, not saved yet",
                ""
            ));
        }
        if let Some(at) = row.incomplete_at_ms {
            let note = "records had left the topic before they were saved";
            text.push_str(&format!("\n{:>9}  incomplete before {}: {note}", "", rfc3339(at)));
        }
    }
    output::summary(&text, &json, wants_json, false)
}

fn summary(moved: Moved, what: &str, wants_json: bool, is_taken: bool) -> anyhow::Result<()> {
    let text =
        format!("{what}: {} customers of {} partitions", count(moved.customers), moved.partitions);
    output::summary(&text, &moved, wants_json, is_taken)
}

fn is_stdout(file: &Path) -> bool {
    file == Path::new("-")
}

/// Writes a file that appears under its name only when complete, and not at all if writing fails.
/// What is not a regular file, such as a pipe, is written directly.
fn write_whole<T>(
    file: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if is_stdout(file) {
        return write(&mut BufWriter::new(std::io::stdout().lock()));
    }
    if file.metadata().is_ok_and(|found| !found.is_file()) {
        return write(&mut BufWriter::new(File::create(file)?));
    }
    // If the path is a link, replace the file that it leads to, not the link.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".part-");
    let mut part = tempfile::Builder::new().prefix(&name).tempfile_in(directory)?;
    let mut out = BufWriter::new(part.as_file_mut());
    let written = write(&mut out)?;
    out.flush()?;
    drop(out);
    part.as_file().sync_all()?;
    part.persist(&file)?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_there_when_it_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.jsonl");
        for text in ["old", "new"] {
            write_whole(&file, &mut |out| Ok(out.write_all(text.as_bytes())?)).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
        let failed = write_whole(&file, &mut |out| {
            out.write_all(b"half")?;
            assert_eq!(names(directory.path()).len(), 2, "it is written beside the old one");
            Err::<(), _>(anyhow::anyhow!("interrupted"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "interrupted");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(names(directory.path()), ["a.jsonl"]);
    }
}
