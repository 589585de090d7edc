//! One partition's snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::shelf::Shelf;
use crate::base::clock::Stopwatch;
use crate::core::state::memory::Memory;
use crate::edges::database::{Claim, Holder};
use crate::edges::kafka::Beginning;
use crate::stream::snapshots::{Keeper, Order, Place, Portions, Returned, Saving};
use crate::stream::worker::tasks::{Task, Tasks};

/// Time between losing a claim to somebody else and claiming again: the group may not have told yet
/// that the partition is somebody else's.
const CLAIM_AGAIN: Duration = Duration::from_secs(5);

/// How long a partition waits for all of its customers to be read, which costs a third of asking
/// for each. That pays where many records are to be remembered again, and where many of the
/// customers of a batch are missing. What is scored waits for nobody but those who are asked for.
const SCAN_PATIENCE: Duration = Duration::from_secs(5);
const MANY_RECORDS: i64 = 65_536;
const MANY_MISSING: usize = 32;

/// What memory has of what is stored.
#[derive(Debug)]
pub(super) enum Base {
    /// Nobody knows what is stored: the claim has not been answered.
    Unknown,
    /// Memory came from the log, and there is a snapshot that knows more.
    Late(Claim),
    /// What is stored is of no use and is to be forgotten.
    Useless(Holder),
    /// Memory has it, or knows who is stored.
    Taken,
}

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stream::worker) enum ReadFrom {
    /// From so far back as customers are remembered.
    Memory,
    /// From here: what is before it is in the snapshot.
    Offset(i64),
}

/// A partition's snapshot.
#[derive(Debug)]
pub(super) struct Part {
    pub partition: i32,
    /// Answers to earlier questions about it are of no interest.
    pub adoption: u64,
    /// Until the part is gone.
    is_wanted: Arc<AtomicBool>,
    /// The order to claim it is given.
    is_asked: bool,
    since_fenced: Option<Stopwatch>,
    /// Since what is stored was to be taken up and could not be.
    pub since_put_off: Option<Stopwatch>,
    /// `None`: the claim has not been answered, or somebody else has claimed it since.
    pub holder: Option<Holder>,
    /// As the claim said.
    pub saved_at_ms: Option<i64>,
    pub base: Base,
    /// Customers that the owner before has handed over, until what is stored is taken up.
    handed_over: Vec<Returned>,
    /// The partition leaves, and what would be saved is handed over.
    pub is_handed_over: bool,
    /// It has left, and is saved if nobody else claims it.
    pub has_left: bool,
    saving: Option<Saving>,
    portions: Portions,
    /// Who is in the save that is under way, and how many of them, from the front, are stored.
    cut: Vec<u32>,
    pub stored: usize,
    /// The last batch of a save is on its way.
    pub is_awaited: bool,
    pub since_begin: Stopwatch,
    /// Who is stored is not known of those from here on.
    pub unlisted: Option<Place>,
    /// Reading them in that manner has failed: their ids are all that is read ahead.
    pub cannot_scan: bool,
    /// Since what is stored was taken up.
    since_taken: Stopwatch,
    /// All who are stored are known; a list that goes on all the same looks for rows that cannot be
    /// read.
    pub is_listed: bool,
    /// Some of the list came without states: rows among them may not be readable either.
    pub has_skipped: bool,
    /// Who was read ahead and has not returned.
    pub shelf: Shelf,
    /// Records that left the topic before they were saved, to be told of.
    pub lost: Option<i64>,
    /// Which is to be noted in the store.
    is_to_mark: bool,
    /// Customers whose rows cannot be read.
    pub refused: Vec<String>,
    /// They are remembered from the log, which is read again from as far back as it matters.
    pub is_rebuilding: bool,
    /// Customers evicted when that began, of all partitions.
    rebuilt_after: u64,
    /// Their rows are to be removed first.
    pub forgetting: Option<Forgetting>,
}

/// Rows that are in the way of new ones.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    pub customer_ids: Vec<String>,
    /// What was saved counts up to here only.
    pub saved_offset: Option<i64>,
}

