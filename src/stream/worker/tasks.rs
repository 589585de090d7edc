//! A worker's partitions: what is left to restore of each, and what may be committed.
//!
//! The life of a task:
//!
//! | stage | what happens | ends with |
//! | --- | --- | --- |
//! | *restoring* | what was judged before is remembered again | the first record that was not |
//! | *running* | records are judged, alerts published, offsets committed | revocation or loss |
//! | *draining* | what is in hand is acknowledged and committed | all of it, or the deadline |
//! | *closed* | all that is remembered is dropped | a new assignment |
//!
//! A lost partition skips draining's commit: it may have another owner already. A record of an
//! unassigned partition, an acknowledgement that nobody waits for, and an offset that goes back are
//! impossible states: the worker stops without committing, because a wrong committed offset is lost
//! data.

use super::Error;
use super::progress::Progress;

/// The tasks of one worker. It has few, and mostly asks for the one it asked for last.
#[derive(Debug, Default)]
pub struct Tasks {
    tasks: Vec<Task>,
    last: usize,
}

/// One partition's work, from assignment to revocation, loss or reassignment. It owns the offsets;
/// customers are in memory, and the outbox publishes.
#[derive(Debug)]
pub struct Task {
    /// The partition.
    pub partition: i32,
    progress: Progress,
    committed: Option<i64>,
    /// Records before this offset were judged before this reading began.
    pub judged_until: i64,
    /// The end of the topic is reached, even if that is before `judged_until`.
    is_read: bool,
    /// The offset after the newest record that has come.
    come: i64,
    /// The offset after the newest record taken, or where reading begins.
    pub next: i64,
    /// Kafka's timestamp of the newest record taken, in milliseconds since the epoch.
    pub newest_ms: Option<i64>,
}

impl Task {
    /// Whether records are only remembered again.
    pub fn is_restoring(&self) -> bool {
        self.next < self.judged_until && !self.is_read
    }

    /// Where the group would continue if this worker ended now.
    pub fn committed_offset(&self) -> i64 {
        self.committed.unwrap_or(self.judged_until)
    }

    /// Whether a customer with this applied offset has records that this worker has not reached.
    /// That means that the partition has another owner.
    pub fn is_behind(&self, applied_offset: i64) -> bool {
        applied_offset > self.next.max(self.judged_until)
    }

    /// The number of offsets left to restore.
    pub fn left_to_restore(&self) -> i64 {
        if self.is_read { 0 } else { (self.judged_until - self.next).max(0) }
    }
}

impl Tasks {
    /// Adds a partition that is read from offset `from` on; records before `judged_until` were
    /// judged before. One that is there already starts anew: eager groups deal out everything
    /// again.
    pub fn assign(&mut self, partition: i32, from: i64, judged_until: i64) {
        self.remove(&[partition]);
        self.tasks.push(Task {
            partition,
            progress: Progress::default(),
            committed: None,
            judged_until,
            is_read: false,
            come: from,
            next: from,
            newest_ms: None,
        });
    }

    /// Removes these partitions and their progress.
    pub fn remove(&mut self, partitions: &[i32]) {
        self.tasks.retain(|task| !partitions.contains(&task.partition));
    }

    /// Notes that a partition is read to its end: nobody can read what was judged after that (a
    /// marker of a transaction, or what was aborted). Returns whether that ends its restoring.
    pub fn end(&mut self, partition: i32) -> bool {
        let Some(task) = self.find(partition) else { return false };
        let was_restoring = task.is_restoring();
        task.is_read = true;
        was_restoring
    }

    /// The number of partitions.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there are no partitions.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// All tasks.
    pub fn iter(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter()
    }

    /// Their partitions.
    pub fn partitions(&self) -> Vec<i32> {
        self.tasks.iter().map(|task| task.partition).collect()
    }

    /// Whether the partition is among them.
    pub fn has(&self, partition: i32) -> bool {
        self.tasks.iter().any(|task| task.partition == partition)
    }

    /// Whether a record that has come is new. During a rebalance librdkafka may read again from a
    /// position that its reader has just left: such a record is in hand already.
    #[inline]
    pub fn is_new(&mut self, partition: i32, offset: i64) -> bool {
        let Some(task) = self.find(partition) else { return true };
        let is_new = offset >= task.come;
        task.come = task.come.max(offset + 1);
        is_new
    }

