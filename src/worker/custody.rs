//! A worker and the snapshots of its partitions: claimed when they come, saved as they change, let
//! go when they leave.
//!
//! The worker never waits for the database while it scores. It waits when a partition comes (what
//! is stored of it decides where reading begins), when a customer returns who is stored and not in
//! memory, and when a partition leaves; each for a limited time. A database that does not answer
//! when a partition comes is done without: the log is read from further back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::driver::Worker;
use super::step::Score;
use super::tasks::{Task, Tasks};
use super::{Error, Event, Snapshots};
use crate::clock::{Stopwatch, pause};
use crate::database::{Claim, Holder};
use crate::kafka::{Beginning, Record};
use crate::limits::{CLAIM_TIME, LOAD_TIME, MAX_LOADED_CUSTOMERS};
use crate::snapshots::{Answer, Keeper, Order, Policy, Saving};

/// One wait for an answer.
const WAIT: Duration = Duration::from_millis(5);

/// One wait for customers that are stored.
const LOOK_UP_WAIT: Duration = Duration::from_secs(1);

/// A worker's snapshots.
pub(super) struct Custody {
    /// Claims and saves.
    keeper: Keeper,
    /// Reads customers, while saves may wait.
    reader: Keeper,
    owner: String,
    policy: Policy,
    parts: Vec<Part>,
    since_save: Stopwatch,
    /// A claim was waited for in vain, and nothing has been heard of the database since.
    is_away: bool,
}

