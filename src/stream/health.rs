//! How the process is, as its parts report it and as the probes ask for it.
//!
//! Three questions are easily mixed up, and each mix-up is an outage: *alive* (can this process
//! make progress at all, or is it to be restarted?), *ready* (does it do its work now?), and
//! *healthy* (is everything around it as it should be?). A broker that is away makes a process
//! unready and unhealthy and must not get it restarted; a thread that hangs must. So threads only
//! [beat], parts that cannot work yet say what they wait for, and checks of the surroundings stand
//! for themselves. A part that has work and gets nothing done *stands still*: the process is
//! neither ready nor healthy then, whatever the checks say, because each of them may find its own
//! server in order. Nobody who reports ever waits for somebody who asks.
//!
//! [beat]: Health::beat

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::clock::Stopwatch;

/// What is checked around the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The brokers answer.
    Kafka,
    /// The snapshot database answers.
    Database,
    /// The schema registry answers.
    SchemaRegistry,
    /// A model is loaded.
    Model,
}

impl Check {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Kafka, Self::Database, Self::SchemaRegistry, Self::Model];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        ["kafka", "database", "schema_registry", "model"][self as usize]
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Not looked at yet.
    Unknown,
    /// In order.
    Ok,
    /// The configuration has no use for it.
    Unused,
    /// Not in order, and work goes on; with the reason.
    Degraded(String),
    /// Not in order, and work stands still; with the reason.
    Down(String),
}

/// Whether all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overall {
    /// Every check is in order or unused, and nothing is waited for.
    Healthy,
    /// Work goes on, but not everything is in order.
    Degraded,
    /// Work stands still.
    Unhealthy,
}

/// A thread that has not been heard of for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// Its number.
    pub worker: usize,
    /// Since when.
    pub silent_for: Duration,
}

/// The board on which all parts of the process report.
#[derive(Debug)]
pub struct Health {
    since: Stopwatch,
    findings: Mutex<[Finding; Check::ALL.len()]>,
    obstacles: Mutex<BTreeMap<String, String>>,
    standstills: Mutex<BTreeMap<String, String>>,
    /// Each worker's last beat, in milliseconds since the start; [`SILENT`] before the first and
    /// after the last.
    beats: Vec<AtomicU64>,
}

/// How long a worker's turn may take before the worker counts as standing still. A turn takes
/// milliseconds; what is longer waits for an answer that does not come.
const TURN_LIMIT: Duration = Duration::from_secs(5);

/// The beat of a thread that need not beat.
const SILENT: u64 = u64::MAX;

impl Health {
    /// A board for so many worker threads. Nothing is known yet, and nothing is waited for.
    pub fn new(workers: usize) -> Self {
        Self {
            since: Stopwatch::start(),
            findings: Mutex::new([const { Finding::Unknown }; Check::ALL.len()]),
            obstacles: Mutex::default(),
            standstills: Mutex::default(),
            beats: (0..workers).map(|_| AtomicU64::new(SILENT)).collect(),
        }
    }

    /// Tells what a check found.
    pub fn report(&self, check: Check, finding: Finding) {
        lock(&self.findings)[check as usize] = finding;
    }

    /// What a check found last.
    pub fn finding(&self, check: Check) -> Finding {
        lock(&self.findings)[check as usize].clone()
    }

    /// `part` (for example `worker 0`) cannot do its work before `why` is over. Replaces what it
    /// said before.
    pub fn obstruct(&self, part: &str, why: impl Into<String>) {
        lock(&self.obstacles).insert(part.to_owned(), why.into());
    }

    /// `part` does its work.
    pub fn clear(&self, part: &str) {
        lock(&self.obstacles).remove(part);
    }

    /// `part` has work and gets nothing done, for this reason: more than an obstacle, which may be
    /// as it should be. Replaces what it said before, and is taken back by [`Self::moves`] alone.
    pub fn stands(&self, part: &str, why: impl Into<String>) {
        lock(&self.standstills).insert(part.to_owned(), why.into());
    }

    /// `part` gets on again, or has no work left.
    pub fn moves(&self, part: &str) {
        lock(&self.standstills).remove(part);
    }

    /// Which parts stand still and why: those that say so, and workers that do not turn.
    fn standstills(&self) -> Vec<(String, String)> {
        let said = lock(&self.standstills).clone().into_iter();
        let silent = self.stuck(TURN_LIMIT).into_iter().map(|stuck| {
            let seconds = stuck.silent_for.as_secs();
            let why = format!("it has not turned for {seconds} s, it waits for an answer of kafka");
            (format!("worker {}", stuck.worker), why)
        });
        said.chain(silent).collect()
    }

    /// What stands between this process and its work: part and reason, by part, then what stands
    /// still, then the checks that are down. Empty: it is ready.
    pub fn obstacles(&self) -> Vec<(String, String)> {
        let own = lock(&self.obstacles).clone().into_iter().chain(self.standstills());
        let findings = lock(&self.findings).clone();
        let down =
            Check::ALL.into_iter().zip(findings).filter_map(|(check, finding)| match finding {
                Finding::Down(why) => Some((check.name().to_owned(), why)),
                _ => None,
            });
        own.chain(down).collect()
    }

    /// A worker is alive. One atomic store: made to be called once a batch.
    pub fn beat(&self, worker: usize) {
        if let Some(beat) = self.beats.get(worker) {
            beat.store(millis(self.since.elapsed()), Ordering::Relaxed);
        }
    }