    /// Whether this record was judged before this reading began.
    #[inline]
    pub fn was_judged(&mut self, partition: i32, offset: i64) -> bool {
        self.find(partition).is_some_and(|task| offset < task.judged_until)
    }

    /// As [`Progress::expect`].
    ///
    /// # Errors
    /// [`Error::Impossible`] if the partition is not assigned.
    pub fn expect(&mut self, partition: i32, offset: i64) -> Result<(), Error> {
        self.task(partition, offset)?.progress.expect(offset);
        Ok(())
    }

    /// As [`Progress::receive`]. A record judged before leaves the committed offset alone. Returns
    /// whether restoring ends with it.
    ///
    /// # Errors
    /// [`Error::Impossible`] if the partition is not assigned or the offset goes back.
    #[inline]
    pub fn receive(
        &mut self,
        partition: i32,
        offset: i64,
        timestamp_ms: Option<i64>,
    ) -> Result<bool, Error> {
        let task = self.task(partition, offset)?;
        if offset < task.next {
            return Err(went_back(partition, task.next - 1, offset));
        }
        let was_restoring = task.is_restoring();
        task.next = offset + 1;
        task.newest_ms = timestamp_ms.or(task.newest_ms);
        if offset >= task.judged_until {
            let received = task.progress.receive(offset);
            received.map_err(|newest| went_back(partition, newest, offset))?;
        }
        Ok(was_restoring && !task.is_restoring())
    }

    /// As [`Progress::acknowledge`]; `Ok(false)` if the partition is gone, since nobody waits then.
    ///
    /// # Errors
    /// [`Error::Impossible`] if no acknowledgement was missing.
    pub fn acknowledge(&mut self, partition: i32, offset: i64) -> Result<bool, Error> {
        let Some(task) = self.find(partition) else { return Ok(false) };
        if task.progress.acknowledge(offset) {
            return Ok(true);
        }
        let message = format!("partition {partition} offset {offset} was acknowledged too often");
        Err(Error::Impossible(message))
    }

    /// Partitions whose committed offset may move, and where to.
    pub fn due(&self) -> Vec<(i32, i64)> {
        let due = |task: &Task| {
            let offset = task.progress.committable()?;
            (task.committed != Some(offset)).then_some((task.partition, offset))
        };
        self.tasks.iter().filter_map(due).collect()
    }

    /// Every partition with records, and its committable offset. Commits that do not wait can fail
    /// unseen, so the last one names all partitions.
    pub fn all(&self) -> Vec<(i32, i64)> {
        let offset =
            |task: &Task| task.progress.committable().map(|offset| (task.partition, offset));
        self.tasks.iter().filter_map(offset).collect()
    }

    /// Notes committed offsets. One before `judged_until` is ignored: it is from an earlier
    /// reading.
    pub fn commit(&mut self, offsets: &[(i32, i64)]) {
        for (partition, offset) in offsets {
            if let Some(task) = self.find(*partition).filter(|task| *offset >= task.judged_until) {
                task.committed = Some(*offset);
            }
        }
    }

    #[inline]
    fn find(&mut self, partition: i32) -> Option<&mut Task> {
        if self.tasks.get(self.last).is_none_or(|task| task.partition != partition) {
            self.last = self.tasks.iter().position(|task| task.partition == partition)?;
        }
        self.tasks.get_mut(self.last)
    }

    #[inline]
    fn task(&mut self, partition: i32, offset: i64) -> Result<&mut Task, Error> {
        self.find(partition).ok_or_else(|| {
            let message = format!("partition {partition} offset {offset} belongs to no task");
            Error::Impossible(message)
        })
    }
}

