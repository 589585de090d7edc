//! Which of a customer's remembered transactions were anomalies, and how severe.
//!
//! Anomalies are rare, so everything about them (counts by window, the last ten, runs, kinds) is
//! read from one short list when it is asked for. The list names entries by their place in the
//! columns, counted from the first entry ever remembered, so that entries leaving changes nothing
//! here.

use thin_vec::ThinVec;

/// One anomaly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anomaly {
    /// Place of the entry: its index plus the number of entries that have left.
    place: u32,
    /// Severity in 0..1.
    pub severity: f32,
}

/// A customer's anomalies in the order of their entries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Anomalies {
    list: ThinVec<Anomaly>,
    /// Entries that have left the columns. Wraps, like the places.
    left: u32,
}

impl Anomalies {
    /// How many.
    #[inline]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Each one's index in the columns and severity, oldest first.
    #[inline]
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (usize, f64)> + ExactSizeIterator + Clone + '_ {
        let left = self.left;
        let index = move |place: u32| place.wrapping_sub(left) as usize;
        self.list.iter().map(move |a| (index(a.place), f64::from(a.severity)))
    }

    /// An entry was put at `index`; with a severity if it is an anomaly.
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

    /// The entry at `index` was added as the newest: the fast case of [`Anomalies::insert`].
    #[inline]
    pub fn push(&mut self, index: usize, severity: Option<f64>) {
        if severity.is_some() {
            self.insert(index, severity);
        }
    }

    /// The oldest entry left the columns.
    #[inline]
    pub fn pop_oldest(&mut self) {
        if self.list.first().is_some_and(|first| first.place == self.left) {
            self.list.remove(0);
        }
        self.left = self.left.wrapping_add(1);
    }

    /// Keeps those of the first `end` entries.
    pub fn truncate(&mut self, end: usize) {
        let keep = self.iter().take_while(|&(index, _)| index < end).count();
        self.list.truncate(keep);
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Anomaly>()
    }
}
