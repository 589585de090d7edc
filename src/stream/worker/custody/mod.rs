//! A worker's snapshots: a partition is claimed when it comes, saved as it changes, and released
//! when it leaves.
//!
//! [`Custody`] owns a [`Part`] per partition and two keepers with a database each: one saves, one
//! reads, so that a returning customer does not wait behind a save. The worker's memory owns the
//! customers.
//!
//! The worker waits for the database at three moments, each for a limited time: when a partition
//! comes, because its saved offset decides where reading begins; when a stored customer returns who
//! is not in memory ([`returning`]); and when a partition leaves ([`leaving`]). If the database is
//! silent when a partition comes, the topic is read from further back, and the snapshot is taken up
//! later ([`Why::Late`]). Until then nothing is saved, because the store may know more than a month
//! of the topic.
//!
//! The claims are looked at every five seconds: a claim by anybody else means a change, so the
//! snapshot is read again.
//!
//! Files in reading order: `phase` (where a partition stands), `part` (one partition), `save` and
//! `saves` (saving it), `roster`, `listing` and `shelf` (reading stored customers ahead),
//! `returning` (customers asked for), `repair` (damaged rows), `leaving`, `answers`.

mod answers;
mod leaving;
mod listing;
mod part;
mod phase;
mod repair;
mod returning;
mod roster;
mod save;
mod saves;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use super::budget::Share;
use super::tasks::Tasks;
use super::{Event, Snapshots};
use crate::base::clock::Stopwatch;
use crate::base::limits::CLAIM_TIME;
use crate::core::state::memory::Memory;
use crate::edges::database::{Claim, Holder};
use crate::edges::kafka::Beginning;
use crate::stream::snapshots::{Answer, Keeper, Order, Policy, Portions};
pub(super) use leaving::Departure;
use part::Part;
pub(super) use part::ReadFrom;
use phase::Phase;

/// Longest single wait for an answer.
const WAIT: Duration = Duration::from_millis(5);

/// Time between two looks at who has claimed the partitions.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How long reading a partition again is postponed.
const PUT_OFF: Duration = Duration::from_secs(10);

/// Why a partition is to be read again from further back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Its snapshot is to be taken up: the partition began without it, or somebody else had claimed
    /// it.
    Late,
    /// Rows of its snapshot cannot be read: their customers are remembered from the topic.
    Refused,
}

/// The snapshots of one worker's partitions, for as long as the worker runs.
pub(super) struct Custody {
    /// Claims and saves.
    keeper: Keeper,
    /// Reads customers, while saves may wait.
    reader: Keeper,
    owner: String,
    policy: Policy,
    portions: Portions,
    parts: Vec<Part>,
    /// Index of the part that encodes first in the next turn.
    first: usize,
    since_save: Stopwatch,
    since_look: Stopwatch,
    /// Somebody else seems to have a partition: look at the claims at once.
    is_look_due: bool,
    /// Customers stored per second, a moving average; `None` before the first timed batch.
    pace: Option<f64>,
    /// A look at the claims is ordered and not answered.
    is_looking: bool,
    /// Memory is full of unsaved changes: a save begins at once.
    pub(super) is_pressed: bool,
    adoptions: u64,
    /// Load orders not answered yet.
    awaited_loads: usize,
    /// Customers evicted before the newest load order.
    asked_after: u64,
    /// Customers asked for and found, not yet returned by [`Self::fetch`].
    found: u64,
    listing: listing::Listing,
    /// See [`Self::has_news`].
    has_news: bool,
    since_news: Stopwatch,
    /// This worker's share of the memory for customers.
    pub(super) share: Share,
}

