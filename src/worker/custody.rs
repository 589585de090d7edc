//! A worker and the snapshots of its partitions: claimed when they come, saved as they change, let
//! go when they leave.
//!
//! The worker does not wait for the database while it scores. It waits when a partition comes (how
//! far it is saved decides where reading begins), when a customer returns who is stored and not in
//! memory ([`returning`]; those that fit are read ahead, [`listing`]), and when a partition leaves;
//! each for a limited time. A database that
//! does not answer when a partition comes is done without: the log is read from further back, and
//! when the database is there at last, what it has is taken up ([`Why::Late`]). Until then nothing
//! of the partition is saved, because the log knows less than the store: it goes back a month.

mod listing;
mod part;
mod returning;

use std::time::Duration;

use super::score::Score;
use super::tasks::Tasks;
use super::{Event, Snapshots};
use crate::clock::{Stopwatch, pause};
use crate::database::{Claim, Holder};
use crate::kafka::Beginning;
use crate::limits::CLAIM_TIME;
use crate::snapshots::{Answer, Keeper, Order, Policy};
use part::{Base, Part};

/// One wait for an answer.
const WAIT: Duration = Duration::from_millis(5);

/// How long a partition that leaves waits for a database that is away.
const AWAY_PATIENCE: Duration = Duration::from_millis(500);

/// Time between two tries to take up what is stored, of a partition that began without.
const LATE_PAUSE: Duration = Duration::from_secs(10);

/// Why a partition that the worker has is to be read again from further back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It began without its snapshot, which is there now.
    Late,
    /// Rows of its snapshot cannot be read: their customers are remembered from the log.
    Refused,
}

/// A worker's snapshots.
pub(super) struct Custody {
    /// Claims and saves.
    keeper: Keeper,
    /// Reads customers, while saves may wait.
    reader: Keeper,
    owner: String,
    policy: Policy,
    parts: Vec<Part>,
    /// The part that encodes first in the next turn.
    first: usize,
    since_save: Stopwatch,
    since_late: Stopwatch,
    /// Memory is full of what is not stored: saves begin without waiting for their time.
    pub(super) is_pressed: bool,
    adoptions: u64,
    /// Orders for customers that have not been answered.
    awaited_loads: usize,
    /// Customers that were asked for and found, and are not counted yet.
    found: u64,
    /// The order for a page that has not been answered.
    awaited_page: Option<listing::Awaited>,
    /// The part that is listed in the next turn.
    first_listed: usize,
    /// Memory for customers in bytes.
    max_bytes: usize,
}

impl Custody {
    /// Starts the threads that have the database.
    pub(super) fn start(settings: &Snapshots) -> std::io::Result<Self> {
        let start = |name| {
            let (open, complain) = (settings.open.clone(), settings.complain.clone());
            Keeper::start(name, Box::new(move || open()), Box::new(move |said| complain(said)))
        };
        Ok(Self {
            keeper: start("snapshots")?,
            reader: start("customers")?,
            owner: settings.owner.clone(),
            policy: settings.policy.clone(),
            parts: Vec::new(),
            first: 0,
            since_save: Stopwatch::start(),
            since_late: Stopwatch::start(),
            is_pressed: false,
            adoptions: 0,
            awaited_loads: 0,
            found: 0,
            awaited_page: None,
            first_listed: 0,
            max_bytes: settings.max_bytes,
        })
    }

    /// Claims a partition that comes. Where to begin: as `begins` says, or, if its snapshot is of
    /// use, at its saved offset, with the customers that `scorer` then knows to be stored.
    pub(super) fn adopt<S: Score>(&mut self, begins: Beginning, scorer: &mut S) -> Beginning {
        let partition = begins.partition;
        self.lose(&[partition]);
        self.adoptions += 1;
        self.parts.push(Part::new(partition, self.adoptions, begins.judged_until));
        let Some(claim) = self.claim(partition, scorer) else {
            tracing::warn!(
                partition,
                "the snapshot database does not answer, the partition is restored from its topic"
            );
            return begins;
        };
        if let Some(previous) = &claim.previous {
            tracing::info!(partition, previous, "taken over from an owner that did not let go");
        }
        self.take_up(begins, scorer).unwrap_or(begins)
    }

    /// A partition that is to be read again from further back, and why.
    pub(super) fn to_reseat(&self) -> Option<(i32, Why)> {
        let is_refused = |part: &&Part| !part.refused.is_empty();
        if let Some(part) = self.parts.iter().find(is_refused) {
            return Some((part.partition, Why::Refused));
        }
        if self.since_late.elapsed() < LATE_PAUSE {
            return None;
        }
        let is_late = |part: &&Part| matches!(part.base, Base::Late(_));
        self.parts.iter().find(is_late).map(|part| (part.partition, Why::Late))
    }

