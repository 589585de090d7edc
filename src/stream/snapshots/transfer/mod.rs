//! Snapshots as a file: exports, imports and verifies them.
//!
//! The file is JSON Lines: a line for the stream, each partition, and each customer with the
//! state's bytes in base64, which carry their own version and checksum. A last line ends each
//! partition and the file: without it a truncated file would look whole, and its import would
//! promise customers as stored who are not.

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

/// Customers read or written at once.
const PAGE: u32 = 500;

/// Why an export, import or verification failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be read or written.
    #[error("the file of snapshots cannot be read or written")]
    File(#[from] std::io::Error),
    /// A line is not what an export writes.
    #[error("line {number} of the file is no exported snapshot: {why}")]
    Line {
        /// From 1.
        number: usize,
        /// What is wrong.
        why: String,
    },
    /// The file is empty; even an export of nothing has lines.
    #[error("the file is empty")]
    Empty,
    /// The file's last line is missing.
    #[error(
        "the file ends after line {lines} without its last line: it was cut off, or not exported to \
         its end; export it again"
    )]
    CutOff {
        /// Lines in the file.
        lines: usize,
    },
    /// The caller asked to end.
    #[error("interrupted; it can be run again, what has been done is not undone")]
    Interrupted,
}

/// What was moved. A customer both stored and handed over counts twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Partitions.
    pub partitions: usize,
    /// Customers.
    pub customers: u64,
}

/// Gives `take` every stored customer of a partition, then every one handed over, even if stored as
/// well. Returns how many.
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
