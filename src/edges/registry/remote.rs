//! Asks a registry from threads without an async runtime.
//!
//! A look-up reads the board and, for a new id, leaves a job for the background thread. Start-up
//! and commands can do nothing without an answer, so they wait for it: within the time-out, and in
//! slices, so that a process that is told to end need not wait for a registry that hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::background::{self, Job, Reply};
use super::board::{Board, Look};
use super::client::{Client, Failure};
use super::{Error, Lookup, Pace, Tell};
use crate::base::clock::{Stopwatch, pause};
use crate::base::config;
use crate::base::retry::Backoff;
use crate::core::codec::ALERT_SCHEMA;

/// How long a wait goes on before it checks whether it is still wanted.
const SLICE: Duration = Duration::from_millis(20);

/// How many requests one attempt makes at most, and the time granted beyond their time-outs.
const REQUESTS: u32 = 2;
const GRACE: Duration = Duration::from_secs(1);

/// A registry: its board, and the queue of the thread that asks it.
pub(super) struct Registry {
    board: Arc<Board>,
    jobs: Sender<Job>,
    /// Its address, without user and password.
    pub(super) shown: String,
    auto_register: bool,
    timeout: Duration,
}

impl Registry {
    /// Starts the thread; the registry need not answer yet.
    pub(super) fn start(
        client: Client,
        settings: &config::SchemaRegistry,
        tell: Tell,
        pace: Pace,
    ) -> Result<Self, Error> {
        let shown = client.shown.clone();
        let board = Arc::new(Board::new(shown.clone(), tell, pace));
        let jobs = background::start(client, Arc::clone(&board))
            .map_err(|error| Error::Start { registry: shown.clone(), why: error.to_string() })?;
        let config::SchemaRegistry { auto_register, timeout, .. } = *settings;
        Ok(Self { board, jobs, shown, auto_register, timeout })
    }

    /// What is known of an id; starts fetching it if nobody has.
    pub(super) fn lookup(&self, id: u32) -> Lookup {
        match self.board.look(id) {
            Look::Answer(answer) => answer,
            Look::Fetch => {
                if self.jobs.try_send(Job::Fetch(id)).is_err() {
                    self.board.withdraw(id);
                }
                Lookup::Pending
            }
        }
    }

    /// Why the registry does not answer and since when; `None` if it does.
    pub(super) fn trouble(&self) -> Option<String> {
        self.board.trouble()
    }

    /// Makes one attempt to register a schema.
    pub(super) fn register(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        let (name, schema) = (subject.to_owned(), schema.to_owned());
        let job = |reply| Job::Register { subject: name, schema, reply };
        let tried = self.ask(job, &AtomicBool::new(false));
        let tried = tried.expect("invariant: nobody says stop");
        tried.map_err(|failure| self.error(subject, failure))
    }

    /// The id of the alerts' schema. Waits until the registry answers; `None` once stopped.
    pub(super) fn alert_schema(
        &self,
        subject: &str,
        stop: &AtomicBool,
    ) -> Result<Option<u32>, Error> {
        let _waiting = self.board.wait();
        let mut backoff = Backoff::new(self.board.pace.first_retry, self.board.pace.longest_retry);
        loop {
            let job = |reply| match (subject.to_owned(), ALERT_SCHEMA.to_owned()) {
                (subject, schema) if self.auto_register => Job::Register { subject, schema, reply },
                (subject, schema) => Job::Find { subject, schema, reply },
            };
            let answer = self.ask(job, stop);
            match answer {
                None => return Ok(None),
                Some(Ok(id)) => {
                    self.board.answered(Some(id));
                    return Ok(Some(id));
                }
                Some(Err(Failure::Away(why))) => self.board.silent(&why),
                Some(Err(failure)) => {
                    self.board.answered(None);
                    return Err(self.error(subject, failure));
                }
            }
            if !wait(backoff.next_wait(), stop) {
                return Ok(None);
            }
        }
    }

    fn error(&self, subject: &str, failure: Failure) -> Error {
        let (registry, subject) = (self.shown.clone(), subject.to_owned());
        match failure {
            Failure::Away(why) => Error::Away { registry, why },
            Failure::Refused(why) => Error::Refused { registry, subject, why },
            Failure::Missing(why) | Failure::Broken(why) => {
                Error::NotRegistered { registry, subject, why }
            }
        }
    }

    /// Has one attempt made and waits for its outcome; `None` once stopped.
    fn ask(
        &self,
        job: impl FnOnce(Reply) -> Job,
        stop: &AtomicBool,
    ) -> Option<Result<u32, Failure>> {
        let away = |why: &str| Some(Err(Failure::Away(why.to_owned())));
        let (reply, answer) = sync_channel(1);
        if self.jobs.try_send(job(reply)).is_err() {
            return away("too many questions are open");
        }
        let asked = Stopwatch::start();
        loop {
            match answer.recv_timeout(SLICE) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Disconnected) => return away("the question was dropped"),
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if asked.elapsed() > self.timeout * REQUESTS + GRACE {
                return away("no answer in time");
            }
        }
    }
}

/// Waits for `duration`; `false` once stopped.
fn wait(duration: Duration, stop: &AtomicBool) -> bool {
    let started = Stopwatch::start();
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = duration.saturating_sub(started.elapsed());
        if left.is_zero() {
            return true;
        }
        pause(left.min(SLICE));
    }
}
