//! What the demo's threads know of each other: numbers that only grow, and flags.
//!
//! The generator may be [`MAX_AHEAD`] records ahead of what workers have handled *and* of the
//! alerts that the subscriber has received, so that neither topic holds more unread bytes than the
//! mock keeps.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::is_set;
use crate::base::clock::{Stopwatch, pause};
use crate::edges::kafka::MockCluster;
use crate::stream::worker::Counts;

/// How many unhandled transactions and unread alerts there may be together.
pub(super) const MAX_AHEAD: u64 = 8_192;

/// How long a worker that is ready to leave the group waits for the others.
const MAX_LEAVING: Duration = Duration::from_secs(2);

/// The size of the largest generated record in bytes, including Kafka's overhead.
pub(super) const MAX_GENERATED_BYTES: usize = 512;

// This holds even if all records are in one partition.
const _: () = assert!(MAX_AHEAD as usize * MAX_GENERATED_BYTES < MockCluster::RETAINED_BYTES);

/// How far a demo has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Transactions produced.
    pub generated: u64,
    /// Transactions handled.
    pub handled: u64,
    /// Alerts published.
    pub alerts: u64,
    /// Alerts received by the subscriber.
    pub received: u64,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { generated, handled, alerts, received } = self;
        write!(
            formatter,
            "{generated} transactions generated, {handled} handled, {alerts} alerts published, \
             {received} received"
        )
    }
}

/// The state that the threads of one demo share.
pub(super) struct Board {
    generated: AtomicU64,
    is_complete: AtomicBool,
    workers: Vec<OfWorker>,
    received: AtomicU64,
    may_start: AtomicBool,
    stop_feed: AtomicBool,
    stop_workers: AtomicBool,
}

#[derive(Default)]
struct OfWorker {
    partitions: AtomicUsize,
    handled: AtomicU64,
    alerts: AtomicU64,
    is_leaving: AtomicBool,
}

impl Board {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            generated: AtomicU64::new(0),
            is_complete: AtomicBool::new(false),
            workers: (0..workers).map(|_| OfWorker::default()).collect(),
            received: AtomicU64::new(0),
            may_start: AtomicBool::new(false),
            stop_feed: AtomicBool::new(false),
            stop_workers: AtomicBool::new(false),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        // Read handled before generated: a number read later is never smaller than what it bounds.
        let received = self.received.load(Ordering::Acquire);
        let (mut alerts, mut handled) = (0, 0);
        for worker in &self.workers {
            alerts += worker.alerts.load(Ordering::Acquire);
            handled += worker.handled.load(Ordering::Acquire);
        }
        Progress { generated: self.generated(), handled, alerts, received }
    }

    pub(super) fn generated(&self) -> u64 {
        self.generated.load(Ordering::Acquire)
    }

    pub(super) fn set_generated(&self, generated: u64) {
        self.generated.store(generated, Ordering::Release);
    }

    /// Nothing more will be generated, and the brokers have acknowledged everything.
    pub(super) fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }

    pub(super) fn is_complete(&self) -> bool {
        is_set(&self.is_complete)
    }

    pub(super) fn assigned(&self, worker: usize, partitions: usize) {
        self.workers[worker].partitions.store(partitions, Ordering::Release);
    }

    /// Whether every worker has partitions and all partitions are assigned.
    pub(super) fn is_dealt(&self, partitions: usize) -> bool {
        let have = |worker: &OfWorker| worker.partitions.load(Ordering::Acquire);
        self.workers.iter().all(|worker| have(worker) > 0)
            && self.workers.iter().map(have).sum::<usize>() == partitions
    }

    pub(super) fn counted(&self, worker: usize, counts: &Counts) {
        // Alerts first: whoever sees a transaction handled then sees its alert as well.
        self.workers[worker].alerts.store(counts.alerts_total(), Ordering::Release);
        self.workers[worker].handled.store(counts.handled(), Ordering::Release);
    }

    /// Waits until every worker is about to leave the group, but only briefly. The first to leave
    /// starts a rebalance, during which the mock refuses the others' last commits.
    pub(super) fn leave_together(&self, worker: usize) {
        self.workers[worker].is_leaving.store(true, Ordering::Release);
        let waited = Stopwatch::start();
        while !self.workers.iter().all(|worker| is_set(&worker.is_leaving))
            && waited.elapsed() < MAX_LEAVING
        {
            pause(Duration::from_millis(1));
        }
    }

    pub(super) fn set_received(&self, received: u64) {
        self.received.store(received, Ordering::Release);
    }

    pub(super) fn start(&self) {
        self.may_start.store(true, Ordering::Release);
    }

    pub(super) fn may_start(&self) -> bool {
        is_set(&self.may_start)
    }

    /// Tells the generator to stop.
    pub(super) fn stop_feed(&self) {
        self.stop_feed.store(true, Ordering::Release);
    }

    pub(super) fn is_feed_stopped(&self) -> bool {
        is_set(&self.stop_feed)
    }

    pub(super) fn stop_workers(&self) -> &AtomicBool {
        &self.stop_workers
    }

    /// Tells all threads to end.
    pub(super) fn end(&self) {
        self.stop_feed();
        self.stop_workers.store(true, Ordering::Release);
    }

    pub(super) fn end_on_drop(&self) -> EndOnDrop<'_> {
        EndOnDrop(self)
    }
}

/// Tells all threads to end when it is dropped.
pub(super) struct EndOnDrop<'a>(&'a Board);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
