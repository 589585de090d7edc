//! Calls that may not come back, on threads that may be left behind.
//!
//! Several of librdkafka's calls wait without a limit for one of its own threads, and one that
//! takes a limit ignores it: adding offsets to a transaction whose coordinator is away has kept its
//! caller for ever. A thread cannot be taken out of such a call. So nobody who has other things to
//! do makes it: a client's calls are made by a thread of its own, and whoever wants the answer
//! waits for it up to a limit. When that is over, the client is given up, with its thread, which
//! ends whenever the call does; nothing is asked of it any more. A caller that does a thing in
//! several calls makes each of them here, so that what a late call comes back to is the end.
//!
//! What only touches memory of this process, taking a record or handing one over, is called without
//! a detour.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::Duration;

use super::Error;

/// What a call may take beyond the time that librdkafka was given for it, and what one may take
/// that only waits for threads of this process.
pub(super) const GRACE: Duration = Duration::from_secs(2);
pub(super) const LOCAL_TIME: Duration = Duration::from_secs(10);

/// How long a client may take to end: leaving its group, closing its connections.
const END_TIME: Duration = Duration::from_secs(5);

/// How many calls have been given up and not come back.
static LEFT_BEHIND: AtomicUsize = AtomicUsize::new(0);

/// The states of a call.
const AT_WORK: u8 = 0;
const DONE: u8 = 1;
const GIVEN_UP: u8 = 2;

/// How many calls of this process were given up and have not come back. Each holds a client with
/// its threads, connections and memory.
pub fn calls_left_behind() -> usize {
    LEFT_BEHIND.load(Ordering::Acquire)
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that makes calls, one after the other.
struct Caller {
    jobs: Sender<Job>,
    /// The thread is of no more use.
    is_given_up: AtomicBool,
    brokers: String,
}

impl Caller {
    fn start(role: &str, brokers: &str) -> Result<Self, Error> {
        let (jobs, work): (Sender<Job>, Receiver<Job>) = channel();
        let thread = Builder::new().name(format!("kafka-{role}"));
        let spawned = thread.spawn(move || work.iter().for_each(|job| job()));
        spawned.map_err(|source| Error::Thread { source })?;
        Ok(Self { jobs, is_given_up: AtomicBool::new(false), brokers: brokers.to_owned() })
    }

    /// Makes a call and waits for its answer, up to `limit`.
    fn call<R: Send + 'static>(
        &self,
        what: &'static str,
        limit: Duration,
        call: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Error> {
        let hangs =
            || Error::Hangs { what, brokers: self.brokers.clone(), seconds: limit.as_secs() };
        if self.is_given_up.load(Ordering::Acquire) {
            return Err(hangs());
        }
        let (answer, answered) = channel();
        let state = Arc::new(AtomicU8::new(AT_WORK));
        let of_job = Arc::clone(&state);
        let job = move || {
            let outcome = call();
            if of_job.swap(DONE, Ordering::AcqRel) == GIVEN_UP {
                LEFT_BEHIND.fetch_sub(1, Ordering::AcqRel);
                tracing::warn!(what, "a call into librdkafka that was given up has come back");
            }
            // Nobody waits any more if it was given up.
            let _ = answer.send(outcome);
        };
        // A thread that has panicked takes no job, and drops one in hand without an answer.
        let mut outcome = match self.jobs.send(Box::new(job)) {
            Ok(()) => answered.recv_timeout(limit),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        if matches!(outcome, Err(RecvTimeoutError::Timeout)) {
            let give_up =
                state.compare_exchange(AT_WORK, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire);
            match give_up {
                Ok(_) => self.leave_behind(what, limit),
                // It has just come back.
                Err(_) => outcome = answered.recv().map_err(|_| RecvTimeoutError::Disconnected),
            }
        }
        outcome.map_err(|_| {
            self.is_given_up.store(true, Ordering::Release);
            hangs()
        })
    }

    fn leave_behind(&self, what: &'static str, limit: Duration) {
        let left_behind = LEFT_BEHIND.fetch_add(1, Ordering::AcqRel) + 1;
        tracing::error!(
            what,
            seconds = limit.as_secs_f64(),
            left_behind,
            "a call into librdkafka does not come back, its client is given up"
        );
    }
}

/// Makes one call on a thread of its own.
///
/// # Errors
/// [`Error::Hangs`] if it has not come back within `limit`, [`Error::Thread`].
pub(super) fn once<R: Send + 'static>(
    what: &'static str,
    brokers: &str,
    limit: Duration,
    call: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Error> {
    Caller::start("question", brokers)?.call(what, limit, call)
}

/// A client with the thread that makes its calls. Dropping it ends the client, which takes a few
/// seconds at most.
pub(super) struct Remote<C: Send + Sync + 'static> {
    /// `None` only while it is dropped.
    client: Option<Arc<C>>,
    caller: Caller,
}

impl<C: Send + Sync + 'static> Remote<C> {
    /// Takes a client over. `role` is for people who look at threads.
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub(super) fn new(client: C, role: &str, brokers: &str) -> Result<Self, Error> {
        Ok(Self { client: Some(Arc::new(client)), caller: Caller::start(role, brokers)? })
    }

    /// Makes a call that may wait for others. `limit` is more than what librdkafka is told, if it
    /// is told anything.
    ///
    /// # Errors
    /// [`Error::Hangs`] if it has not come back within `limit`, or one before it has not: the
    /// client is of no more use.
    pub(super) fn call<R: Send + 'static>(
        &self,
        what: &'static str,
        limit: Duration,
        call: impl FnOnce(&C) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let client = self.client.clone().expect("invariant: it is there until it is dropped");
        self.caller.call(what, limit, move || call(&client))
    }
}

