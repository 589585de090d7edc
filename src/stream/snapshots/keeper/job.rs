//! Carries orders out, one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use super::orders::{claim, hand_over, is_whole, save};
use super::pages::Pages;
use super::{Answer, Complaint, Open, Order, Returned};
use crate::base::clock::{Stopwatch, pause};
use crate::base::error::with_causes;
use crate::base::retry::Backoff;
use crate::edges::database::{Holder, Problem, Progress, SnapshotStore, StoreError};

/// Shortest and longest pause, about, before a failed order is tried again.
const FIRST_REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(2);

/// Time within which an order to end is noticed.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// A scan ends after this time without orders.
const SCAN_REST: Duration = Duration::from_secs(5);

/// The keeper's side of the database. It owns the connection, opened with the first order and again
/// after a failure, and the scan under way, but not the queues.
pub(super) struct Job {
    open: Open,
    complain: Complaint,
    is_away: Arc<AtomicBool>,
    store: Option<Box<dyn SnapshotStore>>,
    /// How often the store was opened.
    session: u64,
    /// The session in which each partition's newest save began.
    begun: BTreeMap<i32, u64>,
    pages: Pages,
    has_answered: bool,
}

/// The attempts at one order.
pub(super) struct Trial {
    since: Stopwatch,
    backoff: Backoff,
    has_complained: bool,
}

impl Trial {
    pub(super) fn begin() -> Self {
        let backoff = Backoff::new(FIRST_REST, LONGEST_REST);
        Self { since: Stopwatch::start(), backoff, has_complained: false }
    }
}

impl Job {
    pub(super) fn new(open: Open, complain: Complaint, is_away: Arc<AtomicBool>) -> Self {
        let (begun, pages) = (BTreeMap::new(), Pages::default());
        let (store, session, has_answered) = (None, 0, false);
        Self { open, complain, is_away, store, session, begun, pages, has_answered }
    }

    /// Carries orders out until the other end is dropped or `stop` is set.
    pub(super) fn run(
        &mut self,
        orders: &Receiver<Order>,
        answers: &SyncSender<Answer>,
        stop: &AtomicBool,
    ) {
        let is_stopped = || stop.load(Ordering::Acquire);
        loop {
            let order = match orders.recv_timeout(SCAN_REST) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => {
                    self.pages.end();
                    continue;
                }
                // The keeper was dropped.
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut trial = Trial::begin();
            let answer = loop {
                if is_stopped() {
                    return;
                }
                match self.attempt(&order, &mut trial) {
                    Ok(answer) => break answer,
                    Err(rest) => pause_until(rest, &is_stopped),
                }
            };
            if answers.send(answer).is_err() {
                return;
            }
        }
    }

    /// Tries once to carry an order out.
    ///
    /// # Errors
    /// How long to wait before the order is tried again.
    pub(super) fn attempt(&mut self, order: &Order, trial: &mut Trial) -> Result<Answer, Duration> {
        let error = match self.carry_out(order, &trial.since) {
            Err(StoreError::Fenced(holder)) => {
                return Ok(self.answered(Answer::Fenced(holder), trial));
            }
            Ok(answer) => return Ok(self.answered(answer, trial)),
            Err(error) => error,
        };
        // A failed connection may be in the middle of something: SQLite gives up a transaction by
        // itself when its disk is full.
        self.store = None;
        self.pages.end();
        let text = with_causes(&error);
        if !trial.has_complained {
            match error.problem() {
                Problem::Refused => tracing::error!(error = text, "snapshots are not saved"),
                _ => tracing::warn!(error = text, "the database is in trouble, retrying"),
            }
        }
        trial.has_complained = true;
        self.is_away.store(true, Ordering::Release);
        (self.complain)(Some(&text));
        Err(trial.backoff.next_wait())
    }

    fn answered(&mut self, answer: Answer, trial: &Trial) -> Answer {
        if trial.has_complained {
            tracing::info!("the database answers again");
        }
        if trial.has_complained || !self.has_answered {
            (self.complain)(None);
        }
        self.has_answered = true;
        self.is_away.store(false, Ordering::Release);
        answer
    }

    fn carry_out(&mut self, order: &Order, since: &Stopwatch) -> Result<Answer, StoreError> {
        let store = match &mut self.store {
            Some(store) => store,
            none => {
                let store = none.insert((self.open)()?);
                self.session += 1;
                store
            }
        };
        Ok(match order {
            Order::Claim { is_wanted, .. } if !is_wanted.load(Ordering::Acquire) => {
                Answer::Unclaimed
            }
            Order::Claim { partition, owner, .. } => claim(&mut **store, *partition, owner)?,
            Order::HandOver { is_wanted, .. } if !is_wanted.load(Ordering::Acquire) => {
                Answer::Unclaimed
            }
            Order::HandOver { batch, .. } => {
                let is_whole = is_whole(&mut self.begun, batch, self.session);
                hand_over(&mut **store, batch, is_whole)?
            }
            Order::Save(batch) => {
                let is_whole = is_whole(&mut self.begun, batch, self.session);
                save(&mut **store, batch, is_whole, since)?
            }
            Order::Load { partition, adoption, customer_ids } => {
                let ids: Vec<&str> = customer_ids.iter().map(String::as_str).collect();
                let asked = Stopwatch::start();
                let customers = store.load(*partition, &ids)?;
                let customers = customers.into_iter().map(Returned::from).collect();
                self.pages.loaded_in(asked.elapsed());
                let customer_ids = customer_ids.clone();
                Answer::Loaded { adoption: *adoption, customer_ids, customers }
            }
            Order::Page { partition, adoption, from } => {
                self.pages.read(&mut **store, (*partition, *adoption), from)?
            }
            Order::Mark(holder) => {
                store.mark_incomplete(*holder)?;
                Answer::Marked
            }
            Order::Look => {
                let claims = store.progress()?;
                let holder = |row: Progress| Holder { partition: row.partition, epoch: row.epoch };
                Answer::Claims(claims.into_iter().map(holder).collect())
            }
            Order::Release(holder) => {
                store.release(*holder)?;
                Answer::Released(*holder)
            }
            Order::DeleteRows { holder, customer_ids, saved_offset } => {
                let ids: Vec<&str> = customer_ids.iter().map(String::as_str).collect();
                store.delete_rows(*holder, &ids, *saved_offset)?;
                Answer::RowsDeleted(*holder)
            }
            Order::Discard(holder) => {
                store.discard(*holder)?;
                Answer::Discarded(*holder)
            }
        })
    }
}

/// Waits for `limit`, or until `is_stopped`.
fn pause_until(limit: Duration, is_stopped: &dyn Fn() -> bool) {
    let waited = Stopwatch::start();
    while waited.elapsed() < limit && !is_stopped() {
        pause(LOOK.min(limit));
    }
}
