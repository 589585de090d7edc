//! How far it is known who is stored of a partition.
//!
//! ```text
//!  Unknown ──taken up──▶ Listing ──last page──▶ Listed ──a row cannot be read──▶ Inspecting
//!                                                 ▲──────────last page─────────────┘
//! ```

use crate::stream::snapshots::Place;

/// What has been read ahead of a partition's customers.
#[derive(Debug, Default)]
pub(super) struct Roster {
    stage: Stage,
    /// Reading states in the order of the table has failed: ids are all that is read ahead.
    cannot_scan: bool,
    /// Some of the customers came as ids alone: rows among them may not be readable either.
    has_unread_rows: bool,
}

/// How far reading ahead has come.
#[derive(Debug, Default)]
enum Stage {
    /// Nothing is taken up, and nothing is read.
    #[default]
    Unknown,
    /// Pages are read to know who is stored; the next one begins here.
    Listing(Place),
    /// All who are stored are known.
    Listed,
    /// They are, and pages are read to find all rows that cannot be read.
    Inspecting(Place),
}

impl Roster {
    /// Everybody may be stored: pages are to be read from the first one on.
    pub(super) fn begin(&mut self) {
        *self = Self { stage: Stage::Listing(Place::Scan), ..Self::default() };
    }

    /// Nothing is read any more.
    pub(super) fn stop(&mut self) {
        self.stage = Stage::Unknown;
    }

    /// Where the next page begins, if one is to be read.
    pub(super) fn next(&self) -> Option<&Place> {
        match &self.stage {
            Stage::Listing(next) | Stage::Inspecting(next) => Some(next),
            Stage::Unknown | Stage::Listed => None,
        }
    }

    /// Whether all who are stored are known.
    pub(super) fn is_listed(&self) -> bool {
        matches!(self.stage, Stage::Listed | Stage::Inspecting(_))
    }

    /// Whether the pages bring states, in the order of the table.
    pub(super) fn is_scanning(&self) -> bool {
        matches!(self.next(), Some(Place::Scan | Place::ScanOn))
    }

    /// Scanning has failed, and some customers came as ids alone, if so.
    pub(super) fn note(&mut self, has_failed: bool, has_ids: bool) {
        self.cannot_scan |= has_failed;
        self.has_unread_rows |= has_ids;
    }

    /// A page is taken in; the next one begins here, `None` if it was the last.
    pub(super) fn turn(&mut self, next: Option<Place>) {
        self.stage = match (next, self.is_listed()) {
            (None, _) => Stage::Listed,
            (Some(next), false) => Stage::Listing(next),
            (Some(next), true) => Stage::Inspecting(next),
        };
    }

    /// Rows that nobody has looked at may be unreadable as well.
    pub(super) fn suspect(&mut self) {
        self.has_unread_rows = true;
    }

    /// Looks at all rows, if some have not been looked at and that is possible.
    pub(super) fn inspect(&mut self) {
        if self.next().is_none() && self.has_unread_rows && !self.cannot_scan {
            self.stage = match self.is_listed() {
                true => Stage::Inspecting(Place::Scan),
                false => Stage::Listing(Place::Scan),
            };
            self.has_unread_rows = false;
        }
    }
}
