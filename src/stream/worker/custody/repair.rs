//! Repairs stored rows that cannot be read.
//!
//! The topic has, or had, what such a row held. Once all damaged rows are known, they are deleted,
//! the saved offset goes back to the new start of reading, and the topic is read again for their
//! customers. For all others, applied offsets refuse the repetition.

/// The damaged rows of one partition, from finding them until their customers are remembered again.
/// It orders nothing itself; its part does.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Customers with damaged rows who wait for the topic to be read again.
    refused: Vec<String>,
    /// Set while the topic is read again: the number of customers evicted, of all partitions, when
    /// that began.
    rebuilding: Option<u64>,
    /// Rows to delete before anything is saved.
    doomed: Option<DoomedRows>,
}

/// Damaged rows to delete.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DoomedRows {
    /// Their customers.
    pub customer_ids: Vec<String>,
    /// The saved offset goes back to this one if it is later; `None` leaves it as it is.
    pub saved_offset: Option<i64>,
}

impl Repair {
    /// Customers who wait for the topic to be read again.
    pub(super) fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Whether the topic is being read again.
    pub(super) fn is_rebuilding(&self) -> bool {
        self.rebuilding.is_some()
    }

    /// Whether no damaged row prevents a save.
    pub(super) fn allows_saving(&self) -> bool {
        self.refused.is_empty() && self.doomed.is_none()
    }

    /// Notes customers with damaged rows; `evicted` counts evictions so far. Returns whether they
    /// wait for the topic to be read again.
    pub(super) fn refuse(&mut self, customer_ids: Vec<String>, evicted: u64) -> bool {
        if self.rebuilding == Some(evicted) {
            // The row was met before its customer's first record: whoever had one was asked for,
            // and is in memory. So this rebuild serves them too, unless somebody was evicted since
            // it began.
            self.doomed.get_or_insert_default().customer_ids.extend(customer_ids);
            return false;
        }
        self.refused.extend(customer_ids);
        true
    }

    /// Begins a rebuild from offset `from`. Returns the customers whose rows are to be deleted for
    /// it.
    pub(super) fn begin_rebuild(&mut self, from: i64, evicted: u64) -> Vec<String> {
        self.rebuilding = Some(evicted);
        let customer_ids = std::mem::take(&mut self.refused);
        // An earlier deletion may not be ordered yet: both are merged.
        let doomed = self.doomed.get_or_insert_default();
        doomed.customer_ids.extend(customer_ids.iter().cloned());
        doomed.saved_offset = Some(doomed.saved_offset.map_or(from, |offset| offset.min(from)));
        customer_ids
    }

    /// Ends the rebuild: everything judged is remembered again.
    pub(super) fn end_rebuild(&mut self) {
        self.rebuilding = None;
    }

    /// Takes the rows to delete, for the caller to order that.
    pub(super) fn take_doomed(&mut self) -> Option<DoomedRows> {
        self.doomed.take()
    }

    /// Puts the rows back when the order found no room.
    pub(super) fn put_doomed_back(&mut self, doomed: DoomedRows) {
        self.doomed = Some(doomed);
    }

    /// Drops the deletion: the partition is claimed by somebody else, and so are its rows.
    pub(super) fn drop_doomed(&mut self) {
        self.doomed = None;
    }
}
