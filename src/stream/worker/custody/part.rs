//! One partition's snapshot: claimed, taken up, saved, released.
//!
//! A [`Part`] owns what the worker knows of the partition's store, not its customers, who are in
//! memory. It lives from the partition's arrival until it is released or lost. A keeper carries out
//! its orders and waits for the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::phase::{Course, Phase};
use super::repair::{DoomedRows, Repair};
use super::roster::Roster;
use super::shelf::Shelf;
use crate::base::clock::Stopwatch;
use crate::core::state::memory::Memory;
use crate::edges::database::{Claim, Holder};
use crate::edges::kafka::Beginning;
use crate::stream::snapshots::{Keeper, Order, Portions, Returned};
use crate::stream::worker::tasks::{Task, Tasks};

/// Time between losing a claim and claiming again: the group may not have told yet that the
/// partition has another owner.
const CLAIM_AGAIN: Duration = Duration::from_secs(5);

/// How long a partition waits for all customers to be read, which costs a third of asking for each.
/// That pays where many records are restored and many customers of a batch are missing. Records to
/// be scored wait only for customers asked for.
const SCAN_PATIENCE: Duration = Duration::from_secs(5);
const MANY_RECORDS: i64 = 65_536;
const MANY_MISSING: usize = 32;

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stream::worker) enum ReadFrom {
    /// From as far back as customers are remembered.
    Memory,
    /// From this offset; the snapshot has what is before it.
    Offset(i64),
}

/// A partition's snapshot, as the worker knows it.
#[derive(Debug)]
pub(super) struct Part {
    pub partition: i32,
    /// Answers to questions asked under an earlier number are ignored.
    pub adoption: u64,
    pub phase: Phase,
    /// How much of the list of stored customers is read.
    pub roster: Roster,
    /// Customers read ahead who have not returned.
    pub shelf: Shelf,
    /// Rows that cannot be read.
    pub repair: Repair,
    /// When an earlier owner last saved it, in milliseconds since the epoch, from the claim.
    pub saved_at_ms: Option<i64>,
    /// Since reading it again was postponed.
    pub put_off: Option<Stopwatch>,
    /// Records that left the topic before they were saved.
    lost_records: LostRecords,
    /// Since what is stored was taken up.
    since_taken: Stopwatch,
    pub(super) portions: Portions,
    /// True until the part is dropped; later orders are not carried out.
    pub(super) is_wanted: Arc<AtomicBool>,
}

/// Records that left the topic before they were saved.
#[derive(Debug, Default)]
struct LostRecords {
    /// How many; `None` once told.
    untold: Option<i64>,
    /// Whether to note them in the store.
    is_to_note: bool,
}