/// A partition's snapshot.
struct Part {
    partition: i32,
    /// The order to claim it is given.
    is_claimed: bool,
    /// `None`: the claim has not been answered, or somebody else has claimed it since.
    holder: Option<Holder>,
    saving: Option<Saving>,
    /// The last batch of a save is on its way.
    is_awaited: bool,
    since_begin: Stopwatch,
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
            since_save: Stopwatch::start(),
            is_away: false,
        })
    }

    /// Claims a partition that comes. Where to begin: as `begins` says, or, if its snapshot is of
    /// use, at its saved offset, with the customers that `scorer` then knows to be stored.
    pub(super) fn adopt<S: Score>(&mut self, begins: Beginning, scorer: &mut S) -> Beginning {
        let partition = begins.partition;
        self.lose(&[partition]);
        self.parts.push(Part {
            partition,
            is_claimed: false,
            holder: None,
            saving: None,
            is_awaited: false,
            since_begin: Stopwatch::start(),
        });
        let Some(claim) = self.claim(partition) else {
            tracing::warn!(
                partition,
                "the snapshot database does not answer, the partition is restored from its topic"
            );
            return begins;
        };
        if let Some(previous) = &claim.previous {
            tracing::info!(partition, previous, "taken over from an owner that did not let go");
        }
        let Some(saved) = claim.saved_offset else { return begins };
        if saved.max(claim.highest_offset) > begins.judged_until {
            tracing::warn!(
                partition,
                saved,
                committed = begins.judged_until,
                "the snapshot is ahead of the committed offset and of no use, the partition is \
                 restored from its topic"
            );
            self.give(Order::Discard(claim.holder));
            return begins;
        }
        let Some(ids) = self.ids(partition) else { return begins };
        if saved < begins.first {
            let lost = begins.first - saved;
            tracing::error!(
                partition,
                lost,
                "records left the topic before they were saved, windows of their customers are \
                 incomplete; raise the topic's retention or save more often"
            );
        }
        scorer.expect(partition, &ids);
        Beginning { from: saved.clamp(begins.first, begins.judged_until), is_cut: false, ..begins }
    }

    /// Goes on saving, and begins to when it is time.
    pub(super) fn turn<S: Score>(
        &mut self,
        scorer: &mut S,
        tasks: &Tasks,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        while let Some(answer) = self.keeper.answer() {
            self.take(answer, observe);
        }
        let (keeper, owner) = (&self.keeper, &self.owner);
        self.parts.iter_mut().for_each(|part| part.claim(keeper, owner));
        if self.parts.iter().all(Part::is_idle) {
            let changed = self.parts.iter().map(|part| scorer.changed(part.partition)).sum();
            if !self.policy.is_due(self.since_save.elapsed(), changed) {
                return;
            }
            self.since_save = Stopwatch::start();
            self.parts.iter_mut().for_each(|part| part.begin(scorer, tasks));
        }
        let keeper = &self.keeper;
        self.parts.iter_mut().for_each(|part| part.go_on(keeper, scorer, tasks));
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
                part.go_on(keeper, scorer, tasks);
            }
            // What is still being restored has nothing that is not stored or in the topic.
            let is_saved = |part: &Part| {
                let has_changed = part.task(tasks).is_some() && scorer.changed(part.partition) > 0;
                part.is_idle() && !has_changed
            };
            if self.parts.iter().filter(|part| is_one(part)).all(is_saved) {
                break;
            }
            if waited.elapsed() > limit {
                tracing::warn!(?partitions, "partitions go before all of them is saved");
                return self.lose(partitions);
            }
            if let Some(answer) = self.keeper.wait(WAIT) {
                self.take(answer, observe);
            }
        }
        let holders: Vec<Holder> =
            self.parts.iter().filter(|part| is_one(part)).filter_map(|part| part.holder).collect();
        self.lose(partitions);
        let mut left = holders.len();
        holders.into_iter().for_each(|holder| self.give(Order::Release(holder)));
        while left > 0 && waited.elapsed() < limit {
            match self.keeper.wait(WAIT) {
                Some(Answer::Released(_) | Answer::Fenced(_)) => left -= 1,
                Some(answer) => self.take(answer, observe),
                None => observe(Event::Beat),
            }
        }
    }

    /// These partitions are gone: nothing is saved of them any more.
    pub(super) fn lose(&mut self, partitions: &[i32]) {
        self.parts.retain(|part| !partitions.contains(&part.partition));
    }

    /// Reads customers into memory. `false` if the database does not answer in time: some may be
    /// missing still.
    pub(super) fn load<S: Score>(
        &mut self,
        missing: &[(i32, String)],
        scorer: &mut S,
        limit: Duration,
    ) -> bool {
        let waited = Stopwatch::start();
        for missing in missing.chunk_by(|(one, _), (other, _)| one == other) {
            for missing in missing.chunks(MAX_LOADED_CUSTOMERS) {
                let partition = missing[0].0;
                let customer_ids = missing.iter().map(|(_, id)| id.clone()).collect();
                // An answer to an earlier order may be on its way: it brings what was missing then.
                let mut order = Some(Order::Load { partition, customer_ids });
                loop {
                    order = order.and_then(|order| self.reader.order(order).err());
                    match self.reader.wait(WAIT) {
                        Some(Answer::Loaded { partition: of, customer_ids, customers }) => {
                            admit(of, &customer_ids, customers, scorer);
                            let is_here =
                                |(_, id): &(i32, String)| !scorer.is_missing(partition, id);
                            if missing.iter().all(is_here) {
                                break;
                            }
                        }
                        _ if waited.elapsed() > limit => return false,
                        _ => {}
                    }
                }
            }
        }
        true
    }

    fn claim(&mut self, partition: i32) -> Option<Claim> {
        let part = self.parts.iter_mut().find(|part| part.partition == partition)?;
        part.claim(&self.keeper, &self.owner);
        let limit = if self.is_away { Duration::ZERO } else { CLAIM_TIME };
        let waited = Stopwatch::start();
        while waited.elapsed() < limit {
            match self.keeper.wait(WAIT) {
                Some(Answer::Claimed(claim)) if claim.holder.partition == partition => {
                    self.hold(&claim);
                    return Some(claim);
                }
                Some(answer) => self.take(answer, &mut |_| ()),
                None => {}
            }
        }
        self.is_away = true;
        None
    }

    fn ids(&mut self, partition: i32) -> Option<Vec<String>> {
        self.reader.order(Order::Ids(partition)).ok()?;
        let waited = Stopwatch::start();
        while waited.elapsed() < CLAIM_TIME {
            match self.reader.wait(WAIT) {
                Some(Answer::Ids { partition: of, customer_ids }) if of == partition => {
                    return Some(customer_ids);
                }
                _ => {}
            }
        }
        tracing::warn!(partition, "stored customers are not known in time, the topic is read");
        None
    }

    /// Gives an order that must not be lost, and waits for room for it; not for ever, because a
    /// database that is away is what there is no room for.
    fn give(&self, order: Order) {
        let waited = Stopwatch::start();
        let mut order = order;
        while let Err(refused) = self.keeper.order(order) {
            if waited.elapsed() > CLAIM_TIME {
                tracing::warn!("the database does not answer, an order to it is dropped");
                return;
            }
            order = refused;
            pause(WAIT);
        }
    }

    fn take(&mut self, answer: Answer, observe: &mut dyn FnMut(Event<'_>)) {
        self.is_away = false;
        match answer {
            Answer::Claimed(claim) => self.hold(&claim),
            Answer::Saved { holder, saved_offset: Some(_), .. } => {
                let part = self.parts.iter_mut().find(|part| part.holder == Some(holder));
                if let Some(part) = part {
                    part.is_awaited = false;
                    let duration = part.since_begin.elapsed();
                    observe(Event::Saved { partition: part.partition, duration });
                }
            }
            Answer::Fenced(holder) => {
                let part = self.parts.iter_mut().find(|part| part.holder == Some(holder));
                if let Some(part) = part {
                    let partition = holder.partition;
                    tracing::error!(
                        partition,
                        "somebody else has claimed the partition, nothing more of it is saved here"
                    );
                    (part.holder, part.saving, part.is_awaited) = (None, None, false);
                }
            }
            Answer::Saved { .. }
            | Answer::Loaded { .. }
            | Answer::Ids { .. }
            | Answer::Released(_)
            | Answer::Discarded(_) => {}
        }
    }

    fn hold(&mut self, claim: &Claim) {
        let Holder { partition, .. } = claim.holder;
        match self.parts.iter_mut().find(|part| part.partition == partition) {
            Some(part) => part.holder = Some(claim.holder),
            // It has gone before the answer came.
            None => drop(self.keeper.order(Order::Release(claim.holder))),
        }
    }
}

