//! How long to wait before the next try.
//!
//! Something that is away is asked again until it is back. Retrying without a pause would flood it
//! the moment it comes up; retrying at fixed times would make all processes that lost it together
//! ask together. So waits grow by half each time up to a bound, and each is randomised. There is no
//! hidden deadline: the caller knows when to stop. Nothing waits here; the caller does, through
//! [`crate::base::clock`] or a timer of its runtime.

use std::time::Duration;

use backoff::SystemClock;
use backoff::backoff::Backoff as _;
use backoff::exponential::{ExponentialBackoff, ExponentialBackoffBuilder};

/// Growing, randomised waits between tries.
#[derive(Debug)]
pub struct Backoff {
    waits: ExponentialBackoff<SystemClock>,
    longest: Duration,
}

impl Backoff {
    /// Waits that begin around `first` and never exceed `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        let waits = ExponentialBackoffBuilder::new()
            .with_initial_interval(first.min(longest))
            .with_max_interval(longest)
            .with_max_elapsed_time(None)
            .build();
        Self { waits, longest }
    }

    /// How long to wait before the next try; grows from call to call up to the longest wait.
    pub fn next_wait(&mut self) -> Duration {
        // The crate's random spread can exceed its longest interval.
        self.waits.next_backoff().unwrap_or(self.longest).min(self.longest)
    }

    /// Starts again with a first wait, after a try that succeeded.
    pub fn reset(&mut self) {
        self.waits.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(2);

    #[test]
    fn waits_grow_to_their_bound_and_begin_again() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        for _ in 0..3 {
            let first = backoff.next_wait();
            assert!(first >= FIRST / 2 && first <= FIRST * 3 / 2, "{first:?}");
            let later: Vec<Duration> = (0..50).map(|_| backoff.next_wait()).collect();
            assert!(later.iter().all(|wait| *wait <= LONGEST), "{later:?}");
            assert!(later[20..].iter().all(|wait| *wait >= LONGEST / 2), "{later:?}");
            backoff.reset();
        }
    }

    #[test]
    fn two_that_lost_the_same_thing_do_not_wait_alike() {
        let waits = || {
            let mut backoff = Backoff::new(FIRST, LONGEST);
            std::iter::repeat_with(|| backoff.next_wait()).take(8).collect::<Vec<_>>()
        };
        assert_ne!(waits(), waits());
    }

    #[test]
    fn a_first_wait_beyond_the_longest_is_the_longest() {
        let mut backoff = Backoff::new(LONGEST * 10, LONGEST);
        assert!(backoff.next_wait() <= LONGEST);
        let mut none = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert_eq!((none.next_wait(), none.next_wait()), (Duration::ZERO, Duration::ZERO));
    }
}