    /// Takes up a snapshot, if one is claimed and of use. What `scorer` knew of the partition from
    /// the log it forgets: anybody may be stored. Where to read from.
    pub(super) fn take_up<S: Score>(
        &mut self,
        begins: Beginning,
        scorer: &mut S,
    ) -> Option<Beginning> {
        self.since_late = Stopwatch::start();
        let partition = begins.partition;
        self.adoptions += 1;
        let adoption = self.adoptions;
        let part = self.part(partition)?;
        let Base::Late(claim) = &part.base else { return None };
        let saved = claim.saved_offset;
        (part.base, part.adoption, part.unlisted) = (Base::Taken, adoption, Some(String::new()));
        if let Some(lost) = saved.map(|saved| begins.first - saved).filter(|&lost| lost > 0) {
            tracing::error!(
                partition,
                lost,
                "records left the topic before they were saved, windows of their customers are \
                 incomplete; raise the topic's retention or save more often"
            );
        }
        scorer.forget(partition);
        scorer.expect_all(partition);
        // Without a saved offset some customers are stored all the same, each up to its own.
        let Some(saved) = saved else { return Some(begins) };
        let from = saved.clamp(begins.first, begins.judged_until);
        Some(Beginning { from, is_cut: false, ..begins })
    }

    /// From now on the customers of rows that cannot be read are remembered from the log.
    pub(super) fn give_refused_up<S: Score>(&mut self, partition: i32, scorer: &mut S) {
        let Some(part) = self.part(partition) else { return };
        part.is_rebuilding = true;
        for id in std::mem::take(&mut part.refused) {
            scorer.met_in_store(partition, &id);
        }
    }

    /// Goes on saving, and begins to when it is time.
    pub(super) fn turn<S: Score>(
        &mut self,
        scorer: &mut S,
        tasks: &Tasks,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        while let Some(answer) = self.keeper.answer() {
            self.take(answer, scorer, observe);
        }
        self.read_ahead(scorer);
        let (keeper, owner) = (&self.keeper, &self.owner);
        self.parts.iter_mut().for_each(|part| part.ask(keeper, owner));
        if self.is_save_due(scorer) {
            (self.since_save, self.is_pressed) = (Stopwatch::start(), false);
            self.parts.iter_mut().for_each(|part| part.begin(scorer, tasks));
        }
        // One part encodes a turn: how long a turn takes is no matter of how many there are. It
        // goes on until it is done, so that some are saved completely as early as can be.
        let mut may_encode = true;
        let count = self.parts.len();
        for place in 0..count {
            let at = (self.first + place) % count;
            if self.parts[at].go_on(&self.keeper, scorer, tasks, may_encode) {
                may_encode = false;
                self.first = at;
            }
        }
    }

    /// Whether a save is under way that has something to do.
    pub(super) fn is_saving(&self) -> bool {
        self.parts.iter().any(Part::is_saving) && !self.keeper.is_away()
    }

    /// Whether anything is under way that goes on from turn to turn: an idle worker then turns
    /// faster.
    pub(super) fn is_busy(&self) -> bool {
        self.is_saving() || self.is_listing() && !self.reader.is_away()
    }

    fn is_save_due<S: Score>(&self, scorer: &S) -> bool {
        if !self.parts.iter().any(Part::is_idle) {
            return false;
        }
        let changed: usize = self.parts.iter().map(|part| scorer.changed(part.partition)).sum();
        self.is_pressed && changed > 0 || self.policy.is_due(self.since_save.elapsed(), changed)
    }