#[cold]
fn went_back(partition: i32, newest: i64, offset: i64) -> Error {
    Error::Impossible(format!("partition {partition} went back from offset {newest} to {offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(partitions: &[i32]) -> Tasks {
        let mut tasks = Tasks::default();
        partitions.iter().for_each(|&partition| tasks.assign(partition, 0, 0));
        tasks
    }

    #[test]
    fn what_moved_is_due_until_it_is_committed() {
        let mut tasks = tasks(&[0, 1, 2]);
        tasks.receive(0, 4, None).unwrap();
        tasks.receive(1, 9, None).unwrap();
        tasks.expect(1, 9).unwrap();
        assert_eq!(tasks.due(), [(0, 5), (1, 9)]);
        tasks.commit(&[(0, 5), (1, 9)]);
        assert_eq!(tasks.due(), []);
        assert!(tasks.acknowledge(1, 9).unwrap());
        assert_eq!(tasks.due(), [(1, 10)]);
        tasks.commit(&[(1, 9)]);
        assert_eq!(tasks.due(), [(1, 10)], "an older commit that is confirmed late");
    }

    #[test]
    fn a_confirmation_from_before_an_assignment_says_nothing() {
        let mut tasks = Tasks::default();
        tasks.assign(3, 10, 13);
        tasks.commit(&[(3, 12)]);
        assert_eq!(tasks.iter().next().unwrap().committed_offset(), 13);
    }

    #[test]
    fn what_was_judged_is_restored_and_never_committed() {
        let mut tasks = Tasks::default();
        tasks.assign(3, 10, 13);
        assert!(tasks.was_judged(3, 12) && !tasks.was_judged(3, 13));
        assert!(!tasks.receive(3, 10, Some(7)).unwrap());
        assert_eq!(tasks.iter().next().unwrap().left_to_restore(), 2);
        assert!(tasks.receive(3, 12, None).unwrap(), "the last one that was judged");
        assert_eq!((tasks.due(), tasks.all()), (vec![], vec![]));
        assert_eq!(tasks.iter().next().unwrap().newest_ms, Some(7));
        assert!(!tasks.receive(3, 20, Some(9)).unwrap());
        assert_eq!(tasks.due(), [(3, 21)]);
        assert_eq!(tasks.iter().next().unwrap().newest_ms, Some(9));
    }

    #[test]
    fn what_comes_again_is_not_new() {
        let mut tasks = tasks(&[0]);
        for (offset, is_new) in [(0, true), (1, true), (1, false), (0, false), (5, true)] {
            assert_eq!(tasks.is_new(0, offset), is_new, "{offset}");
        }
        tasks.assign(0, 3, 3);
        assert!(tasks.is_new(0, 3) && !tasks.is_new(0, 2));
    }

    #[test]
    fn a_gap_before_the_committed_offset_ends_restoring_too() {
        let mut tasks = Tasks::default();
        tasks.assign(3, 10, 13);
        tasks.receive(3, 11, None).unwrap();
        assert!(tasks.receive(3, 15, None).unwrap());
        assert_eq!(tasks.due(), [(3, 16)]);
    }

    #[test]
    fn an_end_before_the_committed_offset_ends_restoring() {
        let mut tasks = Tasks::default();
        tasks.assign(3, 10, 13);
        tasks.receive(3, 10, None).unwrap();
        assert!(tasks.end(3) && !tasks.end(3) && !tasks.end(4));
        let task = tasks.iter().next().unwrap();
        assert!(!task.is_restoring() && task.left_to_restore() == 0);
        assert!(tasks.was_judged(3, 12), "if it comes all the same");
        assert!(!tasks.receive(3, 12, None).unwrap());
        assert_eq!((tasks.due(), tasks.iter().next().unwrap().committed_offset()), (vec![], 13));
    }

    #[test]
    fn assigning_again_and_removing_forget_all() {
        let mut tasks = tasks(&[0]);
        tasks.receive(0, 4, None).unwrap();
        tasks.assign(0, 2, 2);
        tasks.assign(1, 0, 0);
        assert_eq!((tasks.due(), tasks.len()), (vec![], 2));
        tasks.remove(&[0]);
        assert_eq!((tasks.partitions(), tasks.has(0)), (vec![1], false));
        assert!(!tasks.acknowledge(0, 4).unwrap(), "nobody waits for it any more");
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        let mut tasks = tasks(&[0]);
        tasks.receive(0, 4, None).unwrap();
        for impossible in [
            tasks.receive(0, 4, None),
            tasks.receive(1, 0, None),
            tasks.expect(1, 0).map(|()| false),
            tasks.acknowledge(0, 4),
        ] {
            assert!(matches!(impossible, Err(Error::Impossible(_))), "{impossible:?}");
        }
    }
}
