//! Snapshots as a file: out of a database, into another one, or only looked at.
//!
//! JSON Lines, so that it can be read by people and anything else: a line for the stream, a line
//! for each partition, a line for each customer with the state's bytes in base64. The bytes carry
//! their own version and checksum. Each partition ends with a line, and so does the file: what was
//! cut off anywhere cannot be told from what is whole without them, and importing it would promise
//! that customers are stored who are not.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::core::state::snapshot::{SnapshotError, decode};
use crate::edges::database::{
    Holder, Progress, SnapshotStore, StoreError, StoredCustomer, Stream, each_customer,
};

/// Customers that are read or written at once.
const PAGE: u32 = 500;

/// Ids that are counted at once.
const PAGE_OF_IDS: u32 = 16_384;

/// Customers that [`verify`] names.
const NAMED: usize = 20;

/// What this format is called in its first line.
const FORMAT: &str = "synfinance-snapshots-2";

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line {
    /// The first one.
    Snapshots {
        /// [`FORMAT`].
        format: String,
        /// Whose offsets these are.
        group_id: String,
        /// Of which topic.
        topic: String,
    },
    /// Before its customers.
    Partition {
        /// Its number.
        partition: i32,
        /// As in [`Claim`](crate::edges::database::Claim).
        saved_offset: Option<i64>,
    },
    /// Of the partition that was named last.
    Customer {
        /// As in the transactions.
        customer_id: String,
        /// Records before this offset are in the state.
        applied_offset: i64,
        /// When what was known before was erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        erased_at_ms: Option<i64>,
        /// Base64 of the state's bytes.
        state: String,
    },
    /// After its customers.
    PartitionEnd {
        /// Its number.
        partition: i32,
        /// How many there are.
        customers: u64,
    },
    /// The last one.
    End {
        /// How many there are.
        partitions: usize,
        /// How many there are in all of them.
        customers: u64,
    },
}

/// Why a file and a database could not be brought together.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file.
    #[error("the file of snapshots cannot be read or written")]
    File(#[from] std::io::Error),
    /// A line is not what was exported.
    #[error("line {number} of the file is no exported snapshot: {why}")]
    Line {
        /// From 1.
        number: usize,
        /// What is wrong.
        why: String,
    },
    /// There is nothing in it, not even that nothing is stored.
    #[error("the file is empty")]
    Empty,
    /// Its end is missing.
    #[error(
        "the file ends after line {lines} without its last line: it was cut off, or not exported to \
         its end; export it again"
    )]
    CutOff {
        /// How many lines it has.
        lines: usize,
    },
    /// Told to end.
    #[error("interrupted; it can be run again, what has been done is not undone")]
    Interrupted,
}

/// What was moved. Who is stored and handed over counts twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Partitions.
    pub partitions: usize,
    /// Customers.
    pub customers: u64,
}

/// Writes everything that is stored of a stream. `stop` is looked at between pages.
///
/// # Errors
/// [`TransferError`].
pub fn export(
    store: &mut dyn SnapshotStore,
    stream: &Stream,
    out: &mut dyn Write,
    stop: &AtomicBool,
) -> Result<Moved, TransferError> {
    let Stream { group_id, topic } = stream.clone();
    write_line(out, &Line::Snapshots { format: FORMAT.to_owned(), group_id, topic })?;
    let mut moved = Moved::default();
    for progress in store.progress()? {
        let (partition, saved_offset) = (progress.partition, progress.saved_offset);
        write_line(out, &Line::Partition { partition, saved_offset })?;
        let customers = each(store, &progress, stop, &mut |customer| {
            let StoredCustomer { customer_id, applied_offset, state, erased_at_ms } = customer;
            let state = STANDARD.encode(state);
            let line = Line::Customer { customer_id, applied_offset, erased_at_ms, state };
            Ok(write_line(out, &line)?)
        })?;
        write_line(out, &Line::PartitionEnd { partition, customers })?;
        moved.partitions += 1;
        moved.customers += customers;
    }
    let Moved { partitions, customers } = moved;
    write_line(out, &Line::End { partitions, customers })?;
    out.flush()?;
    Ok(moved)
}

