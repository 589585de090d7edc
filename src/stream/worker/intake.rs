//! What has arrived: taken in batches, worked on, and held where nothing can be done yet.

use std::time::Duration;

use super::brokers::Brokers;
use super::custody::Custody;
use super::driver::Worker;
use super::score::Score;
use super::step::{Arrived as _, Cause, Held};
use super::{Error, Event};
use crate::base::limits::LOAD_TIME;

/// How long a worker with acknowledgements or schemas to come waits for a record.
const BUSY_WAIT: Duration = Duration::from_millis(1);

/// How many times as many records are taken at once while it is not known who is stored.
const LISTING_SHARE: usize = 8;

impl<'a, S: Score, B: Brokers> Worker<'a, S, B> {
    /// Drops what has come before, of the records behind those that were held.
    pub(super) fn drop_repeats(&mut self, held: usize, records: &mut Vec<B::Record<'a>>) {
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

    /// How many records are taken at once. While it is not known who is stored more are, because
    /// each batch waits for one query, however many it asks for.
    pub(super) fn batch_records(&self) -> usize {
        let is_listing =
            self.custody.as_ref().is_some_and(|one| one.is_listing() && !one.is_reader_away());
        self.settings.batch_records * if is_listing { LISTING_SHARE } else { 1 }
    }

    /// How long to wait for the first record of a batch.
    pub(super) fn wait(&self) -> Duration {
        let is_busy = self.pauses.has_waiting()
            || self.custody.as_ref().is_some_and(Custody::is_busy)
            || !self.outbox.is_transactional() && self.outbox.in_flight() > 0;
        let until_commit = if self.outbox.is_transactional() && self.outbox.in_flight() > 0 {
            let interval = self.settings.commit_interval;
            interval.saturating_sub(self.since_commit.elapsed()).max(self.outbox.rest())
        } else {
            Duration::MAX
        };
        let wait = if is_busy { BUSY_WAIT } else { self.settings.batch_wait };
        wait.min(self.settings.batch_wait).min(until_commit)
    }

    /// Whether there is anything to do about the records in hand: looking at those that wait costs
    /// as much as the first time.
    pub(super) fn is_to_process(&mut self, has_new: bool) -> bool {
        let is_other = |held: &Held| matches!(held.cause, Some(Cause::Schema(_)));
        let waits_for_customers =
            !self.step.held.is_empty() && !self.step.held.iter().any(is_other);
        match &mut self.custody {
            Some(custody) if waits_for_customers => custody.has_news() || has_new,
            _ => true,
        }
    }

    /// Works on a batch and leaves what waits in `records`; whether anything was done.
    pub(super) fn process(
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
    pub(super) fn advance(
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
    pub(super) fn hold(&mut self, observe: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
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
}
