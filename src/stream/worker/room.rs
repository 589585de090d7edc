//! Bounds what reading brings: customers in memory, and records in flight.
//!
//! A process's workers share memory in proportion to their partitions. Stored, unchanged customers
//! leave first. If they are too few, a save begins at once. Reading stops only an eighth above the
//! bound, when something would be lost otherwise.

use std::time::Duration;

use super::brokers::Brokers;
use super::driver::Worker;
use super::score::Score;
use super::{Error, Event};
use crate::base::clock::Stopwatch;

/// Time between two looks at memory.
const BOUND_INTERVAL: Duration = Duration::from_millis(20);

/// An eviction frees 1/32 of the bound below it; reading stops from 1/8 above it until something is
/// stored.
const FREED_SHARE: usize = 32;
const OVER_SHARE: usize = 8;

impl<S: Score, B: Brokers> Worker<'_, S, B> {
    /// Keeps memory within its bound: evicts stored customers, has the others saved so that they
    /// can go next, and stops reading only as a last resort.
    pub(super) fn bound_memory(&mut self) {
        let Some(custody) = &mut self.custody else { return };
        if self.since_bound.elapsed() < BOUND_INTERVAL {
            return;
        }
        self.since_bound = Stopwatch::start();
        let mut bytes = self.step.memory.bytes() + custody.shelf_bytes();
        let bound = custody.share.bytes();
        if bytes > bound {
            // Customers on shelves have been quiet longest, so they go first. None is evicted
            // before the shelves are empty, so that no row there is older than the stored one.
            bytes -= custody.clear_shelves(bytes - bound + bound / FREED_SHARE);
        }
        // A customer who came back for a waiting record must stay until it is taken.
        if bytes > bound && (self.step.missing.is_empty() || custody.is_reader_away()) {
            self.step.memory.evict(bytes - bound + bound / FREED_SHARE);
            bytes = self.step.memory.bytes() + custody.shelf_bytes();
        }
        custody.is_pressed = bytes > bound;
        self.is_memory_full = bytes > bound + bound / OVER_SHARE;
    }

    /// Pauses reading while too much is in flight or in memory, and resumes it.
    pub(super) fn make_room(&mut self, observe: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        if self.outbox.is_transactional() && self.outbox.is_full() && self.outbox.rest().is_zero() {
            self.commit(observe)?;
        }
        let has_no_room =
            if self.pauses.is_full { !self.outbox.has_room() } else { self.outbox.is_full() };
        let is_full = has_no_room || self.is_memory_full;
        if is_full == self.pauses.is_full {
            return Ok(());
        }
        self.pauses.is_full = is_full;
        observe(Event::InFlight(self.outbox.in_flight(), is_full));
        self.pauses.apply(self.brokers, &self.outbox.tasks.partitions())
    }
}
