//! Imports a file into a database.

use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::line::{FORMAT, Line};
use super::{Moved, PAGE, TransferError};
use crate::core::state::snapshot::decode;
use crate::edges::database::{Holder, SnapshotStore, StoreError, StoredCustomer, Stream};

/// Stores what [`export`](super::export()) wrote. A customer stored with a later offset stays.
/// Partitions are claimed as `owner`, so their owners read them again. A saved offset is stored
/// once the file has shown all customers of its partition.
///
/// # Errors
/// [`TransferError`]; customers before the line in question may be stored. Importing a whole file
/// later repairs that.
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

/// Why a line is refused.
enum Fault {
    Store(StoreError),
    Line(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// An import under way. It holds the claim of one partition at a time.
struct Import<'a> {
    store: &'a mut dyn SnapshotStore,
    stream: &'a Stream,
    owner: &'a str,
    moved: Moved,
    place: Place,
}

/// The position in the file.
enum Place {
    /// Before its first line.
    Start,
    /// Before a partition or the last line.
    Between,
    /// Among a partition's customers.
    Within(Open),
    /// After the last line.
    Behind,
}

/// A partition under import, with customers not stored yet.
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
                // A customer both stored and handed over comes twice, which one statement does not
                // take.
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

    /// Ends a partition. The saved offset comes with the last customers, as when a worker saves.
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
