//! Lists the stored customers and reads their states ahead.
//!
//! After a restart memory is empty and anybody may be stored. Asking for each customer who pays
//! costs many small queries, and stops records while the database is away. So pages of stored
//! customers are read beside the stream, one partition at a time. While memory has room, they bring
//! states, in the order of the table's file, which costs the database half of the order of ids.
//! Without room they bring ids, and customers are asked for when they return. After the last page a
//! new customer needs no query, and a database that goes away stops nobody.
//!
//! A scan shows rows as they were when it began. After an eviction its rows say only who is stored.
//! A scan that fails twice while the database answers is replaced by ids.
//!
//! When a row cannot be read, all rows are inspected: every damaged row must be known before the
//! topic is read again.

use super::Custody;
use crate::core::state::memory::Memory;
use crate::stream::snapshots::{Order, Page, Place};
use crate::stream::worker::tasks::Tasks;

/// The share of memory that reading ahead may fill. Changes until the next save need room too, and
/// an evicted customer costs a query.
const AHEAD_SHARE: (usize, usize) = (3, 4);

/// The page that is read ahead, one at a time for all partitions of a worker. Each partition's
/// [`Roster`](super::roster::Roster) has its progress.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// A page is ordered and not answered.
    is_awaited: bool,
    /// Customers evicted before the scan was ordered.
    evicted: u64,
    /// Memory had room when the page was ordered.
    has_room: bool,
}

impl Custody {
    /// Takes in what has been read and orders the next page, if any.
    pub(super) fn read_ahead(&mut self, memory: &mut Memory, tasks: &Tasks) {
        while let Some(answer) = self.reader.answer() {
            self.take_in(answer, memory, tasks);
        }
        if self.listing.is_awaited {
            return;
        }
        let next = self.parts.iter().find_map(|part| Some((part, part.roster.next()?.clone())));
        let Some((part, next)) = next else { return };
        let (share, whole) = AHEAD_SHARE;
        let bytes = memory.bytes() + self.shelf_bytes();
        let has_room = bytes < self.share.bytes() / whole * share;
        let from = match next {
            Place::Scan | Place::ScanOn if !has_room && part.repair.refused().is_empty() => {
                Place::Ids(String::new())
            }
            next => next,
        };
        let is_new = from == Place::Scan;
        let order = Order::Page { partition: part.partition, adoption: part.adoption, from };
        if self.reader.order(order).is_ok() {
            (self.listing.is_awaited, self.listing.has_room) = (true, has_room);
            if is_new {
                self.listing.evicted = memory.counts().evicted;
            }
        }
    }

    /// Whether pages of any partition are still to be read.
    pub(in crate::stream::worker) fn is_listing(&self) -> bool {
        self.parts.iter().any(|part| part.roster.next().is_some())
    }

    /// Takes in a page; `adoption` names the part that ordered it.
    pub(super) fn take_page(&mut self, adoption: u64, page: Page, memory: &mut Memory) {
        let Page { customers, refused, ids, next, has_failed } = page;
        self.listing.is_awaited = false;
        // A customer saved and evicted since the scan began stands in it as before.
        let is_welcome = self.listing.has_room && self.listing.evicted == memory.counts().evicted;
        let Some(part) = self.adopted(adoption) else { return };
        let partition = part.partition;
        part.roster.note(has_failed, !ids.is_empty());
        if !part.roster.is_listed() {
            match &next {
                Some(Place::Ids(after)) => memory.customers_mut(partition).mark_known(Some(after)),
                // A scan is not in the order of ids.
                Some(Place::Scan | Place::ScanOn) => {}
                None => memory.customers_mut(partition).mark_known(None),
            }
            ids.iter().for_each(|id| memory.customers_mut(partition).mark_stored(id));
            for row in customers {
                memory.customers_mut(partition).mark_stored(&row.customer_id);
                if is_welcome && memory.is_missing(partition, &row.customer_id) {
                    part.shelf.put(row);
                }
            }
            if next.is_none() {
                tracing::info!(partition, "all stored customers are known");
            }
        }
        let before = part.repair.refused().len();
        part.roster.turn(next);
        part.admit(refused, memory);
        // They are missing until the topic is read again.
        part.repair.refused()[before..]
            .iter()
            .for_each(|id| memory.customers_mut(partition).mark_stored(id));
        part.inspect_if_needed();
    }

    /// Approximate memory of all shelves, in bytes.
    pub(in crate::stream::worker) fn shelf_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.shelf.bytes()).sum()
    }

    /// Frees at least `bytes` of the shelves, or all of them. Returns the bytes freed.
    pub(in crate::stream::worker) fn clear_shelves(&mut self, bytes: usize) -> usize {
        let mut freed = 0;
        for part in &mut self.parts {
            if freed < bytes {
                freed += part.shelf.drop_some(bytes - freed);
            }
        }
        freed
    }
}
