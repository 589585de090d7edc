//! Whether a worker gets on with what there is to do.
//!
//! A worker may turn and do nothing: its group's coordinator is away, and no offset is committed;
//! too few replicas are in sync, and no alert is taken. The lag tells, but only who knows how much
//! is usual. What can be said without knowing it: there was something to do all the time, and in
//! some seconds nothing became done, where done is what would not be done again after a crash.

use std::time::Duration;

use super::Event;
use super::brokers::Brokers;
use super::tasks::Tasks;
use crate::base::clock::Stopwatch;

/// How long nothing may become done beside the time between commits.
const LIMIT: Duration = Duration::from_secs(5);

/// What was done when, and since when nothing has been.
#[derive(Debug)]
pub(super) struct Standstill {
    since: Stopwatch,
    /// Partitions and the offsets up to which they were done.
    done: Vec<(i32, i64)>,
}

impl Default for Standstill {
    fn default() -> Self {
        Self { since: Stopwatch::start(), done: Vec::new() }
    }
}

/// What has happened since the last look.
#[derive(Debug, PartialEq, Eq)]
enum Course {
    /// Something became done, or nothing is left to do.
    Moves,
    /// There is something to do, and none of it became done.
    Stands,
    /// What there is to do is not known yet, or has just changed.
    Unknown,
}

impl Standstill {
    /// Tells whether the worker gets on. `why` says what nothing moves for, as far as it is known.
    pub(super) fn look(
        &mut self,
        brokers: &impl Brokers,
        tasks: &Tasks,
        commit_interval: Duration,
        why: impl FnOnce() -> String,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        match self.course(tasks, |partition, next| brokers.unread(partition, next)) {
            Course::Moves => {
                self.since = Stopwatch::start();
                observe(Event::GetsOn);
            }
            Course::Unknown => self.since = Stopwatch::start(),
            Course::Stands => {
                let stood = self.since.elapsed();
                if stood >= LIMIT + commit_interval {
                    observe(Event::Stands { stood, why: &why() });
                }
            }
        }
    }

    fn course(&mut self, tasks: &Tasks, unread: impl Fn(i32, i64) -> Option<i64>) -> Course {
        if tasks.is_empty() || tasks.iter().any(|task| task.is_restoring()) {
            self.done.clear();
            return Course::Unknown;
        }
        let done: Vec<(i32, i64)> =
            tasks.iter().map(|task| (task.partition, task.committed_offset())).collect();
        let before = std::mem::replace(&mut self.done, done);
        if before.len() != self.done.len() {
            return Course::Unknown;
        }
        let mut has_changed = false;
        for ((partition, offset), (other, earlier)) in self.done.iter().zip(&before) {
            if partition == other && offset > earlier {
                return Course::Moves;
            }
            has_changed |= partition != other;
        }
        let left = |(partition, next)| unread(partition, next).map(|records| records > 0);
        let nexts = tasks.iter().map(|task| (task.partition, task.next.max(task.judged_until)));
        let is_unread: Vec<Option<bool>> = nexts.map(left).collect();
        let is_uncommitted = tasks.iter().any(|task| task.next > task.committed_offset());
        if has_changed {
            Course::Unknown
        } else if is_uncommitted || is_unread.contains(&Some(true)) {
            Course::Stands
        } else if is_unread.contains(&None) {
            Course::Unknown
        } else {
            Course::Moves
        }
    }
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
    fn what_is_committed_or_left_says_whether_a_worker_gets_on() {
        let mut tasks = tasks(&[0, 1]);
        let mut standstill = Standstill::default();
        let mut course = |tasks: &Tasks, unread| standstill.course(tasks, |_, _| unread);
        assert_eq!(course(&tasks, Some(0)), Course::Unknown, "it has just begun");
        assert_eq!(course(&tasks, None), Course::Unknown, "nobody has answered");
        assert_eq!(course(&tasks, Some(0)), Course::Moves, "nothing is to be done");
        assert_eq!(course(&tasks, Some(3)), Course::Stands);
        tasks.receive(0, 2, None).unwrap();
        assert_eq!(course(&tasks, Some(0)), Course::Stands, "what is taken is not done");
        tasks.commit(&[(0, 3)]);
        assert_eq!(course(&tasks, Some(9)), Course::Moves);
        assert_eq!(course(&tasks, Some(9)), Course::Stands);
    }

    #[test]
    fn an_alert_that_nobody_takes_is_left_to_do() {
        let mut tasks = tasks(&[0]);
        let mut standstill = Standstill::default();
        tasks.receive(0, 0, None).unwrap();
        tasks.expect(0, 1).unwrap();
        tasks.receive(0, 1, None).unwrap();
        tasks.commit(&[(0, 1)]);
        let mut course = |tasks: &Tasks| standstill.course(tasks, |_, _| Some(0));
        assert_eq!(course(&tasks), Course::Unknown);
        assert_eq!(course(&tasks), Course::Stands);
        assert!(tasks.acknowledge(0, 1).unwrap());
        tasks.commit(&[(0, 2)]);
        assert_eq!(course(&tasks), Course::Moves);
    }

    #[test]
    fn partitions_that_change_and_those_that_are_restored_say_nothing() {
        let mut standstill = Standstill::default();
        let mut course = |tasks: &Tasks| standstill.course(tasks, |_, _| Some(5));
        assert_eq!(course(&Tasks::default()), Course::Unknown);
        assert_eq!(course(&tasks(&[0])), Course::Unknown);
        assert_eq!(course(&tasks(&[0])), Course::Stands);
        assert_eq!(course(&tasks(&[1])), Course::Unknown);
        assert_eq!(course(&tasks(&[1])), Course::Stands);
        let mut restoring = Tasks::default();
        restoring.assign(1, 0, 7);
        assert_eq!(course(&restoring), Course::Unknown);
    }
}