    /// Saves all that is not saved of these partitions and lets them go, as far as time allows:
    /// what is left, whoever has them next reads from the topic. All that was judged is committed.
    pub(super) fn let_go<S: Score>(
        &mut self,
        partitions: &[i32],
        scorer: &mut S,
        tasks: &Tasks,
        limit: Duration,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        let waited = Stopwatch::start();
        let is_one = |part: &Part| partitions.contains(&part.partition) && part.holder.is_some();
        loop {
            observe(Event::Beat);
            let keeper = &self.keeper;
            for part in self.parts.iter_mut().filter(|part| is_one(part)) {
                if part.is_idle() && scorer.changed(part.partition) > 0 {
                    part.begin(scorer, tasks);
                }
                part.go_on(keeper, scorer, tasks, true);
            }
            let is_saved = |part: &Part| {
                let has_changed = part.may_save(tasks) && scorer.changed(part.partition) > 0;
                part.is_idle() && !has_changed
            };
            if self.parts.iter().filter(|part| is_one(part)).all(is_saved) {
                break;
            }
            let is_late = waited.elapsed() > limit;
            if is_late || self.keeper.is_away() && waited.elapsed() > AWAY_PATIENCE {
                tracing::warn!(?partitions, "partitions go before all of them is saved");
                return self.lose(partitions);
            }
            if let Some(answer) = self.keeper.wait(WAIT) {
                self.take(answer, scorer, observe);
            }
        }
        let mut left: Vec<Holder> =
            self.parts.iter().filter(|part| is_one(part)).filter_map(|part| part.holder).collect();
        self.lose(partitions);
        left.retain(|&holder| self.give(Order::Release(holder)));
        while !left.is_empty() && waited.elapsed() < limit {
            match self.keeper.wait(WAIT) {
                Some(Answer::Released(holder)) => left.retain(|other| *other != holder),
                Some(answer) => {
                    if let Answer::Fenced(holder) = answer {
                        left.retain(|other| *other != holder);
                    }
                    self.take(answer, scorer, observe);
                }
                None => observe(Event::Beat),
            }
        }
    }

    /// These partitions are gone: nothing is saved of them any more.
    pub(super) fn lose(&mut self, partitions: &[i32]) {
        self.parts.retain(|part| !partitions.contains(&part.partition));
    }

    fn part(&mut self, partition: i32) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.partition == partition)
    }

    fn claim<S: Score>(&mut self, partition: i32, scorer: &mut S) -> Option<Claim> {
        let waited = Stopwatch::start();
        loop {
            let (keeper, owner) = (&self.keeper, &self.owner);
            let part = self.parts.iter_mut().find(|part| part.partition == partition)?;
            part.ask(keeper, owner);
            let answer = if keeper.is_away() { keeper.answer() } else { keeper.wait(WAIT) };
            let Some(answer) = answer else {
                // Who has not answered the claim before this one will not answer this one sooner.
                if self.keeper.is_away() || waited.elapsed() > CLAIM_TIME {
                    return None;
                }
                continue;
            };
            let claim = match &answer {
                Answer::Claimed(claim) if claim.holder.partition == partition => {
                    Some(claim.clone())
                }
                _ => None,
            };
            self.take(answer, scorer, &mut |_| ());
            if claim.is_some() {
                return claim;
            }
        }
    }

    /// Gives an order that must not be lost, and waits for room for it; not for ever, because a
    /// database that is away is what there is no room for. Whether it was given.
    fn give(&self, order: Order) -> bool {
        let waited = Stopwatch::start();
        let mut order = order;
        while let Err(refused) = self.keeper.order(order) {
            if waited.elapsed() > CLAIM_TIME || self.keeper.is_away() {
                tracing::warn!("the database does not answer, an order to it is dropped");
                return false;
            }
            order = refused;
            pause(WAIT);
        }
        true
    }

    fn take<S: Score>(
        &mut self,
        answer: Answer,
        scorer: &mut S,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        match answer {
            Answer::Claimed(claim) => {
                let holder = claim.holder;
                match self.part(holder.partition) {
                    Some(part) => part.hold(claim, scorer),
                    // It has gone before the answer came.
                    None => drop(self.keeper.order(Order::Release(holder))),
                }
            }
            Answer::Saved { holder, saved_offset: Some(_), .. } => {
                let part = self.part(holder.partition);
                if let Some(part) = part.filter(|part| part.holder == Some(holder)) {
                    part.is_awaited = false;
                    scorer.settle(part.partition, true);
                    let duration = part.since_begin.elapsed();
                    observe(Event::Saved { partition: part.partition, duration });
                }
            }
            Answer::Fenced(holder) => {
                let part = self.part(holder.partition);
                if let Some(part) = part.filter(|part| part.holder == Some(holder)) {
                    tracing::error!(
                        partition = holder.partition,
                        "somebody else has claimed the partition; if it is still this worker's, it \
                         is claimed again and its snapshot read"
                    );
                    part.fenced(scorer);
                }
            }
            Answer::Saved { .. }
            | Answer::Loaded { .. }
            | Answer::Page { .. }
            | Answer::Released(_)
            | Answer::Discarded(_)
            | Answer::Unclaimed => {}
        }
    }
}
