//! Stored rows that cannot be read, and what is done about their customers.
//!
//! What such a row had is in the topic still, or was. So once all of them are known, their rows are
//! deleted, the saved offset goes back to where the topic is read from, and the topic is read again
//! for their customers; for all others that is a repetition, which their applied offsets refuse.

/// The damaged rows of one partition.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Customers whose rows cannot be read and who wait for the topic to be read again.
    refused: Vec<String>,
    /// The topic is read again for such customers; with how many customers were evicted, of all
    /// partitions, when that began.
    rebuilding: Option<u64>,
    /// Rows to be deleted before anything is saved.
    doomed: Option<DoomedRows>,
}

/// Rows that are in the way of new ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DoomedRows {
    /// Whose.
    pub customer_ids: Vec<String>,
    /// What was saved counts up to this offset only; `None`: as far as it did.
    pub saved_offset: Option<i64>,
}

impl Repair {
    /// Customers who wait for the topic to be read again.
    pub(super) fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Whether the topic is read again for such customers.
    pub(super) fn is_rebuilding(&self) -> bool {
        self.rebuilding.is_some()
    }

    /// Whether no damaged row is in the way of a save.
    pub(super) fn allows_saving(&self) -> bool {
        self.refused.is_empty() && self.doomed.is_none()
    }

    /// Rows of these customers cannot be read; `evicted` is how many customers have left memory.
    /// Whether they wait for the topic to be read again, or once more.
    pub(super) fn refuse(&mut self, customer_ids: Vec<String>, evicted: u64) -> bool {
        if self.rebuilding == Some(evicted) {
            // Each is met before its first record: whoever had one has been asked for, and is in
            // memory. Where somebody was evicted that is not so, and the topic is read once more.
            self.doomed.get_or_insert_default().customer_ids.extend(customer_ids);
            return false;
        }
        self.refused.extend(customer_ids);
        true
    }

    /// The topic is read again from offset `from` on; whose rows are to be deleted for that.
    pub(super) fn begin_rebuild(&mut self, from: i64, evicted: u64) -> Vec<String> {
        self.rebuilding = Some(evicted);
        let customer_ids = std::mem::take(&mut self.refused);
        // Of those who were met before, some may not have been ordered to be deleted yet.
        let doomed = self.doomed.get_or_insert_default();
        doomed.customer_ids.extend(customer_ids.iter().cloned());
        doomed.saved_offset = Some(doomed.saved_offset.map_or(from, |offset| offset.min(from)));
        customer_ids
    }

    /// All that was judged is remembered again.
    pub(super) fn end_rebuild(&mut self) {
        self.rebuilding = None;
    }

    /// The rows to be deleted, to be ordered by the caller.
    pub(super) fn take_doomed(&mut self) -> Option<DoomedRows> {
        self.doomed.take()
    }

    /// They could not be ordered.
    pub(super) fn put_doomed_back(&mut self, doomed: DoomedRows) {
        self.doomed = Some(doomed);
    }

    /// The claim is somebody else's: their rows are not this worker's to delete.
    pub(super) fn drop_doomed(&mut self) {
        self.doomed = None;
    }
}
