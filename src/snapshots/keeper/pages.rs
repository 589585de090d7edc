//! Reading a partition's customers ahead, a page at a time.

use std::time::Duration;

use super::{Answer, Place};
use crate::clock::Stopwatch;
use crate::database::{Scan, SnapshotStore, StoreError};
use crate::error::with_causes;
use crate::state::snapshot::check;

/// Most customers in a page, but for the last ones read.
pub(super) const PAGE: usize = 16_384;

/// Customers in a page of ids alone.
const PAGE_OF_IDS: u32 = 16_384;

/// How long a page is read, during which somebody else's customers may wait: as long as the last
/// ones that were waited for took, within these bounds. So neither takes most of the time.
const PAGE_TIME: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Scans of a partition that may fail while the database answers otherwise: it may have no
/// connection to spare, or not be able to read something.
const MAX_FAILURES: u32 = 2;

/// The scan that is under way, and how it goes.
pub(super) struct Pages {
    /// For which adoption it was ordered, and what is left of it.
    scan: Option<(u64, Box<dyn Scan>)>,
    /// How many have failed, for which adoption.
    failures: (u64, u32),
    /// How long the last look-up took. Before the first one nobody waits for any.
    load_time: Duration,
}

impl Default for Pages {
    fn default() -> Self {
        Self { scan: None, failures: (0, 0), load_time: PAGE_TIME.1 }
    }
}

impl Pages {
    /// A look-up took so long.
    pub(super) fn loaded_in(&mut self, duration: Duration) {
        self.load_time = duration;
    }

    /// Ends the scan, which keeps the database from tidying up.
    pub(super) fn end(&mut self) {
        self.scan = None;
    }

    /// A page. A scan that fails although the database answers is begun again, or given up for the
    /// ids alone; the answer says so.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) fn read(
        &mut self,
        store: &mut dyn SnapshotStore,
        (partition, adoption): (i32, u64),
        from: &Place,
    ) -> Result<Answer, StoreError> {
        let is_on = match from {
            Place::Ids(after) => {
                self.end();
                return ids(store, (partition, adoption), after);
            }
            Place::Scan => false,
            Place::ScanOn => true,
        };
        let error = match self.scan_on(store, (partition, adoption), is_on) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        store.ids(partition, "", 1)?;
        if self.failures.0 != adoption {
            self.failures = (adoption, 0);
        }
        self.failures.1 += 1;
        let has_failed = self.failures.1 >= MAX_FAILURES;
        let error = with_causes(&error);
        tracing::warn!(partition, error, has_failed, "reading customers ahead has failed");
        let next = Some(if has_failed { Place::Ids(String::new()) } else { Place::Scan });
        let (customers, refused, ids) = Default::default();
        Ok(Answer::Page { adoption, customers, refused, ids, next, has_failed })
    }

    fn scan_on(
        &mut self,
        store: &mut dyn SnapshotStore,
        (partition, adoption): (i32, u64),
        is_on: bool,
    ) -> Result<Answer, StoreError> {
        let mut scan = match self.scan.take().filter(|(of, _)| is_on && *of == adoption) {
            Some((_, scan)) => scan,
            None => store.scan(partition)?,
        };
        let (shortest, longest) = PAGE_TIME;
        let (limit, asked) = (self.load_time.clamp(shortest, longest), Stopwatch::start());
        let (mut customers, mut refused) = (Vec::new(), Vec::new());
        let mut next = Some(Place::ScanOn);
        while customers.len() < PAGE {
            let more = scan.next()?;
            if more.is_empty() {
                next = None;
                break;
            }
            for row in more {
                match check(&row.state) {
                    Err(_) if row.erased_at_ms.is_none() => refused.push(row.into()),
                    _ => customers.push(row),
                }
            }
            if asked.elapsed() > limit {
                break;
            }
        }
        self.scan = next.as_ref().map(|_| (adoption, scan));
        Ok(Answer::Page { adoption, customers, refused, ids: Vec::new(), next, has_failed: false })
    }
}

fn ids(
    store: &mut dyn SnapshotStore,
    (partition, adoption): (i32, u64),
    after: &str,
) -> Result<Answer, StoreError> {
    let ids = store.ids(partition, after, PAGE_OF_IDS)?;
    let last = ids.last().filter(|_| ids.len() >= PAGE_OF_IDS as usize);
    let next = last.cloned().map(Place::Ids);
    let (customers, refused) = Default::default();
    Ok(Answer::Page { adoption, customers, refused, ids, next, has_failed: false })
}
