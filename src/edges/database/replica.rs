//! A replica of the PostgreSQL database, for look-ups.
//!
//! A replica lags behind, and a customer as of a second ago is the wrong customer. So this process
//! notes the position in the write-ahead log after each of its changes ([`Copy::wrote`]), and asks
//! the replica only once it has replayed that far. Before that, and when the replica does not
//! answer, the database itself is asked. Positions are enough: a claim comes after everything that
//! earlier owners of the partition stored, because it fenced them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgExecutor, PgPool};

use super::StoreError;
use super::runtime::Asking;
use crate::base::clock::Stopwatch;
use crate::base::error::with_causes;

/// How long a replica that failed is not asked.
const REST: Duration = Duration::from_secs(10);

/// Where the replica is, and how far it must have replayed. Clones share the position.
#[derive(Clone)]
pub struct Replica {
    pub(super) url: String,
    pub(super) name: String,
    /// The position in the write-ahead log after this process's newest change, in bytes.
    position: Arc<AtomicU64>,
    /// A scan has failed on the replica, and none was tried since.
    has_failed_scan: Arc<AtomicBool>,
}

impl std::fmt::Debug for Replica {
    /// Prints the name only, because a URL may contain a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl Replica {
    /// The replica at `url`, called `name` in messages.
    pub fn new(url: String, name: String) -> Self {
        Self { url, name, position: Arc::default(), has_failed_scan: Arc::default() }
    }

    /// Whether the answering server is a replica and has replayed every change of this process.
    pub(super) async fn has_come(
        &self,
        database: impl PgExecutor<'_>,
    ) -> Result<bool, sqlx::Error> {
        let wanted = self.position.load(Ordering::Acquire);
        // A server that is not in recovery follows nobody: a failover may have left it behind.
        let position: i64 = sqlx::query_scalar(
            "select case when pg_is_in_recovery() \
             then (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint \
             else -1 end",
        )
        .fetch_one(database)
        .await?;
        Ok(position >= 0 && position.unsigned_abs() >= wanted)
    }

    /// Makes the next scan ask the database. Otherwise a scan that takes longer than the replica
    /// allows would start there again and again.
    pub(super) fn failed_a_scan(&self) {
        self.has_failed_scan.store(true, Ordering::Release);
    }
}

/// A connection to the replica.
pub(super) struct Copy {
    replica: Replica,
    options: PgConnectOptions,
    pool: PgPool,
    asking: Asking,
    since_failed: Option<Stopwatch>,
}

impl Copy {
    /// Connects at the first question.
    pub(super) fn new(
        replica: Replica,
        options: PgConnectOptions,
        connect: impl FnOnce(PgConnectOptions, &Asking) -> PgPool,
    ) -> Result<Self, StoreError> {
        let asking = Asking::new(replica.name.clone())?;
        let pool = connect(options.clone(), &asking);
        Ok(Self { replica, options, pool, asking, since_failed: None })
    }

    /// Notes that a change ended at this position of the write-ahead log.
    pub(super) fn wrote(&self, position: i64) {
        self.replica.position.fetch_max(position.unsigned_abs(), Ordering::AcqRel);
    }

    /// Begins a scan on the replica; `open` checks how far it has replayed. `None` if it is behind,
    /// failed lately, or failed in the last scan: then scan the database.
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

    /// The replica's answer; `None` if it is behind or does not answer: then ask the database.
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

    /// Whether it failed less than [`REST`] ago.
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
