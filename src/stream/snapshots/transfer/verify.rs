//! Reads and counts stored customers in the database.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::{TransferError, each};
use crate::core::state::snapshot::{SnapshotError, decode};
use crate::edges::database::SnapshotStore;

/// Ids counted at once.
const PAGE_OF_IDS: u32 = 16_384;

/// Most customers that [`verify`] names.
const NAMED: usize = 20;

/// What [`verify`] found. A customer both stored and handed over counts twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Customers.
    pub customers: u64,
    /// Bytes of their states.
    pub bytes: u64,
    /// Customers whose states a newer release wrote.
    pub newer: u64,
    /// Customers whose states are damaged.
    pub damaged: u64,
    /// The first 20 that cannot be read: partition, customer id, why.
    pub unreadable: Vec<(i32, String, String)>,
}

/// Reads every stored state of a stream.
///
/// # Errors
/// [`TransferError::Store`], or `Interrupted` if `stop` was set.
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

/// Counts the stored customers of a partition, in pages of ids: one counting statement for many
/// would exceed its time limit.
///
/// # Errors
/// [`TransferError::Store`], or `Interrupted` if `stop` was set.
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
