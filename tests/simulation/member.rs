//! A process's connection to the brokers.

use std::sync::Arc;
use std::time::Duration;

use synfinance::edges::kafka::{
    Beginning, Commits, Error, Outgoing, Oversized, Rebalance, Setback,
};
use synfinance::stream::worker::Brokers;

use crate::bugs::Bug;
use crate::group::{Membership, TRANSACTION_TIME};
use crate::scheduler::Shared;
use crate::truth::{Record, TRUTH, alert};
use crate::world::{Stay, World};

/// The way there and back.
const TRIP: Duration = Duration::from_millis(3);

pub struct Member {
    shared: Arc<Shared>,
    stay: Stay,
}

fn silence(waiting: usize) -> Error {
    Error::Unacknowledged { waiting, brokers: "simulated".to_owned(), seconds: 1 }
}

impl Member {
    pub fn join(shared: Arc<Shared>, stay: Stay) -> Self {
        shared.pass(stay, TRIP);
        shared.world().group.members.insert(stay.seat, Membership::new(stay));
        Self { shared, stay }
    }

    /// Does something with the membership.
    fn with<T>(&self, what: impl FnOnce(&mut World, &mut Membership) -> T) -> T {
        let world = &mut *self.shared.world();
        let mut member = world.group.members.remove(&self.stay.seat).expect("it is a member");
        let outcome = what(world, &mut member);
        world.group.members.insert(self.stay.seat, member);
        outcome
    }

    /// Waits for the brokers, up to `patience`; whether they answer.
    fn ask(&self, patience: Duration) -> bool {
        let until = self.shared.world().now + patience;
        loop {
            self.shared.pass(self.stay, TRIP);
            let world = self.shared.world();
            if world.now >= world.group.silent_until {
                return true;
            } else if world.now >= until {
                return false;
            }
            drop(world);
            self.shared.pass(self.stay, Duration::from_millis(200));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut world = self.shared.world();
        if world.is_killed(self.stay) {
            return;
        }
        let (seat, now) = (self.stay.seat, world.now);
        let arrive = world.draw.below(4);
        world.take_alerts(seat, arrive);
        world.group.remove(seat, now);
        world.tell(format!("process {seat} leaves the group"));
    }
}

impl Brokers for Member {
    type Record<'a> = Record;

    fn take(
        &self,
        limit: usize,
        patience: Duration,
        records: &mut Vec<Record>,
    ) -> Result<(), Error> {
        let wait = {
            let mut world = self.shared.world();
            let late = 1 + world.draw.below(6) as u32;
            if world.has_news(self.stay.seat) { TRIP / 3 } else { patience * late }
        };
        self.shared.world().waits_for_records[self.stay.seat] = true;
        self.shared.pass(self.stay, wait);
        self.with(|world, member| {
            world.waits_for_records[self.stay.seat] = false;
            if member.request(world.now).is_some() || world.now < world.group.silent_until {
                return;
            }
            let mut partitions: Vec<usize> = member.positions.keys().copied().collect();
            partitions.retain(|partition| !member.paused.contains(partition));
            let first = world.draw.below(partitions.len());
            partitions.rotate_left(first);
            for partition in partitions {
                let position = member.positions.get_mut(&partition).expect("it has it");
                // While a group deals partitions, records may come again.
                let again = if world.draw.chance(3) { world.draw.below(4) as i64 } else { 0 };
                let start = (*position - again).max(0) as usize;
                let end = world.group.partitions[partition].produced;
                let count = (1 + world.draw.below(24)).min(limit.saturating_sub(records.len()));
                let log = &TRUTH.log[partition][start.min(end)..end.min(start + count)];
                records.extend_from_slice(log);
                *position = (*position).max((start + log.len()) as i64);
            }
        });
        Ok(())
    }

    fn nudge(&self) -> Result<(), Error> {
        Ok(())
    }

    fn rebalance(&self) -> Option<Rebalance> {
        self.with(|world, member| member.request(world.now).cloned())
    }

    fn complete(&self, starts: &[(i32, i64)]) -> Result<(), Error> {
        self.shared.pass(self.stay, TRIP);
        let world = &mut *self.shared.world();
        let (seat, now) = (self.stay.seat, world.now);
        if let Some(request) = world.group.complete(seat, starts, now) {
            world.tell(format!("process {seat} answers {request:?}, begins at {starts:?}"));
        }
        Ok(())
    }

    fn beginnings(&self, partitions: &[i32], patience: Duration) -> Result<Vec<Beginning>, Error> {
        if !self.ask(patience) {
            return Err(silence(0));
        }
        let world = self.shared.world();
        let begins = |&partition: &i32| {
            let from = world.group.partitions[partition as usize].committed.unwrap_or(0);
            let (first, judged_until) = (0, from);
            Beginning { partition, first, from, judged_until, lost: 0, is_cut: false }
        };
        Ok(partitions.iter().map(begins).collect())
    }

    fn look_back(
        &self,
        beginnings: &mut [&mut Beginning],
        _: Duration,
        patience: Duration,
    ) -> Result<(), Error> {
        if !self.ask(patience) {
            return Err(silence(0));
        }
        beginnings.iter_mut().for_each(|begins| begins.from = begins.first);
        Ok(())
    }

    fn pause(&self, partitions: &[i32]) -> Result<(), Error> {
        let partitions = partitions.iter().map(|one| *one as usize);
        self.with(|_, member| member.paused.extend(partitions));
        Ok(())
    }