impl Part {
    pub(super) fn new(partition: i32, adoption: u64, portions: Portions) -> Self {
        Self {
            partition,
            adoption,
            is_wanted: Arc::new(AtomicBool::new(true)),
            is_asked: false,
            since_fenced: None,
            since_put_off: None,
            holder: None,
            saved_at_ms: None,
            base: Base::Unknown,
            handed_over: Vec::new(),
            is_handed_over: false,
            has_left: false,
            saving: None,
            portions,
            cut: Vec::new(),
            stored: 0,
            is_awaited: false,
            since_begin: Stopwatch::start(),
            unlisted: None,
            cannot_scan: false,
            since_taken: Stopwatch::start(),
            is_listed: false,
            has_skipped: false,
            shelf: Shelf::default(),
            lost: None,
            is_to_mark: false,
            refused: Vec::new(),
            is_rebuilding: false,
            rebuilt_after: 0,
            forgetting: None,
        }
    }

    /// Claims the partition if it is not claimed, and has forgotten what is of no use.
    pub(super) fn ask(&mut self, keeper: &Keeper, owner: &str) {
        let may_claim =
            self.since_fenced.as_ref().is_none_or(|since| since.elapsed() > CLAIM_AGAIN);
        if !self.is_asked && may_claim {
            let (partition, is_wanted) = (self.partition, Arc::clone(&self.is_wanted));
            let claim = Order::Claim { partition, owner: owner.to_owned(), is_wanted };
            self.is_asked = keeper.order(claim).is_ok();
        }
        if let Base::Useless(holder) = self.base
            && keeper.order(Order::Discard(holder)).is_ok()
        {
            // Orders are done in turn: what is saved from now on comes after it.
            self.base = Base::Taken;
        }
        if let Some(holder) = self.holder.filter(|_| self.is_to_mark) {
            self.is_to_mark = keeper.order(Order::Mark(holder)).is_err();
        }
        if let (Some(forgetting), Some(holder)) = (self.forgetting.take(), self.holder) {
            let Forgetting { customer_ids, saved_offset } = forgetting;
            let order = Order::Forget { holder, customer_ids, saved_offset };
            if let Err(Order::Forget { customer_ids, saved_offset, .. }) = keeper.order(order) {
                self.forgetting = Some(Forgetting { customer_ids, saved_offset });
            }
        }
    }

    /// The claim is answered.
    pub(super) fn hold(&mut self, claim: Claim, handed_over: Vec<Returned>, memory: &mut Memory) {
        self.drop_save(memory);
        (self.holder, self.saved_at_ms) = (Some(claim.holder), claim.saved_at_ms);
        if !matches!(self.base, Base::Unknown) {
            return;
        }
        let is_stored = claim.newest() > 0 || claim.saved_offset.is_some();
        self.handed_over = handed_over;
        // Somebody else may have changed or removed what memory has, or knows to be stored.
        self.base = match is_stored || self.since_fenced.is_some() {
            true => Base::Late(claim),
            false => Base::Taken,
        };
    }

    /// Takes up what is stored, if it is claimed and of use. What `memory` knew of the partition
    /// it forgets: anybody may be stored. Where to read from, `None` if there is nothing to take
    /// up.
    pub(super) fn take_up(
        &mut self,
        begins: &Beginning,
        adoption: u64,
        memory: &mut Memory,
    ) -> Option<ReadFrom> {
        let Base::Late(claim) = &self.base else { return None };
        let (partition, committed) = (self.partition, begins.judged_until);
        let (holder, newest) = (claim.holder, claim.newest());
        let (saved, handed_over) = (claim.saved_offset, claim.handed_over);
        let customers = std::mem::take(&mut self.handed_over);
        memory.drop_partition(partition);
        (self.adoption, self.is_rebuilding, self.forgetting) = (adoption, false, None);
        self.refused.clear();
        self.shelf = Shelf::default();
        if newest > committed {
            tracing::warn!(
                partition,
                saved = newest,
                committed,
                "the snapshot is ahead of the committed offset and of no use, the partition is \
                 restored from its topic"
            );
            (self.base, self.unlisted) = (Base::Useless(holder), None);
            return Some(ReadFrom::Memory);
        }
        let is_readable = self.is_readable(&customers);
        let saved = handed_over.filter(|_| is_readable).max(saved);
        self.lost = saved.map(|saved| begins.first - saved).filter(|&lost| lost > 0);
        self.is_to_mark = self.lost.is_some();
        self.base = Base::Taken;
        (self.unlisted, self.is_listed, self.has_skipped) = (Some(Place::Scan), false, false);
        (self.since_taken, self.cannot_scan) = (Stopwatch::start(), false);
        memory.customers_mut(partition).presume_all_stored();
        if saved == handed_over {
            self.take_over(customers, memory);
        }
        // Without a saved offset some customers are stored all the same, each up to its own.
        let Some(saved) = saved else { return Some(ReadFrom::Memory) };
        Some(ReadFrom::Offset(saved.clamp(begins.first, committed)))
    }

