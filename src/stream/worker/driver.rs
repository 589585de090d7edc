//! The loop that does a worker's effects on Kafka.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::brokers::{Brokers, Cluster};
use super::custody::Custody;
use super::lag::Lags;
use super::miskeyed::Miskeyed;
use super::outbox::Outbox;
use super::pauses::Pauses;
use super::score::{Met, Score};
use super::step::{Arrived, Cause, Held, Step, latency};
use super::{Error, Event, Settings, Surroundings, Verdicts};
use crate::base::clock::Stopwatch;
use crate::base::limits::LOAD_TIME;
use crate::core::engine::Memory;
use crate::edges::kafka::Error as KafkaError;

/// How long a worker with acknowledgements or schemas to come waits for a record.
const BUSY_WAIT: Duration = Duration::from_millis(1);

/// Records after which offsets are committed before it is time.
const COMMIT_RECORDS: u64 = 20_000;

/// Time between commits while customers are saved.
const SAVING_INTERVAL: Duration = Duration::from_millis(50);

/// The share of the time between commits after which one is due that disturbs nothing: everything
/// that was there has been taken and acknowledged. So a backlog is committed to its end when it is
/// done, and a crash of a quiet worker repeats little.
const IDLE_SHARE: u32 = 10;

/// Time between two looks at how far behind the partitions are.
const LAG_INTERVAL: Duration = Duration::from_secs(1);

/// Time after which a schema that nobody knew is asked for again.
const ASK_AGAIN_INTERVAL: Duration = Duration::from_secs(30);

/// How many times as many records are taken at once while it is not known who is stored.
const LISTING_SHARE: usize = 8;

/// Time between two looks at whether the group wants something: partitions that move stand still
/// until every member has heard.
const NUDGE_INTERVAL: Duration = Duration::from_millis(100);

/// How long saving may take at the end, as shares of what is left then of the time for
/// acknowledgements: before the group is left, when nobody scores the partitions, and after. Some
/// of that time there is in any case; handing over has no more than reading the topic would take.
const HAND_OVER_SHARE: f64 = 0.3;
const SAVE_REST_SHARE: f64 = 0.7;
const LEAST_SHARE: f64 = 0.1;
const HAND_OVER_TIME: Duration = Duration::from_secs(10);

/// Works until it is told to stop, then finishes what is in hand, flushes, commits and leaves the
/// group. What it learns goes to `memory`, which outlives it; `scorer` judges.
///
/// # Errors
/// [`Error`] if it cannot go on. It leaves the group then as well, without committing; only if
/// acknowledgements did not come in time at the end, what was acknowledged is committed.
pub fn run<S: Score>(
    settings: &Settings,
    scorer: &mut S,
    memory: &mut Memory,
    surroundings: Surroundings<'_>,
) -> Result<super::Counts, Error> {
    work(settings, Cluster::join(settings)?, scorer, memory, surroundings)
}

/// As [`run`], as a member of whatever these `brokers` are.
///
/// # Errors
/// As of [`run`].
pub fn work<S: Score>(
    settings: &Settings,
    brokers: impl Brokers,
    scorer: &mut S,
    memory: &mut Memory,
    surroundings: Surroundings<'_>,
) -> Result<super::Counts, Error> {
    let Surroundings { clock, stop, verdicts, observe } = surroundings;
    let custody = settings.snapshots.as_ref().map(Custody::start).transpose()?;
    let mut worker = Worker {
        settings,
        brokers: &brokers,
        step: Step::new(settings, scorer, memory),
        outbox: Outbox::new(&brokers, settings),
        custody,
        pauses: Pauses::default(),
        restoring: Vec::new(),
        clock,
        since_commit: Stopwatch::start(),
        committed_at: 0,
        since_lag: Stopwatch::start(),
        since_asking: Stopwatch::start(),
        lags: Lags::default(),
        miskeyed: Miskeyed::default(),
        since_bound: Stopwatch::start(),
        since_nudge: Stopwatch::start(),
        is_memory_full: false,
        since_end: None,
    };
    worker.turn_until(stop, verdicts, observe)?;
    let Worker { step, custody, mut outbox, since_end, .. } = worker;
    let (counts, tasks) = (step.counts, std::mem::take(&mut outbox.tasks));
    // Others may go on with the partitions while what is left is saved.
    drop(outbox);
    drop(brokers);
    if let Some(mut custody) = custody {
        let limit = time_for(SAVE_REST_SHARE, settings, since_end.as_ref());
        custody.save_rest(memory, &tasks, limit, observe);
    }
    Ok(counts)
}

