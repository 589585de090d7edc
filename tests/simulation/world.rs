//! The simulated world: what there is, from its beginning to its end.
//!
//! Who has the turn is in `scheduler`, what happens meanwhile in `weather`, what had to come of it
//! in `oracle`.

use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use synfinance::stream::worker::Event;

use crate::bugs::Bug;
use crate::draw::Draw;
use crate::group::Group;
use crate::plan::Act;
use crate::scheduler::{DIRECTOR, Seat, Shared};
use crate::store::Store;
use crate::truth::{PARTITIONS, States, TRUTH};

/// Processes at a time.
pub const SEATS: usize = 2;

/// A process, from its beginning to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    pub seat: usize,
    pub number: u64,
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

/// How far the world has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Whatever can happens.
    Acting,
    /// Nothing fails any more.
    Healing,
    /// Everything has been read, since then.
    Resting(Duration),
    /// Everybody is told to end, since then.
    Ending(Duration),
    /// Nobody goes on.
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
    pub trace: Vec<String>,
    /// Who has had an acknowledgement twice.
    pub repeated: Vec<Stay>,
    /// Whom processes remembered that have ended last.
    pub memory: States,
    /// Who waits for records, and may have them sooner.
    pub waits_for_records: [bool; SEATS],
    /// What is wrong.
    pub fault: Option<Fault>,
    pub acts: std::vec::IntoIter<(Duration, Act)>,
    pub seats: Vec<Seat>,
    pub phase: Phase,
    pub cut_until: Duration,
    pub slow_until: Duration,
    pub has_turn: usize,
    pub threads: Vec<JoinHandle<()>>,
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
        seats: (0..SEATS).map(Seat::new).collect(),
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

    pub fn is_ending(&self) -> bool {
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

    pub fn is_killed(&self, stay: Stay) -> bool {
        self.seats[stay.seat].is_killed
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
}

const _: () = assert!(PARTITIONS > SEATS, "some process has two of them");
