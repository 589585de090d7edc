//! Where a partition stands between its topic, its memory and its store.
//!
//! ```text
//!  Unclaimed ──claim ordered──▶ Claiming ──nothing is stored──────────────▶ Current
//!      ▲                           └──something is stored──▶ Behind ──taken up──▲
//!      │                                                        └─▶ Discarding ─┘
//!      └──────────── somebody else has claimed it ◀── from each of the three
//! ```
//!
//! Saves happen in `Current` only. Until then the store may know more than memory, which came from
//! a topic that goes back a month.

use crate::base::clock::Stopwatch;
use crate::edges::database::{Claim, Holder};
use crate::stream::snapshots::Returned;

use super::save::Save;

/// The phase of a partition, from its assignment until it leaves. It holds the claim and the save,
/// not the customers.
#[derive(Debug)]
pub(super) enum Phase {
    /// The partition is to be claimed.
    Unclaimed {
        /// Since somebody else took it from this worker; `None` if nobody did.
        lost: Option<Stopwatch>,
    },
    /// The claim is ordered and not answered. What is stored is not known.
    Claiming {
        /// Somebody else had taken it: memory may know of rows that are gone.
        was_lost: bool,
    },
    /// Claimed. What is stored is to be taken up; memory came from the topic.
    Behind {
        /// The claim, which says what is stored.
        claim: Claim,
        /// Customers handed over by the previous owner.
        handed_over: Vec<Returned>,
    },
    /// Claimed. What is stored is of no use and is discarded first.
    Discarding(Holder),
    /// Claimed. Memory has every stored customer or knows that they may be stored.
    Current {
        /// The claim.
        holder: Holder,
        /// Whether the partition stays.
        course: Course,
        /// The save under way.
        save: Save,
    },
}

/// Whether a partition stays with the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It stays. Changes are saved.
    Staying,
    /// It leaves, and unsaved changes are handed over.
    HandingOver,
    /// It left with this process, which saves what was handed over until somebody else claims it.
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

    /// Whether somebody else claimed the partition and this worker has not claimed it again.
    pub(super) fn is_fenced(&self) -> bool {
        matches!(self, Self::Unclaimed { lost: Some(_) } | Self::Claiming { was_lost: true })
    }

    /// The phase after a claim, with no save under way.
    pub(super) fn current(holder: Holder) -> Self {
        Self::Current { holder, course: Course::Staying, save: Save::Idle }
    }

    /// Whether the partition leaves and hands over its unsaved changes.
    pub(super) fn is_handing_over(&self) -> bool {
        matches!(self, Self::Current { course: Course::HandingOver, .. })
    }
}
