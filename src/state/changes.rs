//! Which customers have changed since they were saved last.
//!
//! A bit for each customer keeps the list free of repeats, however often a customer pays: an eighth
//! of a byte each, where a flag in the customer would cost eight.

/// A list of slots without repeats.
#[derive(Debug, Default)]
pub struct Changes {
    slots: Vec<u32>,
    bits: Vec<u64>,
}

impl Changes {
    /// The customer in this slot has changed.
    #[inline]
    pub fn note(&mut self, slot: u32) {
        let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit == 0 {
            self.bits[word] |= bit;
            self.slots.push(slot);
        }
    }

    /// How many have changed.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Their slots in the order of their first change; from now on none has changed.
    pub fn take(&mut self) -> Vec<u32> {
        for slot in &self.slots {
            self.bits[*slot as usize / 64] &= !(1 << (slot % 64));
        }
        std::mem::take(&mut self.slots)
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
            }
        }
    }
}
