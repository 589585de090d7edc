//! Which customers have changed since they were last saved.
//!
//! A bit for each customer keeps the list free of duplicates however often a customer pays. It
//! costs an eighth of a byte, where a flag in the customer would cost eight bytes.

/// The slots that have changed, and the slots whose save is under way; a slot can be in both.
#[derive(Debug, Default)]
pub struct Changes {
    changed: Slots,
    /// The slots of the save under way that are neither confirmed nor cancelled yet.
    saving: Slots,
}

/// A list of slots without duplicates, in the order in which they were added.
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
    /// Marks the customer in this slot as changed.
    #[inline]
    pub fn note(&mut self, slot: u32) {
        self.changed.note(slot);
    }

    /// How many slots have changed.
    pub fn len(&self) -> usize {
        self.changed.list.len()
    }

    /// Whether no slot has changed.
    pub fn is_empty(&self) -> bool {
        self.changed.list.is_empty()
    }

    /// Whether the stored row of this slot's customer equals the state in memory.
    pub fn is_stored(&self, slot: u32) -> bool {
        !self.changed.has(slot) && !self.saving.has(slot)
    }

    /// Starts a save and returns the changed slots in the order of their first change; they count
    /// as unchanged from now on. A save under way is cancelled first.
    pub fn start_save(&mut self) -> Vec<u32> {
        self.cancel_save();
        let slots = self.changed.clear();
        slots.iter().for_each(|&slot| self.saving.note(slot));
        slots
    }

    /// The whole save is stored.
    pub fn confirm_save(&mut self) {
        self.saving.clear();
    }

    /// These slots of the save are stored.
    pub fn confirm_rows(&mut self, slots: &[u32]) {
        self.saving.remove(slots);
    }

    /// The save will not complete: slots not confirmed count as changed again.
    pub fn cancel_save(&mut self) {
        self.saving.clear().into_iter().for_each(|slot| self.changed.note(slot));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_that_changed_is_in_one_save(
            saves in prop::collection::vec(prop::collection::vec(0..300_u32, 0..60), 1..5),
        ) {
            let mut changes = Changes::default();
            for save in saves {
                save.iter().for_each(|&slot| changes.note(slot));
                let expected: BTreeSet<u32> = save.iter().copied().collect();
                prop_assert_eq!(changes.len(), expected.len());
                let started = changes.start_save();
                prop_assert_eq!(started.first(), save.first());
                prop_assert_eq!(started.into_iter().collect::<BTreeSet<u32>>(), expected);
                prop_assert!(changes.is_empty());
                prop_assert!(save.iter().all(|&slot| !changes.is_stored(slot)));
                changes.confirm_save();
                prop_assert!(save.iter().all(|&slot| changes.is_stored(slot)));
            }
        }
    }

    #[test]
    fn a_confirmed_row_has_not_changed_unless_it_has_since() {
        let mut changes = Changes::default();
        [70, 3, 500, 8].into_iter().for_each(|slot| changes.note(slot));
        changes.start_save();
        changes.note(3);
        changes.confirm_rows(&[70, 3, 9_999]);
        assert!(changes.is_stored(70) && !changes.is_stored(3) && !changes.is_stored(500));
        assert_eq!(changes.start_save(), [3, 500, 8]);
    }

    #[test]
    fn what_was_not_confirmed_has_changed_still() {
        let mut changes = Changes::default();
        changes.note(70);
        assert_eq!(changes.start_save(), [70]);
        changes.note(3);
        assert_eq!(changes.start_save(), [3, 70]);
        changes.cancel_save();
        assert_eq!(changes.len(), 2);
        assert!(!changes.is_stored(3) && !changes.is_stored(70) && changes.is_stored(64));
    }
}
