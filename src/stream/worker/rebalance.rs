//! Partitions come and go.
//!
//! What the group asks for has waited for the batch in hand ([`Consumer::rebalance`]), so there is
//! one clean place for it. A partition that leaves in order is drained and committed first; one
//! that is lost may be somebody else's already, so nothing of it is committed. Either way it is
//! forgotten: whoever has it next, this worker included, has it from its snapshot and the log.
//!
//! [`Consumer::rebalance`]: crate::edges::kafka::Consumer::rebalance

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::brokers::Brokers;
use super::custody::{Departure, ReadFrom};
use super::driver::Worker;
use super::score::Score;
use super::step::Arrived as _;
use super::{Error, Event, Snapshots};
use crate::base::clock::{Stopwatch, pause};
use crate::edges::kafka::{self, Beginning, Rebalance};

/// Between two tries to find out where partitions begin.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Between two warnings about that.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

/// How long the brokers are asked; librdkafka gives a member up after five minutes.
const MAX_ASKING: Duration = Duration::from_secs(240);

/// How long partitions that are revoked are saved or handed over. Nobody scores them meanwhile, and
/// this worker none of its others; what is not done by then, the next one reads from the topic.
const LET_GO_TIME: Duration = Duration::from_secs(2);

/// How long one answer is waited for.
const ANSWER_TIME: Duration = Duration::from_secs(10);

