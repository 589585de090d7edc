//! Transactions of a producer: records and offsets that become visible together or not at all.
//!
//! An error of a transaction means one of three things, and only one of them is the end: try the
//! call again, abort the transaction and do its work again in a new one, or give the producer up,
//! because another one has its id. The first is done here; the second and third are the caller's,
//! who alone knows which records belong to which partition and which of those are still its own.
//!
//! A call that does not come back is the third: whoever has the id next fences this producer off,
//! and what is left open here is aborted or, if its end was on its way, ended by then.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _, PurgeConfig};

use super::calls::{GRACE, LOCAL_TIME};
use super::producer::{Deliveries, Producer};
use super::{Consumer, Error, log};
use crate::base::clock::{Stopwatch, pause};

/// Between two tries of a call, at first and later.
const FIRST_REST: Duration = Duration::from_millis(20);
const LONGEST_REST: Duration = Duration::from_millis(500);

/// librdkafka's producer.
type Inner = BaseProducer<Deliveries>;

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
        let begin = |inner: &Inner, time| inner.init_transactions(time);
        self.persist("begin transactions", patience, begin).map_err(|setback| match setback {
            Setback::Abort(error) | Setback::Fatal(error) => error,
        })
    }

    /// Opens a transaction; what is sent from now on belongs to it.
    ///
    /// # Errors
    /// [`Setback`].
    pub fn begin(&self) -> Result<(), Setback> {
        let begun =
            self.inner.call("begin a transaction", LOCAL_TIME, |inner| inner.begin_transaction());
        begun.map_err(Setback::Fatal)?.map_err(|source| self.setback("begin a transaction", source))
    }

    /// Waits until the brokers have all records, adds the offsets of `consumer`'s group, by
    /// partition, and commits. Takes up to three times `patience`, and a little.
    ///
    /// # Errors
    /// [`Setback`]; after [`Setback::Abort`] nothing of the transaction is visible, after
    /// [`Error::Hangs`] all of it may be.
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
        self.persist("commit a transaction", patience, |inner, time| inner.commit_transaction(time))
    }

    /// librdkafka's own call of this does not heed its limit.
    fn send_offsets(
        &self,
        consumer: &Consumer,
        offsets: &[(i32, i64)],
        patience: Duration,
    ) -> Result<(), Setback> {
        let list = consumer
            .offsets(offsets)
            .map_err(|source| self.setback("commit a transaction", source))?;
        let Some(member) = consumer.group_metadata().map_err(Setback::Fatal)? else {
            return Err(self.setback("commit a transaction", KafkaError::Canceled));
        };
        let both = Arc::new((list, member));
        self.persist("add offsets to a transaction", patience, move |inner, time| {
            inner.send_offsets_to_transaction(&both.0, &both.1, time)
        })
    }

    /// Drops the open transaction: none of its records will be visible to whoever reads what is
    /// committed.
    ///
    /// # Errors
    /// [`Error::Transaction`] or [`Error::Hangs`] if the producer is of no more use.
    pub fn abort(&self, patience: Duration) -> Result<(), Error> {
        // What is still on its way belongs to nothing any more, and librdkafka aborts only when
        // every record is accounted for.
        self.inner.call("forget records", LOCAL_TIME, |inner| {
            inner.purge(PurgeConfig::default().queue().inflight());
        })?;
        self.flush(patience).unwrap_or_default();
        let abort = |inner: &Inner, time| inner.abort_transaction(time);
        let outcome = self.persist("abort a transaction", patience, abort);
        self.forget_reports();
        match outcome {
            Ok(()) => Ok(()),
            Err(Setback::Abort(error) | Setback::Fatal(error)) => Err(error),
        }
    }

    /// Calls again while librdkafka says that this may help, up to `patience`. Each call has the
    /// time that is left.
    fn persist(
        &self,
        action: &'static str,
        patience: Duration,
        call: impl Fn(&Inner, Duration) -> Result<(), KafkaError> + Clone + Send + 'static,
    ) -> Result<(), Setback> {
        let waited = Stopwatch::start();
        let mut rest = FIRST_REST;
        loop {
            let time = patience.saturating_sub(waited.elapsed()).max(FIRST_REST);
            let call = call.clone();
            let outcome = self.inner.call(action, time + GRACE, move |inner| call(inner, time));
            let Err(source) = outcome.map_err(Setback::Fatal)? else { return Ok(()) };
            if !is_retriable(&source) || waited.elapsed() > patience {
                return Err(self.setback(action, source));
            }
            if rest == FIRST_REST {
                log::passing(&source, action);
            }
            pause(rest);
            rest = LONGEST_REST.min(rest * 2);
        }
    }

    fn setback(&self, action: &'static str, source: KafkaError) -> Setback {
        let is_fatal = is_fatal(&source) || self.inner.client().fatal_error().is_some();
        let brokers = self.brokers.clone();
        let error = Error::Transaction { action, brokers, source: source.into() };
        if is_fatal { Setback::Fatal(error) } else { Setback::Abort(error) }
    }
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
