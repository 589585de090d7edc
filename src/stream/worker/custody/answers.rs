//! Applies the answers of the keeper that saves.

use std::time::Duration;

use super::Custody;
use crate::core::state::memory::Memory;
use crate::edges::database::Holder;
use crate::stream::snapshots::{Answer, Order};
use crate::stream::worker::Event;

/// Batches of at least this many customers are timed; `PACE_WEIGHT` is the weight of the newest one
/// in the average pace.
const TIMED_BATCH: usize = 64;
const PACE_WEIGHT: f64 = 0.1;

impl Custody {
    /// Counts a stored batch and updates the pace.
    fn count(&mut self, holder: Holder, customers: usize, duration: Duration) {
        if customers >= TIMED_BATCH {
            let pace = customers as f64 / duration.as_secs_f64().max(1e-6);
            let before = self.pace.unwrap_or(pace);
            self.pace = Some(before + PACE_WEIGHT * (pace - before));
        }
        if let Some(part) = self.held(holder) {
            part.count_stored(customers);
        }
    }

    /// The database failed during a save, or during a handover that relies on one, and may have
    /// lost rows.
    fn torn(&mut self, holder: Holder, is_handover: bool, memory: &mut Memory) {
        let partition = holder.partition;
        let Some(part) = self.held(holder) else { return };
        if part.phase.is_handing_over() && !is_handover {
            // This save was dropped for a handover. If the handover relies on it, it fails as well.
            return;
        }
        if part.phase.is_handing_over() {
            // Rows already confirmed as stored cannot be marked changed again, so nothing can be
            // promised.
            tracing::warn!(partition, "the database failed while the partition was handed over");
            return self.drop_parts(&[partition]);
        }
        tracing::warn!(partition, "the database failed during a save, all of it is saved again");
        part.cancel_save(memory);
    }

    /// Applies one answer.
    pub(super) fn take_answer(
        &mut self,
        answer: Answer,
        memory: &mut Memory,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        if let Answer::Saved { holder, customers, duration, .. } = answer {
            self.count(holder, customers, duration);
        }
        match answer {
            Answer::Claimed(claim, handed_over) => {
                let holder = claim.holder;
                match self.part(holder.partition) {
                    Some(part) => part.claimed(claim, handed_over, memory),
                    // The partition left before the answer came.
                    None => drop(self.keeper.order(Order::Release(holder))),
                }
            }
            Answer::Saved { holder, saved_offset: Some(_), .. } => {
                // A save that was dropped for a handover confirms nothing.
                let part = self.held(holder).filter(|part| !part.phase.is_handing_over());
                if let Some(part) = part
                    && let Some(duration) = part.confirm_save(memory)
                {
                    observe(Event::Saved { partition: part.partition, duration });
                }
            }
            Answer::HandedOver { holder, is_last: true } => {
                if let Some(part) = self.held(holder) {
                    part.handed_over();
                }
            }
            Answer::Fenced(holder) => {
                if let Some(part) = self.held(holder) {
                    part.fenced(memory);
                }
            }
            Answer::Torn { holder, is_handover } => self.torn(holder, is_handover, memory),
            Answer::Claims(claims) => {
                self.is_looking = false;
                for part in &mut self.parts {
                    let is_ours = |holder| claims.contains(&holder);
                    if part.holder().is_some_and(|holder| !is_ours(holder)) {
                        part.fenced(memory);
                    }
                }
            }
            Answer::HandedOver { .. }
            | Answer::Marked
            | Answer::Saved { .. }
            | Answer::Loaded { .. }
            | Answer::Page { .. }
            | Answer::Released(_)
            | Answer::Discarded(_)
            | Answer::RowsDeleted(_)
            | Answer::Unclaimed => {}
        }
    }
}
