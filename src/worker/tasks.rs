//! The partitions a worker has, and what may be committed of them.
//!
//! A partition is *assigned* (it may be read), *running* (there are records) and gone again.
//! Whatever does not fit, a record of a partition that is not assigned, an acknowledgement that
//! nobody waits for, an offset that goes back, is an impossible state: the worker stops without
//! committing, because a wrong committed offset is lost data.

use std::collections::BTreeMap;

use super::Error;
use super::progress::Progress;

/// Partitions and their progress.
#[derive(Debug, Default)]
pub struct Tasks {
    tasks: BTreeMap<i32, Task>,
}

#[derive(Debug, Default)]
struct Task {
    progress: Progress,
    committed: Option<i64>,
}

impl Tasks {
    /// These partitions may be read from now on. Having one already is no fault: eager groups deal
    /// out everything again.
    pub fn assign(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.tasks.entry(*partition).or_default();
        }
    }

    /// These partitions are gone, with all that is remembered of them.
    pub fn remove(&mut self, partitions: &[i32]) {
        self.tasks.retain(|partition, _| !partitions.contains(partition));
    }

    /// How many partitions there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no partition.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// As [`Progress::expect`].
    ///
    /// # Errors
    /// [`Error::Impossible`] if the partition is not assigned.
    pub fn expect(&mut self, partition: i32, offset: i64) -> Result<(), Error> {
        self.task(partition, offset)?.progress.expect(offset);
        Ok(())
    }

    /// As [`Progress::receive`].
    ///
    /// # Errors
    /// [`Error::Impossible`] if the partition is not assigned or the offset goes back.
    pub fn receive(&mut self, partition: i32, offset: i64) -> Result<(), Error> {
        self.task(partition, offset)?.progress.receive(offset).map_err(|newest| {
            Error::Impossible(format!(
                "partition {partition} went back from offset {newest} to {offset}"
            ))
        })
    }

    /// As [`Progress::acknowledge`].
    ///
    /// # Errors
    /// [`Error::Impossible`] if nobody waits for it.
    pub fn acknowledge(&mut self, partition: i32, offset: i64) -> Result<(), Error> {
        if self.task(partition, offset)?.progress.acknowledge(offset) {
            return Ok(());
        }
        let message = format!("partition {partition} offset {offset} was acknowledged too often");
        Err(Error::Impossible(message))
    }

    /// Partitions whose offset may move, and where to.
    pub fn due(&self) -> Vec<(i32, i64)> {
        let due = |(&partition, task): (&i32, &Task)| {
            let offset = task.progress.committable()?;
            (task.committed != Some(offset)).then_some((partition, offset))
        };
        self.tasks.iter().filter_map(due).collect()
    }

    /// Every partition with records, and the offset it may be committed at. Commits that do not
    /// wait can fail unseen, so the last one names all.
    pub fn all(&self) -> Vec<(i32, i64)> {
        let offset = |(&partition, task): (&i32, &Task)| {
            task.progress.committable().map(|offset| (partition, offset))
        };
        self.tasks.iter().filter_map(offset).collect()
    }

    /// These offsets are committed.
    pub fn commit(&mut self, offsets: &[(i32, i64)]) {
        for (partition, offset) in offsets {
            if let Some(task) = self.tasks.get_mut(partition) {
                task.committed = Some(*offset);
            }
        }
    }

    fn task(&mut self, partition: i32, offset: i64) -> Result<&mut Task, Error> {
        self.tasks.get_mut(&partition).ok_or_else(|| {
            let message = format!("partition {partition} offset {offset} belongs to no task");
            Error::Impossible(message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_is_due_until_it_is_committed() {
        let mut tasks = Tasks::default();
        tasks.assign(&[0, 1, 2]);
        tasks.receive(0, 4).unwrap();
        tasks.receive(1, 9).unwrap();
        tasks.expect(1, 9).unwrap();
        assert_eq!(tasks.due(), [(0, 5), (1, 9)]);
        tasks.commit(&[(0, 5), (1, 9)]);
        assert_eq!(tasks.due(), []);
        tasks.acknowledge(1, 9).unwrap();
        assert_eq!(tasks.due(), [(1, 10)]);
    }

    #[test]
    fn assigning_again_forgets_nothing_and_removing_forgets_all() {
        let mut tasks = Tasks::default();
        tasks.assign(&[0]);
        tasks.receive(0, 4).unwrap();
        tasks.assign(&[0, 1]);
        assert_eq!((tasks.due(), tasks.len()), (vec![(0, 5)], 2));
        tasks.remove(&[0]);
        tasks.assign(&[0]);
        assert_eq!((tasks.due(), tasks.len()), (vec![], 2));
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        let mut tasks = Tasks::default();
        tasks.assign(&[0]);
        tasks.receive(0, 4).unwrap();
        for impossible in [
            tasks.receive(0, 4),
            tasks.receive(1, 0),
            tasks.expect(1, 0),
            tasks.acknowledge(0, 4),
            tasks.acknowledge(1, 0),
        ] {
            assert!(matches!(impossible, Err(Error::Impossible(_))), "{impossible:?}");
        }
    }
}
