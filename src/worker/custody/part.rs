//! One partition's snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::database::{Claim, Holder};
use crate::snapshots::{Keeper, Order, Saving};
use crate::worker::score::Score;
use crate::worker::tasks::{Task, Tasks};

/// Time between losing a claim to somebody else and claiming again: the group may not have told yet
/// that the partition is somebody else's.
const CLAIM_AGAIN: Duration = Duration::from_secs(5);

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
    /// `None`: the claim has not been answered, or somebody else has claimed it since.
    pub holder: Option<Holder>,
    pub base: Base,
    /// What is committed: no row that is of use has more.
    committed: i64,
    saving: Option<Saving>,
    /// The last batch of a save is on its way.
    pub is_awaited: bool,
    pub since_begin: Stopwatch,
    /// Who is stored is not known of those behind this id.
    pub unlisted: Option<String>,
    /// Customers whose rows cannot be read.
    pub refused: Vec<String>,
    /// They are remembered from the log, which is read again from as far back as it matters.
    pub is_rebuilding: bool,
}

impl Part {
    pub(super) fn new(partition: i32, adoption: u64, committed: i64) -> Self {
        Self {
            partition,
            adoption,
            is_wanted: Arc::new(AtomicBool::new(true)),
            is_asked: false,
            since_fenced: None,
            holder: None,
            base: Base::Unknown,
            committed,
            saving: None,
            is_awaited: false,
            since_begin: Stopwatch::start(),
            unlisted: None,
            refused: Vec::new(),
            is_rebuilding: false,
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
    }

    /// The claim is answered.
    pub(super) fn hold<S: Score>(&mut self, claim: Claim, scorer: &mut S) {
        self.drop_save(scorer);
        self.holder = Some(claim.holder);
        if !matches!(self.base, Base::Unknown) {
            return;
        }
        let newest = claim.saved_offset.unwrap_or(0).max(claim.highest_offset);
        self.base = if newest > self.committed {
            tracing::warn!(
                partition = self.partition,
                saved = newest,
                committed = self.committed,
                "the snapshot is ahead of the committed offset and of no use, the partition is \
                 restored from its topic"
            );
            Base::Useless(claim.holder)
        } else if newest > 0 || claim.saved_offset.is_some() {
            Base::Late(claim)
        } else {
            Base::Taken
        };
    }

    /// Somebody else has claimed the partition. If it is still this worker's, what is stored counts
    /// from then on: who claims a partition in between has changed something about it.
    pub(super) fn fenced<S: Score>(&mut self, scorer: &mut S) {
        self.drop_save(scorer);
        (self.holder, self.is_asked) = (None, false);
        self.since_fenced = Some(Stopwatch::start());
        self.base = Base::Unknown;
    }

    fn drop_save<S: Score>(&mut self, scorer: &mut S) {
        if !self.is_idle() {
            (self.saving, self.is_awaited) = (None, false);
            scorer.settle(self.partition, false);
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.saving.is_none() && !self.is_awaited
    }

    pub(super) fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    fn task<'t>(&self, tasks: &'t Tasks) -> Option<&'t Task> {
        tasks.iter().find(|task| task.partition == self.partition)
    }

    /// Whether what is in memory may go over what is stored. While the log is read again for the
    /// customers of some rows, those are remembered only in part.
    pub(super) fn may_save(&self, tasks: &Tasks) -> bool {
        let is_rebuilt = |task: &Task| !self.is_rebuilding || !task.is_restoring();
        self.holder.is_some()
            && matches!(self.base, Base::Taken)
            && self.refused.is_empty()
            && self.task(tasks).is_some_and(is_rebuilt)
    }

    /// Begins to save what has changed.
    pub(super) fn begin<S: Score>(&mut self, scorer: &mut S, tasks: &Tasks) {
        if !self.is_idle() || !self.may_save(tasks) {
            return;
        }
        let (Some(holder), Some(task)) = (self.holder, self.task(tasks)) else { return };
        self.since_begin = Stopwatch::start();
        self.saving = Some(Saving::begin(holder, task.next, scorer.cut(self.partition)));
    }

    /// Encodes some customers, if it may, and hands on what is committed. Whether it encoded any.
    pub(super) fn go_on<S: Score>(
        &mut self,
        keeper: &Keeper,
        scorer: &S,
        tasks: &Tasks,
        may_encode: bool,
    ) -> bool {
        let Some(committed) = self.task(tasks).map(Task::committed_offset) else { return false };
        self.committed = committed;
        let Some(saving) = &mut self.saving else { return false };
        // Without customers there is still an offset to save.
        let nobody = Default::default();
        let customers = scorer.customers(self.partition).unwrap_or(&nobody);
        let has_encoded = may_encode && saving.encode(customers);
        if let Some(batch) = saving.ready(committed)
            && let Err(Order::Save(batch)) = keeper.order(Order::Save(batch))
        {
            saving.put_back(batch);
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
