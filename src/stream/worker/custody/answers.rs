//! What the keeper that saves has answered.

use std::time::Duration;

use super::Custody;
use crate::core::state::memory::Memory;
use crate::edges::database::Holder;
use crate::stream::snapshots::{Answer, Order};
use crate::stream::worker::Event;

/// Customers from which a batch tells how quick saving is, and the weight of the newest one.
const TIMED_BATCH: usize = 64;
const PACE_WEIGHT: f64 = 0.1;

impl Custody {
    /// A batch of a save is stored.
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

    /// The database failed during a save, or while a partition was handed over that relies on one,
    /// and may have forgotten some of it.
    fn torn(&mut self, holder: Holder, is_handover: bool, memory: &mut Memory) {
        let partition = holder.partition;
        let Some(part) = self.held(holder) else { return };
        if part.phase.is_handing_over() && !is_handover {
            // A save that was dropped for handing over. If that relies on it, it fails as well.
            return;
        }
        if part.phase.is_handing_over() {
            // Who counted as stored already is not put back: nothing can be promised any more.
            tracing::warn!(partition, "the database failed while the partition was handed over");
            return self.drop_parts(&[partition]);
        }
        tracing::warn!(partition, "the database failed during a save, all of it is saved again");
        part.cancel_save(memory);
    }

    /// Takes an answer in.
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
                    // It has gone before the answer came.
                    None => drop(self.keeper.order(Order::Release(holder))),
                }
            }
            Answer::Saved { holder, saved_offset: Some(_), .. } => {
                // A save that was dropped for handing over has ended all the same.
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
