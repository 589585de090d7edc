//! Orders that take more than one call.

use std::collections::BTreeMap;

use super::{Answer, Returned};
use crate::base::clock::Stopwatch;
use crate::edges::database::{Progress, SnapshotStore, StoreError, each_handed_over};
use crate::stream::snapshots::Batch;

/// Whether all batches of a save up to this one went through one connection. A server that restarts
/// forgets rows that are not on disk yet: no saved offset may cover those.
pub(super) fn is_whole(begun: &mut BTreeMap<i32, u64>, batch: &Batch, session: u64) -> bool {
    if batch.is_first {
        begun.insert(batch.holder.partition, session);
    }
    begun.get(&batch.holder.partition) == Some(&session)
}

/// Hands a batch over, if the save or handover it belongs to `is_whole`; otherwise `Torn`.
pub(super) fn hand_over(
    store: &mut dyn SnapshotStore,
    batch: &Batch,
    is_whole: bool,
) -> Result<Answer, StoreError> {
    let Batch { holder, saved_offset, chunk, .. } = *batch;
    if !is_whole {
        return Ok(Answer::Torn { holder, is_handover: true });
    }
    store.hand_over(holder, chunk.unwrap_or(0), &batch.customers(), saved_offset)?;
    Ok(Answer::HandedOver { holder, is_last: saved_offset.is_some() })
}

/// Claims a partition and reads what was handed over.
pub(super) fn claim(
    store: &mut dyn SnapshotStore,
    partition: i32,
    owner: &str,
) -> Result<Answer, StoreError> {
    let mut claim = store.claim(partition, owner)?;
    let mut customers = Vec::new();
    if claim.handed_over.is_some() {
        each_handed_over(store, (partition, claim.handed_over), &mut |row| {
            customers.push(Returned::from(row));
            Ok::<_, StoreError>(())
        })?;
        // A later claim may have dropped some of it; that loss of the claim is noticed soon.
        let is_ours = |progress: &Progress| {
            (progress.partition, progress.epoch) == (partition, claim.holder.epoch)
        };
        if !store.progress()?.iter().any(is_ours) {
            (claim.handed_over, customers) = (None, Vec::new());
        }
    }
    Ok(Answer::Claimed(claim, customers))
}

/// Stores a batch, with its saved offset only if the save `is_whole`; otherwise `Torn` at its end.
pub(super) fn save(
    store: &mut dyn SnapshotStore,
    batch: &Batch,
    is_whole: bool,
    since: &Stopwatch,
) -> Result<Answer, StoreError> {
    let customers = batch.customers();
    let saved_offset = batch.saved_offset.filter(|_| is_whole);
    store.save(batch.holder, &customers, saved_offset)?;
    if saved_offset != batch.saved_offset {
        return Ok(Answer::Torn { holder: batch.holder, is_handover: false });
    }
    Ok(Answer::Saved {
        holder: batch.holder,
        customers: customers.len(),
        saved_offset,
        duration: since.elapsed(),
    })
}
