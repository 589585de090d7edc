//! The simulated world: processes that take turns, the time that passes meanwhile, and what
//! happens to them.
//!
//! Every process is a thread, and one thread runs at a time: whoever waits for something, for
//! records, the brokers, the database or time to pass, hands the turn on, to whom a seed draws
//! among those that have something to do. So the same seed is the same course of events.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use synfinance::core::state::snapshot::check;
use synfinance::stream::worker::{Error, Event};

use crate::bugs::Bug;
use crate::draw::Draw;
use crate::group::Group;
use crate::plan::{Act, TIME};
use crate::process::{End, Kill, live};
use crate::store::Store;
use crate::truth::{Alert, PARTITIONS, States, TRUTH};

/// Processes at a time.
pub const SEATS: usize = 2;

/// Who has the turn at the beginning and at the end.
const DIRECTOR: usize = SEATS;

/// From when everything has been read and committed until the processes are told to end. Longer
/// than a worker waits before it claims or reads a partition again.
const REST: Duration = Duration::from_secs(12);

/// By when a world in which nothing fails any more has to have read everything, and to have ended;
/// and for how long a worker may still give up because of what had failed before.
const HEALING_TIME: Duration = Duration::from_secs(120);
const ENDING_TIME: Duration = Duration::from_secs(40);
const GRACE: Duration = Duration::from_secs(15);

/// After this time a process that stands still is missed.
const SESSION_TIME: Duration = Duration::from_secs(10);

/// A process, from its beginning to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    pub seat: usize,
    pub number: u64,
}

/// A place for a process.
struct Seat {
    stay: Stay,
    is_taken: bool,
    is_killed: bool,
    stop: Arc<AtomicBool>,
    wakes_at: Duration,
    stands_until: Duration,
    /// When the next process begins.
    begins_at: Duration,
}

/// What kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An alert, or what is stored at the end, is not what it had to be.
    Wrong,
    /// Something was committed or stored before it may be.
    Early,
    /// A worker does not come to an end of something.
    Stuck,
    /// A worker stops, or does not where it has to.
    Stops,
}

/// A fault, and what it is.
pub type Fault = (Kind, String);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Acting,
    /// Nothing fails any more.
    Healing,
    /// Everything has been read, since then.
    Resting(Duration),
    /// Everybody is told to end, since then.
    Ending(Duration),
    Over,
}

pub struct World {
    pub draw: Draw,
    pub bug: Bug,
    pub is_exactly_once: bool,
    /// Memory of a process for customers.
    pub memory_bytes: usize,
    /// So many customers are saved when partitions leave; more are handed over.
    pub few_customers: usize,
    pub now: Duration,
    pub group: Group,
    pub store: Store,
    trace: Vec<String>,
    /// Who has had an acknowledgement twice.
    pub repeated: Vec<Stay>,
    /// Whom processes remembered that have ended last.
    memory: States,
    /// Who waits for records, and may have them sooner.
    pub waits_for_records: [bool; SEATS],
    /// What is wrong.
    fault: Option<Fault>,
    acts: std::vec::IntoIter<(Duration, Act)>,
    seats: Vec<Seat>,
    phase: Phase,
    cut_until: Duration,
    slow_until: Duration,
    has_turn: usize,
    threads: Vec<JoinHandle<()>>,
}

/// The world, and those who wait for their turn.
pub struct Shared {
    world: Mutex<World>,
    turns: Vec<Condvar>,
}

/// Who goes on.
enum Next {
    Process(usize),
    Begins(Stay),
    Nobody,
}

