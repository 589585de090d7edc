//! Which customers have changed since they were saved last.
//!
//! A bit for each customer keeps the list free of repeats, however often a customer pays: an eighth
//! of a byte each, where a flag in the customer would cost eight.

/// Slots without repeats: those that have changed, and those whose save is under way.
#[derive(Debug, Default)]
pub struct Changes {
    changed: Slots,
    /// What was taken last and is neither stored for certain nor put back.
    taken: Slots,
}

/// A list of slots without repeats.
#[derive(Debug, Default)]
struct Slots {
    list: Vec<u32>,
    bits: Vec<u64>,
}

impl Slots {
    #[inline]
    fn note(&mut self, slot: u32) {
        let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit == 0 {
            self.bits[word] |= bit;
            self.list.push(slot);
        }
    }

    fn has(&self, slot: u32) -> bool {
        let word = self.bits.get(slot as usize / 64);
        word.is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    fn remove(&mut self, slots: &[u32]) {
        for &slot in slots {
            if let Some(word) = self.bits.get_mut(slot as usize / 64) {
                *word &= !(1 << (slot % 64));
            }
        }
        let bits = &self.bits;
        self.list.retain(|slot| bits[*slot as usize / 64] & (1 << (slot % 64)) != 0);
    }

    fn clear(&mut self) -> Vec<u32> {
        for slot in &self.list {
            self.bits[*slot as usize / 64] &= !(1 << (slot % 64));
        }
        std::mem::take(&mut self.list)
    }
}

impl Changes {
    /// The customer in this slot has changed.
    #[inline]
    pub fn note(&mut self, slot: u32) {
        self.changed.note(slot);
    }

    /// How many have changed.
    pub fn len(&self) -> usize {
        self.changed.list.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.changed.list.is_empty()
    }

    /// Whether what is stored of this slot's customer is what is in memory.
    pub fn is_stored(&self, slot: u32) -> bool {
        !self.changed.has(slot) && !self.taken.has(slot)
    }

    /// Their slots in the order of their first change; from now on none has changed. What was taken
    /// before and never settled has changed still.
    pub fn take(&mut self) -> Vec<u32> {
        self.put_back();
        let slots = self.changed.clear();
        slots.iter().for_each(|&slot| self.taken.note(slot));
        slots
    }

    /// What was taken last is stored.
    pub fn settle(&mut self) {
        self.taken.clear();
    }

    /// These of what was taken last are stored.
    pub fn settle_some(&mut self, slots: &[u32]) {
        self.taken.remove(slots);
    }

    /// What was taken last is not stored and will not be: it has changed still.
    pub fn put_back(&mut self) {
        self.taken.clear().into_iter().for_each(|slot| self.changed.note(slot));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_that_changed_comes_once_a_cut(
            cuts in prop::collection::vec(prop::collection::vec(0..300_u32, 0..60), 1..5),
        ) {
            let mut changes = Changes::default();
            for cut in cuts {
                cut.iter().for_each(|&slot| changes.note(slot));
                let expected: BTreeSet<u32> = cut.iter().copied().collect();
                prop_assert_eq!(changes.len(), expected.len());
                let taken = changes.take();
                prop_assert_eq!(taken.first(), cut.first());
                prop_assert_eq!(taken.into_iter().collect::<BTreeSet<u32>>(), expected);
                prop_assert!(changes.is_empty());
                prop_assert!(cut.iter().all(|&slot| !changes.is_stored(slot)));
                changes.settle();
                prop_assert!(cut.iter().all(|&slot| changes.is_stored(slot)));
            }
        }
    }

    #[test]
    fn what_is_stored_of_a_cut_has_not_changed_unless_it_has_since() {
        let mut changes = Changes::default();
        [70, 3, 500, 8].into_iter().for_each(|slot| changes.note(slot));
        changes.take();
        changes.note(3);
        changes.settle_some(&[70, 3, 9_999]);
        assert!(changes.is_stored(70) && !changes.is_stored(3) && !changes.is_stored(500));
        assert_eq!(changes.take(), [3, 500, 8]);
    }

    #[test]
    fn what_was_not_settled_has_changed_still() {
        let mut changes = Changes::default();
        changes.note(70);
        assert_eq!(changes.take(), [70]);
        changes.note(3);
        assert_eq!(changes.take(), [3, 70]);
        changes.put_back();
        assert_eq!(changes.len(), 2);
        assert!(!changes.is_stored(3) && !changes.is_stored(70) && changes.is_stored(64));
    }
}
