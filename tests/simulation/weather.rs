//! What happens to processes, brokers and the database between two turns, and its end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::oracle::{ENDING_TIME, HEALING_TIME, REST};
use crate::plan::{Act, TIME};
use crate::truth::TRUTH;
use crate::world::{Kind, Phase, SEATS, World};

/// After this time a process that stands still is missed.
const SESSION_TIME: Duration = Duration::from_secs(10);

impl World {
    /// What happens by now.
    pub fn go_on(&mut self) {
        while self.acts.as_slice().first().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, act)) = self.acts.next() else { break };
            self.tell(format!("{act:?}"));
            self.act(act);
        }
        self.store.is_away = self.cut_until > self.now;
        self.store.is_slow = self.slow_until > self.now;
        self.go_on_brokers();
        match self.phase {
            Phase::Acting if self.now >= TIME => self.heal(),
            Phase::Healing if self.is_done() => self.phase = Phase::Resting(self.now),
            Phase::Healing if self.now > TIME + HEALING_TIME => {
                let committed: Vec<_> =
                    self.group.partitions.iter().map(|partition| partition.committed).collect();
                self.complain(Kind::Stuck, format!("not everything is read, {committed:?}"));
            }
            Phase::Resting(since) if self.now > since + REST => {
                self.phase = Phase::Ending(self.now);
                self.tell("everybody is told to end".to_owned());
                self.seats.iter().for_each(|seat| seat.stop.store(true, Ordering::Release));
            }
            Phase::Ending(_) if self.seats.iter().all(|seat| !seat.is_taken) => {
                self.phase = Phase::Over;
            }
            Phase::Ending(since) if self.now > since + ENDING_TIME => {
                self.complain(Kind::Stuck, "a process does not end".to_owned());
            }
            _ => {}
        }
    }

    /// Some of what is on its way to and from the brokers arrives.
    fn go_on_brokers(&mut self) {
        if self.now < self.group.silent_until {
            return;
        }
        for seat in 0..SEATS {
            if self.is_healthy() || self.draw.chance(30) {
                let count = if self.is_healthy() { usize::MAX } else { self.draw.below(20) };
                self.take_alerts(seat, count);
                self.carry_out(seat);
            }
        }
        if self.is_ending() {
            return;
        }
        for (seat, partitions) in self.group.assign(self.now, &mut self.draw) {
            self.wake(seat);
            self.tell(format!("the group gives {partitions:?} to process {seat}"));
        }
    }

    fn act(&mut self, act: Act) {
        let now = self.now;
        match act {
            Act::Produce { partition, records } => {
                let produced = &mut self.group.partitions[partition].produced;
                *produced = (*produced + records).min(TRUTH.log[partition].len());
                (0..SEATS).for_each(|seat| self.wake(seat));
            }
            Act::Move { partition, to } => self.group.ask_to_move(partition, to, now),
            Act::Expel { seat, stands_for } => {
                self.stand(seat, now + stands_for);
                self.expel(seat);
            }
            Act::Freeze { seat, stands_for } => {
                self.stand(seat, now + stands_for);
                if stands_for >= SESSION_TIME {
                    self.expel(seat);
                }
            }
            Act::Kill { seat } => self.kill(seat),
            Act::Stop { seat } => self.seats[seat].stop.store(true, Ordering::Release),
            Act::CutDatabase { for_time } => self.cut_until = self.cut_until.max(now + for_time),
            Act::RestartDatabase => self.store.restart(&mut self.draw),
            Act::SlowDatabase { for_time } => self.slow_until = self.slow_until.max(now + for_time),
            Act::Damage { partition, place } => {
                if let Some(id) = self.store.damage(partition, place) {
                    self.tell(format!("the state of {id} is damaged"));
                }
            }
            Act::CutBrokers { for_time } => {
                self.group.silent_until = self.group.silent_until.max(now + for_time);
            }
            Act::Reorder { seat } => {
                if let Some(member) = self.group.members.get_mut(&seat) {
                    member.commits.make_contiguous().reverse();
                }
            }
            Act::Repeat { seat } => {
                if let Some(member) = self.group.members.get_mut(&seat) {
                    member.repeats = !self.is_exactly_once;
                }
            }
        }
    }

    /// A process ends at once. Some of what it has sent arrives all the same.
    fn kill(&mut self, seat: usize) {
        if !self.seats[seat].is_taken {
            return;
        }
        let (alerts, commits) = (self.draw.below(8), self.draw.below(3));
        self.take_alerts(seat, alerts);
        (0..commits).for_each(|_| self.carry_out(seat));
        let free_at = self.now + Duration::from_millis(self.draw.below(3_000) as u64);
        self.group.remove(seat, free_at);
        self.seats[seat].is_killed = true;
    }

    /// Whoever waits for records or for the group has something.
    fn wake(&mut self, seat: usize) {
        if self.waits_for_records[seat] && self.has_news(seat) {
            self.seats[seat].wakes_at = self.seats[seat].wakes_at.min(self.now);
        }
    }

    fn stand(&mut self, seat: usize, until: Duration) {
        let stands_until = &mut self.seats[seat].stands_until;
        *stands_until = until.max(*stands_until);
    }

    /// The group does without a process, which hears of it sometime.
    fn expel(&mut self, seat: usize) {
        let late = if self.draw.chance(50) { 0 } else { self.draw.below(5_000) };
        let heard_at = self.now + Duration::from_millis(late as u64);
        let lost = self.group.expel(seat, self.now, heard_at);
        self.tell(format!("process {seat} does not know that it has lost {lost:?}"));
    }

    /// Whether a process has something to read or to answer.
    pub fn has_news(&self, seat: usize) -> bool {
        let Some(member) = self.group.members.get(&seat) else { return false };
        let has_more = |(partition, position): (&usize, &i64)| {
            let end = self.group.partitions[*partition].produced as i64;
            *position < end && !member.paused.contains(partition)
        };
        member.request(self.now).is_some() || member.positions.iter().any(has_more)
    }

    /// All faults end, and everything that is there can be read.
    fn heal(&mut self) {
        self.tell("everything heals".to_owned());
        self.phase = Phase::Healing;
        (self.cut_until, self.slow_until) = (self.now, self.now);
        self.group.silent_until = self.now;
        self.seats.iter_mut().for_each(|seat| seat.stands_until = self.now);
        for (partition, log) in self.group.partitions.iter_mut().zip(&TRUTH.log) {
            partition.produced = log.len();
        }
        for member in self.group.members.values_mut() {
            member.requests.iter_mut().for_each(|request| request.heard_at = self.now);
        }
        (0..SEATS).for_each(|seat| self.wake(seat));
    }
}
