//! Which partitions are not read for now.
//!
//! Two reasons stop reading: too much is in flight, which concerns all partitions, and a writer
//! schema that the registry has not answered for yet, which concerns the partitions whose records
//! need it. A worker that simply stopped polling instead would be taken for dead by its group.

use std::collections::BTreeSet;

use super::Error;
use crate::kafka::Consumer;

/// The paused partitions.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// Nothing is read.
    pub is_full: bool,
    /// Partitions that wait for a schema.
    pub waiting: BTreeSet<i32>,
    paused: BTreeSet<i32>,
}

impl Pauses {
    /// Whether any partition waits for a schema.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// These partitions are gone, and would come back unpaused.
    pub(super) fn forget(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.waiting.remove(partition);
            self.paused.remove(partition);
        }
    }

    /// Pauses and resumes what has to be, of these partitions.
    pub(super) fn apply(&mut self, consumer: &Consumer, partitions: &[i32]) -> Result<(), Error> {
        let wanted: BTreeSet<i32> =
            if self.is_full { partitions.iter().copied().collect() } else { self.waiting.clone() };
        let stop: Vec<i32> = wanted.difference(&self.paused).copied().collect();
        let go_on: Vec<i32> = self.paused.difference(&wanted).copied().collect();
        if !stop.is_empty() {
            consumer.pause(&stop)?;
        }
        if !go_on.is_empty() {
            consumer.resume(&go_on)?;
        }
        self.paused = wanted;
        Ok(())
    }
}