    /// Whether all who were handed over can be taken over; if not, why is said.
    fn is_readable(&self, customers: &[Returned]) -> bool {
        let Some(first) = customers.iter().find(|row| row.state.is_err()) else { return true };
        tracing::error!(
            partition = self.partition,
            customers = customers.len(),
            first = first.customer_id,
            error = first.state.as_ref().err().map(|error| error as &dyn std::error::Error),
            "customers who were handed over cannot be read, what has changed since the saved \
             offset is remembered from the topic"
        );
        false
    }

    /// Takes in who was handed over. They are saved like everybody who has changed.
    fn take_over(&mut self, customers: Vec<Returned>, memory: &mut Memory) {
        let count = customers.len();
        for Returned { customer_id, applied_offset, state } in customers {
            if let Ok(state) = state {
                memory.customers_mut(self.partition).admit_changed(
                    &customer_id,
                    state,
                    applied_offset,
                );
            }
        }
        if count > 0 {
            tracing::info!(partition = self.partition, customers = count, "customers taken over");
        }
    }

    /// The customers of rows that cannot be read are remembered from the log, read again from
    /// `from` on. Until then what is stored does not count any further.
    pub(super) fn rebuild(&mut self, from: i64, memory: &mut Memory) {
        (self.is_rebuilding, self.has_skipped) = (true, true);
        self.rebuilt_after = memory.counts().evicted;
        let customer_ids = std::mem::take(&mut self.refused);
        customer_ids.iter().for_each(|id| memory.customers_mut(self.partition).mark_asked(id));
        // Of those who were met before, some may not have been ordered to be removed yet.
        let forgetting = self.forgetting.get_or_insert_default();
        forgetting.customer_ids.extend(customer_ids);
        let offset = forgetting.saved_offset.map_or(from, |offset| offset.min(from));
        forgetting.saved_offset = Some(offset);
    }

    /// Rows of these customers cannot be read.
    pub(super) fn refuse(&mut self, customer_ids: Vec<String>, evicted: u64) {
        // Who was read ahead before the row was damaged would count as stored, and the row goes.
        customer_ids.iter().for_each(|id| drop(self.shelf.take(id)));
        if self.is_rebuilding && self.rebuilt_after == evicted {
            // Each is met before its first record: whoever had one has been asked for, and is in
            // memory. Where somebody was evicted that is not so, and the log is read once more.
            self.forgetting.get_or_insert_default().customer_ids.extend(customer_ids);
        } else {
            self.refused.extend(customer_ids);
            self.look_for_more();
        }
    }

    /// Reading the log again takes long: whoever else cannot be read is to be known before.
    pub(super) fn look_for_more(&mut self) {
        let has_more = self.has_skipped && !self.cannot_scan;
        if !self.refused.is_empty() && self.unlisted.is_none() && has_more {
            (self.unlisted, self.has_skipped) = (Some(Place::Scan), false);
        }
    }

    /// Whether so many who are missing are rather waited for than asked for.
    pub(super) fn brings_soon(&self, missing: usize, tasks: &Tasks) -> bool {
        let is_scanned = matches!(self.unlisted, Some(Place::Scan | Place::ScanOn));
        let is_long = |task: &Task| task.left_to_restore() > MANY_RECORDS;
        is_scanned
            && missing > MANY_MISSING
            && self.since_taken.elapsed() < SCAN_PATIENCE
            && self.task(tasks).is_some_and(is_long)
    }

    /// Whether the log is to be read again for customers whose rows cannot be read.
    pub(super) fn is_to_rebuild(&self) -> bool {
        !self.refused.is_empty() && self.unlisted.is_none() && self.is_idle()
    }

