//! Saving and handing over one partition, a few customers per turn.

use std::sync::Arc;
use std::time::Duration;

use super::part::Part;
use super::phase::{Course, Phase};
use super::save::{Rows, Save};
use crate::core::state::memory::Memory;
use crate::stream::snapshots::{Keeper, Order, Saving};
use crate::stream::worker::tasks::Tasks;

impl Part {
    /// Ends a save that is stored completely. Returns how long it took; `None` if there was no
    /// save.
    pub(super) fn confirm_save(&mut self, memory: &mut Memory) -> Option<Duration> {
        let Phase::Current { save, .. } = &mut self.phase else { return None };
        let rows = save.end()?;
        memory.customers_mut(self.partition).confirm_save();
        Some(rows.since.elapsed())
    }

    /// Cancels the save: its customers still count as changed.
    pub(super) fn cancel_save(&mut self, memory: &mut Memory) {
        if let Phase::Current { save, .. } = &mut self.phase
            && save.end().is_some()
        {
            memory.customers_mut(self.partition).cancel_save();
        }
    }

    /// Counts `customers` more of the save as stored.
    pub(super) fn count_stored(&mut self, customers: usize) {
        if let Phase::Current { save, .. } = &mut self.phase {
            save.count(customers);
        }
    }

    /// Ends a handover that is stored completely.
    pub(super) fn handed_over(&mut self) {
        if let Phase::Current { save, .. } = &mut self.phase {
            save.end();
        }
    }

    /// Whether no save is under way.
    pub(super) fn is_idle(&self) -> bool {
        !matches!(&self.phase, Phase::Current { save, .. } if !save.is_idle())
    }

    /// Whether a save has anything left to encode or hand on.
    pub(super) fn is_saving(&self) -> bool {
        matches!(self.phase, Phase::Current { save: Save::Running { .. }, .. })
    }

    /// How many customers are not saved: changed since the save began, or not encoded by it yet.
    pub(super) fn unsaved(&self, memory: &Memory) -> usize {
        let left = match &self.phase {
            Phase::Current { save, .. } => save.left(),
            _ => 0,
        };
        memory.changed(self.partition) + left
    }

    /// Whether memory may overwrite what is stored.
    pub(super) fn may_save(&self) -> bool {
        matches!(self.phase, Phase::Current { .. }) && self.repair.allows_saving()
    }

    /// Begins to save all changed customers, if no save is under way and saving is allowed.
    pub(super) fn begin_save(&mut self, memory: &mut Memory, tasks: &Tasks) {
        if !self.is_idle() || !self.may_save() {
            return;
        }
        let Some(next) = self.task(tasks).map(|task| task.next) else { return };
        let Phase::Current { holder, save, .. } = &mut self.phase else { return };
        let slots = memory.customers_mut(self.partition).start_save();
        let rows = Rows::new(slots.clone());
        let saving = Saving::begin(*holder, next, slots).in_portions(self.portions);
        *save = Save::Running { saving, rows };
    }

    /// Begins to hand over unsaved changes. Returns `false` if memory lacks what is stored, the
    /// topic is being read again, or something is not committed.
    pub(super) fn hand_over(&mut self, memory: &mut Memory, tasks: &Tasks) -> bool {
        let Some(task) = self.task(tasks) else { return false };
        let (next, is_committed) = (task.next, task.next <= task.committed_offset());
        // A record judged again after a crash must not be in a state already.
        if !self.may_save() || self.repair.is_rebuilding() || !is_committed {
            return false;
        }
        let Phase::Current { holder, course, save } = &mut self.phase else { return false };
        let customers = memory.customers_mut(self.partition);
        let stored = save.end();
        let stored = stored.as_ref().map_or(&[][..], Rows::stored_slots);
        customers.confirm_rows(stored);
        let (slots, goes_on) = (customers.start_save(), !stored.is_empty());
        let saving = Saving::hand_over(*holder, next, slots, goes_on).in_portions(self.portions);
        *save = Save::Running { saving, rows: Rows::new(Vec::new()) };
        *course = Course::HandingOver;
        true
    }

    /// Marks what was handed over as changed, so that it is saved after all.
    pub(super) fn leave(&mut self, memory: &mut Memory) {
        if let Phase::Current { course, save, .. } = &mut self.phase {
            (*course, *save) = (Course::Left, Save::Idle);
            memory.customers_mut(self.partition).cancel_save();
        }
    }

    /// Encodes a batch, if `may_encode`, and hands on what is committed. Returns whether it
    /// encoded.
    pub(super) fn go_on(
        &mut self,
        keeper: &Keeper,
        memory: &Memory,
        tasks: &Tasks,
        may_encode: bool,
    ) -> bool {
        let Some(task) = self.task(tasks) else { return false };
        let committed = task.committed_offset();
        if !task.is_restoring() {
            self.repair.end_rebuild();
        }
        let Phase::Current { save, .. } = &mut self.phase else { return false };
        let Save::Running { saving, .. } = save else { return false };
        // Without customers, the saved offset still moves.
        let nobody = Default::default();
        let customers = memory.customers(self.partition).unwrap_or(&nobody);
        let has_encoded = may_encode && saving.encode(customers);
        if let Some(batch) = saving.ready(committed) {
            let order = match batch.chunk {
                Some(_) => Order::HandOver { batch, is_wanted: Arc::clone(&self.is_wanted) },
                None => Order::Save(batch),
            };
            if let Err(Order::HandOver { batch, .. } | Order::Save(batch)) = keeper.order(order) {
                saving.put_back(batch);
            }
        }
        if saving.is_done()
            && let Some(rows) = save.end()
        {
            *save = Save::Awaited(rows);
        }
        has_encoded
    }
}
