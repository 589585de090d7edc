//! The worker's loop, and what a worker is.
//!
//! The methods of [`Worker`] lie where their subject is:
//!
//! | file | what a worker does there |
//! | --- | --- |
//! | `driver` | the loop, and what it looks at now and then |
//! | `intake` | takes records, works on them, holds those that wait |
//! | `commits` | takes acknowledgements, commits offsets |
//! | `room` | keeps memory and what is in flight within bounds |
//! | `standstill` | notices that nothing gets done |
//! | `restores` | notices that partitions are restored |
//! | `rebalance` | gains and loses partitions |
//! | `reseat` | reads a partition again from further back |
//! | `ending` | ends in order |

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::brokers::{Brokers, Cluster};
use super::custody::Custody;
use super::ending::{SAVE_REST_SHARE, time_for};
use super::lag::Lags;
use super::miskeyed::Miskeyed;
use super::outbox::Outbox;
use super::pauses::Pauses;
use super::score::{Met, Score};
use super::standstill::Standstill;
use super::step::Step;
use super::{Error, Event, Settings, Surroundings, Verdicts};
use crate::base::clock::Stopwatch;
use crate::core::engine::Memory;

/// Time between two looks at how far behind the partitions are.
const LAG_INTERVAL: Duration = Duration::from_secs(1);

/// Time after which a schema that nobody knew is asked for again.
const ASK_AGAIN_INTERVAL: Duration = Duration::from_secs(30);

/// Time between two looks at whether the group wants something: partitions that move stand still
/// until every member has heard.
const NUDGE_INTERVAL: Duration = Duration::from_millis(100);

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
        standstill: Standstill::default(),
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

/// A worker between what it reads and what it produces. It lives from joining the group to leaving
/// it; the memory and the scorer that it borrows in `step` outlive it.
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
    standstill: Standstill,
    miskeyed: Miskeyed,
    pub(super) since_bound: Stopwatch,
    since_nudge: Stopwatch,
    /// More is in memory than may be, and is not stored.
    pub(super) is_memory_full: bool,
    /// Since it was told to end.
    pub(super) since_end: Option<Stopwatch>,
}

impl<'a, S: Score, B: Brokers> Worker<'a, S, B> {
    /// Turns until it is told to stop, then ends in order.
    ///
    /// The order within a turn matters. Verdicts are learned before records, so that a batch sees
    /// all that is known. Acknowledgements are taken before room is looked at, which they make, and
    /// before offsets are committed, which they allow. What custody encodes may be stored only when
    /// it is committed, so it comes after the commit. Partitions move last, when nothing of the
    /// batch is in hand: that is the one clean place for it.
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
            if self.take_acknowledgements(observe)? | has_records {
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
                self.brokers.nudge()?;
            }
            self.bound_memory();
            self.rebalance(&mut records, stop, observe)?;
            self.reseat(&mut records, stop, observe)?;
            self.now_and_then(observe);
        }
        self.finish(&mut records, stop, observe)
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
        let (outbox, interval) = (&self.outbox, self.settings.commit_interval);
        let why = || outbox.why_nothing_moves();
        self.standstill.look(self.brokers, &outbox.tasks, interval, why, observe);
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
            custody.drop_parts(partitions);
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
}