/// Stores what [`export`] wrote. A customer who is stored with a later offset stays as stored. The
/// partitions are claimed as `owner`: whoever has them reads them again. How far a partition is
/// saved is stored when the file has shown that all of its customers are.
///
/// # Errors
/// [`TransferError`]: customers that stand before the line in question may be stored. Importing a
/// whole file later makes up for it.
pub fn import(
    store: &mut dyn SnapshotStore,
    stream: &Stream,
    owner: &str,
    file: &mut dyn BufRead,
    stop: &AtomicBool,
) -> Result<Moved, TransferError> {
    let mut import = Import { store, stream, owner, moved: Moved::default(), place: Place::Start };
    let mut lines = 0;
    for line in file.lines() {
        lines += 1;
        let line = serde_json::from_str(&line?).map_err(|error| Fault::Line(error.to_string()));
        line.and_then(|line| import.take(line)).map_err(|fault| match fault {
            Fault::Store(error) => TransferError::Store(error),
            Fault::Line(why) => TransferError::Line { number: lines, why },
        })?;
        if stop.load(Ordering::Relaxed) {
            return Err(TransferError::Interrupted);
        }
    }
    match import.place {
        Place::Behind => Ok(import.moved),
        _ if lines == 0 => Err(TransferError::Empty),
        _ => Err(TransferError::CutOff { lines }),
    }
}

/// Why a line is not taken.
enum Fault {
    Store(StoreError),
    Line(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A file that is being read.
struct Import<'a> {
    store: &'a mut dyn SnapshotStore,
    stream: &'a Stream,
    owner: &'a str,
    moved: Moved,
    place: Place,
}

/// Where in the file.
enum Place {
    /// Before its first line.
    Start,
    /// Before a partition or the last line.
    Between,
    /// Among a partition's customers.
    Within(Open),
    /// Behind the last line.
    Behind,
}

/// A partition that is being imported.
struct Open {
    holder: Holder,
    saved_offset: Option<i64>,
    customers: u64,
    waiting: Vec<StoredCustomer>,
}

impl Import<'_> {
    fn take(&mut self, line: Line) -> Result<(), Fault> {
        self.place = match (std::mem::replace(&mut self.place, Place::Behind), line) {
            (Place::Start, Line::Snapshots { format, group_id, topic }) => {
                self.check(&format, group_id, topic)?;
                Place::Between
            }
            (Place::Start, _) => return wrong("the line of the stream is missing"),
            (Place::Between, Line::Partition { partition, saved_offset }) => {
                let holder = self.store.claim(partition, self.owner)?.holder;
                Place::Within(Open { holder, saved_offset, customers: 0, waiting: Vec::new() })
            }
            (
                Place::Within(mut open),
                Line::Customer { customer_id, applied_offset, erased_at_ms, state },
            ) => {
                let state = STANDARD.decode(state).or_else(|error| wrong(error.to_string()))?;
                decode(&state).or_else(|error| wrong(format!("{customer_id}: {error}")))?;
                let customer = StoredCustomer { customer_id, applied_offset, state, erased_at_ms };
                // Who is stored and handed over comes twice, which one statement does not take.
                if open.waiting.iter().any(|other| other.customer_id == customer.customer_id) {
                    open.save(self.store, None)?;
                }
                open.waiting.push(customer);
                open.customers += 1;
                if open.waiting.len() == PAGE as usize {
                    open.save(self.store, None)?;
                }
                Place::Within(open)
            }
            (Place::Within(open), Line::PartitionEnd { partition, customers }) => {
                self.close(open, partition, customers)?;
                Place::Between
            }
            (Place::Between, Line::End { partitions, customers }) => {
                let (said, moved) = (Moved { partitions, customers }, self.moved);
                if said != moved {
                    return wrong(format!(
                        "{} partitions with {} customers stand before it, it says {partitions} \
                         with {customers}",
                        moved.partitions, moved.customers
                    ));
                }
                Place::Behind
            }
            (Place::Behind, _) => return wrong("it stands behind the file's last line"),
            (Place::Between, _) => return wrong("no line of a partition stands before it"),
            (Place::Within(open), _) => {
                let partition = open.holder.partition;
                return wrong(format!("the end of partition {partition} is missing before it"));
            }
        };
        Ok(())
    }