/// A worker between what it reads and what it produces.
pub(super) struct Worker<'a, S, B> {
    pub(super) settings: &'a Settings,
    pub(super) brokers: &'a B,
    pub(super) step: Step<'a, S>,
    pub(super) outbox: Outbox<'a, B>,
    pub(super) custody: Option<Custody>,
    pub(super) pauses: Pauses,
    /// Partitions that are being restored, and since when.
    pub(super) restoring: Vec<(i32, Stopwatch)>,
    pub(super) clock: &'a dyn Fn() -> i64,
    pub(super) since_commit: Stopwatch,
    /// Records received at the last commit.
    pub(super) committed_at: u64,
    since_lag: Stopwatch,
    since_asking: Stopwatch,
    lags: Lags,
    miskeyed: Miskeyed,
    pub(super) since_bound: Stopwatch,
    since_nudge: Stopwatch,
    /// More is in memory than may be, and is not stored.
    pub(super) is_memory_full: bool,
    /// Since it was told to end.
    since_end: Option<Stopwatch>,
}

impl<'a, S: Score, B: Brokers> Worker<'a, S, B> {
    fn turn_until(
        &mut self,
        stop: &AtomicBool,
        verdicts: &mut Verdicts<'_>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let mut records: Vec<B::Record<'a>> = Vec::new();
        while !stop.load(Ordering::Acquire) {
            observe(Event::Beat);
            verdicts(&mut |label| self.step.memory.learn(label));
            let held = records.len();
            let limit = held + self.batch_records();
            self.brokers.take(limit, self.wait(), &mut records)?;
            self.drop_repeats(held, &mut records);
            let has_new = records.len() > held;
            let has_records = self.is_to_process(has_new) && self.process(&mut records, observe)?;
            self.end_restoring(observe);
            if self.settle(observe)? | has_records {
                observe(Event::Counted(&self.step.counts, Met::of(self.step.memory)));
            }
            self.make_room(observe)?;
            if self.is_commit_due(has_new) {
                self.commit(observe)?;
            }
            if let Some(custody) = &mut self.custody {
                custody.turn(self.step.memory, &self.outbox.tasks, observe);
            }
            if self.since_nudge.elapsed() >= NUDGE_INTERVAL {
                self.since_nudge = Stopwatch::start();
                self.brokers.nudge();
            }
            self.bound_memory();
            self.rebalance(&mut records, stop, observe)?;
            self.reseat(&mut records, stop, observe)?;
            self.now_and_then(observe);
        }
        self.finish(&mut records, stop, observe)
    }

    /// Drops what has come before, of the records behind those that were held.
    fn drop_repeats(&mut self, held: usize, records: &mut Vec<B::Record<'a>>) {
        let (tasks, mut place) = (&mut self.outbox.tasks, 0);
        let before = records.len();
        records.retain(|record| {
            place += 1;
            place <= held || tasks.is_new(record.partition(), record.offset())
        });
        let repeats = before - records.len();
        if repeats > 0 {
            tracing::debug!(repeats, "records came again after a rebalance");
        }
    }

    /// At least once, a commit costs nothing and saves repeats: in a backlog a second is a lot of
    /// records. Exactly once it costs a transaction's round trips.
    fn is_commit_due(&self, has_new: bool) -> bool {
        let records = self.step.counts.received - self.committed_at;
        let since = self.since_commit.elapsed();
        if self.outbox.is_transactional() {
            return since >= self.settings.commit_interval;
        }
        // What is encoded waits to be committed before it may be stored.
        let is_awaited =
            since >= SAVING_INTERVAL && self.custody.as_ref().is_some_and(Custody::is_saving);
        let is_idle = !has_new && self.outbox.in_flight() == 0;
        let interval = self.settings.commit_interval / if is_idle { IDLE_SHARE } else { 1 };
        is_awaited || records >= COMMIT_RECORDS || since >= interval
    }

