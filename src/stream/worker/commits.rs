//! Acknowledgements and commits: now and then, with a transaction, and for the last time.

use std::time::Duration;

use super::brokers::Brokers;
use super::custody::Custody;
use super::driver::Worker;
use super::flights::Flight;
use super::score::{Met, Score};
use super::step::latency;
use super::{Error, Event};
use crate::base::clock::{Stopwatch, pause};

/// How often the last commit is tried, and how long apart.
const LAST_COMMITS: u32 = 3;
const LAST_COMMIT_PAUSE: Duration = Duration::from_millis(100);

/// Records after which offsets are committed before it is time.
const COMMIT_RECORDS: u64 = 20_000;

/// Time between commits while customers are saved.
const SAVING_INTERVAL: Duration = Duration::from_millis(50);

/// The share of the time between commits after which one is due that disturbs nothing: everything
/// that was there has been taken and acknowledged. So a backlog is committed to its end when it is
/// done, and a crash of a quiet worker repeats little.
const IDLE_SHARE: u32 = 10;

impl<S: Score, B: Brokers> Worker<'_, S, B> {
    /// Takes acknowledgements in; whether there were any.
    pub(super) fn take_acknowledgements(
        &mut self,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, Error> {
        let now = self.clock;
        let counts = &mut self.step.counts;
        self.outbox.take_acknowledgements(&mut |flight| {
            acknowledged(counts, flight.timestamp_ms, now(), observe)
        })
    }

    /// Waits for all acknowledgements, if nothing is in a transaction; whether they have come.
    pub(super) fn drain(
        &mut self,
        patience: Duration,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, Error> {
        let now = self.clock;
        let counts = &mut self.step.counts;
        let mut arrived = |flight: Flight| {
            acknowledged(counts, flight.timestamp_ms, now(), observe);
        };
        self.outbox.drain(patience, &mut arrived)
    }

    /// At least once, a commit costs nothing and saves repeats: in a backlog a second is a lot of
    /// records. Exactly once it costs a transaction's round trips.
    pub(super) fn is_commit_due(&self, has_new: bool) -> bool {
        let records = self.step.counts.received - self.committed_at;
        let since = self.since_commit.elapsed();
        if self.outbox.is_transactional() {
            return since >= self.settings.commit_interval && self.outbox.rest().is_zero();
        }
        // What is encoded waits to be committed before it may be stored.
        let is_awaited =
            since >= SAVING_INTERVAL && self.custody.as_ref().is_some_and(Custody::is_saving);
        let is_idle = !has_new && self.outbox.in_flight() == 0;
        let interval = self.settings.commit_interval / if is_idle { IDLE_SHARE } else { 1 };
        is_awaited || records >= COMMIT_RECORDS || since >= interval
    }

    pub(super) fn commit(&mut self, observe: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        self.since_commit = Stopwatch::start();
        self.committed_at = self.step.counts.received;
        if self.outbox.is_transactional() {
            self.commit_transaction(observe)?;
            return Ok(());
        }
        self.take_commits(observe);
        let offsets = self.outbox.tasks.due();
        if offsets.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.brokers.commit(&offsets) {
            // The group may be between two generations: what is not confirmed is due again.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "offsets cannot be committed now");
            observe(Event::Committed(false));
        }
        Ok(())
    }

    /// Learns which commits have arrived. Those that nobody confirms stay due.
    fn take_commits(&mut self, observe: &mut dyn FnMut(Event<'_>)) {
        let commits = self.brokers.commits();
        (0..commits.failed).for_each(|_| observe(Event::Committed(false)));
        (0..commits.succeeded).for_each(|_| observe(Event::Committed(true)));
        self.outbox.tasks.commit(&commits.confirmed);
    }

    fn commit_transaction(&mut self, observe: &mut dyn FnMut(Event<'_>)) -> Result<bool, Error> {
        let now = self.clock;
        let counts = &mut self.step.counts;
        let had_work = self.outbox.in_flight() > 0 || !self.outbox.tasks.due().is_empty();
        let is_committed = self.outbox.commit_transaction(&mut |flight| {
            acknowledged(counts, flight.timestamp_ms, now(), observe);
        })?;
        if had_work {
            observe(Event::Committed(is_committed));
            observe(Event::Counted(&self.step.counts, Met::of(self.step.memory)));
        }
        Ok(is_committed)
    }

    /// Commits all that can be and waits for the answer; whether it is committed. A failure costs
    /// repeated records, no lost ones, and is no reason to stop less orderly.
    pub(super) fn commit_last(
        &mut self,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, Error> {
        let waited = Stopwatch::start();
        for attempt in 1..=LAST_COMMITS {
            observe(Event::Beat);
            let is_committed = if self.outbox.is_transactional() {
                self.commit_transaction(observe)?
            } else {
                self.commit_now()
            };
            if is_committed {
                return Ok(true);
            }
            if attempt == LAST_COMMITS || waited.elapsed() > self.settings.patience {
                break;
            }
            pause(LAST_COMMIT_PAUSE);
        }
        tracing::warn!("offsets were not committed, records will be read again");
        observe(Event::Committed(false));
        Ok(false)
    }

    fn commit_now(&mut self) -> bool {
        let offsets = self.outbox.tasks.all();
        match self.brokers.commit_now(&offsets, self.settings.patience) {
            Ok(()) => {
                self.outbox.tasks.commit(&offsets);
                true
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "a last commit failed");
                false
            }
        }
    }
}

/// An alert is acknowledged.
fn acknowledged(
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