fn admit<S: Score>(
    partition: i32,
    asked: &[String],
    customers: Vec<crate::database::StoredCustomer>,
    scorer: &mut S,
) {
    for customer in customers {
        if let Err(error) = scorer.admit(partition, &customer) {
            let (error, id) = (&error as &dyn std::error::Error, &customer.customer_id);
            tracing::error!(partition, customer_id = id, error, "a stored customer begins anew");
        }
    }
    asked.iter().for_each(|id| scorer.met_in_store(partition, id));
}

impl Part {
    fn claim(&mut self, keeper: &Keeper, owner: &str) {
        let partition = self.partition;
        if !self.is_claimed {
            let claim = Order::Claim { partition, owner: owner.to_owned() };
            self.is_claimed = keeper.order(claim).is_ok();
        }
    }

    fn is_idle(&self) -> bool {
        self.saving.is_none() && !self.is_awaited
    }

    fn task<'t>(&self, tasks: &'t Tasks) -> Option<&'t Task> {
        tasks.iter().find(|task| task.partition == self.partition && !task.is_restoring())
    }

    /// Begins to save what has changed. A partition that is being restored waits.
    fn begin<S: Score>(&mut self, scorer: &mut S, tasks: &Tasks) {
        let (Some(holder), Some(task)) = (self.holder, self.task(tasks)) else { return };
        self.since_begin = Stopwatch::start();
        self.saving = Some(Saving::begin(holder, task.next, scorer.cut(self.partition)));
    }

    /// Encodes some customers and hands on what is committed.
    fn go_on<S: Score>(&mut self, keeper: &Keeper, scorer: &S, tasks: &Tasks) {
        let Some(committed) = self.task(tasks).map(Task::committed_offset) else { return };
        let Some(saving) = &mut self.saving else { return };
        if let Some(customers) = scorer.customers(self.partition) {
            saving.encode(customers);
        }
        if let Some(batch) = saving.ready(committed)
            && let Err(Order::Save(batch)) = keeper.order(Order::Save(batch))
        {
            saving.put_back(batch);
        }
        if saving.is_done() {
            (self.saving, self.is_awaited) = (None, true);
        }
    }
}

impl<S: Score> Worker<'_, S> {
    /// Reads the customers of these records into memory, those that are stored. `false` if the
    /// worker is to end before they are there.
    pub(super) fn load(
        &mut self,
        records: &[Record<'_>],
        stop: &AtomicBool,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, Error> {
        let Some(custody) = &mut self.custody else { return Ok(true) };
        let missing = self.step.missing(records, self.clock);
        let waited = Stopwatch::start();
        while !missing.is_empty() && !custody.load(&missing, self.step.scorer, LOOK_UP_WAIT) {
            observe(Event::Beat);
            if stop.load(Ordering::Acquire) {
                return Ok(false);
            }
            if waited.elapsed() > LOAD_TIME {
                return Err(Error::Database { seconds: LOAD_TIME.as_secs() });
            }
        }
        Ok(true)
    }

    /// Saves what is not saved of partitions that go, whose records are committed.
    pub(super) fn let_go(
        &mut self,
        partitions: &[i32],
        limit: Duration,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        if let Some(custody) = &mut self.custody {
            custody.let_go(partitions, self.step.scorer, &self.outbox.tasks, limit, observe);
        }
    }
}
