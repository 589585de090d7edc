//! How far from home a customer's latest transactions were, each measured at its own time.
//!
//! At most ten, newest first, in full precision, because their variance is a difference of nearly
//! equal numbers. They belong one for one to the newest remembered transactions with a position.

/// How many distances are kept.
pub const KEPT: usize = 10;

/// Kilometres from home, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distances {
    /// Allocated with the first distance: customers without positions pay nothing.
    kilometres: Option<Box<[f64; KEPT]>>,
    count: u8,
}

impl Distances {
    /// The distances in kilometres, newest first.
    #[inline]
    pub fn newest_first(&self) -> &[f64] {
        self.kilometres.as_ref().map_or(&[], |all| &all[..usize::from(self.count)])
    }

    /// Inserts a distance after the `newer` newest ones; an eleventh is forgotten.
    #[inline]
    pub fn insert(&mut self, newer: usize, kilometres: f64) {
        let count = usize::from(self.count);
        if newer >= KEPT || newer > count {
            return;
        }
        let all = self.kilometres.get_or_insert_default();
        all.copy_within(newer..count.min(KEPT - 1), newer + 1);
        all[newer] = kilometres;
        self.count = (count + 1).min(KEPT) as u8;
    }

    /// Adds a distance older than all others.
    pub fn push_oldest(&mut self, kilometres: f64) {
        self.insert(usize::from(self.count), kilometres);
    }

    /// Forgets the `forgotten` newest distances.
    pub fn forget_newest(&mut self, forgotten: usize) {
        let count = usize::from(self.count);
        let forgotten = forgotten.min(count);
        if let Some(all) = &mut self.kilometres {
            all.copy_within(forgotten..count, 0);
        }
        self.count = (count - forgotten) as u8;
    }

    /// Keeps the `kept` newest distances.
    #[inline]
    pub fn keep_newest(&mut self, kept: usize) {
        self.count = kept.min(usize::from(self.count)) as u8;
    }

    /// Mean in kilometres and population variance; zeros if there are none.
    pub fn mean_and_variance(&self) -> (f64, f64) {
        let all = self.newest_first();
        if all.is_empty() {
            return (0.0, 0.0);
        }
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let squares: f64 = all.iter().map(|d| (d - mean) * (d - mean)).sum();
        (mean, squares / n)
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.kilometres.as_ref().map_or(0, |all| size_of_val(&**all))
    }
}
