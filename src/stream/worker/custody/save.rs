//! The save of one partition: what it is of, and how much of it is stored.

use crate::base::clock::Stopwatch;
use crate::stream::snapshots::Saving;

/// A save, or the handing over that took its place.
#[derive(Debug, Default)]
pub(super) enum Save {
    /// None is under way.
    #[default]
    Idle,
    /// Customers are encoded and handed on, some in each turn.
    Running {
        /// What is still to be encoded and handed on.
        saving: Saving,
        /// Whose save it is.
        rows: Rows,
    },
    /// All is handed on, and the last batch has not been answered.
    Awaited(Rows),
}

/// The customers of a save.
#[derive(Debug)]
pub(super) struct Rows {
    /// Their slots in memory, in the order in which they are stored. Empty for what is handed over,
    /// on which nothing later relies.
    pub slots: Vec<u32>,
    /// How many of them, from the front, are stored.
    pub stored: usize,
    /// Since the save began.
    pub since: Stopwatch,
}

impl Rows {
    /// Nobody is stored yet.
    pub(super) fn new(slots: Vec<u32>) -> Self {
        Self { slots, stored: 0, since: Stopwatch::start() }
    }

    /// The slots of those who are stored.
    pub(super) fn stored_slots(&self) -> &[u32] {
        &self.slots[..self.stored.min(self.slots.len())]
    }
}

impl Save {
    /// Whether none is under way.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// How many customers are not encoded yet.
    pub(super) fn left(&self) -> usize {
        match self {
            Self::Running { saving, .. } => saving.left(),
            Self::Idle | Self::Awaited(_) => 0,
        }
    }

    /// So many more customers are stored.
    pub(super) fn count(&mut self, customers: usize) {
        match self {
            Self::Running { rows, .. } | Self::Awaited(rows) => rows.stored += customers,
            Self::Idle => {}
        }
    }

    /// Ends it, stored or not; whose save it was.
    pub(super) fn end(&mut self) -> Option<Rows> {
        match std::mem::take(self) {
            Self::Running { rows, .. } | Self::Awaited(rows) => Some(rows),
            Self::Idle => None,
        }
    }
}
