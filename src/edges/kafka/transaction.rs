//! Transactions of a producer: records and offsets that become visible together or not at all.
//!
//! An error of a transaction means one of three things, and only one of them is the end: try the
//! call again, abort the transaction and do its work again in a new one, or give the producer up,
//! because another one has its id. The first is done here; the second and third are the caller's,
//! who alone knows which records belong to which partition and which of those are still its own.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{Producer as _, PurgeConfig};

use super::producer::Producer;
use super::{Consumer, Error, log};
use crate::base::clock::{Stopwatch, pause};

/// Between two tries of a call.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Why a transaction is not committed.
#[derive(Debug)]
pub enum Setback {
    /// Abort it with [`Producer::abort`]; its records can be sent again in a new one.
    Abort(Error),
    /// The producer is of no more use.
    Fatal(Error),
}

impl Producer {
    pub(super) fn start_transactions(&self, patience: Duration) -> Result<(), Error> {
        let waited = Stopwatch::start();
        let begin = || self.inner.init_transactions(left(patience, waited));
        self.persist("begin", patience, begin).map_err(|setback| match setback {
            Setback::Abort(error) | Setback::Fatal(error) => error,
        })
    }

    /// Opens a transaction; what is sent from now on belongs to it.
    ///
    /// # Errors
    /// [`Setback`].
    pub fn begin(&self) -> Result<(), Setback> {
        self.inner.begin_transaction().map_err(|source| self.setback("begin", source))
    }

    /// Waits until the brokers have all records, adds the offsets of `consumer`'s group, by
    /// partition, and commits. Takes up to three times `patience`.
    ///
    /// # Errors
    /// [`Setback`]; then nothing of the transaction is visible.
    pub fn commit(
        &self,
        consumer: &Consumer,
        offsets: &[(i32, i64)],
        patience: Duration,
    ) -> Result<(), Setback> {
        self.flush(patience).map_err(Setback::Abort)?;
        if !offsets.is_empty() {
            self.send_offsets(consumer, offsets, patience)?;
        }
        let waited = Stopwatch::start();
        let commit = || self.inner.commit_transaction(left(patience, waited));
        self.persist("commit", patience, commit)
    }

    fn send_offsets(
        &self,
        consumer: &Consumer,
        offsets: &[(i32, i64)],
        patience: Duration,
    ) -> Result<(), Setback> {
        let list = consumer.offsets(offsets).map_err(|source| self.setback("commit", source))?;
        let Some(member) = consumer.group_metadata() else {
            return Err(self.setback("commit", KafkaError::Canceled));
        };
        let waited = Stopwatch::start();
        let send =
            || self.inner.send_offsets_to_transaction(&list, &member, left(patience, waited));
        self.persist("commit", patience, send)
    }

    /// Drops the open transaction: none of its records will be visible to whoever reads what is
    /// committed.
    ///
    /// # Errors
    /// [`Error::Transaction`] if the producer is of no more use.
    pub fn abort(&self, patience: Duration) -> Result<(), Error> {
        // What is still on its way belongs to nothing any more, and librdkafka aborts only when
        // every record is accounted for.
        self.inner.purge(PurgeConfig::default().queue().inflight());
        let waited = Stopwatch::start();
        self.flush(patience).unwrap_or_default();
        let abort = || self.inner.abort_transaction(left(patience, waited));
        let outcome = self.persist("abort", patience, abort);
        self.forget_reports();
        match outcome {
            Ok(()) => Ok(()),
            Err(Setback::Abort(error) | Setback::Fatal(error)) => Err(error),
        }
    }

    /// Calls again while librdkafka says that this may help, up to `patience`.
    fn persist(
        &self,
        action: &'static str,
        patience: Duration,
        call: impl Fn() -> Result<(), KafkaError>,
    ) -> Result<(), Setback> {
        let waited = Stopwatch::start();
        loop {
            let Err(source) = call() else { return Ok(()) };
            if !is_retriable(&source) || waited.elapsed() > patience {
                return Err(self.setback(action, source));
            }
            log::passing(&source, action);
            pause(RETRY_PAUSE);
        }
    }

    fn setback(&self, action: &'static str, source: KafkaError) -> Setback {
        let is_fatal = is_fatal(&source) || self.inner.client().fatal_error().is_some();
        let brokers = self.brokers.clone();
        let error = Error::Transaction { action, brokers, source: source.into() };
        if is_fatal { Setback::Fatal(error) } else { Setback::Abort(error) }
    }
}

fn left(patience: Duration, waited: Stopwatch) -> Duration {
    patience.saturating_sub(waited.elapsed()).max(RETRY_PAUSE)
}

fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable() && !error.txn_requires_abort(),
        _ => false,
    }
}

fn is_fatal(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => {
            error.is_fatal() || error.code() == RDKafkaErrorCode::Fenced
        }
        _ => false,
    }
}