    /// Somebody else has claimed the partition. If it is still this worker's, what is stored counts
    /// from then on: who claims a partition in between has changed something about it.
    pub(super) fn fenced(&mut self, memory: &mut Memory) {
        if self.has_left {
            tracing::info!(partition = self.partition, "the next owner saves what was handed over");
        } else {
            tracing::error!(
                partition = self.partition,
                "somebody else has claimed the partition; if it is still this worker's, it is \
                 claimed again and its snapshot read"
            );
        }
        self.drop_save(memory);
        (self.holder, self.is_asked, self.forgetting) = (None, false, None);
        self.since_fenced = Some(Stopwatch::start());
        self.base = Base::Unknown;
    }

    /// The save that was under way is done: nothing relies on it any more.
    pub(super) fn saved(&mut self) {
        (self.is_awaited, self.cut, self.stored) = (false, Vec::new(), 0);
    }

    /// What was to be saved is not, and has changed still.
    pub(super) fn drop_save(&mut self, memory: &mut Memory) {
        if !self.is_idle() {
            (self.saving, self.is_awaited) = (None, false);
            (self.cut, self.stored) = (Vec::new(), 0);
            memory.customers_mut(self.partition).cancel_save();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.saving.is_none() && !self.is_awaited
    }

    /// How many customers are still to be stored until all of them are.
    pub(super) fn unsaved(&self, memory: &Memory) -> usize {
        memory.changed(self.partition) + self.saving.as_ref().map_or(0, Saving::left)
    }

    pub(super) fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    /// Whether somebody else has claimed the partition, and this worker not again since.
    pub(super) fn is_fenced(&self) -> bool {
        self.holder.is_none() && self.since_fenced.is_some()
    }

    pub(super) fn task<'t>(&self, tasks: &'t Tasks) -> Option<&'t Task> {
        tasks.iter().find(|task| task.partition == self.partition)
    }

    /// Whether what is in memory may go over what is stored.
    pub(super) fn may_save(&self) -> bool {
        self.holder.is_some()
            && matches!(self.base, Base::Taken)
            && self.refused.is_empty()
            && self.forgetting.is_none()
    }

    /// Begins to hand over what is not saved. `false` if it cannot be: what is stored is not what
    /// memory has, or something is not committed.
    pub(super) fn hand_over(&mut self, memory: &mut Memory, tasks: &Tasks) -> bool {
        let (Some(holder), Some(task)) = (self.holder, self.task(tasks)) else { return false };
        let (next, is_committed) = (task.next, task.next <= task.committed_offset());
        // What is judged again after a crash must not have been remembered before.
        if !self.may_save() || self.is_rebuilding || !is_committed {
            return false;
        }
        let cut = std::mem::take(&mut self.cut);
        let stored = &cut[..self.stored.min(cut.len())];
        memory.customers_mut(self.partition).confirm_rows(stored);
        let (slots, goes_on) =
            (memory.customers_mut(self.partition).start_save(), !stored.is_empty());
        (self.is_handed_over, self.is_awaited) = (true, false);
        self.saving =
            Some(Saving::hand_over(holder, next, slots, goes_on).in_portions(self.portions));
        true
    }

    /// What was handed over is to be saved after all.
    pub(super) fn leave(&mut self, memory: &mut Memory) {
        (self.is_handed_over, self.has_left) = (false, true);
        memory.customers_mut(self.partition).cancel_save();
    }

    /// Begins to save what has changed.
    pub(super) fn begin(&mut self, memory: &mut Memory, tasks: &Tasks) {
        if !self.is_idle() || !self.may_save() {
            return;
        }
        let (Some(holder), Some(task)) = (self.holder, self.task(tasks)) else { return };
        self.since_begin = Stopwatch::start();
        (self.cut, self.stored) = (memory.customers_mut(self.partition).start_save(), 0);
        self.saving =
            Some(Saving::begin(holder, task.next, self.cut.clone()).in_portions(self.portions));
    }

    /// Encodes some customers, if it may, and hands on what is committed. Whether it encoded any.
    pub(super) fn go_on(
        &mut self,
        keeper: &Keeper,
        memory: &Memory,
        tasks: &Tasks,
        may_encode: bool,
    ) -> bool {
        let Some(task) = self.task(tasks) else { return false };
        let committed = task.committed_offset();
        self.is_rebuilding &= task.is_restoring();
        let Some(saving) = &mut self.saving else { return false };
        // Without customers there is still an offset to save.
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
        if saving.is_done() {
            (self.saving, self.is_awaited) = (None, true);
        }
        has_encoded
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.is_wanted.store(false, Ordering::Release);
    }
}
