//! The demo's subscriber: it reads the alerts, and knows from everyone's reports how far the demo
//! is.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::board::{Board, Progress};
use super::truth::{Tally, Truth, Verdicts};
use super::{ALERT_SCHEMA_ID, Error, Settings, is_set};
use crate::base::clock::Stopwatch;
use crate::core::codec::{AlertView, read_alert};
use crate::edges::kafka::{Assignment, Connection, Consumer, Rebalance};

/// How long to wait for an alert before looking at the rest.
const WAIT: Duration = Duration::from_millis(2);

/// How many alerts are read at once.
const BATCH: usize = 1_024;

/// Reads alerts and waits for the end.
pub(super) struct Watch<'a> {
    consumer: Consumer,
    partitions: usize,
    assigned: usize,
    patience: Duration,
    board: &'a Board,
    truth: &'a Truth,
    verdicts: Verdicts,
    last: (Progress, usize),
    since_change: Stopwatch,
}

impl<'a> Watch<'a> {
    pub(super) fn join(
        connection: &Connection,
        topic: &str,
        settings: &Settings,
        board: &'a Board,
        truth: &'a Truth,
    ) -> Result<Self, Error> {
        let group = "synfinance-subscriber";
        Ok(Self {
            consumer: Consumer::join(connection, group, topic, Assignment::Eager)?,
            partitions: settings.partitions,
            assigned: 0,
            patience: settings.patience,
            board,
            truth,
            verdicts: Verdicts::default(),
            last: (Progress::default(), 0),
            since_change: Stopwatch::start(),
        })
    }

    /// Lets the feed start once everybody has partitions, and waits until everything generated is
    /// handled. Returns how many seconds that took. Returns early if `finished` says that a thread
    /// ended too soon; the caller knows why.
    pub(super) fn run(
        &mut self,
        stop: &AtomicBool,
        finished: &dyn Fn() -> bool,
        on_alert: &mut dyn FnMut(&AlertView<'_>),
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<f64, Error> {
        while !(self.assigned == self.partitions && self.board.is_dealt(self.partitions)) {
            self.read(on_alert)?;
            self.check_moving("partitions are being assigned")?;
            if finished() || is_set(stop) {
                return Ok(0.0);
            }
        }
        let started = Stopwatch::start();
        self.board.start();
        loop {
            self.read(on_alert)?;
            let progress = self.check_moving("transactions are being scored")?;
            on_progress(progress);
            if is_set(stop) {
                self.board.stop_feed();
            }
            let is_done = self.board.is_complete() && progress.handled >= self.board.generated();
            if is_done || finished() {
                return Ok(started.elapsed().as_secs_f64());
            }
        }
    }

    /// Goes on reading until `alerts` alerts are received.
    pub(super) fn finish(
        &mut self,
        alerts: u64,
        on_alert: &mut dyn FnMut(&AlertView<'_>),
    ) -> Result<(), Error> {
        self.since_change = Stopwatch::start();
        while self.verdicts.received() < alerts {
            self.read(on_alert)?;
            self.check_moving("alerts are being received")?;
        }
        Ok(())
    }

    pub(super) fn tally(&self) -> Tally {
        self.verdicts.tally(self.truth)
    }

    fn read(&mut self, on_alert: &mut dyn FnMut(&AlertView<'_>)) -> Result<(), Error> {
        let mut records = Vec::new();
        self.consumer.take(BATCH, WAIT, &mut records)?;
        for record in &records {
            let value = record.value().unwrap_or_default();
            let alert = read_alert(value, ALERT_SCHEMA_ID).map_err(Error::Alert)?;
            if self.verdicts.receive(alert.alert_id, alert.transaction_id, self.truth) {
                on_alert(&alert);
            }
        }
        drop(records);
        self.board.set_received(self.verdicts.received());
        while let Some(rebalance) = self.consumer.rebalance() {
            match rebalance {
                Rebalance::Assign(partitions) => self.assigned += partitions.len(),
                Rebalance::Revoke(partitions) | Rebalance::Lose(partitions) => {
                    self.assigned -= partitions.len().min(self.assigned);
                }
            }
            self.consumer.complete(&[])?;
        }
        Ok(())
    }

    fn check_moving(&mut self, stage: &'static str) -> Result<Progress, Error> {
        let progress = self.board.progress();
        if self.last != (progress, self.assigned) {
            self.last = (progress, self.assigned);
            self.since_change = Stopwatch::start();
        } else if self.since_change.elapsed() > self.patience {
            return Err(Error::Stalled { seconds: self.patience.as_secs(), stage, progress });
        }
        Ok(progress)
    }
}
