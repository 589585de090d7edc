//! Exports a database to a file.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::line::{FORMAT, Line, write_line};
use super::{Moved, TransferError, each};
use crate::edges::database::{SnapshotStore, StoredCustomer, Stream};

/// Writes everything stored of a stream. Looks at `stop` before each customer.
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