impl Custody {
    /// Starts the two keepers, on threads unless the settings have a gate.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(settings: &Snapshots) -> std::io::Result<Self> {
        let start = |name| {
            let (open, complain) = (settings.open.clone(), settings.complain.clone());
            let (open, complain) =
                (Box::new(move || open()), Box::new(move |said: Option<&_>| complain(said)));
            match &settings.in_turns {
                None => Keeper::start(name, open, complain),
                Some(gate) => Ok(Keeper::in_turns(open, complain, Arc::clone(gate))),
            }
        };
        Ok(Self {
            keeper: start("snapshots")?,
            reader: start("customers")?,
            owner: settings.owner.clone(),
            policy: settings.policy.clone(),
            portions: settings.portions,
            parts: Vec::new(),
            first: 0,
            since_save: Stopwatch::start(),
            since_look: Stopwatch::start(),
            is_look_due: false,
            pace: None,
            is_looking: false,
            is_pressed: false,
            adoptions: 0,
            awaited_loads: 0,
            asked_after: 0,
            found: 0,
            listing: listing::Listing::default(),
            has_news: false,
            since_news: Stopwatch::start(),
            share: Share::new(&settings.budget),
        })
    }

    /// Claims a partition that comes. `waited` is since the database last answered for one of the
    /// partitions that come, or since the first. Returns where to read from: the saved offset if
    /// the snapshot is of use; `memory` then expects stored customers.
    pub(super) fn adopt(
        &mut self,
        begins: &Beginning,
        waited: &mut Stopwatch,
        memory: &mut Memory,
    ) -> ReadFrom {
        let partition = begins.partition;
        self.drop_parts(&[partition]);
        self.adoptions += 1;
        self.parts.push(Part::new(partition, self.adoptions, self.portions));
        self.share.set(self.parts.len());
        let Some(claim) = self.claim(partition, waited, memory) else {
            tracing::warn!(
                partition,
                "the snapshot database does not answer, the partition is restored from its topic"
            );
            return ReadFrom::Memory;
        };
        if let Some(previous) = &claim.previous {
            tracing::info!(partition, previous, "taken over from an owner that did not let go");
        }
        *waited = Stopwatch::start();
        self.take_up(begins, memory).unwrap_or(ReadFrom::Memory)
    }

    /// When an earlier owner last saved the partition, in milliseconds since the epoch.
    pub(super) fn saved_at(&self, partition: i32) -> Option<i64> {
        self.parts.iter().find(|part| part.partition == partition)?.saved_at_ms
    }

    /// A partition to read again from further back, and why. Skips partitions put off in the last
    /// 10 s.
    pub(super) fn to_reseat(&self) -> Option<(i32, Why)> {
        let why = |part: &Part| {
            if part.put_off.as_ref().is_some_and(|since| since.elapsed() < PUT_OFF) {
                None
            } else if matches!(part.phase, Phase::Behind { .. }) {
                Some((part.partition, Why::Late))
            } else {
                part.is_to_rebuild().then_some((part.partition, Why::Refused))
            }
        };
        self.parts.iter().find_map(why)
    }

    /// Postpones reading the partition again, for 10 s.
    pub(super) fn put_off(&mut self, partition: i32) {
        if let Some(part) = self.part(partition) {
            part.put_off = Some(Stopwatch::start());
        }
    }

    /// See [`Part::take_up`].
    pub(super) fn take_up(&mut self, begins: &Beginning, memory: &mut Memory) -> Option<ReadFrom> {
        self.adoptions += 1;
        let adoption = self.adoptions;
        self.part(begins.partition)?.take_up(begins, adoption, memory)
    }

    /// How many records of a partition left the topic before they were saved. Returned once.
    pub(super) fn lost_records(&mut self, partition: i32) -> Option<i64> {
        self.part(partition)?.take_lost_records()
    }

    /// See [`Part::begin_rebuild`].
    pub(super) fn begin_rebuild(&mut self, begins: &Beginning, memory: &mut Memory) {
        if let Some(part) = self.part(begins.partition) {
            part.begin_rebuild(begins.from, memory);
        }
    }

    /// Asks every five seconds whether the claims still hold: an erasure takes them, and memory
    /// must be read anew. Saves would tell as well, but may be long in coming.
    fn look(&mut self) {
        let has_claims = self.parts.iter().any(|part| part.holder().is_some());
        let is_due = self.is_look_due || self.since_look.elapsed() > LOOK_INTERVAL;
        if has_claims && !self.is_looking && is_due {
            (self.since_look, self.is_look_due) = (Stopwatch::start(), false);
            self.is_looking = self.keeper.order(Order::Look).is_ok();
        }
    }

    /// Whether the reading keeper's database is away, so that missing customers will not come soon.
    pub(super) fn is_reader_away(&self) -> bool {
        self.reader.is_away()
    }

    /// Takes in answers, reads ahead, continues saves, and begins those that are due.
    pub(super) fn turn(
        &mut self,
        memory: &mut Memory,
        tasks: &Tasks,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        while let Some(answer) = self.keeper.answer() {
            self.take_answer(answer, memory, observe);
        }
        self.read_ahead(memory, tasks);
        self.look();
        let (keeper, owner) = (&self.keeper, &self.owner);
        self.parts.iter_mut().for_each(|part| part.order_what_is_due(keeper, owner));
        if self.is_save_due(memory) {
            (self.since_save, self.is_pressed) = (Stopwatch::start(), false);
            self.parts.iter_mut().for_each(|part| part.begin_save(memory, tasks));
        }
        // One part encodes per turn, so that turns do not grow with the number of parts. It
        // continues until done, so that some parts are complete early.
        let mut may_encode = true;
        let count = self.parts.len();
        for place in 0..count {
            let at = (self.first + place) % count;
            if self.parts[at].go_on(&self.keeper, memory, tasks, may_encode) {
                may_encode = false;
                self.first = at;
            }
        }
    }

    /// Whether a save has anything left to do and the database answers.
    pub(super) fn is_saving(&self) -> bool {
        self.parts.iter().any(Part::is_saving) && !self.keeper.is_away()
    }

    /// Whether work continues from turn to turn: an idle worker then turns faster.
    pub(super) fn is_busy(&self) -> bool {
        self.is_saving() || self.is_listing() && !self.reader.is_away()
    }

    fn is_save_due(&self, memory: &Memory) -> bool {
        if !self.parts.iter().any(Part::is_idle) {
            return false;
        }
        let changed: usize = self.parts.iter().map(|part| memory.changed(part.partition)).sum();
        self.is_pressed && changed > 0 || self.policy.is_due(self.since_save.elapsed(), changed)
    }

    /// Drops the parts of these partitions; nothing more of them is saved.
    pub(super) fn drop_parts(&mut self, partitions: &[i32]) {
        self.parts.retain(|part| !partitions.contains(&part.partition));
        self.share.set(self.parts.len());
    }

    fn part(&mut self, partition: i32) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.partition == partition)
    }

    /// The part that holds this claim; `None` if the claim is outdated.
    fn held(&mut self, holder: Holder) -> Option<&mut Part> {
        self.part(holder.partition).filter(|part| part.holder() == Some(holder))
    }

    /// Orders the claim and waits for it. `None` if the database is away, or has been silent for
    /// `CLAIM_TIME` since `waited` began.
    fn claim(&mut self, partition: i32, waited: &Stopwatch, memory: &mut Memory) -> Option<Claim> {
        loop {
            let (keeper, owner) = (&self.keeper, &self.owner);
            let part = self.parts.iter_mut().find(|part| part.partition == partition)?;
            part.order_what_is_due(keeper, owner);
            // A database that left the previous claim unanswered will not answer this one sooner.
            let is_hopeless = keeper.is_away() || waited.elapsed() > CLAIM_TIME;
            let answer = if is_hopeless { keeper.answer() } else { keeper.wait(WAIT) };
            let Some(answer) = answer else {
                if is_hopeless {
                    return None;
                }
                continue;
            };
            let claim = match &answer {
                Answer::Claimed(claim, _) if claim.holder.partition == partition => {
                    Some(claim.clone())
                }
                _ => None,
            };
            self.take_answer(answer, memory, &mut |_| ());
            if claim.is_some() {
                return claim;
            }
        }
    }
}

#[cfg(test)]
mod tests;
