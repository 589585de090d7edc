//! How far a reader is, partition by partition.
//!
//! Whether everything that was there at the beginning has been read cannot be told from offsets
//! alone: the last ones of a partition may be markers of transactions, or aborted, and no record
//! ever comes with them. So a partition is also through when its end has been reached, which
//! librdkafka tells.

use std::collections::BTreeMap;

/// Places in all partitions of a topic.
#[derive(Debug, Default)]
pub(super) struct Positions(BTreeMap<i32, Position>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// Where reading began.
    start: i64,
    /// What comes next.
    next: i64,
    /// The end when reading began.
    goal: i64,
}

impl Positions {
    /// A partition is read from `start` on, and ended at `goal` when that was decided. A start
    /// outside of what is there is moved to the nearest end of it.
    pub(super) fn begin(&mut self, partition: i32, start: i64, (low, goal): (i64, i64)) {
        let start = start.clamp(low.min(goal), goal);
        self.0.insert(partition, Position { start, next: start, goal });
    }

    /// All partitions and where reading began.
    pub(super) fn starts(&self) -> impl Iterator<Item = (i32, i64)> {
        self.0.iter().map(|(partition, position)| (*partition, position.start))
    }

    pub(super) fn has(&self, partition: i32) -> bool {
        self.0.contains_key(&partition)
    }

    /// A record was read.
    pub(super) fn read(&mut self, partition: i32, offset: i64) {
        if let Some(position) = self.0.get_mut(&partition) {
            position.next = position.next.max(offset.saturating_add(1));
        }
    }

    /// There is nothing more in a partition for now.
    pub(super) fn end(&mut self, partition: i32) {
        if let Some(position) = self.0.get_mut(&partition) {
            position.next = position.next.max(position.goal);
        }
    }

    /// Whether a record was there when reading began.
    pub(super) fn was_there(&self, partition: i32, offset: i64) -> bool {
        self.0.get(&partition).is_some_and(|position| offset < position.goal)
    }

    /// Whether everything that was there has been read.
    pub(super) fn are_caught_up(&self) -> bool {
        self.0.values().all(|position| position.next >= position.goal)
    }

    /// Offsets that were there: how many are read, and how many they are.
    pub(super) fn progress(&self) -> (u64, u64) {
        let (mut done, mut all) = (0, 0);
        for position in self.0.values() {
            let length = |end: i64| u64::try_from(end - position.start).unwrap_or(0);
            done += length(position.next.min(position.goal));
            all += length(position.goal);
        }
        (done, all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_is_read_when_its_last_record_or_its_end_has_come() {
        let mut positions = Positions::default();
        assert!(positions.are_caught_up());
        positions.begin(0, 10, (0, 13));
        positions.begin(1, 5, (5, 9));
        positions.begin(2, 7, (0, 7));
        assert_eq!(positions.progress(), (0, 7));
        positions.read(0, 10);
        positions.read(0, 12);
        assert_eq!(positions.progress(), (3, 7));
        assert!(!positions.are_caught_up());
        // The last offset of partition 1 is a transaction's marker.
        positions.read(1, 7);
        assert!(!positions.are_caught_up());
        positions.end(1);
        assert!(positions.are_caught_up());
        positions.read(0, 50);
        positions.read(9, 50);
        assert_eq!(positions.progress(), (7, 7));
        assert!(positions.was_there(0, 12) && !positions.was_there(0, 13));
        assert!(!positions.was_there(9, 0));
    }

    #[test]
    fn a_start_outside_is_moved_inside() {
        for (start, moved) in [(-1, 3), (0, 3), (3, 3), (7, 7), (9, 9), (10, 9), (i64::MAX, 9)] {
            let mut positions = Positions::default();
            positions.begin(4, start, (3, 9));
            assert_eq!(positions.starts().collect::<Vec<_>>(), [(4, moved)], "{start}");
            assert_eq!(positions.are_caught_up(), moved == 9);
        }
    }
}
