//! Mistakes that are made on purpose: a simulation that finds nothing proves nothing.

/// A mistake of a worker, or of what it relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// Who is asked for is said not to be stored, and scored as if nothing were known.
    ForgetsStored,
    /// Who was handed over is taken for stored: a save leaves them out.
    TakesHandedOverForStored,
    /// What is read ahead is what was stored when the partition was claimed the time before.
    ReadsOldRows,
    /// What is sent is taken for acknowledged.
    TakesSentForAcknowledged,
    /// A commit that is on its way is taken for one that has arrived.
    SavesUncommitted,
    /// The saved offset moves before all that changed is stored.
    PromisesEarly,
    /// Whoever had a partition before may go on writing.
    IsNotFenced,
    /// A database that restarts is not noticed.
    OverlooksRestarts,
    /// Alerts of a transaction are visible before it is committed.
    ShowsUncommitted,
}

impl Bug {
    pub const PLANTED: [Self; 9] = [
        Self::ForgetsStored,
        Self::TakesHandedOverForStored,
        Self::ReadsOldRows,
        Self::TakesSentForAcknowledged,
        Self::SavesUncommitted,
        Self::PromisesEarly,
        Self::IsNotFenced,
        Self::OverlooksRestarts,
        Self::ShowsUncommitted,
    ];
}