    fn check(&self, format: &str, group_id: String, topic: String) -> Result<(), Fault> {
        if format != FORMAT {
            return wrong(format!("its format is {format:?}, not {FORMAT:?}"));
        }
        let named = Stream { group_id, topic };
        if named != *self.stream {
            return wrong(format!(
                "it has group {:?} and topic {:?}, the configuration {:?} and {:?}: offsets of one \
                 mean nothing in the other",
                named.group_id, named.topic, self.stream.group_id, self.stream.topic
            ));
        }
        Ok(())
    }

    /// The saved offset comes with the last customers, as when a worker saves.
    fn close(&mut self, mut open: Open, partition: i32, customers: u64) -> Result<(), Fault> {
        let begun = open.holder.partition;
        if (partition, customers) != (begun, open.customers) {
            return wrong(format!(
                "{} customers of partition {begun} stand before it, it says {customers} of \
                 partition {partition}",
                open.customers
            ));
        }
        let saved_offset = open.saved_offset;
        open.save(self.store, saved_offset)?;
        self.store.release(open.holder)?;
        self.moved.partitions += 1;
        self.moved.customers += customers;
        Ok(())
    }
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Line(why.into()))
}

impl Open {
    fn save(
        &mut self,
        store: &mut dyn SnapshotStore,
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError> {
        store.import(self.holder, &self.waiting, saved_offset)?;
        self.waiting.clear();
        Ok(())
    }
}

/// What is stored, looked at. Who is stored and handed over counts twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Customers.
    pub customers: u64,
    /// Bytes of their states.
    pub bytes: u64,
    /// Those that a newer release wrote.
    pub newer: u64,
    /// Those that are not what was written.
    pub damaged: u64,
    /// The first of those that cannot be read: partition, customer, why.
    pub unreadable: Vec<(i32, String, String)>,
}

/// Reads every stored state of a stream.
///
/// # Errors
/// [`TransferError`] of the database, or that it was told to end.
pub fn verify(store: &mut dyn SnapshotStore, stop: &AtomicBool) -> Result<Verified, TransferError> {
    let mut verified = Verified::default();
    for progress in store.progress()? {
        each(store, &progress, stop, &mut |customer| {
            verified.customers += 1;
            verified.bytes += customer.state.len() as u64;
            let Err(error) = decode(&customer.state) else { return Ok(()) };
            match error {
                SnapshotError::Newer { .. } => verified.newer += 1,
                SnapshotError::Damaged { .. } => verified.damaged += 1,
            }
            if verified.unreadable.len() < NAMED {
                let named = (progress.partition, customer.customer_id, error.to_string());
                verified.unreadable.push(named);
            }
            Ok(())
        })?;
    }
    Ok(verified)
}

/// How many customers of a partition are stored. A page of ids at a time, because a statement that
/// counts all of them takes as long as there are many of them, and may not.
///
/// # Errors
/// [`TransferError`] of the database, or that it was told to end.
pub fn count(
    store: &mut dyn SnapshotStore,
    partition: i32,
    stop: &AtomicBool,
) -> Result<u64, TransferError> {
    let (mut after, mut count) = (String::new(), 0);
    loop {
        let mut ids = store.ids(partition, &after, PAGE_OF_IDS)?;
        count += ids.len() as u64;
        match ids.pop() {
            Some(last) if ids.len() + 1 == PAGE_OF_IDS as usize => after = last,
            _ => return Ok(count),
        }
        if stop.load(Ordering::Relaxed) {
            return Err(TransferError::Interrupted);
        }
    }
}

/// Hands out every customer of a partition that is stored, and then those that are handed over,
/// once more if they are stored as well; how many.
fn each(
    store: &mut dyn SnapshotStore,
    progress: &Progress,
    stop: &AtomicBool,
    take: &mut dyn FnMut(StoredCustomer) -> Result<(), TransferError>,
) -> Result<u64, TransferError> {
    let mut count = 0;
    each_customer(store, (progress.partition, progress.handed_over), PAGE, &mut |customer| {
        if stop.load(Ordering::Relaxed) {
            return Err(TransferError::Interrupted);
        }
        count += 1;
        take(customer)
    })?;
    Ok(count)
}

fn write_line(out: &mut dyn Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests;