    /// A worker has ended and will not beat again.
    pub fn rest(&self, worker: usize) {
        if let Some(beat) = self.beats.get(worker) {
            beat.store(SILENT, Ordering::Relaxed);
        }
    }

    /// Workers that began to beat and have not for `limit` or longer.
    pub fn stuck(&self, limit: Duration) -> Vec<Stuck> {
        let now = millis(self.since.elapsed());
        let silent = |(worker, beat): (usize, &AtomicU64)| {
            let beat = beat.load(Ordering::Relaxed);
            let silent_for = Duration::from_millis(now.saturating_sub(beat));
            (beat != SILENT && silent_for >= limit).then_some(Stuck { worker, silent_for })
        };
        self.beats.iter().enumerate().filter_map(silent).collect()
    }

    /// Whether all is well, everything taken together.
    pub fn overall(&self) -> Overall {
        let weigh = |finding: &Finding| match finding {
            Finding::Ok | Finding::Unused => Overall::Healthy,
            Finding::Unknown | Finding::Degraded(_) => Overall::Degraded,
            Finding::Down(_) => Overall::Unhealthy,
        };
        let worst = lock(&self.findings).iter().map(weigh).max().unwrap_or(Overall::Healthy);
        if !self.standstills().is_empty() {
            return Overall::Unhealthy;
        }
        let is_ready = lock(&self.obstacles).is_empty();
        if is_ready { worst } else { worst.max(Overall::Degraded) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(SILENT - 1)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::base::clock::{Time, simulate};

    /// Time that a test moves on.
    struct Moved(Cell<Duration>);

    impl Time for Moved {
        fn now(&self) -> Duration {
            self.0.get()
        }

        fn pass(&self, duration: Duration) {
            self.0.set(self.0.get() + duration);
        }
    }

    #[test]
    fn a_worker_that_does_not_turn_is_told_after_seconds() {
        let told = std::thread::spawn(|| {
            let time = Rc::new(Moved(Cell::new(Duration::ZERO)));
            simulate(Rc::clone(&time) as Rc<dyn Time>);
            let health = Health::new(2);
            Check::ALL.into_iter().for_each(|check| health.report(check, Finding::Ok));
            (0..2).for_each(|worker| health.beat(worker));
            time.pass(Duration::from_millis(4_900));
            health.beat(0);
            let before = (health.obstacles().len(), health.overall());
            time.pass(Duration::from_millis(200));
            let after = (health.obstacles(), health.overall());
            health.beat(1);
            (before, after, health.obstacles().len(), health.overall())
        });
        let (before, (obstacles, overall), left, at_last) = told.join().unwrap();
        assert_eq!(before, (0, Overall::Healthy));
        assert_eq!((obstacles.len(), overall), (1, Overall::Unhealthy));
        let (part, why) = &obstacles[0];
        assert!(part == "worker 1" && why.contains("has not turned for 5 s"), "{part}: {why}");
        assert_eq!((left, at_last), (0, Overall::Healthy));
    }

    #[test]
    fn a_part_that_waits_makes_the_process_unready_until_it_does_not() {
        let health = Health::new(1);
        health.obstruct("labels", "reading");
        health.obstruct("worker 0", "no partitions");
        health.obstruct("labels", "10 of 20 read");
        let said = |part: &str, why: &str| (part.to_owned(), why.to_owned());
        let both = vec![said("labels", "10 of 20 read"), said("worker 0", "no partitions")];
        assert_eq!(health.obstacles(), both);
        health.clear("labels");
        health.clear("worker 0");
        assert_eq!(health.obstacles(), []);
        health.report(Check::SchemaRegistry, Finding::Degraded("slow".to_owned()));
        health.report(Check::Kafka, Finding::Down("away".to_owned()));
        assert_eq!(health.obstacles(), [said("kafka", "away")]);
    }

    #[test]
    fn the_worst_finding_counts() {
        let health = Health::new(0);
        Check::ALL.into_iter().for_each(|check| health.report(check, Finding::Ok));
        health.report(Check::Database, Finding::Unused);
        assert_eq!(health.overall(), Overall::Healthy);
        health.obstruct("worker 0", "no partitions");
        assert_eq!(health.overall(), Overall::Degraded);
        health.clear("worker 0");
        health.report(Check::SchemaRegistry, Finding::Degraded("slow".to_owned()));
        assert_eq!(health.overall(), Overall::Degraded);
        health.report(Check::Kafka, Finding::Down("away".to_owned()));
        assert_eq!(health.overall(), Overall::Unhealthy);
    }

    #[test]
    fn what_stands_still_is_neither_ready_nor_healthy_until_it_moves() {
        let health = Health::new(1);
        Check::ALL.into_iter().for_each(|check| health.report(check, Finding::Ok));
        health.stands("progress of worker 0", "no coordinator");
        health.clear("progress of worker 0");
        let said = ("progress of worker 0".to_owned(), "no coordinator".to_owned());
        assert_eq!((health.obstacles(), health.overall()), (vec![said], Overall::Unhealthy));
        health.moves("progress of worker 0");
        assert_eq!((health.obstacles(), health.overall()), (vec![], Overall::Healthy));
    }

    #[test]
    fn only_a_worker_that_began_and_fell_silent_is_stuck() {
        let health = Health::new(3);
        health.beat(0);
        health.beat(1);
        health.rest(1);
        let stuck: Vec<usize> =
            health.stuck(Duration::ZERO).into_iter().map(|stuck| stuck.worker).collect();
        assert_eq!(stuck, [0]);
        assert_eq!(health.stuck(Duration::from_secs(3_600)), []);
        health.beat(9);
    }
}
