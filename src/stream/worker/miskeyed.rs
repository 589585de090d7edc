//! Warns of records whose key is not their customer, at most once a minute.

use std::time::Duration;

use crate::base::clock::Stopwatch;

/// Time between warnings.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// The number of miskeyed records at the last warning, and when that was.
#[derive(Default)]
pub(super) struct Miskeyed {
    warned: u64,
    since: Option<Stopwatch>,
}

impl Miskeyed {
    /// Warns if there are more than at the last warning; `miskeyed` is their number since the
    /// worker started.
    pub(super) fn warn(&mut self, miskeyed: u64) {
        let is_quiet = self.since.is_some_and(|since| since.elapsed() < WARN_INTERVAL);
        if miskeyed == self.warned || is_quiet {
            return;
        }
        let new = miskeyed - self.warned;
        tracing::warn!(
            new,
            "records are keyed by something other than customer_id, their windows may be incomplete; \
             fix the producer's key"
        );
        *self = Self { warned: miskeyed, since: Some(Stopwatch::start()) };
    }
}
