//! Reports the same trouble only once in a while.
//!
//! What fails in every batch fails thousands of times a second, and a log full of it hides the
//! cause. So the first failure is reported at once, and after that one per interval.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Stopwatch;

/// Lets one event per interval through.
#[derive(Debug)]
pub struct Rarely {
    interval: Duration,
    last: Mutex<Option<Stopwatch>>,
}

impl Rarely {
    /// One per minute.
    pub fn minutely() -> Self {
        Self::every(Duration::from_secs(60))
    }

    /// One per `interval`.
    pub fn every(interval: Duration) -> Self {
        Self { interval, last: Mutex::default() }
    }

    /// Whether this event is let through.
    pub fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= self.interval);
        if is_due {
            *last = Some(Stopwatch::start());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_let_through_and_then_one_each_interval() {
        let rarely = Rarely::minutely();
        assert_eq!([rarely.is_due(), rarely.is_due()], [true, false]);
        let always = Rarely::every(Duration::ZERO);
        assert_eq!([always.is_due(), always.is_due()], [true, true]);
    }
}
