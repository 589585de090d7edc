//! Where a partition stands between its topic, its memory and its store.
//!
//! ```text
//!  Unclaimed ──claim ordered──▶ Claiming ──nothing is stored──────────────▶ Current
//!      ▲                           └──something is stored──▶ Behind ──taken up──▲
//!      │                                                        └─▶ Discarding ─┘
//!      └──────────── somebody else has claimed it ◀── from each of the three
//! ```
//!
//! Nothing is saved but in `Current`: until then the store may know more than memory does, which
//! came from a topic that goes back a month.

use crate::base::clock::Stopwatch;
use crate::edges::database::{Claim, Holder};
use crate::stream::snapshots::Returned;

use super::save::Save;

/// The phase of a partition that the worker has.
#[derive(Debug)]
pub(super) enum Phase {
    /// The partition is to be claimed.
    Unclaimed {
        /// Since somebody else took it from this worker, if somebody did.
        lost: Option<Stopwatch>,
    },
    /// The claim is ordered and not answered. Nobody knows what is stored.
    Claiming {
        /// Somebody else had taken it from this worker: memory may know of rows that are gone.
        was_lost: bool,
    },
    /// Claimed. Memory came from the topic, and what is stored is to be taken up.
    Behind {
        /// What is stored.
        claim: Claim,
        /// Customers that the owner before has handed over.
        handed_over: Vec<Returned>,
    },
    /// Claimed. What is stored is of no use and is to be deleted first.
    Discarding(Holder),
    /// Claimed. Memory has what is stored, or knows who is.
    Current {
        /// The claim.
        holder: Holder,
        /// Whether the partition stays.
        course: Course,
        /// The save that is under way.
        save: Save,
    },
}

/// Whether a partition stays with the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It does. What changes is saved.
    Staying,
    /// It leaves, and what is not saved is handed over.
    HandingOver,
    /// It has left with its process, which saves what was handed over for as long as nobody else
    /// claims it.
    Left,
}

impl Phase {
    /// The newest claim, while it is this worker's.
    pub(super) fn holder(&self) -> Option<Holder> {
        match self {
            Self::Unclaimed { .. } | Self::Claiming { .. } => None,
            Self::Behind { claim, .. } => Some(claim.holder),
            Self::Discarding(holder) | Self::Current { holder, .. } => Some(*holder),
        }
    }

    /// Whether somebody else has claimed the partition, and this worker not again since.
    pub(super) fn is_fenced(&self) -> bool {
        matches!(self, Self::Unclaimed { lost: Some(_) } | Self::Claiming { was_lost: true })
    }

    /// The phase in which everything may be saved.
    pub(super) fn current(holder: Holder) -> Self {
        Self::Current { holder, course: Course::Staying, save: Save::Idle }
    }

    /// Whether the partition leaves and what is not saved is handed over.
    pub(super) fn is_handing_over(&self) -> bool {
        matches!(self, Self::Current { course: Course::HandingOver, .. })
    }
}
