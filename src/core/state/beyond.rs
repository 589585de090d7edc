//! What is remembered beside the columns, for the few customers who need it.
//!
//! Two things do not fit the columns: sums of transactions over the bound, and ids that have to be
//! known again though no entry within the horizon carries them: of transactions that came out of
//! order, too late, or were folded. Nearly every customer has neither and pays one empty pointer.

use thin_vec::ThinVec;

use super::folded::{Folded, FoldedHour};
use crate::base::limits::MAX_STRAGGLERS;
use crate::core::transaction::Status;

/// An id without an entry, known again as long as the customer's newest time is before `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Straggler {
    /// [`super::hash::hash64`] of the transaction id.
    pub transaction: u64,
    /// The newest event time at its arrival plus the horizon.
    pub until: i64,
}

/// Folded hours and stragglers' ids.
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
    /// What a snapshot holds of it.
    pub fn new(folded: Folded, stragglers: impl IntoIterator<Item = Straggler>) -> Self {
        let inside = Inside { folded, stragglers: stragglers.into_iter().collect() };
        Self { inside: Some(Box::new(inside)).filter(|inside| !inside.is_empty()) }
    }

    /// Hourly sums, if anything was folded.
    #[inline]
    pub fn folded(&self) -> Option<&Folded> {
        self.inside.as_ref().map(|inside| &inside.folded).filter(|folded| !folded.is_empty())
    }

    /// The hours, oldest first.
    pub fn hours(&self) -> &[FoldedHour] {
        self.inside.as_ref().map_or(&[], |inside| inside.folded.hours())
    }

    /// Ids without an entry, in order of arrival.
    pub fn stragglers(&self) -> &[Straggler] {
        self.inside.as_ref().map_or(&[], |inside| &inside.stragglers)
    }

    /// Whether the id is a straggler's.
    #[inline]
    pub fn knows(&self, transaction: u64) -> bool {
        self.stragglers().iter().any(|straggler| straggler.transaction == transaction)
    }

    /// Folds one transaction.
    pub fn fold(&mut self, time: i64, amount: i64, status: Status) {
        self.inside.get_or_insert_default().folded.fold(time, amount, status);
    }

    /// Remembers an id; beyond [`MAX_STRAGGLERS`] the oldest one is forgotten.
    pub fn straggle(&mut self, straggler: Straggler) {
        let stragglers = &mut self.inside.get_or_insert_default().stragglers;
        if stragglers.len() == MAX_STRAGGLERS {
            stragglers.remove(0);
        }
        stragglers.push(straggler);
    }

    /// Forgets what `newest` has passed by: hours that started at or before `memory`, and ids whose
    /// horizon is over.
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