    fn resume(&self, partitions: &[i32]) -> Result<(), Error> {
        let is_on = |partition: &usize| partitions.contains(&(*partition as i32));
        self.with(|_, member| member.paused.retain(|partition| !is_on(partition)));
        Ok(())
    }

    fn seek(&self, partition: i32, offset: i64) -> Result<(), Error> {
        self.with(|world, member| {
            world.tell(format!("process {} seeks {offset} in {partition}", self.stay.seat));
            // Whether it has the partition still is for the group to tell.
            member.positions.entry(partition as usize).and_modify(|position| *position = offset);
        });
        Ok(())
    }

    fn is_at_end(&self, partition: i32) -> bool {
        self.with(|world, member| {
            let partition = partition as usize;
            let end = world.group.partitions[partition].produced as i64;
            member.positions.get(&partition).is_some_and(|position| *position >= end)
        })
    }

    fn unread(&self, partition: i32, next: i64) -> Option<i64> {
        let end = self.shared.world().group.partitions[partition as usize].produced as i64;
        Some((end - next).max(0))
    }

    fn commit(&self, offsets: &[(i32, i64)]) -> Result<(), Error> {
        self.with(|world, member| {
            if world.bug == Bug::SavesUncommitted {
                member.answers.confirmed.extend(offsets);
            }
            let offsets = member.name(offsets);
            member.commits.push_back(offsets);
        });
        Ok(())
    }

    fn commit_now(&self, offsets: &[(i32, i64)], patience: Duration) -> Result<(), Error> {
        if offsets.is_empty() {
            return Ok(());
        }
        if !self.ask(patience) {
            return Err(silence(0));
        }
        let seat = self.stay.seat;
        let offsets = self.with(|_, member| member.name(offsets));
        let outcome = {
            let world = &mut *self.shared.world();
            while !world.group.members[&seat].commits.is_empty() {
                world.carry_out(seat);
            }
            let (is_refused, is_lost) = (world.chance(4), world.chance(4));
            let is_committed = !is_refused && world.group.commit(&offsets);
            if is_committed && !is_lost { Ok(()) } else { Err(silence(0)) }
        };
        self.shared.pass(self.stay, TRIP);
        outcome
    }

    fn commits(&self) -> Commits {
        self.with(|_, member| std::mem::take(&mut member.answers))
    }

    fn send(&self, record: Outgoing<'_>, sequence: usize, _: Duration) -> Result<(), Error> {
        let alert = alert(&record);
        self.with(|world, member| match &mut member.transaction {
            Some(_) if world.bug == Bug::ShowsUncommitted => world.group.publish(vec![alert]),
            Some((_, alerts)) => alerts.push(alert),
            None => {
                assert!(!world.is_exactly_once, "no transaction is open");
                let is_early = world.bug == Bug::TakesSentForAcknowledged;
                member.taken.extend(is_early.then_some(sequence));
                member.sent.push((Some(sequence).filter(|_| !is_early), alert));
            }
        });
        Ok(())
    }

    fn acknowledged(&self, sequences: &mut Vec<usize>) -> Result<(), Error> {
        self.with(|world, member| {
            let most = if world.is_healthy() { usize::MAX } else { world.draw.below(12) };
            sequences.extend(member.taken.drain(..most.min(member.taken.len())));
            if let Some(&last) = sequences.last().filter(|_| member.repeats) {
                sequences.push(last);
                member.repeats = false;
                world.repeated.push(self.stay);
            }
        });
        Ok(())
    }

    fn oversized(&self) -> Vec<Oversized> {
        Vec::new()
    }

    fn flush(&self, patience: Duration) -> Result<(), Error> {
        let answers = self.ask(patience);
        let world = &mut *self.shared.world();
        if !answers {
            return Err(silence(world.group.members[&self.stay.seat].sent.len()));
        }
        world.take_alerts(self.stay.seat, usize::MAX);
        Ok(())
    }

    fn begin(&self) -> Result<(), Setback> {
        self.with(|world, member| {
            assert!(member.transaction.is_none(), "a transaction is open already");
            member.transaction = Some((world.now, Vec::new()));
        });
        Ok(())
    }

    fn commit_transaction(
        &self,
        offsets: &[(i32, i64)],
        patience: Duration,
    ) -> Result<(), Setback> {
        if !self.ask(patience) {
            return Err(Setback::Abort(silence(0)));
        }
        let is_committed = self.with(|world, member| {
            let (since, alerts) = member.transaction.take().expect("it was begun");
            let is_over = world.now > since + TRANSACTION_TIME || world.chance(4);
            let offsets = member.name(offsets);
            if is_over || !world.group.is_owner(&offsets) {
                member.transaction = Some((since, Vec::new()));
                return false;
            }
            world.group.publish(alerts);
            world.group.commit(&offsets)
        });
        // A call that does not come back is given up, and nobody knows what became of it.
        if self.shared.world().chance(2) {
            self.shared.pass(self.stay, patience);
            let (what, brokers) = ("commit a transaction", "simulated".to_owned());
            let seconds = patience.as_secs();
            return Err(Setback::Fatal(Error::Hangs { what, brokers, seconds }));
        }
        // What is committed is so although the process may not live to hear of it.
        self.shared.pass(self.stay, TRIP);
        if is_committed { Ok(()) } else { Err(Setback::Abort(silence(0))) }
    }

    fn abort(&self, _: Duration) -> Result<(), Error> {
        self.with(|_, member| member.transaction = None);
        Ok(())
    }
}
