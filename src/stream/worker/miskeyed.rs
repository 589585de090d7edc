//! Records that are keyed by something other than their customer: said once a minute.

use std::time::Duration;

use crate::base::clock::Stopwatch;

/// Time between warnings.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// Miskeyed records that were warned about.
#[derive(Default)]
pub(super) struct Miskeyed {
    warned: u64,
    since: Option<Stopwatch>,
}

impl Miskeyed {
    /// Warns if there are more than at the last warning, `miskeyed` in all.
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
