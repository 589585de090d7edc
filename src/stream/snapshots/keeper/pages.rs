//! Reading a partition's customers ahead, a page at a time.

use std::time::Duration;

use super::{Answer, Place, Returned};
use crate::base::clock::Stopwatch;
use crate::base::error::with_causes;
use crate::core::state::snapshot::check;
use crate::edges::database::{Scan, SnapshotStore, StoreError, StoredCustomer};

/// Most customers in a page, but for the last ones read.
pub(super) const PAGE: usize = 16_384;

/// Customers in a page of ids alone.
const PAGE_OF_IDS: u32 = 16_384;

/// How long a page is read, during which somebody else's customers may wait: half as long as the
/// last ones that were waited for took, within these bounds. So those whose records wait have most
/// of the time.
const PAGE_TIME: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Scans of a partition that may fail while the database answers otherwise: it may have no
/// connection to spare, or not be able to read something.
const MAX_FAILURES: u32 = 2;

/// A page of the customers that a partition has.
#[derive(Debug, Default)]
pub struct Page {
    /// As they were stored, which was checked.
    pub customers: Vec<StoredCustomer>,
    /// Those whose rows cannot be read.
    pub refused: Vec<Returned>,
    /// Who they are, where their states were not wanted.
    pub ids: Vec<String>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<Place>,
    /// Scans of the partition fail again and again: ids alone can be read.
    pub has_failed: bool,
}

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
        self.load_time = duration / 2;
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
