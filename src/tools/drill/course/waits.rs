//! Waiting, while nothing may break: for the service to keep up, for an end, for time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{ANSWER_TIME, COMMITTED, Course, GRACE, LOOK, STEADY, Signals};
use crate::base::clock::{Stopwatch, millis, now_millis, pause};
use crate::edges::kafka::committed_offsets;
use crate::tools::drill::child::Child;
use crate::tools::drill::{Error, PARTITIONS, Settings};

impl Course<'_> {
    /// The sum of the group's committed offsets; `None` if the brokers do not answer.
    pub(super) fn committed(&self) -> Option<u64> {
        let Settings { connection, names, .. } = self.settings;
        let partitions: Vec<i32> = (0..PARTITIONS).collect();
        let (group, topic) = (&names.group, &names.transactions);
        let offsets = committed_offsets(connection, group, topic, &partitions, ANSWER_TIME);
        let sum: i64 = offsets.ok()?.iter().map(|(_, offset)| *offset).sum();
        u64::try_from(sum).ok()
    }

    /// Whether it is time to ask for the committed offsets again.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.pulse.looked.is_none_or(|looked| looked.elapsed() >= COMMITTED);
        if is_due {
            self.pulse.looked = Some(Stopwatch::start());
        }
        is_due
    }

    /// Whether everything produced up to a moment ago has been committed, and has been for a while.
    pub(super) fn keeps_up(&mut self) -> bool {
        let now = now_millis();
        if !self.is_due() {
            return false;
        }
        self.pulse.acknowledged.push_back((now, self.feed.acknowledged()));
        let committed = self.committed();
        let grace = GRACE + self.settings.commit_interval;
        let past = now.saturating_sub(millis(grace));
        let produced = &mut self.pulse.acknowledged;
        while produced.get(1).is_some_and(|(at, _)| *at <= past) {
            produced.pop_front();
        }
        let due = produced.front().filter(|(at, _)| *at <= past).map(|(_, count)| *count);
        let is_there = due.zip(committed).is_some_and(|(due, committed)| committed >= due);
        if !is_there {
            self.pulse.steady_since = None;
            return false;
        }
        let since = *self.pulse.steady_since.get_or_insert(now);
        now.saturating_sub(since) >= millis(STEADY)
    }

    /// Waits for `duration`.
    pub(super) fn rest(&mut self, signals: Signals<'_>, duration: Duration) -> Result<(), Error> {
        self.wait(signals, duration, |_| false).map(drop)
    }

    /// Waits for something without which the drill cannot go on.
    pub(super) fn expect(
        &mut self,
        signals: Signals<'_>,
        what: &'static str,
        hint: &'static str,
        is_done: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), Error> {
        let patience = self.settings.patience;
        if self.wait(signals, patience, is_done)? {
            return Ok(());
        }
        Err(Error::Stuck { what, seconds: patience.as_secs(), hint })
    }

    /// Waits until `is_done` holds; `false` if it does not within `limit`.
    pub(super) fn wait(
        &mut self,
        signals: Signals<'_>,
        limit: Duration,
        mut is_done: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, Error> {
        let waited = Stopwatch::start();
        loop {
            if signals.stop.load(Ordering::Acquire) || (signals.is_broken)() {
                return Err(Error::Interrupted);
            }
            if let Some(why) = self.children.iter_mut().find_map(Child::ended) {
                return Err(Error::ServiceEnded(why));
            }
            self.ledger.update(self.watch, self.settings.alerts);
            if is_done(self) {
                return Ok(true);
            }
            let left = limit.saturating_sub(waited.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            pause(LOOK.min(left));
        }
    }
}
