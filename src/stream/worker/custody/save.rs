//! The save of one partition: its customers, and how many are stored.

use crate::base::clock::Stopwatch;
use crate::stream::snapshots::Saving;

/// A save, or the handover that replaced it. [`Save::end`] ends it, stored or not.
#[derive(Debug, Default)]
pub(super) enum Save {
    /// No save is under way.
    #[default]
    Idle,
    /// Customers are encoded and handed on, a batch per turn.
    Running {
        /// What is left to encode and hand on.
        saving: Saving,
        /// The customers of the save.
        rows: Rows,
    },
    /// All is handed on; the last batch is not answered yet.
    Awaited(Rows),
}

/// The customers of a save.
#[derive(Debug)]
pub(super) struct Rows {
    /// Their slots in memory, in the order of storing. Empty for a handover, on which nothing
    /// relies.
    pub slots: Vec<u32>,
    /// How many of them are stored, counted from the front.
    pub stored: usize,
    /// Since the save began.
    pub since: Stopwatch,
}

impl Rows {
    /// A save of these slots, none of them stored yet.
    pub(super) fn new(slots: Vec<u32>) -> Self {
        Self { slots, stored: 0, since: Stopwatch::start() }
    }

    /// The slots stored so far.
    pub(super) fn stored_slots(&self) -> &[u32] {
        &self.slots[..self.stored.min(self.slots.len())]
    }
}

impl Save {
    /// Whether no save is under way.
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

    /// Counts `customers` more as stored.
    pub(super) fn count(&mut self, customers: usize) {
        match self {
            Self::Running { rows, .. } | Self::Awaited(rows) => rows.stored += customers,
            Self::Idle => {}
        }
    }

    /// Ends the save, stored or not. Returns its customers; `None` if there was no save.
    pub(super) fn end(&mut self) -> Option<Rows> {
        match std::mem::take(self) {
            Self::Running { rows, .. } | Self::Awaited(rows) => Some(rows),
            Self::Idle => None,
        }
    }
}
