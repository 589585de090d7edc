//! The partitions that are not read for now.
//!
//! Too much in flight or in memory pauses all partitions. A record that waits for its writer schema
//! or its stored customer pauses its own. A worker that stopped polling would be taken for dead by
//! its group.

use std::collections::BTreeSet;

use super::Error;
use super::brokers::Brokers;

/// The partitions paused, and why; the pauses themselves are librdkafka's.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// All partitions are paused.
    pub is_full: bool,
    /// Partitions whose records wait.
    pub waiting: BTreeSet<i32>,
    paused: BTreeSet<i32>,
}

impl Pauses {
    /// Whether any partition's records wait.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Resumes partitions that leave: librdkafka would remember the pause, and a partition that
    /// comes back would never be read.
    pub(super) fn drop_partitions(&mut self, brokers: &impl Brokers, partitions: &[i32]) {
        let paused: Vec<i32> = partitions
            .iter()
            .copied()
            .filter(|partition| self.paused.contains(partition))
            .collect();
        if !paused.is_empty()
            && let Err(error) = brokers.resume(&paused)
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, ?paused, "partitions go and stay paused in this member");
        }
        for partition in partitions {
            self.waiting.remove(partition);
            self.paused.remove(partition);
        }
    }

    /// Pauses and resumes partitions to match the reasons; `partitions` are all that the worker
    /// has.
    pub(super) fn apply(
        &mut self,
        brokers: &impl Brokers,
        partitions: &[i32],
    ) -> Result<(), Error> {
        let wanted: BTreeSet<i32> =
            if self.is_full { partitions.iter().copied().collect() } else { self.waiting.clone() };
        let stop: Vec<i32> = wanted.difference(&self.paused).copied().collect();
        let go_on: Vec<i32> = self.paused.difference(&wanted).copied().collect();
        if !stop.is_empty() {
            brokers.pause(&stop)?;
        }
        if !go_on.is_empty() {
            brokers.resume(&go_on)?;
        }
        self.paused = wanted;
        Ok(())
    }
}
