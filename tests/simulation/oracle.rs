//! What had to come of it: how processes may end, and what an undisturbed run has.

use std::collections::BTreeSet;
use std::time::Duration;

use synfinance::core::state::snapshot::check;
use synfinance::stream::worker::Error;

use crate::plan::TIME;
use crate::process::End;
use crate::truth::{Alert, TRUTH};
use crate::world::{Kind, Stay, World};

/// From when everything has been read and committed until the processes are told to end. Longer
/// than a worker waits before it claims or reads a partition again.
pub const REST: Duration = Duration::from_secs(12);

/// By when a world in which nothing fails any more has to have read everything, and to have ended;
/// and for how long a worker may still give up because of what had failed before.
pub const HEALING_TIME: Duration = Duration::from_secs(120);
pub const ENDING_TIME: Duration = Duration::from_secs(40);
const GRACE: Duration = Duration::from_secs(15);

impl World {
    /// A process has ended, in order or not.
    pub fn ended(&mut self, stay: Stay, end: End) {
        let number = stay.seat;
        let had_repeated = self.repeated.contains(&stay);
        let (is_in_order, what) = match end {
            End::Left(Ok(()), states) => {
                if self.is_ending() {
                    self.memory.extend(states);
                }
                (!had_repeated, "ends".to_owned())
            }
            End::Left(Err(Error::Kafka(error)), _) => {
                let may_fail = !self.is_healthy() || self.now < TIME + GRACE;
                (may_fail && !had_repeated, format!("gives up, {error}"))
            }
            End::Left(Err(error), _) => {
                (had_repeated && matches!(error, Error::Impossible(_)), format!("stops, {error}"))
            }
            End::Killed => (true, "is gone".to_owned()),
            End::Panicked(said) => (false, format!("panics, {said}")),
        };
        if !is_in_order {
            self.complain(Kind::Stops, format!("a process {what}"));
        }
        self.tell(format!("process {number} {what}"));
        let begins_at = self.now + Duration::from_millis(self.draw.below(2_000) as u64);
        let seat = &mut self.seats[number];
        (seat.is_taken, seat.is_killed, seat.begins_at) = (false, false, begins_at);
    }

    /// Whether everything is read and committed, and nothing is asked.
    pub fn is_done(&self) -> bool {
        let is_done = |(partition, log): (&crate::group::Partition, &Vec<_>)| {
            partition.committed == Some(log.len() as i64) && partition.owner.is_some()
        };
        self.group.partitions.iter().zip(&TRUTH.log).all(is_done)
            && self.group.members.values().all(|member| member.requests.is_empty())
    }

    /// What differs from an undisturbed run.
    pub fn find_fault(&self) -> Option<String> {
        let mut alerts = self.group.alerts.clone();
        alerts.sort_unstable();
        let count = alerts.len();
        alerts.dedup();
        if self.is_exactly_once && alerts.len() < count {
            return Some(format!("{} alerts came twice", count - alerts.len()));
        }
        let missing = |alert: &&Alert| alerts.binary_search(alert).is_err();
        if let Some((id, _)) = TRUTH.alerts.values().find(missing) {
            return Some(format!("the alert of {id} is missing, or says something else"));
        }
        let right: BTreeSet<&Alert> = TRUTH.alerts.values().collect();
        if let Some((id, _)) = alerts.iter().find(|alert| !right.contains(alert)) {
            return Some(format!("the alert of {id} is not what it had to be"));
        }
        TRUTH.states.iter().find_map(|(of, expected)| {
            let (partition, id) = of;
            let found = self.store.partitions[*partition].rows.get(id);
            let is_damaged = self.store.damaged.contains(of)
                && found.is_some_and(|(_, state)| check(state).is_err());
            let found = match self.memory.get(of).filter(|_| is_damaged) {
                Some(remembered) => Some(remembered.as_slice()),
                // Nobody has come to read it since it was damaged.
                None if is_damaged => return None,
                None => found.map(|(_, state)| &**state),
            };
            (found != Some(expected)).then(|| {
                format!("the state of {id} in partition {partition} is not what it had to be")
            })
        })
    }
}