    /// Ends orderly: what is in hand is published, acknowledged and committed.
    fn finish(
        &mut self,
        records: &mut Vec<B::Record<'a>>,
        stop: &AtomicBool,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        self.since_end = Some(Stopwatch::start());
        // Nothing may come between what is in hand and its commit.
        match self.rebalance(records, stop, observe) {
            Err(error) if !error.forbids_committing() => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a rebalance is not answered any more");
            }
            answered => answered?,
        }
        // What was acknowledged is committed even if not everything was.
        let patience = self.settings.shutdown_deadline;
        let is_drained = self.drain(patience, observe)?;
        self.commit_last(observe)?;
        if !is_drained {
            let (waiting, seconds) = (self.outbox.waiting(), patience.as_secs());
            let brokers = self.settings.connection.brokers().to_owned();
            return Err(KafkaError::Unacknowledged { waiting, brokers, seconds }.into());
        }
        let partitions = self.outbox.tasks.partitions();
        let limit = time_for(HAND_OVER_SHARE, self.settings, self.since_end.as_ref());
        let limit = limit.min(HAND_OVER_TIME);
        self.let_go(&partitions, (limit, true), observe);
        observe(Event::Counted(&self.step.counts, Met::of(self.step.memory)));
        observe(Event::Leaving);
        Ok(())
    }

    /// How many records are taken at once. While it is not known who is stored more are, because
    /// each batch waits for one query, however many it asks for.
    fn batch_records(&self) -> usize {
        let is_listing =
            self.custody.as_ref().is_some_and(|one| one.is_listing() && !one.is_reader_away());
        self.settings.batch_records * if is_listing { LISTING_SHARE } else { 1 }
    }

    /// How long to wait for the first record of a batch.
    fn wait(&self) -> Duration {
        let is_busy = self.pauses.has_waiting()
            || self.custody.as_ref().is_some_and(Custody::is_busy)
            || !self.outbox.is_transactional() && self.outbox.in_flight() > 0;
        let until_commit = if self.outbox.is_transactional() && self.outbox.in_flight() > 0 {
            self.settings.commit_interval.saturating_sub(self.since_commit.elapsed())
        } else {
            Duration::MAX
        };
        let wait = if is_busy { BUSY_WAIT } else { self.settings.batch_wait };
        wait.min(self.settings.batch_wait).min(until_commit)
    }

    /// Whether there is anything to do about the records in hand: looking at those that wait costs
    /// as much as the first time.
    fn is_to_process(&mut self, has_new: bool) -> bool {
        let is_other = |held: &Held| matches!(held.cause, Some(Cause::Schema(_)));
        let waits_for_customers =
            !self.step.held.is_empty() && !self.step.held.iter().any(is_other);
        match &mut self.custody {
            Some(custody) if waits_for_customers => custody.has_news() || has_new,
            _ => true,
        }
    }

    /// Works on a batch and leaves what waits in `records`; whether anything was done.
    fn process(
        &mut self,
        records: &mut Vec<B::Record<'a>>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, Error> {
        if records.is_empty() {
            return Ok(false);
        }
        let _span =
            tracing::info_span!(target: "synfinance::batch", "batch", records = records.len())
                .entered();
        let mut has_done = self.advance(records, observe)?;
        if let Some(custody) = &mut self.custody
            && !self.step.missing.is_empty()
            && let Some(found) =
                custody.fetch(&self.step.missing, self.step.memory, &self.outbox.tasks, LOAD_TIME)
        {
            self.step.counts.missed += found;
            has_done |= self.advance(records, observe)?;
        }
        self.hold(observe)?;
        Ok(has_done)
    }

    /// Does what can be done and leaves the rest in `records`; whether anything was done.
    fn advance(
        &mut self,
        records: &mut Vec<B::Record<'a>>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, Error> {
        let restored = self.step.counts.restored;
        let (transactions, duration) = self.step.run(records, self.clock, &mut self.outbox)?;
        if transactions > 0 {
            observe(Event::Batch { transactions, duration });
        }
        let mut held = self.step.held.iter().peekable();
        let mut is_restored = false;
        for (place, record) in records.iter().enumerate() {
            if held.next_if(|held| held.place == place).is_some() {
                continue;
            }
            let (partition, offset) = (record.partition(), record.offset());
            is_restored |= self.outbox.tasks.receive(partition, offset, record.timestamp_ms())?;
        }
        let done = (records.len() - self.step.held.len()) as u64;
        self.step.counts.received += done - (self.step.counts.restored - restored);
        if is_restored {
            self.tell_restored(observe);
        }
        if self.step.held.is_empty() {
            records.clear();
            return Ok(done > 0);
        }
        let mut held = self.step.held.iter().map(|held| held.place).peekable();
        let mut place = 0;
        records.retain(|_| {
            let is_held = held.next_if(|held| *held == place).is_some();
            place += 1;
            is_held
        });
        Ok(done > 0)
    }

    /// Pauses the partitions whose records wait.
    fn hold(&mut self, observe: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        if self.step.held.is_empty() && !self.pauses.has_waiting() {
            return Ok(());
        }
        let before = std::mem::take(&mut self.pauses.waiting);
        for held in &self.step.held {
            self.pauses.waiting.insert(held.partition);
            if let Some(cause) = held.cause.filter(|_| !before.contains(&held.partition)) {
                observe(Event::Waits(held.partition, cause));
            }
        }
        if !self.pauses.has_waiting() {
            observe(Event::WaitsNoMore);
        }
        self.pauses.apply(self.brokers, &self.outbox.tasks.partitions())
    }

    /// Takes acknowledgements in; whether there were any.
    fn settle(&mut self, observe: &mut dyn FnMut(Event<'_>)) -> Result<bool, Error> {
        let now = self.clock;
        let counts = &mut self.step.counts;
        self.outbox.settle(&mut |flight| acknowledged(counts, flight.timestamp_ms, now(), observe))
    }

    /// Waits for all acknowledgements, if nothing is in a transaction; whether they have come.
    pub(super) fn drain(
        &mut self,
        patience: Duration,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, Error> {
        let now = self.clock;
        let counts = &mut self.step.counts;
        let mut arrived = |flight: super::flights::Flight| {
            acknowledged(counts, flight.timestamp_ms, now(), observe);
        };
        self.outbox.drain(patience, &mut arrived)
    }

    /// Saves what is not saved of partitions that go, whose records are committed.
    pub(super) fn let_go(
        &mut self,
        partitions: &[i32],
        (limit, keeps): (Duration, bool),
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        if let Some(custody) = &mut self.custody {
            let limit = (limit, keeps);
            custody.let_go(partitions, self.step.memory, &self.outbox.tasks, limit, observe);
        }
    }

    /// What is looked at about once a second.
    fn now_and_then(&mut self, observe: &mut dyn FnMut(Event<'_>)) {
        if self.since_asking.elapsed() >= ASK_AGAIN_INTERVAL {
            self.since_asking = Stopwatch::start();
            self.step.ask_again();
        }
        if self.since_lag.elapsed() < LAG_INTERVAL {
            return;
        }
        self.since_lag = Stopwatch::start();
        self.miskeyed.warn(self.step.counts.miskeyed);
        observe(Event::InFlight(self.outbox.in_flight(), self.pauses.is_full));
        let shelf_bytes = self.custody.as_ref().map_or(0, Custody::shelf_bytes);
        observe(Event::StateBytes(self.step.memory.bytes() + shelf_bytes));
        self.lags.look(self.brokers, &self.outbox.tasks, (self.clock)() / 1_000, observe);
        if !self.restoring.is_empty() {
            // How much is left.
            observe(Event::Assigned(&self.outbox.tasks));
        }
    }

    /// Partitions are gone: nothing is known of them any more.
    pub(super) fn drop_partitions(
        &mut self,
        partitions: &[i32],
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        for &partition in partitions {
            self.step.memory.drop_partition(partition);
            observe(Event::Gone(partition));
        }
        if let Some(custody) = &mut self.custody {
            custody.lose(partitions);
        }
        self.step.drop_partitions(partitions);
        let was_waiting = self.pauses.has_waiting();
        self.pauses.drop_partitions(self.brokers, partitions);
        if was_waiting && !self.pauses.has_waiting() {
            observe(Event::WaitsNoMore);
        }
        self.restoring.retain(|(partition, _)| !partitions.contains(partition));
        self.lags.drop_partitions(partitions);
    }

    /// Partitions of which nothing is left to read are restored.
    fn end_restoring(&mut self, observe: &mut dyn FnMut(Event<'_>)) {
        let brokers = self.brokers;
        let tasks = &mut self.outbox.tasks;
        let ends = self.restoring.iter().filter(|(partition, _)| brokers.is_at_end(*partition));
        let has_ended = ends.fold(false, |has, (partition, _)| tasks.end(*partition) || has);
        if has_ended {
            self.tell_restored(observe);
        }
    }

    fn tell_restored(&mut self, observe: &mut dyn FnMut(Event<'_>)) {
        let tasks = &self.outbox.tasks;
        self.restoring.retain(|(partition, since)| {
            let is_restoring =
                tasks.iter().any(|task| task.partition == *partition && task.is_restoring());
            if !is_restoring {
                let duration = since.elapsed();
                tracing::info!(partition, ?duration, "partition restored");
                observe(Event::Restored { partition: *partition, duration });
            }
            is_restoring
        });
        observe(Event::Assigned(&self.outbox.tasks));
    }
}

/// How long something may take at the end.
fn time_for(share: f64, settings: &Settings, since_end: Option<&Stopwatch>) -> Duration {
    let deadline = settings.shutdown_deadline;
    let left = deadline.saturating_sub(since_end.map_or(Duration::ZERO, Stopwatch::elapsed));
    left.mul_f64(share).max(deadline.mul_f64(LEAST_SHARE))
}

pub(super) fn acknowledged(
    counts: &mut super::Counts,
    timestamp_ms: Option<i64>,
    now: i64,
    observe: &mut dyn FnMut(Event<'_>),
) {
    counts.acknowledged_alerts += 1;
    if let Some(latency) = latency(timestamp_ms, now) {
        counts.alert_latency.record(latency);
        observe(Event::Acknowledged(latency));
    }
}
