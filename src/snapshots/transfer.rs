//! Snapshots as a file: out of a database, into another one, or only looked at.
//!
//! JSON Lines, so that it can be read by people and anything else: a line for the stream, a line
//! for each partition, a line for each customer with the state's bytes in base64. The bytes carry
//! their own version and checksum.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::database::{Holder, SavedCustomer, SnapshotStore, StoreError, StoredCustomer, Stream};
use crate::state::snapshot::{SnapshotError, decode};

/// Customers that are read or written at once.
const PAGE: u32 = 500;

/// Ids that are counted at once.
const PAGE_OF_IDS: u32 = 16_384;

/// Customers that [`verify`] names.
const NAMED: usize = 20;

/// What this format is called in its first line.
const FORMAT: &str = "synfinance-snapshots-1";

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
        /// As in [`Claim`](crate::database::Claim).
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
    /// Told to end.
    #[error("interrupted; it can be run again, what has been done is not undone")]
    Interrupted,
}

/// What was moved.
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
        moved.partitions += 1;
        moved.customers += each(store, partition, stop, &mut |customer| {
            let StoredCustomer { customer_id, applied_offset, state, erased_at_ms } = customer;
            let state = STANDARD.encode(state);
            let line = Line::Customer { customer_id, applied_offset, erased_at_ms, state };
            Ok(write_line(out, &line)?)
        })?;
    }
    out.flush()?;
    Ok(moved)
}

/// Stores what [`export`] wrote. A customer who is stored with a later offset stays as stored. The
/// partitions are claimed as `owner`: whoever has them reads them again.
///
/// # Errors
/// [`TransferError`]: what stands before the line in question is stored.
pub fn import(
    store: &mut dyn SnapshotStore,
    stream: &Stream,
    owner: &str,
    file: &mut dyn BufRead,
    stop: &AtomicBool,
) -> Result<Moved, TransferError> {
    let mut moved = Moved::default();
    let mut open: Option<Open> = None;
    let mut has_begun = false;
    for (place, line) in file.lines().enumerate() {
        let wrong = |why: String| TransferError::Line { number: place + 1, why };
        let line: Line = serde_json::from_str(&line?).map_err(|error| wrong(error.to_string()))?;
        match line {
            Line::Snapshots { format, group_id, topic } => {
                if format != FORMAT {
                    return Err(wrong(format!("its format is {format:?}, not {FORMAT:?}")));
                }
                if (&group_id, &topic) != (&stream.group_id, &stream.topic) {
                    return Err(wrong(format!(
                        "it has group {group_id:?} and topic {topic:?}, the configuration {:?} and \
                         {:?}: offsets of one mean nothing in the other",
                        stream.group_id, stream.topic
                    )));
                }
                has_begun = true;
            }
            _ if !has_begun => return Err(wrong("the line of the stream is missing".to_owned())),
            Line::Partition { partition, saved_offset } => {
                close(store, open.take())?;
                let holder = store.claim(partition, owner)?.holder;
                open = Some(Open { holder, saved_offset, waiting: Vec::new() });
                moved.partitions += 1;
            }
            Line::Customer { customer_id, applied_offset, erased_at_ms, state } => {
                let state = STANDARD.decode(state).map_err(|error| wrong(error.to_string()))?;
                decode(&state).map_err(|error| wrong(format!("{customer_id}: {error}")))?;
                let Some(open) = &mut open else {
                    return Err(wrong("no line of a partition stands before it".to_owned()));
                };
                if erased_at_ms.is_some() {
                    store.erase(open.holder, &[&customer_id], applied_offset, &state)?;
                } else {
                    let customer =
                        StoredCustomer { customer_id, applied_offset, state, erased_at_ms };
                    open.waiting.push(customer);
                }
                moved.customers += 1;
                if open.waiting.len() == PAGE as usize {
                    open.save(store, None)?;
                    if stop.load(Ordering::Relaxed) {
                        return Err(TransferError::Interrupted);
                    }
                }
            }
        }
    }
    close(store, open)?;
    Ok(moved)
}

/// A partition that is being imported.
struct Open {
    holder: Holder,
    saved_offset: Option<i64>,
    waiting: Vec<StoredCustomer>,
}

impl Open {
    fn save(
        &mut self,
        store: &mut dyn SnapshotStore,
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError> {
        let customers: Vec<SavedCustomer<'_>> = self
            .waiting
            .iter()
            .map(|stored| SavedCustomer {
                customer_id: &stored.customer_id,
                applied_offset: stored.applied_offset,
                state: &stored.state,
            })
            .collect();
        store.save(self.holder, &customers, saved_offset)?;
        self.waiting.clear();
        Ok(())
    }
}

/// The saved offset comes with the last customers, as when a worker saves.
fn close(store: &mut dyn SnapshotStore, open: Option<Open>) -> Result<(), StoreError> {
    let Some(mut open) = open else { return Ok(()) };
    let saved_offset = open.saved_offset;
    open.save(store, saved_offset)?;
    store.release(open.holder)
}

/// What is stored, looked at.
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
        each(store, progress.partition, stop, &mut |customer| {
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

/// Hands out every customer of a partition; how many.
fn each(
    store: &mut dyn SnapshotStore,
    partition: i32,
    stop: &AtomicBool,
    take: &mut dyn FnMut(StoredCustomer) -> Result<(), TransferError>,
) -> Result<u64, TransferError> {
    let (mut after, mut count) = (String::new(), 0);
    loop {
        let page = store.page(partition, &after, PAGE)?;
        let Some(last) = page.last() else { return Ok(count) };
        after.clone_from(&last.customer_id);
        for customer in page {
            count += 1;
            take(customer)?;
        }
        if stop.load(Ordering::Relaxed) {
            return Err(TransferError::Interrupted);
        }
    }
}

fn write_line(out: &mut dyn Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
