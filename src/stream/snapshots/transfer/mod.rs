//! Snapshots as a file: out of a database, into another one, or only looked at.
//!
//! JSON Lines, so that it can be read by people and anything else: a line for the stream, a line
//! for each partition, a line for each customer with the state's bytes in base64. The bytes carry
//! their own version and checksum. Each partition ends with a line, and so does the file: what was
//! cut off anywhere cannot be told from what is whole without them, and importing it would promise
//! that customers are stored who are not.

mod export;
mod import;
mod line;
mod verify;

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::edges::database::{Progress, SnapshotStore, StoreError, StoredCustomer, each_customer};

pub use export::export;
pub use import::import;
pub use verify::{Verified, count, verify};

/// Customers that are read or written at once.
const PAGE: u32 = 500;

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

#[cfg(test)]
mod tests;
