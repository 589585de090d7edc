//! Reads a partition that the worker keeps again from further back.
//!
//! Two rare reasons: the database was silent when the partition came but has its snapshot, or rows
//! cannot be read and their customers are remembered from the topic. Everything judged is committed
//! first; records before that are only remembered.

use std::sync::atomic::AtomicBool;

use super::brokers::Brokers;
use super::custody::{ReadFrom, Why};
use super::driver::Worker;
use super::rebalance::tell_cut;
use super::score::Score;
use super::step::Arrived as _;
use super::{Error, Event};
use crate::edges::kafka::Beginning;

impl<S: Score, B: Brokers> Worker<'_, S, B> {
    /// Reads one such partition again, if there is one. Drops its records from `held`; they come
    /// again. Postpones it if not everything can be committed.
    pub(super) fn reseat(
        &mut self,
        held: &mut Vec<B::Record<'_>>,
        stop: &AtomicBool,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let Some(custody) = &self.custody else { return Ok(()) };
        let Some((partition, why)) = custody.to_reseat() else { return Ok(()) };
        // A record judged and not committed would come again, be known already, and give no alert.
        if !self.drain(self.settings.patience, observe)? || !self.commit_last(observe)? {
            tracing::warn!(partition, ?why, "the partition cannot be read again now");
            if let Some(custody) = &mut self.custody {
                custody.put_off(partition);
            }
            return Ok(());
        }
        let begins = self.beginnings(&[partition], stop, observe)?;
        let Some(&(mut begins)) = begins.first() else { return Ok(()) };
        let Some(custody) = &mut self.custody else { return Ok(()) };
        let from = match why {
            Why::Late => custody.take_up(&begins, self.step.memory),
            Why::Refused => None,
        };
        match from {
            Some(ReadFrom::Offset(offset)) => begins.from = offset,
            _ => self.look_back(&mut [&mut begins], stop, observe)?,
        }
        tell_cut(&begins);
        self.tell_saved(partition, observe);
        if let (Why::Refused, Some(custody)) = (why, &mut self.custody) {
            custody.begin_rebuild(&begins, self.step.memory);
        }
        self.tell_lost(&Beginning { lost: 0, ..begins }, observe)?;
        let Beginning { from, judged_until, .. } = begins;
        tracing::warn!(partition, from, judged_until, ?why, "the partition is read again");
        self.outbox.close(&[partition])?;
        held.retain(|record| record.partition() != partition);
        self.step.drop_partitions(&[partition]);
        let was_waiting = self.pauses.has_waiting();
        self.pauses.drop_partitions(self.brokers, &[partition]);
        if was_waiting && !self.pauses.has_waiting() {
            observe(Event::WaitsNoMore);
        }
        self.begin(begins);
        self.brokers.seek(partition, from)?;
        self.pauses.apply(self.brokers, &self.outbox.tasks.partitions())?;
        observe(Event::Assigned(&self.outbox.tasks));
        Ok(())
    }
}
