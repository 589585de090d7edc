//! The one place that asks what time it is.
//!
//! Event time comes with the transactions, and scoring depends on nothing else; a wall clock read
//! in the middle of it would make results depend on when they were computed. So the clock is read
//! here, clippy bans it everywhere else, and whatever needs the time takes it as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A duration in whole milliseconds, which times of events are in.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970-01-01T00:00:00Z by the system's clock; 0 when that is set before 1970.
#[expect(clippy::disallowed_methods, reason = "the clock itself")]
pub fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    millis(since)
}

/// Microseconds since 1970-01-01T00:00:00Z by the system's clock; 0 when that is set before 1970.
#[expect(clippy::disallowed_methods, reason = "the clock itself")]
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Measures how long something takes; never goes backwards.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Lets `duration` pass, for a loop that paces itself.
#[expect(clippy::disallowed_methods, reason = "the clock itself")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// A moment in milliseconds since the epoch as RFC 3339; one that no calendar has is the epoch.
pub fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
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
}
