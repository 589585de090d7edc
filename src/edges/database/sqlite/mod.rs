//! Snapshots in a SQLite file: for one machine, without a server.
//!
//! It uses write-ahead logging, so that reads do not wait for saves. A crash of the process loses
//! nothing; a crash of the machine loses at most the last saves, rows and saved offset together.

mod customers;
mod handover;
mod pages;
mod progress;
mod rows;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row as _, Sqlite as Dialect, Transaction};

use super::runtime::{Asking, text};
use super::store::{
    Chunk, Claim, Holder, Progress, SavedCustomer, Scan, SnapshotStore, StoredCustomer,
};
use super::{StoreError, Stream, statements};
use crate::base::clock::now_millis;
use crate::base::limits::{DATABASE_ANSWER_TIME, DATABASE_CONNECTIONS, DATABASE_LOCK_TIME};

use pages::Pages;
use progress::{advance, take_back, withdraw};
use rows::{progress, stored};

static MIGRATIONS: Migrator = sqlx::migrate!("src/edges/database/migrations/sqlite");

/// How many customers one statement reads.
const LOADED_AT_ONCE: usize = 128;

static MIGRATING: Mutex<()> = Mutex::new(());

/// A stream's snapshots in a SQLite file.
pub struct Sqlite {
    pool: SqlitePool,
    asking: Asking,
    options: SqliteConnectOptions,
    name: String,
    stream: i64,
}