impl<S: Score, B: Brokers> Worker<'_, S, B> {
    /// Answers the group. Records in `held` of partitions that go are dropped.
    pub(super) fn rebalance(
        &mut self,
        held: &mut Vec<B::Record<'_>>,
        stop: &AtomicBool,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        while let Some(rebalance) = self.brokers.rebalance() {
            if stop.load(Ordering::Acquire) && matches!(rebalance, Rebalance::Assign(_)) {
                // Leaving the group answers it.
                return Ok(());
            }
            observe(Event::Rebalanced { gains: matches!(rebalance, Rebalance::Assign(_)) });
            match rebalance {
                Rebalance::Assign(partitions) => self.assign(&partitions, stop, observe)?,
                Rebalance::Revoke(partitions) => {
                    let since = Stopwatch::start();
                    tracing::info!(?partitions, "partitions revoked");
                    self.drain_or_warn(observe)?;
                    self.commit_last(observe)?;
                    let committed = since.elapsed();
                    let limit = LET_GO_TIME.min(self.settings.patience);
                    let departure = Departure { limit, keeps_handed_over: false };
                    self.let_go(&partitions, departure, observe);
                    self.give_up(&partitions, held, observe)?;
                    let duration = since.elapsed();
                    tracing::info!(?partitions, ?committed, ?duration, "partitions let go");
                }
                Rebalance::Lose(partitions) => {
                    tracing::warn!(
                        ?partitions,
                        "partitions lost, their records will be read again"
                    );
                    self.drain_or_warn(observe)?;
                    self.give_up(&partitions, held, observe)?;
                }
            }
            self.pauses.apply(self.brokers, &self.outbox.tasks.partitions())?;
            observe(Event::Assigned(&self.outbox.tasks));
        }
        Ok(())
    }

    /// Waits for acknowledgements, but not for ever: what is not acknowledged is not committed, and
    /// whoever has the partition next reads it again.
    fn drain_or_warn(&mut self, observe: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        if !self.drain(self.settings.patience, observe)? {
            let waiting = self.outbox.waiting();
            tracing::warn!(waiting, "partitions go before everything was acknowledged");
        }
        Ok(())
    }

    fn assign(
        &mut self,
        partitions: &[i32],
        stop: &AtomicBool,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let mut begins = self.beginnings(partitions, stop, observe)?;
        let mut waited = Stopwatch::start();
        let mut without = Vec::new();
        for begin in &mut begins {
            self.drop_partitions(&[begin.partition], observe);
            let from = self.custody.as_mut().map_or(ReadFrom::Memory, |custody| {
                custody.adopt(begin, &mut waited, self.step.memory)
            });
            self.tell_saved(begin.partition, observe);
            observe(Event::Beat);
            match from {
                ReadFrom::Offset(offset) => begin.from = offset,
                ReadFrom::Memory => without.push(begin),
            }
        }
        self.look_back(&mut without, stop, observe)?;
        for begin in &begins {
            self.tell_lost(begin, observe)?;
            tell(begin);
            self.begin(*begin);
        }
        let starts: Vec<(i32, i64)> = begins.iter().map(|b| (b.partition, b.from)).collect();
        self.brokers.complete(&starts)?;
        Ok(())
    }

    /// Says since when a partition is saved, if an owner before has done so.
    pub(super) fn tell_saved(&self, partition: i32, observe: &mut dyn FnMut(Event<'_>)) {
        if let Some(at_ms) = self.custody.as_ref().and_then(|one| one.saved_at(partition)) {
            observe(Event::SavedBefore { partition, at_ms });
        }
    }

    /// Says what left the topic too early, unless the worker is to stop because of it.
    pub(super) fn tell_lost(
        &mut self,
        begin: &Beginning,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let &Beginning { partition, lost, .. } = begin;
        if lost > 0 {
            let records = lost.unsigned_abs();
            observe(Event::Lost { partition, records, is_unscored: true });
            tracing::error!(
                partition,
                lost,
                "records left the topic before they were scored, raise its retention or add workers"
            );
        }
        let Some(custody) = &mut self.custody else { return Ok(()) };
        let Some(lost) = custody.lost_records(partition) else { return Ok(()) };
        observe(Event::Lost { partition, records: lost.unsigned_abs(), is_unscored: false });
        tracing::error!(
            partition,
            lost,
            "records left the topic before they were saved, windows of their customers are \
             incomplete; raise the topic's retention or save more often"
        );
        match &self.settings.snapshots {
            Some(Snapshots { goes_on_incomplete: false, .. }) => {
                Err(Error::Incomplete { partition, lost })
            }
            _ => Ok(()),
        }
    }

    /// A partition begins, or begins again, of which nothing is in hand.
    pub(super) fn begin(&mut self, begin: Beginning) {
        let Beginning { partition, from, judged_until, .. } = begin;
        self.outbox.tasks.assign(partition, from, judged_until);
        self.restoring.retain(|(other, _)| *other != partition);
        if from < judged_until {
            self.restoring.push((partition, Stopwatch::start()));
        }
    }

    /// Where partitions were committed.
    pub(super) fn beginnings(
        &mut self,
        partitions: &[i32],
        stop: &AtomicBool,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Beginning>, Error> {
        let (brokers, patience) = (self.brokers, self.answer_time());
        ask(stop, observe, || brokers.beginnings(partitions, patience))
    }

    /// Moves beginnings back to where what is remembered begins.
    pub(super) fn look_back(
        &mut self,
        begins: &mut [&mut Beginning],
        stop: &AtomicBool,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let (brokers, memory, patience) = (self.brokers, self.settings.memory, self.answer_time());
        ask(stop, observe, || brokers.look_back(begins, memory, patience))
    }

    fn answer_time(&self) -> Duration {
        ANSWER_TIME.min(self.settings.patience)
    }

    /// Saves what is not saved of partitions that go, whose records are committed.
    pub(super) fn let_go(
        &mut self,
        partitions: &[i32],
        departure: Departure,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        if let Some(custody) = &mut self.custody {
            let (memory, tasks) = (&mut *self.step.memory, &self.outbox.tasks);
            custody.let_go(partitions, memory, tasks, departure, observe);
        }
    }

    fn give_up(
        &mut self,
        partitions: &[i32],
        held: &mut Vec<B::Record<'_>>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        self.outbox.close(partitions)?;
        held.retain(|record| !partitions.contains(&record.partition()));
        self.drop_partitions(partitions, observe);
        Ok(self.brokers.complete(&[])?)
    }
}

/// Asks the brokers again and again, for as long as the group has patience with a member that does
/// not poll: guessing would judge records twice or lose them.
fn ask<T>(
    stop: &AtomicBool,
    observe: &mut dyn FnMut(Event<'_>),
    mut question: impl FnMut() -> Result<T, kafka::Error>,
) -> Result<T, Error> {
    let waited = Stopwatch::start();
    let mut since_warning: Option<Stopwatch> = None;
    loop {
        observe(Event::Beat);
        match question() {
            Ok(answer) => return Ok(answer),
            // Whose client is given up asks in vain.
            Err(error @ (kafka::Error::Hangs { .. } | kafka::Error::Thread { .. })) => {
                return Err(error.into());
            }
            Err(error) if stop.load(Ordering::Acquire) || waited.elapsed() > MAX_ASKING => {
                return Err(error.into());
            }
            Err(error) => {
                if since_warning.is_none_or(|since| since.elapsed() >= WARN_INTERVAL) {
                    since_warning = Some(Stopwatch::start());
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "partitions wait for their offsets");
                }
                pause(RETRY_PAUSE);
            }
        }
    }
}

/// Says what an operator should know of where a partition begins.
fn tell(begin: &Beginning) {
    tell_cut(begin);
    let Beginning { partition, from, judged_until, .. } = *begin;
    tracing::info!(partition, from, judged_until, "partition assigned");
}

/// Says that the topic is too short for what is remembered from it.
pub(super) fn tell_cut(begin: &Beginning) {
    let Beginning { partition, from, judged_until, is_cut, .. } = *begin;
    if is_cut && from < judged_until {
        tracing::warn!(
            partition,
            from,
            "the topic does not reach back as far as customers are remembered, their windows are \
             incomplete; raise its retention"
        );
    }
}
