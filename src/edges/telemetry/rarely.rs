//! The same trouble, told once in a while.
//!
//! What fails once a batch fails thousands of times a second, and a log full of it hides why. So
//! the first time is told at once, and then only one of each interval.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Stopwatch;

/// Lets one of many through each interval.
#[derive(Debug)]
pub struct Rarely {
    interval: Duration,
    last: Mutex<Option<Stopwatch>>,
}

impl Rarely {
    /// One a minute.
    pub fn minutely() -> Self {
        Self::every(Duration::from_secs(60))
    }

    /// One each `interval`.
    pub fn every(interval: Duration) -> Self {
        Self { interval, last: Mutex::default() }
    }

    /// Whether this one is let through.
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
