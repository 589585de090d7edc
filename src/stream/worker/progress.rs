//! How far a partition may be committed.
//!
//! Records are taken in order; their alerts are acknowledged in any order. The offset to commit is
//! the first that still waits or, if none does, the one after the newest record. Most records need
//! no acknowledgement, so only those that wait are kept.

use std::collections::BTreeMap;

/// The unacknowledged records of one partition, from its assignment until it is gone. It does not
/// commit.
#[derive(Debug, Default)]
pub struct Progress {
    /// The offset after the newest record; `None` before the first.
    next: Option<i64>,
    /// Missing acknowledgements by offset, never 0.
    waiting: BTreeMap<i64, u32>,
}

impl Progress {
    /// Notes that something produced for the record at `offset` awaits its acknowledgement.
    pub fn expect(&mut self, offset: i64) {
        *self.waiting.entry(offset).or_insert(0) += 1;
    }

    /// Notes that everything for the record at `offset`, and all before it, has been produced.
    /// Offsets may have gaps (compaction, transactions) and never go back.
    ///
    /// # Errors
    /// The newest offset, if `offset` is not after it.
    pub fn receive(&mut self, offset: i64) -> Result<(), i64> {
        match self.next {
            Some(next) if offset < next => Err(next - 1),
            _ => {
                self.next = Some(offset + 1);
                Ok(())
            }
        }
    }

    /// Takes one acknowledgement for the record at `offset`; `false` if none was missing.
    #[must_use]
    pub fn acknowledge(&mut self, offset: i64) -> bool {
        let Some(missing) = self.waiting.get_mut(&offset) else { return false };
        *missing -= 1;
        if *missing == 0 {
            self.waiting.remove(&offset);
        }
        true
    }

    /// The offset to read next after a crash; everything before it is done. `None` before the first
    /// record.
    pub fn committable(&self) -> Option<i64> {
        let first = self.waiting.first_key_value().map(|(&offset, _)| offset);
        self.next.map(|next| first.map_or(next, |first| first.min(next)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_read_is_nothing_to_commit() {
        let mut progress = Progress::default();
        assert_eq!(progress.committable(), None);
        progress.expect(7);
        assert_eq!(progress.committable(), None);
    }

    #[test]
    fn offsets_never_go_back() {
        let mut progress = Progress::default();
        assert_eq!(progress.receive(5), Ok(()));
        assert_eq!(progress.receive(9), Ok(()));
        assert_eq!(progress.receive(9), Err(9));
        assert_eq!(progress.receive(4), Err(9));
        assert_eq!(progress.committable(), Some(10));
    }

    #[test]
    fn acknowledgements_nobody_waits_for_are_told() {
        let mut progress = Progress::default();
        progress.expect(3);
        assert!(progress.acknowledge(3));
        assert!(!progress.acknowledge(3));
    }

    proptest! {
        /// Against the definition: the first record with a missing acknowledgement.
        #[test]
        fn commits_end_before_the_first_missing_acknowledgement(
            records in prop::collection::vec((1i64..4, 0u32..3), 1..40),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
        ) {
            let mut progress = Progress::default();
            let mut missing: Vec<(i64, u32)> = Vec::new();
            let mut offset = 0;
            for (gap, acknowledgements) in records {
                offset += gap;
                (0..acknowledgements).for_each(|_| progress.expect(offset));
                prop_assert_eq!(progress.receive(offset), Ok(()));
                missing.push((offset, acknowledgements));
            }
            let mut last: Option<i64> = None;
            for pick in order {
                let expected = missing.iter().find(|(_, left)| *left > 0);
                let expected = expected.map_or(offset + 1, |(offset, _)| *offset);
                prop_assert_eq!(progress.committable(), Some(expected));
                prop_assert!(last.is_none_or(|last| last <= expected));
                last = Some(expected);
                let place = pick.index(missing.len());
                let (offset, left) = &mut missing[place];
                prop_assert_eq!(progress.acknowledge(*offset), *left > 0);
                *left = left.saturating_sub(1);
            }
        }
    }
}
