//! How a worker ends: in order, within the deadline.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::brokers::Brokers;
use super::custody::Departure;
use super::driver::Worker;
use super::score::{Met, Score};
use super::{Error, Event, Settings};
use crate::base::clock::Stopwatch;
use crate::edges::kafka::Error as KafkaError;

/// How long saving may take at the end, as shares of what is left then of the time for
/// acknowledgements: before the group is left, when nobody scores the partitions, and after. Some
/// of that time there is in any case; handing over has no more than reading the topic would take.
const HAND_OVER_SHARE: f64 = 0.3;
pub(super) const SAVE_REST_SHARE: f64 = 0.7;
const LEAST_SHARE: f64 = 0.1;

/// How long each of a transaction's last calls may take: there are up to five, and none may have
/// what all of them have.
const LAST_CALL_SHARE: f64 = 0.2;

const HAND_OVER_TIME: Duration = Duration::from_secs(10);

impl<'a, S: Score, B: Brokers> Worker<'a, S, B> {
    /// Ends orderly: what is in hand is published, acknowledged and committed.
    pub(super) fn finish(
        &mut self,
        records: &mut Vec<B::Record<'a>>,
        stop: &AtomicBool,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        self.since_end = Some(Stopwatch::start());
        let share = self.settings.shutdown_deadline.mul_f64(LAST_CALL_SHARE);
        self.outbox.patience = self.outbox.patience.min(share);
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
        let departure = Departure { limit, keeps_handed_over: true };
        self.let_go(&partitions, departure, observe);
        observe(Event::Counted(&self.step.counts, Met::of(self.step.memory)));
        observe(Event::Leaving);
        Ok(())
    }
}

/// How long something may take at the end.
pub(super) fn time_for(share: f64, settings: &Settings, since_end: Option<&Stopwatch>) -> Duration {
    let deadline = settings.shutdown_deadline;
    let left = deadline.saturating_sub(since_end.map_or(Duration::ZERO, Stopwatch::elapsed));
    left.mul_f64(share).max(deadline.mul_f64(LEAST_SHARE))
}