impl Sqlite {
    /// Opens `file`, which is created if missing, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened or written.
    pub fn open(file: &Path, stream: &Stream) -> Result<Self, StoreError> {
        let database = format!("sqlite:{}", file.display());
        let asking = Asking::new(database.clone())?;
        if let Some(directory) = file.parent() {
            std::fs::create_dir_all(directory).map_err(|error| StoreError::Database {
                action: "make the directory",
                database: database.clone(),
                source: Box::new(sqlx::Error::Io(error)),
            })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(DATABASE_LOCK_TIME);
        let pool = asking.within(|| {
            SqlitePoolOptions::new()
                .max_connections(DATABASE_CONNECTIONS)
                .acquire_timeout(DATABASE_ANSWER_TIME)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(options.clone())
        });
        asking.wait("open the file", async { pool.acquire().await.map(drop) })?;
        // The workers of a process open the file at the same time, and SQLite has no lock for
        // migrations.
        let alone = MIGRATING.lock().unwrap_or_else(PoisonError::into_inner);
        asking.wait_or("bring tables up to date", async {
            MIGRATIONS.run(&pool).await.map_err(|error| StoreError::of_migration(&database, error))
        })?;
        drop(alone);
        let stream = asking.wait("look up the stream", stream_number(&pool, stream))?;
        Ok(Self { pool, asking, options, name: database, stream })
    }

    /// Runs one statement about a partition (stream is ?1, partition ?2) if the holder still owns
    /// it. Returns how many rows it changed.
    fn change(
        &self,
        action: &'static str,
        holder: Holder,
        statement: &str,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        self.as_holder(action, holder, async |transaction, stream| {
            let query = sqlx::query(AssertSqlSafe(statement)).bind(stream).bind(holder.partition);
            changed = query.execute(&mut **transaction).await?.rows_affected();
            Ok(())
        })?;
        Ok(changed)
    }

    /// Runs `work` in a transaction if the holder still owns the partition. The transaction takes
    /// the write lock first, so nobody can claim the partition in between.
    fn as_holder(
        &self,
        action: &'static str,
        holder: Holder,
        work: impl AsyncFnOnce(&mut Transaction<'_, Dialect>, i64) -> Result<(), sqlx::Error>,
    ) -> Result<(), StoreError> {
        let is_owner = self.asking.wait(action, async {
            let mut transaction = self.pool.begin_with("begin immediate").await?;
            let epoch: Option<i64> = sqlx::query_scalar(
                "select epoch from partition_progress where stream = ? and partition = ?",
            )
            .bind(self.stream)
            .bind(holder.partition)
            .fetch_optional(&mut *transaction)
            .await?;
            let is_owner = epoch == Some(holder.epoch);
            let done = match is_owner {
                true => work(&mut transaction, self.stream).await,
                false => Ok(()),
            };
            // Just dropping the transaction would keep its locks until the connection is used
            // again.
            match (is_owner, done) {
                (true, Ok(())) => transaction.commit().await?,
                (false, Ok(())) => transaction.rollback().await?,
                (_, Err(error)) => {
                    // Report the first error; the caller drops the connection anyway.
                    drop(transaction.rollback().await);
                    return Err(error);
                }
            }
            Ok(is_owner)
        })?;
        if is_owner { Ok(()) } else { Err(StoreError::Fenced(holder)) }
    }
}

async fn stream_number(pool: &SqlitePool, stream: &Stream) -> Result<i64, sqlx::Error> {
    sqlx::query("insert into streams (group_id, topic) values (?, ?) on conflict do nothing")
        .bind(&stream.group_id)
        .bind(&stream.topic)
        .execute(pool)
        .await?;
    sqlx::query_scalar("select stream from streams where group_id = ? and topic = ?")
        .bind(&stream.group_id)
        .bind(&stream.topic)
        .fetch_one(pool)
        .await
}

impl SnapshotStore for Sqlite {
    fn claim(&mut self, partition: i32, owner: &str) -> Result<Claim, StoreError> {
        self.asking.wait("claim a partition", async {
            let mut transaction = self.pool.begin_with("begin immediate").await?;
            sqlx::query(
                "insert into partition_progress (stream, partition) values (?, ?) \
                 on conflict do nothing",
            )
            .bind(self.stream)
            .bind(partition)
            .execute(&mut *transaction)
            .await?;
            let before = sqlx::query(
                "select epoch, owner, saved_at as saved_at_ms, saved_offset, \
                 highest_offset, handed_over_offset \
                 from partition_progress where stream = ? and partition = ?",
            )
            .bind(self.stream)
            .bind(partition)
            .fetch_one(&mut *transaction)
            .await?;
            let epoch = before.try_get::<i64, _>("epoch")? + 1;
            sqlx::query(
                "update partition_progress set epoch = ?, owner = ? \
                 where stream = ? and partition = ?",
            )
            .bind(epoch)
            .bind(owner)
            .bind(self.stream)
            .bind(partition)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            let saved_at_ms: Option<i64> = before.try_get("saved_at_ms")?;
            let saved_offset = before.try_get("saved_offset")?;
            Ok(Claim {
                holder: Holder { partition, epoch },
                saved_offset: saved_at_ms.is_some().then_some(saved_offset),
                saved_at_ms,
                highest_offset: before.try_get("highest_offset")?,
                handed_over: before.try_get("handed_over_offset")?,
                previous: before.try_get("owner")?,
            })
        })
    }

    fn save(
        &mut self,
        holder: Holder,
        customers: &[SavedCustomer<'_>],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError> {
        self.as_holder("save customers", holder, async |transaction, stream| {
            customers::upsert(transaction, (stream, holder.partition), customers).await?;
            let highest = customers.iter().map(|customer| customer.applied_offset).max();
            advance(transaction, (stream, holder.partition), highest, saved_offset).await
        })
    }

    fn hand_over(
        &mut self,
        holder: Holder,
        chunk: i32,
        customers: &[SavedCustomer<'_>],
        offset: Option<i64>,
    ) -> Result<(), StoreError> {
        self.insert_handed_over(holder, chunk, customers, offset)
    }

    fn handed_over(&mut self, partition: i32, chunk: i32) -> Result<Chunk, StoreError> {
        self.select_handed_over(partition, chunk)
    }

    fn import(
        &mut self,
        holder: Holder,
        customers: &[StoredCustomer],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError> {
        self.as_holder("import customers", holder, async |transaction, stream| {
            withdraw(transaction, (stream, holder.partition)).await?;
            customers::import(transaction, (stream, holder.partition), customers).await?;
            let highest = customers.iter().map(|customer| customer.applied_offset).max();
            advance(transaction, (stream, holder.partition), highest, saved_offset).await
        })
    }

    fn erase(
        &mut self,
        holder: Holder,
        customer_ids: &[&str],
        applied_offset: i64,
        state: &[u8],
    ) -> Result<(), StoreError> {
        self.as_holder("erase customers", holder, async |transaction, stream| {
            let of = (stream, holder.partition);
            customers::erase(transaction, of, customer_ids, (applied_offset, state)).await?;
            let highest = Some(applied_offset);
            advance(transaction, (stream, holder.partition), highest, None).await
        })
    }

    fn mark_incomplete(&mut self, holder: Holder) -> Result<(), StoreError> {
        let marked = format!(
            "update partition_progress set incomplete_at = {} \
             where stream = ?1 and partition = ?2",
            now_millis()
        );
        self.change("note lost records", holder, &marked).map(drop)
    }

    fn begin_anew(&mut self, keeps: bool) -> Result<u64, StoreError> {
        let past: i64 = self.asking.wait("begin a topic anew", async {
            let mut transaction = self.pool.begin_with("begin immediate").await?;
            for statement in statements::begin_anew(keeps, "unixepoch() * 1000") {
                let query = sqlx::query(AssertSqlSafe(statement)).bind(self.stream);
                query.execute(&mut *transaction).await?;
            }
            let past = sqlx::query_scalar(statements::PAST_RECORDS).bind(self.stream);
            let past = past.fetch_one(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(past)
        })?;
        Ok(u64::try_from(past).unwrap_or(0))
    }

    fn release(&mut self, holder: Holder) -> Result<(), StoreError> {
        self.change("release a partition", holder, statements::RELEASE).map(drop)
    }

    fn delete_rows(
        &mut self,
        holder: Holder,
        customer_ids: &[&str],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError> {
        self.as_holder("delete customers", holder, async |transaction, stream| {
            withdraw(transaction, (stream, holder.partition)).await?;
            customers::delete(transaction, (stream, holder.partition), customer_ids).await?;
            take_back(transaction, (stream, holder.partition), saved_offset).await
        })
    }

    fn discard(&mut self, holder: Holder) -> Result<(), StoreError> {
        let action = "discard a partition";
        self.change(action, holder, statements::UNSAVE)?;
        for statement in statements::WITHDRAW {
            self.change(action, holder, statement)?;
        }
        while self.change(action, holder, &statements::discard_some())? > 0 {}
        self.change(action, holder, statements::EMPTY).map(drop)
    }

    fn load(
        &mut self,
        partition: i32,
        customer_ids: &[&str],
    ) -> Result<Vec<StoredCustomer>, StoreError> {
        let query = format!(
            "select customer_id, applied_offset, state, erased_at from customer_state \
             where stream = ? and partition = ? and customer_id in (?{})",
            ", ?".repeat(LOADED_AT_ONCE - 1)
        );
        self.asking.wait("load customers", async {
            // One transaction, so that all statements see the same state of the file.
            let mut transaction = self.pool.begin().await?;
            let mut found = Vec::with_capacity(customer_ids.len());
            for ids in customer_ids.chunks(LOADED_AT_ONCE) {
                // A statement of fixed size is prepared only once; the first id fills the places
                // left over.
                let ids = ids.iter().chain(std::iter::repeat(&ids[0])).take(LOADED_AT_ONCE);
                let query = sqlx::query(AssertSqlSafe(query.as_str()));
                let query = query.bind(self.stream).bind(partition);
                let query = ids.fold(query, |query, id| query.bind(id.as_bytes()));
                for row in query.fetch_all(&mut *transaction).await? {
                    found.push(stored(&row)?);
                }
            }
            Ok(found)
        })
    }

    fn scan(&mut self, partition: i32) -> Result<Box<dyn Scan>, StoreError> {
        Ok(Box::new(Pages::open(&self.options, self.name.clone(), (self.stream, partition))?))
    }

    fn page(
        &mut self,
        partition: i32,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredCustomer>, StoreError> {
        let of = (self.stream, partition);
        self.asking.wait("read customers", pages::page(&self.pool, of, after, limit))
    }

    fn ids(&mut self, partition: i32, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar(
            "select customer_id from customer_state \
             where stream = ? and partition = ? and customer_id > ? order by customer_id limit ?",
        )
        .bind(self.stream)
        .bind(partition)
        .bind(after.as_bytes())
        .bind(limit);
        self.asking.wait("read customers' ids", async {
            let ids: Vec<Vec<u8>> = query.fetch_all(&self.pool).await?;
            ids.into_iter().map(text).collect()
        })
    }

    fn progress(&mut self) -> Result<Vec<Progress>, StoreError> {
        let query = sqlx::query(
            "select partition, saved_offset, epoch, owner, handed_over_offset, saved_at, \
             incomplete_at \
             from partition_progress \
             where stream = ? order by partition",
        )
        .bind(self.stream);
        self.asking.wait("read the progress of partitions", async {
            query.fetch_all(&self.pool).await?.iter().map(progress).collect()
        })
    }
}

#[cfg(test)]
mod tests;
