//! Room for what is read: memory for customers, and what is published and not acknowledged.
//!
//! Memory is shared by the workers of a process in proportion to their partitions. Customers who
//! are stored as they are leave first. Without enough of them a save begins at once; only an eighth
//! beyond the bound stops reading, because then something would be lost otherwise.

use std::time::Duration;

use super::brokers::Brokers;
use super::driver::Worker;
use super::score::Score;
use super::{Error, Event};
use crate::base::clock::Stopwatch;

/// Time between two looks at how much is in memory.
const BOUND_INTERVAL: Duration = Duration::from_millis(20);

/// The share of the bound that an eviction frees beyond it, and the share over it from which
/// nothing more is read until something is stored.
const FREED_SHARE: usize = 32;
const OVER_SHARE: usize = 8;

impl<S: Score, B: Brokers> Worker<'_, S, B> {
    /// Keeps memory within its bound: customers that are stored go first, and what is not stored
    /// is saved to go next. Only memory that could otherwise lose something stops reading.
    pub(super) fn bound_memory(&mut self) {
        let Some(custody) = &mut self.custody else { return };
        if self.since_bound.elapsed() < BOUND_INTERVAL {
            return;
        }
        self.since_bound = Stopwatch::start();
        let mut bytes = self.step.memory.bytes() + custody.shelf_bytes();
        let bound = custody.share.bytes();
        if bytes > bound {
            // Who was read ahead and has not returned has been quiet longest. Only when nobody is
            // left there anybody is evicted, so no row read ahead is older than what was stored.
            bytes -= custody.clear_shelves(bytes - bound + bound / FREED_SHARE);
        }
        // Who has just come back for a record that waits must not go before it is taken.
        if bytes > bound && (self.step.missing.is_empty() || custody.is_reader_away()) {
            self.step.memory.evict(bytes - bound + bound / FREED_SHARE);
            bytes = self.step.memory.bytes() + custody.shelf_bytes();
        }
        custody.is_pressed = bytes > bound;
        self.is_memory_full = bytes > bound + bound / OVER_SHARE;
    }

    /// Stops reading while too much is in flight.
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
