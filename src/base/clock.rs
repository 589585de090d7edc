//! The one place that asks what time it is.
//!
//! Event time comes with the transactions, and scoring depends on nothing else: reading a wall
//! clock in the middle of it would make results depend on when they were computed. So the clock is
//! read here, clippy bans it everywhere else, and whatever needs the time takes it as an argument.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A duration in whole milliseconds, the unit of event times; at most `i64::MAX`.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970-01-01T00:00:00Z by the system's clock; 0 if that is set before 1970.
#[expect(clippy::disallowed_methods, reason = "the clock itself")]
pub fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    millis(since)
}

/// Microseconds since 1970-01-01T00:00:00Z by the system's clock; 0 if that is set before 1970.
#[expect(clippy::disallowed_methods, reason = "the clock itself")]
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The time of a simulation ([`simulate`]). It does not change [`now_millis`] and [`now_micros`].
pub trait Time {
    /// Time since any fixed start; never goes backwards.
    fn now(&self) -> Duration;

    /// Returns once `duration` has passed.
    fn pass(&self, duration: Duration);
}

thread_local! {
    static SIMULATED: RefCell<Option<Rc<dyn Time>>> = const { RefCell::new(None) };
}

/// Makes the stopwatches and pauses of this thread follow `time` until the thread ends. Stopwatches
/// started before become meaningless.
pub fn simulate(time: Rc<dyn Time>) {
    SIMULATED.set(Some(time));
}

/// The time that this thread uses instead of the system's.
fn simulated() -> Option<Rc<dyn Time>> {
    SIMULATED.try_with(|time| time.borrow().clone()).ok().flatten()
}

/// Measures how long something takes; never goes backwards.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Duration);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(Self::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        Self::now().saturating_sub(self.0)
    }

    /// Time since the first stopwatch was started, or the simulation's time.
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    fn now() -> Duration {
        static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
        simulated().map_or_else(|| FIRST.elapsed(), |time| time.now())
    }
}

/// Waits for `duration`.
#[expect(clippy::disallowed_methods, reason = "the clock itself")]
pub fn pause(duration: Duration) {
    match simulated() {
        Some(time) => time.pass(duration),
        None => std::thread::sleep(duration),
    }
}

/// A time in milliseconds since the epoch as RFC 3339; the epoch itself if it is out of range.
pub fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_clock_counts_milliseconds_since_1970() {
        let now = now_millis();
        assert!(now > 1_700_000_000_000, "{now} is before 2023");
        assert!(now < 10_000_000_000_000, "{now} is not in milliseconds");
    }

    #[test]
    fn a_stopwatch_never_goes_backwards() {
        let watch = Stopwatch::start();
        let first = watch.elapsed();
        assert!(watch.elapsed() >= first);
    }

    #[test]
    fn a_simulation_has_its_own_time() {
        struct Counted(Cell<Duration>);

        impl Time for Counted {
            fn now(&self) -> Duration {
                self.0.get()
            }

            fn pass(&self, duration: Duration) {
                self.0.set(self.0.get() + duration);
            }
        }

        let day = Duration::from_secs(86_400);
        let simulation = std::thread::spawn(move || {
            simulate(Rc::new(Counted(Cell::new(day))));
            let watch = Stopwatch::start();
            pause(day);
            watch.elapsed()
        });
        assert_eq!(simulation.join().unwrap(), day);
        assert!(Stopwatch::start().elapsed() < day, "other threads have the system's");
    }
}