impl<C: Send + Sync + 'static> Deref for Remote<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.client.as_deref().expect("invariant: it is there until it is dropped")
    }
}

impl<C: Send + Sync + 'static> Drop for Remote<C> {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if self.caller.is_given_up.load(Ordering::Acquire) {
            // The call that hangs has the client, and ends it when it comes back.
            return;
        }
        // What hangs here has been said.
        let _ = self.caller.call("end the client", END_TIME, move || drop(client));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;
    use crate::base::clock::{Stopwatch, pause};

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    /// The tests count what is left behind, and so one at a time does.
    fn alone() -> MutexGuard<'static, ()> {
        static ONE: Mutex<()> = Mutex::new(());
        ONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client whose call hangs until it is let go, and which says when it ends.
    struct Client {
        hangs: Mutex<Receiver<()>>,
        ended: SyncSender<()>,
        hangs_at_end: bool,
    }

    impl Client {
        fn hang(&self) {
            let _ = self.hangs.lock().unwrap().recv();
        }
    }

    impl Drop for Client {
        fn drop(&mut self) {
            if self.hangs_at_end {
                self.hang();
            }
            let _ = self.ended.send(());
        }
    }

    fn client(hangs_at_end: bool) -> (Remote<Client>, Sender<()>, Receiver<()>) {
        let (let_go, hangs) = channel();
        let (ended, has_ended) = sync_channel(1);
        let client = Client { hangs: Mutex::new(hangs), ended, hangs_at_end };
        (Remote::new(client, "test", "nowhere:1").unwrap(), let_go, has_ended)
    }

    /// Waits until so many calls are left behind.
    fn wait_for(left_behind: usize) {
        let waited = Stopwatch::start();
        while calls_left_behind() != left_behind {
            assert!(waited.elapsed() < LONG, "{} are left behind", calls_left_behind());
            pause(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_call_that_comes_back_has_its_answer_and_the_client_ends_in_order() {
        let _alone = alone();
        let (remote, _let_go, has_ended) = client(false);
        assert_eq!(remote.call("add", LONG, |_| 40 + 2).unwrap(), 42);
        assert_eq!(remote.call("add", LONG, |_| 1 + 1).unwrap(), 2);
        drop(remote);
        has_ended.try_recv().expect("dropping waits for the end");
    }

    #[test]
    fn a_call_that_hangs_is_left_behind_and_nothing_more_is_asked() {
        let _alone = alone();
        let before = calls_left_behind();
        let (remote, let_go, has_ended) = client(false);
        let error = remote.call("hang", SHORT, Client::hang).unwrap_err();
        assert!(matches!(error, Error::Hangs { what: "hang", .. }), "{error}");
        assert_eq!(calls_left_behind(), before + 1);
        let waited = Stopwatch::start();
        assert!(remote.call("add", LONG, |_| 40 + 2).is_err(), "its thread is not to be had");
        drop(remote);
        assert!(waited.elapsed() < LONG, "nobody waited for it");
        assert!(has_ended.try_recv().is_err(), "the client is in use");
        let_go.send(()).unwrap();
        has_ended.recv_timeout(LONG).expect("it ends when the call comes back");
        wait_for(before);
    }

    #[test]
    fn a_client_that_does_not_end_keeps_nobody() {
        let _alone = alone();
        let before = calls_left_behind();
        let (remote, let_go, has_ended) = client(true);
        drop(remote);
        assert_eq!(calls_left_behind(), before + 1);
        let_go.send(()).unwrap();
        has_ended.recv_timeout(LONG).expect("it ends when it can");
        wait_for(before);
    }

    #[test]
    fn a_call_that_panics_is_one_that_does_not_come_back() {
        let _alone = alone();
        let before = calls_left_behind();
        let (remote, _let_go, has_ended) = client(false);
        let call = |_: &Client| -> u32 { panic!("as planned") };
        assert!(remote.call("panic", LONG, call).is_err());
        assert!(remote.call("add", LONG, |_| 40 + 2).is_err());
        drop(remote);
        has_ended.recv_timeout(LONG).expect("nothing keeps the client");
        assert!(once("panic", "nowhere:1", LONG, || panic!("as planned")).is_err());
        assert_eq!(calls_left_behind(), before, "nothing is left of a call that panicked");
    }
}