/// Runs these acts; the world at its end.
pub fn run(seed: u64, bug: Bug, acts: Vec<(Duration, Act)>) -> (Option<Fault>, Vec<String>) {
    // What is true takes a time of its own.
    LazyLock::force(&TRUTH);
    let mut draw = Draw::new(seed ^ 0x5eed);
    let is_exactly_once =
        bug == Bug::ShowsUncommitted || bug != Bug::TakesSentForAcknowledged && draw.chance(40);
    let memory_bytes = [1 << 30, 9_000, 4_000][draw.below(3)];
    let few_customers = [0, 2, 1_000][draw.below(3)];
    let seat = |seat| Seat {
        stay: Stay { seat, number: 0 },
        is_taken: false,
        is_killed: false,
        stop: Arc::default(),
        wakes_at: Duration::ZERO,
        stands_until: Duration::ZERO,
        begins_at: Duration::ZERO,
    };
    let world = World {
        draw,
        bug,
        is_exactly_once,
        memory_bytes,
        few_customers,
        now: Duration::ZERO,
        group: Group::new(),
        store: Store::new(),
        trace: vec![format!(
            "exactly once: {is_exactly_once}, memory {memory_bytes}, saved on leaving \
             {few_customers}"
        )],
        repeated: Vec::new(),
        memory: States::new(),
        waits_for_records: [false; SEATS],
        fault: None,
        acts: acts.into_iter(),
        seats: (0..SEATS).map(seat).collect(),
        phase: Phase::Acting,
        cut_until: Duration::ZERO,
        slow_until: Duration::ZERO,
        has_turn: DIRECTOR,
        threads: Vec::new(),
    };
    let turns = (0..=SEATS).map(|_| Condvar::new()).collect();
    let shared = Arc::new(Shared { world: Mutex::new(world), turns });
    drop(shared.hand_on(shared.world(), DIRECTOR));
    for seat in 0..SEATS {
        let mut world = shared.world();
        if world.seats[seat].is_taken {
            world.seats[seat].is_killed = true;
            drop(shared.give(world, seat, DIRECTOR));
        }
    }
    let threads = std::mem::take(&mut shared.world().threads);
    threads.into_iter().for_each(|thread| thread.join().expect("a process catches its panics"));
    let mut world = shared.world();
    let fault = world.fault.take().or_else(|| Some((Kind::Wrong, world.find_fault()?)));
    (fault, std::mem::take(&mut world.trace))
}

impl Shared {
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process waits for its first turn.
    pub fn begin(&self, stay: Stay) {
        let mut world = self.world();
        while world.has_turn != stay.seat {
            world = self.wait(world, stay.seat);
        }
    }

    /// A process waits until so much time has passed. One that is killed unwinds from here.
    pub fn pass(self: &Arc<Self>, stay: Stay, duration: Duration) {
        let mut world = self.world();
        if !world.is_killed(stay) {
            world.seats[stay.seat].wakes_at = world.now + duration;
            world = self.hand_on(world, stay.seat);
        }
        let is_killed = world.is_killed(stay);
        drop(world);
        if is_killed && !std::thread::panicking() {
            resume_unwind(Box::new(Kill));
        }
    }

    /// A process has ended.
    pub fn end(self: &Arc<Self>, stay: Stay, end: End) {
        let mut world = self.world();
        world.ended(stay, end);
        let next = match world.phase {
            Phase::Over => DIRECTOR,
            _ => self.next(&mut world),
        };
        world.has_turn = next;
        self.turns[next].notify_one();
    }

    /// Gives the turn to whoever is next, and has it back.
    fn hand_on<'w>(
        self: &'w Arc<Self>,
        mut world: MutexGuard<'w, World>,
        me: usize,
    ) -> MutexGuard<'w, World> {
        let next = self.next(&mut world);
        self.give(world, next, me)
    }

    fn give<'w>(
        &self,
        mut world: MutexGuard<'w, World>,
        to: usize,
        me: usize,
    ) -> MutexGuard<'w, World> {
        world.has_turn = to;
        if to != me {
            self.turns[to].notify_one();
        }
        while world.has_turn != me {
            world = self.wait(world, me);
        }
        world
    }

    fn wait<'w>(&self, world: MutexGuard<'w, World>, me: usize) -> MutexGuard<'w, World> {
        self.turns[me].wait(world).unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is next; processes that begin are started.
    fn next(self: &Arc<Self>, world: &mut World) -> usize {
        loop {
            let stay = match world.next() {
                Next::Process(seat) => return seat,
                Next::Nobody => return DIRECTOR,
                Next::Begins(stay) => stay,
            };
            let (shared, stop) = (Arc::clone(self), Arc::clone(&world.seats[stay.seat].stop));
            let process = std::thread::spawn(move || live(&shared, stay, &stop));
            world.threads.push(process);
        }
    }
}

impl World {
    pub fn tell(&mut self, what: String) {
        self.trace.push(format!("{:>6.2} {what}", self.now.as_secs_f64()));
    }

