//! How much of the list of a partition's stored customers has been read.
//!
//! ```text
//!  Unknown ──taken up──▶ Listing ──last page──▶ Listed ──a row cannot be read──▶ Inspecting
//!                                                 ▲──────────last page─────────────┘
//! ```

use crate::stream::snapshots::Place;

/// The progress of reading a partition's stored customers ahead. It holds no customers: memory
/// knows their ids, the shelf has their states. It begins anew with each take-up.
#[derive(Debug, Default)]
pub(super) struct Roster {
    stage: Stage,
    /// Scans have failed; only ids are read ahead.
    cannot_scan: bool,
    /// Some customers came as ids alone, so their rows may be damaged too.
    has_unread_rows: bool,
}

/// The stage of reading ahead.
#[derive(Debug, Default)]
enum Stage {
    /// Nothing is taken up or read.
    #[default]
    Unknown,
    /// Pages are read to list the stored customers; the next page begins here.
    Listing(Place),
    /// All stored customers are known.
    Listed,
    /// All are known, and pages are read to find every damaged row.
    Inspecting(Place),
}

impl Roster {
    /// Starts reading at the first page: anybody may be stored.
    pub(super) fn begin(&mut self) {
        *self = Self { stage: Stage::Listing(Place::Scan), ..Self::default() };
    }

    /// Stops reading.
    pub(super) fn stop(&mut self) {
        self.stage = Stage::Unknown;
    }

    /// Where the next page begins; `None` if no page is to be read.
    pub(super) fn next(&self) -> Option<&Place> {
        match &self.stage {
            Stage::Listing(next) | Stage::Inspecting(next) => Some(next),
            Stage::Unknown | Stage::Listed => None,
        }
    }

    /// Whether all stored customers are known.
    pub(super) fn is_listed(&self) -> bool {
        matches!(self.stage, Stage::Listed | Stage::Inspecting(_))
    }

    /// Whether pages come from a scan and bring states.
    pub(super) fn is_scanning(&self) -> bool {
        matches!(self.next(), Some(Place::Scan | Place::ScanOn))
    }

    /// Notes whether scans have failed for good, and whether a page brought ids alone.
    pub(super) fn note(&mut self, has_failed: bool, has_ids: bool) {
        self.cannot_scan |= has_failed;
        self.has_unread_rows |= has_ids;
    }

    /// Moves on after a page. `next` is where the next one begins, `None` after the last.
    pub(super) fn turn(&mut self, next: Option<Place>) {
        self.stage = match (next, self.is_listed()) {
            (None, _) => Stage::Listed,
            (Some(next), false) => Stage::Listing(next),
            (Some(next), true) => Stage::Inspecting(next),
        };
    }

    /// Notes that rows not looked at may be damaged as well.
    pub(super) fn suspect(&mut self) {
        self.has_unread_rows = true;
    }

    /// Starts a scan of all rows, if some have not been looked at and scans work.
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
