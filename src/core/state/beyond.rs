//! What the columns have no place for; few customers need it.
//!
//! Two things do not fit the columns. One is the sums of transactions over the bound. The other is
//! transaction ids that must still be recognised as duplicates although no entry within the horizon
//! carries them: their transactions came out of order, came too late, or were folded. Nearly every
//! customer has neither and pays one empty pointer.

use thin_vec::ThinVec;

use super::folded::{Folded, FoldedHour};
use crate::base::limits::MAX_STRAGGLERS;
use crate::core::transaction::Status;

/// An id that no entry carries; it is a duplicate while the customer's newest time is before
/// `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Straggler {
    /// [`super::hash::hash64`] of the transaction id.
    pub transaction: u64,
    /// The horizon after the customer's newest event time when a late transaction arrived, or after
    /// the event time of a folded one.
    pub until: i64,
}

/// A customer's folded hours and stragglers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beyond {
    inside: Option<Box<Inside>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Inside {
    folded: Folded,
    stragglers: ThinVec<Straggler>,
}

impl Beyond {
    /// From the parts that a snapshot holds.
    pub fn new(folded: Folded, stragglers: impl IntoIterator<Item = Straggler>) -> Self {
        let inside = Inside { folded, stragglers: stragglers.into_iter().collect() };
        Self { inside: Some(Box::new(inside)).filter(|inside| !inside.is_empty()) }
    }

    /// Hourly sums, if anything was folded.
    #[inline]
    pub fn folded(&self) -> Option<&Folded> {
        self.inside.as_ref().map(|inside| &inside.folded).filter(|folded| !folded.is_empty())
    }

    /// The folded hours, oldest first.
    pub fn hours(&self) -> &[FoldedHour] {
        self.inside.as_ref().map_or(&[], |inside| inside.folded.hours())
    }

    /// Ids that no entry carries, in order of arrival.
    pub fn stragglers(&self) -> &[Straggler] {
        self.inside.as_ref().map_or(&[], |inside| &inside.stragglers)
    }

    /// Whether the id is a straggler.
    #[inline]
    pub fn knows(&self, transaction: u64) -> bool {
        self.stragglers().iter().any(|straggler| straggler.transaction == transaction)
    }

    /// Folds one transaction.
    pub fn fold(&mut self, time: i64, amount: i64, status: Status) {
        self.inside.get_or_insert_default().folded.fold(time, amount, status);
    }

    /// Remembers an id; if there are [`MAX_STRAGGLERS`], the oldest one is forgotten.
    pub fn straggle(&mut self, straggler: Straggler) {
        let stragglers = &mut self.inside.get_or_insert_default().stragglers;
        if stragglers.len() == MAX_STRAGGLERS {
            stragglers.remove(0);
        }
        stragglers.push(straggler);
    }

    /// Forgets hours that started at or before `memory`, and ids whose `until` is not after
    /// `newest`.
    #[inline]
    pub fn forget(&mut self, newest: i64, memory: i64) {
        if let Some(inside) = &mut self.inside {
            inside.folded.forget(memory);
            inside.stragglers.retain(|straggler| newest < straggler.until);
            if inside.is_empty() {
                self.inside = None;
            }
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.inside.as_ref().map_or(0, |inside| {
            let stragglers = inside.stragglers.capacity() * size_of::<Straggler>();
            size_of::<Inside>() + inside.folded.heap_bytes() + stragglers
        })
    }
}

impl Inside {
    fn is_empty(&self) -> bool {
        self.folded.is_empty() && self.stragglers.is_empty()
    }
}