    /// `percent` times of a hundred, until everything heals.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.draw.chance(percent) && !self.is_healthy()
    }

    pub fn is_healthy(&self) -> bool {
        self.phase != Phase::Acting
    }

    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending(_))
    }

    /// Something is wrong; the first thing counts.
    pub fn complain(&mut self, kind: Kind, what: String) {
        self.fault.get_or_insert((kind, what));
    }

    /// See [`Group::take_alerts`].
    pub fn take_alerts(&mut self, seat: usize, count: usize) {
        self.group.take_alerts(seat, count, &mut self.draw);
    }

    /// See [`Group::carry_out`].
    pub fn carry_out(&mut self, seat: usize) {
        let is_healthy = self.is_healthy();
        self.group.carry_out(seat, &mut self.draw, is_healthy);
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

    pub fn is_killed(&self, stay: Stay) -> bool {
        self.seats[stay.seat].is_killed
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

    /// A process tells what it does.
    pub fn observe(&mut self, stay: Stay, event: &Event<'_>) {
        let seat = stay.seat;
        match event {
            Event::Leaving => {
                if let Some(member) = self.group.members.get_mut(&seat) {
                    member.is_leaving = true;
                }
            }
            Event::Restored { partition, .. } => {
                self.tell(format!("process {seat} has restored {partition}"));
            }
            Event::Lost { partition, records, .. } => {
                let fault = format!("{records} records of {partition} are said to be lost");
                self.complain(Kind::Wrong, fault);
            }
            _ => {}
        }
    }

    /// Decides who goes on. Between two turns something may happen, and time passes.
    fn next(&mut self) -> Next {
        loop {
            if let Some(seat) = self.seats.iter().position(|seat| seat.is_taken && seat.is_killed) {
                return Next::Process(seat);
            }
            self.go_on();
            if let Some(complaint) = self.group.complaint.take() {
                self.complain(Kind::Early, complaint);
            }
            if self.fault.is_some() {
                self.phase = Phase::Over;
            }
            if self.phase == Phase::Over {
                return Next::Nobody;
            }
            if self.seats.iter().any(|seat| seat.is_taken && seat.is_killed) {
                continue;
            }
            let now = self.now;
            let begins = |seat: &&mut Seat| !seat.is_taken && seat.begins_at <= now;
            if !self.is_ending()
                && let Some(seat) = self.seats.iter_mut().find(begins)
            {
                seat.stay.number += 1;
                (seat.is_taken, seat.is_killed, seat.stop) = (true, false, Arc::default());
                (seat.wakes_at, seat.stands_until) = (now, now);
                return Next::Begins(seat.stay);
            }
            let is_ready = |seat: &&Seat| seat.is_taken && seat.ready_at() <= now;
            let ready: Vec<usize> =
                self.seats.iter().filter(is_ready).map(|seat| seat.stay.seat).collect();
            if !ready.is_empty() {
                self.now += Duration::from_micros(self.draw.below(1_000) as u64);
                return Next::Process(ready[self.draw.below(ready.len())]);
            }
            self.skip();
        }
    }

    /// Time passes until something happens.
    fn skip(&mut self) {
        let seat = |seat: &Seat| if seat.is_taken { seat.ready_at() } else { seat.begins_at };
        let seats = self.seats.iter().map(seat);
        let act = self.acts.as_slice().first().map(|(at, _)| *at);
        let heals = (self.phase == Phase::Acting).then_some(TIME);
        let next = seats.chain(act).chain(heals).filter(|at| *at > self.now).min();
        self.now = next.unwrap_or(self.now + Duration::from_millis(100));
    }

    /// What happens by now.
    fn go_on(&mut self) {
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

    fn ended(&mut self, stay: Stay, end: End) {
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

    fn is_done(&self) -> bool {
        let is_done = |(partition, log): (&crate::group::Partition, &Vec<_>)| {
            partition.committed == Some(log.len() as i64) && partition.owner.is_some()
        };
        self.group.partitions.iter().zip(&TRUTH.log).all(is_done)
            && self.group.members.values().all(|member| member.requests.is_empty())
    }

    /// What differs from an undisturbed run.
    fn find_fault(&self) -> Option<String> {
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

impl Seat {
    fn ready_at(&self) -> Duration {
        self.wakes_at.max(self.stands_until)
    }
}

const _: () = assert!(PARTITIONS > SEATS, "some process has two of them");
