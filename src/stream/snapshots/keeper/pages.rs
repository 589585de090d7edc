//! Reads a partition's customers ahead, a page at a time.

use std::time::Duration;

use super::{Answer, Place, Returned};
use crate::base::clock::Stopwatch;
use crate::base::error::with_causes;
use crate::core::state::snapshot::check;
use crate::edges::database::{Scan, SnapshotStore, StoreError, StoredCustomer};

/// A page takes no more rows from this many customers on.
pub(super) const PAGE: usize = 16_384;

/// Ids in a page of ids alone.
const PAGE_OF_IDS: u32 = 16_384;

/// Bounds of the time for a page. It takes half as long as the last look-up, so that customers
/// whose records wait have most of the time.
const PAGE_TIME: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// A partition is scanned no more after this many failures while the database answers: it may lack
/// connections, or be unable to read something.
const MAX_FAILURES: u32 = 2;

/// A page of the customers that a partition has.
#[derive(Debug, Default)]
pub struct Page {
    /// Customers as stored, checked to be readable or erased.
    pub customers: Vec<StoredCustomer>,
    /// Customers whose rows cannot be read.
    pub refused: Vec<Returned>,
    /// The ids, where states were not wanted.
    pub ids: Vec<String>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Place>,
    /// Whether scans of the partition have failed for good: only ids can be read.
    pub has_failed: bool,
}

/// The scan under way, at most one, and its failures.
pub(super) struct Pages {
    /// The adoption that ordered it, and the rest of it.
    scan: Option<(u64, Box<dyn Scan>)>,
    /// The adoption whose scans failed, and how many did.
    failures: (u64, u32),
    /// Half the time of the last look-up; the longest page time before the first, as nobody waits
    /// for any.
    load_time: Duration,
}

impl Default for Pages {
    fn default() -> Self {
        Self { scan: None, failures: (0, 0), load_time: PAGE_TIME.1 }
    }
}

impl Pages {
    /// Notes how long a look-up took.
    pub(super) fn loaded_in(&mut self, duration: Duration) {
        self.load_time = duration / 2;
    }

    /// Ends the scan: an open one keeps the database from tidying up.
    pub(super) fn end(&mut self) {
        self.scan = None;
    }

    /// Reads a page. If a scan fails although the database answers, the page's `next` begins it
    /// again, or reads ids alone.
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
                let page = ids(store, partition, after)?;
                return Ok(Answer::Page { adoption, page });
            }
            Place::Scan => false,
            Place::ScanOn => true,
        };
        let error = match self.scan_on(store, (partition, adoption), is_on) {
            Ok(page) => return Ok(Answer::Page { adoption, page }),
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
        Ok(Answer::Page { adoption, page: Page { next, has_failed, ..Page::default() } })
    }

    fn scan_on(
        &mut self,
        store: &mut dyn SnapshotStore,
        (partition, adoption): (i32, u64),
        is_on: bool,
    ) -> Result<Page, StoreError> {
        let mut scan = match self.scan.take().filter(|(of, _)| is_on && *of == adoption) {
            Some((_, scan)) => scan,
            None => store.scan(partition)?,
        };
        let (shortest, longest) = PAGE_TIME;
        let (limit, asked) = (self.load_time.clamp(shortest, longest), Stopwatch::start());
        let mut page = Page { next: Some(Place::ScanOn), ..Page::default() };
        while page.customers.len() < PAGE {
            let more = scan.next()?;
            if more.is_empty() {
                page.next = None;
                break;
            }
            for row in more {
                match check(&row.state) {
                    Err(_) if row.erased_at_ms.is_none() => page.refused.push(row.into()),
                    _ => page.customers.push(row),
                }
            }
            if asked.elapsed() > limit {
                break;
            }
        }
        self.scan = page.next.as_ref().map(|_| (adoption, scan));
        Ok(page)
    }
}

fn ids(store: &mut dyn SnapshotStore, partition: i32, after: &str) -> Result<Page, StoreError> {
    let ids = store.ids(partition, after, PAGE_OF_IDS)?;
    let last = ids.last().filter(|_| ids.len() >= PAGE_OF_IDS as usize);
    let next = last.cloned().map(Place::Ids);
    Ok(Page { ids, next, ..Page::default() })
}
