//! What is stored, read and counted where it is.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::{TransferError, each};
use crate::core::state::snapshot::{SnapshotError, decode};
use crate::edges::database::SnapshotStore;

/// Ids that are counted at once.
const PAGE_OF_IDS: u32 = 16_384;

/// Customers that [`verify`] names.
const NAMED: usize = 20;

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
