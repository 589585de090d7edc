//! Who has the turn: every process is a thread, and one thread runs at a time.
//!
//! Whoever waits for something, for records, the brokers, the database or time to pass, hands the
//! turn on, to whom a seed draws among those that have something to do. So the same seed is the
//! same course of events.

use std::panic::resume_unwind;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::plan::TIME;
use crate::process::{End, Kill, live};
use crate::world::{Kind, Phase, SEATS, Stay, World};

/// Who has the turn at the beginning and at the end.
pub const DIRECTOR: usize = SEATS;

/// A place for a process.
pub struct Seat {
    pub stay: Stay,
    pub is_taken: bool,
    pub is_killed: bool,
    pub stop: Arc<AtomicBool>,
    pub wakes_at: Duration,
    pub stands_until: Duration,
    /// When the next process begins.
    pub begins_at: Duration,
}

/// The world, and those who wait for their turn.
pub struct Shared {
    pub world: Mutex<World>,
    pub turns: Vec<Condvar>,
}

/// Who goes on.
enum Next {
    Process(usize),
    Begins(Stay),
    Nobody,
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
    pub fn hand_on<'w>(
        self: &'w Arc<Self>,
        mut world: MutexGuard<'w, World>,
        me: usize,
    ) -> MutexGuard<'w, World> {
        let next = self.next(&mut world);
        self.give(world, next, me)
    }

    pub fn give<'w>(
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
}

impl Seat {
    /// Nobody sits there yet.
    pub fn new(seat: usize) -> Self {
        Self {
            stay: Stay { seat, number: 0 },
            is_taken: false,
            is_killed: false,
            stop: Arc::default(),
            wakes_at: Duration::ZERO,
            stands_until: Duration::ZERO,
            begins_at: Duration::ZERO,
        }
    }

    fn ready_at(&self) -> Duration {
        self.wakes_at.max(self.stands_until)
    }
}
