//! A copy of the PostgreSQL database that follows it, for look-ups.
//!
//! A copy is behind, and a customer as of a second ago is the wrong customer. So whoever writes
//! notes the position in the database's log behind each change ([`Copy::wrote`]), and the copy
//! is asked only once it has come that far; otherwise, and when it does not answer, the database
//! itself is asked. Positions are enough: a claim comes behind everything that earlier owners of
//! the partition have stored, because they were fenced by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgExecutor, PgPool};

use super::StoreError;
use super::runtime::Asking;
use crate::base::clock::Stopwatch;
use crate::base::error::with_causes;

/// How long a copy that failed is left alone.
const REST: Duration = Duration::from_secs(10);

/// Where the copy is, and how far it has to have come. Clones share that.
#[derive(Clone)]
pub struct Replica {
    pub(super) url: String,
    pub(super) name: String,
    /// Position in the log behind the newest change of this process, in bytes.
    position: Arc<AtomicU64>,
    /// A scan has failed there, and none has begun since.
    has_failed_scan: Arc<AtomicBool>,
}

impl std::fmt::Debug for Replica {
    /// Its name alone, because a URL has a password in it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl Replica {
    /// The copy at `url`, called `name` in messages.
    pub fn new(url: String, name: String) -> Self {
        Self { url, name, position: Arc::default(), has_failed_scan: Arc::default() }
    }

    /// Whether the server that answers has everything that this process knows to be written.
    pub(super) async fn has_come(
        &self,
        database: impl PgExecutor<'_>,
    ) -> Result<bool, sqlx::Error> {
        let wanted = self.position.load(Ordering::Acquire);
        // A server that follows nobody may have been left behind by a failover.
        let position: i64 = sqlx::query_scalar(
            "select case when pg_is_in_recovery() \
             then (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint \
             else -1 end",
        )
        .fetch_one(database)
        .await?;
        Ok(position >= 0 && position.unsigned_abs() >= wanted)
    }

    /// Whoever scans next asks the database: otherwise a scan that takes longer than the copy
    /// allows would begin again and again.
    pub(super) fn failed_a_scan(&self) {
        self.has_failed_scan.store(true, Ordering::Release);
    }
}

/// A connection to the copy.
pub(super) struct Copy {
    replica: Replica,
    options: PgConnectOptions,
    pool: PgPool,
    asking: Asking,
    since_failed: Option<Stopwatch>,
}

impl Copy {
    /// Connects when it is asked first.
    pub(super) fn new(
        replica: Replica,
        options: PgConnectOptions,
        connect: impl FnOnce(PgConnectOptions, &Asking) -> PgPool,
    ) -> Result<Self, StoreError> {
        let asking = Asking::new(replica.name.clone())?;
        let pool = connect(options.clone(), &asking);
        Ok(Self { replica, options, pool, asking, since_failed: None })
    }

    /// Something was changed that stands before this position of the database's log.
    pub(super) fn wrote(&self, position: i64) {
        self.replica.position.fetch_max(position.unsigned_abs(), Ordering::AcqRel);
    }

    /// Begins a scan there, which looks how far the copy is that it comes to; `None` if it is not
    /// to be asked.
    pub(super) fn scan<T>(
        &mut self,
        open: impl FnOnce(&PgConnectOptions, Replica) -> Result<Option<T>, StoreError>,
    ) -> Option<T> {
        if self.replica.has_failed_scan.swap(false, Ordering::AcqRel) {
            return None;
        }
        if self.is_resting() {
            return None;
        }
        match open(&self.options, self.replica.clone()) {
            Ok(scan) => scan,
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    /// What the copy answers; `None` if it is behind or does not.
    pub(super) fn read<T>(
        &mut self,
        action: &'static str,
        query: &impl AsyncFn(&PgPool) -> Result<T, sqlx::Error>,
    ) -> Option<T> {
        if self.is_resting() {
            return None;
        }
        let (asking, pool, replica) = (&self.asking, &self.pool, &self.replica);
        let answer = asking.wait(action, async {
            if !replica.has_come(pool).await? {
                return Ok(None);
            }
            query(pool).await.map(Some)
        });
        match answer {
            Ok(answer) => {
                if self.since_failed.take().is_some() {
                    tracing::info!(replica = self.replica.name, "the replica answers again");
                }
                answer
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    /// Whether it failed a moment ago.
    fn is_resting(&self) -> bool {
        self.since_failed.as_ref().is_some_and(|since| since.elapsed() < REST)
    }

    fn failed(&mut self, error: &StoreError) {
        if self.since_failed.is_none() {
            let error = with_causes(error);
            tracing::warn!(error, "the replica is left alone, the database is asked");
        }
        self.since_failed = Some(Stopwatch::start());
    }
}
