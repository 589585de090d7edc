//! Which of a customer's remembered transactions were anomalies, and how severe.
//!
//! Anomalies are rare, so all features about them (counts by window, the last ten, runs, kinds) are
//! read from one short list on demand. The list refers to an entry by its place, counted from the
//! first entry ever remembered, so it need not change when old entries leave.

use thin_vec::ThinVec;

/// One anomaly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anomaly {
    /// The entry's index plus the number of entries that have left.
    place: u32,
    /// Severity in 0..1.
    pub severity: f32,
}

/// A customer's anomalies in the order of their entries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Anomalies {
    list: ThinVec<Anomaly>,
    /// How many entries have left the columns. Wraps around, like the places.
    left: u32,
}

impl Anomalies {
    /// How many anomalies there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Index in the columns and severity of each anomaly, oldest first.
    #[inline]
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (usize, f64)> + ExactSizeIterator + Clone + '_ {
        let left = self.left;
        let index = move |place: u32| place.wrapping_sub(left) as usize;
        self.list.iter().map(move |a| (index(a.place), f64::from(a.severity)))
    }

    /// Follows the insertion of an entry at `index`; `severity` is given if it is an anomaly.
    pub fn insert(&mut self, index: usize, severity: Option<f64>) {
        let at = self.iter().take_while(|&(other, _)| other < index).count();
        for later in &mut self.list[at..] {
            later.place = later.place.wrapping_add(1);
        }
        if let Some(severity) = severity {
            if self.list.len() == self.list.capacity() {
                self.list.reserve_exact((self.list.len() / 4).max(1));
            }
            let place = self.left.wrapping_add(index as u32);
            self.list.insert(at, Anomaly { place, severity: severity as f32 });
        }
    }

    /// Follows an entry that was appended at `index`: the fast case of [`Anomalies::insert`].
    #[inline]
    pub fn push(&mut self, index: usize, severity: Option<f64>) {
        if severity.is_some() {
            self.insert(index, severity);
        }
    }

    /// Follows the removal of the oldest entry.
    #[inline]
    pub fn pop_oldest(&mut self) {
        if self.list.first().is_some_and(|first| first.place == self.left) {
            self.list.remove(0);
        }
        self.left = self.left.wrapping_add(1);
    }

    /// Keeps the anomalies among the first `end` entries.
    pub fn truncate(&mut self, end: usize) {
        let keep = self.iter().take_while(|&(index, _)| index < end).count();
        self.list.truncate(keep);
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Anomaly>()
    }
}
