//! Learning who is stored, and reading them ahead.
//!
//! After a restart nobody is in memory and everybody may be stored. Asking for each customer when a
//! payment comes costs many small queries, and a database that goes away leaves those customers'
//! records waiting. So a partition's customers are read in pages from the moment it comes, beside
//! the stream, which asks for those that it cannot wait for. Pages bring states for
//! as long as memory has room, then ids alone: the rest is asked for on return.
//!
//! Where a row cannot be read, all are read, to know every such row before the log is read again.

use std::time::Duration;

use super::Custody;
use super::part::Part;
use crate::clock::Stopwatch;
use crate::snapshots::{Order, Returned};
use crate::worker::score::Score;
use crate::worker::tasks::{Task, Tasks};

/// The share of the memory that may be filled by reading ahead: a save takes what has changed
/// since, and what is evicted costs a query to have again.
const AHEAD_SHARE: (usize, usize) = (3, 4);

/// Time after which a page is read even while customers are waited for: the list has to end.
const PAGE_INTERVAL: Duration = Duration::from_secs(1);

/// A page that is ordered.
#[derive(Debug)]
pub(super) struct Awaited {
    /// Its customers may come into memory.
    has_room: bool,
    /// Customers evicted when it was ordered.
    evicted: u64,
}

impl Custody {
    /// Takes in what has been read and orders the next page, if there is one.
    pub(super) fn read_ahead<S: Score>(&mut self, scorer: &mut S, tasks: &Tasks) {
        while let Some(answer) = self.reader.answer() {
            self.take_in(answer, scorer);
        }
        // While records are only remembered again, who is waited for comes first: a page has many
        // who are not.
        let has_asked = std::mem::take(&mut self.has_asked) || self.awaited_loads > 0;
        let is_restoring = tasks.iter().any(Task::is_restoring);
        let may_read = !(has_asked && is_restoring) || self.since_page.elapsed() > PAGE_INTERVAL;
        if self.awaited_page.is_some() || !may_read {
            return;
        }
        // Partitions take turns.
        let count = self.parts.len();
        let mut places = (0..count).map(|place| (self.first_listed + place) % count);
        let next = places.find_map(|at| Some((at, self.parts[at].unlisted.clone()?)));
        let Some((at, after)) = next else { return };
        self.first_listed = at + 1;
        let Part { partition, adoption, ref refused, .. } = self.parts[at];
        let (share, whole) = AHEAD_SHARE;
        let has_room = scorer.state_bytes() < self.share.bytes() / whole * share;
        let wants_states = has_room || !refused.is_empty();
        let order = Order::Page { partition, adoption, after, wants_states };
        if self.reader.order(order).is_ok() {
            self.since_page = Stopwatch::start();
            self.awaited_page = Some(Awaited { has_room, evicted: scorer.met().evicted });
        }
    }

    /// Whether there is a partition of which it is not known who is stored.
    pub(super) fn is_listing(&self) -> bool {
        self.parts.iter().any(|part| part.unlisted.is_some())
    }

    pub(super) fn take_page<S: Score>(
        &mut self,
        adoption: u64,
        customers: Vec<Returned>,
        ids: &[String],
        next: Option<String>,
        scorer: &mut S,
    ) {
        let awaited = self.awaited_page.take();
        // Who was saved and evicted since may stand in the page as before.
        let is_welcome = awaited
            .is_some_and(|awaited| awaited.has_room && awaited.evicted == scorer.met().evicted);
        let Some(part) = self.adopted(adoption) else { return };
        let partition = part.partition;
        part.has_skipped |= !ids.is_empty();
        let is_first = !part.is_listed;
        if is_first {
            scorer.list(partition, next.as_deref());
            ids.iter().for_each(|id| scorer.expect(partition, id));
        }
        let (mut welcome, mut others) = (customers, Vec::new());
        if !(is_first && is_welcome) {
            (others, welcome) = welcome.into_iter().partition(|customer| customer.state.is_ok());
        }
        if is_first {
            others.iter().for_each(|customer| scorer.expect(partition, &customer.customer_id));
        }
        let before = part.refused.len();
        part.is_listed |= next.is_none();
        part.unlisted = next;
        part.admit(welcome, scorer);
        // They are missing until the log is read again.
        part.refused[before..].iter().for_each(|id| scorer.expect(partition, id));
        if part.is_listed && is_first {
            tracing::info!(partition, "all stored customers are known");
        }
        part.look_for_more();
    }
}