impl Part {
    pub(super) fn new(partition: i32, adoption: u64, portions: Portions) -> Self {
        Self {
            partition,
            adoption,
            phase: Phase::Unclaimed { lost: None },
            roster: Roster::default(),
            shelf: Shelf::default(),
            repair: Repair::default(),
            saved_at_ms: None,
            put_off: None,
            lost_records: LostRecords::default(),
            since_taken: Stopwatch::start(),
            portions,
            is_wanted: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Gives the orders that are due: claim, discard, note lost records, delete damaged rows. An
    /// order that finds no room is given in a later turn.
    pub(super) fn order_what_is_due(&mut self, keeper: &Keeper, owner: &str) {
        match &self.phase {
            Phase::Unclaimed { lost } => {
                let is_due = lost.as_ref().is_none_or(|since| since.elapsed() > CLAIM_AGAIN);
                let was_lost = lost.is_some();
                let (partition, is_wanted) = (self.partition, Arc::clone(&self.is_wanted));
                let claim = || Order::Claim { partition, owner: owner.to_owned(), is_wanted };
                if is_due && keeper.order(claim()).is_ok() {
                    self.phase = Phase::Claiming { was_lost };
                }
            }
            &Phase::Discarding(holder) => {
                if keeper.order(Order::Discard(holder)).is_ok() {
                    // Orders are carried out in turn, so later saves come after it.
                    self.phase = Phase::current(holder);
                }
            }
            Phase::Claiming { .. } | Phase::Behind { .. } | Phase::Current { .. } => {}
        }
        let Some(holder) = self.phase.holder() else { return };
        if self.lost_records.is_to_note {
            self.lost_records.is_to_note = keeper.order(Order::Mark(holder)).is_err();
        }
        // Before what is stored is taken up, rows are not deleted: the topic would not be read
        // again for their customers. Taking up finds the damaged ones anew.
        if matches!(self.phase, Phase::Current { .. })
            && let Some(DoomedRows { customer_ids, saved_offset }) = self.repair.take_doomed()
        {
            let order = Order::DeleteRows { holder, customer_ids, saved_offset };
            if let Err(Order::DeleteRows { customer_ids, saved_offset, .. }) = keeper.order(order) {
                self.repair.put_doomed_back(DoomedRows { customer_ids, saved_offset });
            }
        }
    }

    /// Takes in a claim. The partition may have one already, ordered before it left and came back:
    /// the newest counts.
    pub(super) fn claimed(
        &mut self,
        claim: Claim,
        handed_over: Vec<Returned>,
        memory: &mut Memory,
    ) {
        self.saved_at_ms = claim.saved_at_ms;
        self.cancel_save(memory);
        match &mut self.phase {
            Phase::Unclaimed { .. } | Phase::Claiming { .. } => {
                let is_stored = claim.newest() > 0 || claim.saved_offset.is_some();
                // Somebody else may have changed or removed what memory has or expects to be
                // stored.
                self.phase = match is_stored || self.phase.is_fenced() {
                    true => Phase::Behind { claim, handed_over },
                    false => Phase::current(claim.holder),
                };
            }
            Phase::Behind { claim: Claim { holder, .. }, .. }
            | Phase::Discarding(holder)
            | Phase::Current { holder, .. } => *holder = claim.holder,
        }
    }

    /// Takes up what is stored, if it is claimed and of use, and drops the partition from `memory`:
    /// anybody may be stored. Returns where to read from; `None` if nothing is to be taken up.
    pub(super) fn take_up(
        &mut self,
        begins: &Beginning,
        adoption: u64,
        memory: &mut Memory,
    ) -> Option<ReadFrom> {
        let Phase::Behind { claim, handed_over: customers } = &mut self.phase else { return None };
        let (partition, committed) = (self.partition, begins.judged_until);
        let (holder, newest) = (claim.holder, claim.newest());
        let (saved, handed_over) = (claim.saved_offset, claim.handed_over);
        let customers = std::mem::take(customers);
        memory.drop_partition(partition);
        (self.adoption, self.repair) = (adoption, Repair::default());
        self.shelf = Shelf::default();
        if newest > committed {
            tracing::warn!(
                partition,
                saved = newest,
                committed,
                "the snapshot is ahead of the committed offset and of no use, the partition is \
                 restored from its topic"
            );
            self.phase = Phase::Discarding(holder);
            self.roster.stop();
            return Some(ReadFrom::Memory);
        }
        let is_readable = self.is_readable(&customers);
        let saved = handed_over.filter(|_| is_readable).max(saved);
        let untold = saved.map(|saved| begins.first - saved).filter(|&lost| lost > 0);
        self.lost_records = LostRecords { untold, is_to_note: untold.is_some() };
        self.phase = Phase::current(holder);
        self.roster.begin();
        self.since_taken = Stopwatch::start();
        memory.customers_mut(partition).presume_all_stored();
        if saved == handed_over {
            self.take_over(customers, memory);
        }
        // Without a saved offset some customers may be stored, each up to its applied offset.
        let Some(saved) = saved else { return Some(ReadFrom::Memory) };
        Some(ReadFrom::Offset(saved.clamp(begins.first, committed)))
    }

    /// Whether all customers handed over can be read; logs why if not.
    fn is_readable(&self, customers: &[Returned]) -> bool {
        let Some(error) = customers.iter().find_map(|row| row.state.as_ref().err()) else {
            return true;
        };
        tracing::error!(
            partition = self.partition,
            customers = customers.len(),
            error = error as &dyn std::error::Error,
            "customers who were handed over cannot be read, what has changed since the saved \
             offset is remembered from the topic"
        );
        false
    }

    /// Takes over the customers handed over. They count as changed, and are saved.
    fn take_over(&mut self, customers: Vec<Returned>, memory: &mut Memory) {
        let count = customers.len();
        let here = memory.customers_mut(self.partition);
        for Returned { customer_id, applied_offset, state } in customers {
            if let Ok(state) = state {
                here.admit_changed(&customer_id, state, applied_offset);
            }
        }
        if count > 0 {
            tracing::info!(partition = self.partition, customers = count, "customers taken over");
        }
    }

    /// How many records left the topic before they were saved. Returned once.
    pub(super) fn take_lost_records(&mut self) -> Option<i64> {
        self.lost_records.untold.take()
    }

    /// Begins to remember the customers of damaged rows from the topic, read again from offset
    /// `from`. The saved offset goes back there.
    pub(super) fn begin_rebuild(&mut self, from: i64, memory: &mut Memory) {
        self.roster.suspect();
        let customer_ids = self.repair.begin_rebuild(from, memory.counts().evicted);
        let here = memory.customers_mut(self.partition);
        customer_ids.iter().for_each(|id| here.mark_asked(id));
    }

    /// Notes customers with damaged rows.
    pub(super) fn refuse(&mut self, customer_ids: Vec<String>, evicted: u64) {
        // A customer on the shelf would count as stored, but the row is deleted.
        customer_ids.iter().for_each(|id| drop(self.shelf.take(id)));
        if self.repair.refuse(customer_ids, evicted) {
            self.inspect_if_needed();
        }
    }

    /// Reading the topic again takes long, so all damaged rows are looked for first.
    pub(super) fn inspect_if_needed(&mut self) {
        if !self.repair.refused().is_empty() {
            self.roster.inspect();
        }
    }

    /// Whether to wait for reading ahead instead of asking for this many missing customers.
    pub(super) fn brings_soon(&self, missing: usize, tasks: &Tasks) -> bool {
        let is_long = |task: &Task| task.left_to_restore() > MANY_RECORDS;
        self.roster.is_scanning()
            && missing > MANY_MISSING
            && self.since_taken.elapsed() < SCAN_PATIENCE
            && self.task(tasks).is_some_and(is_long)
    }

    /// Whether the topic is to be read again for customers whose rows cannot be read.
    pub(super) fn is_to_rebuild(&self) -> bool {
        !self.repair.refused().is_empty() && self.roster.next().is_none() && self.is_idle()
    }

    /// Gives up a claim that somebody else has taken. If the partition is still this worker's, its
    /// snapshot is read again: the other has changed something.
    pub(super) fn fenced(&mut self, memory: &mut Memory) {
        if matches!(self.phase, Phase::Current { course: Course::Left, .. }) {
            tracing::info!(partition = self.partition, "the next owner saves what was handed over");
        } else {
            tracing::error!(
                partition = self.partition,
                "somebody else has claimed the partition; if it is still this worker's, it is \
                 claimed again and its snapshot read"
            );
        }
        self.cancel_save(memory);
        self.repair.drop_doomed();
        self.phase = Phase::Unclaimed { lost: Some(Stopwatch::start()) };
    }

    pub(super) fn task<'t>(&self, tasks: &'t Tasks) -> Option<&'t Task> {
        tasks.iter().find(|task| task.partition == self.partition)
    }

    /// The claim, while it is this worker's.
    pub(super) fn holder(&self) -> Option<Holder> {
        self.phase.holder()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.is_wanted.store(false, Ordering::Release);
    }
}
