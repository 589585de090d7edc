//! Snapshots in a SQLite file: for one machine, without a server.
//!
//! Write-ahead logging, so that reading does not wait for saving; a crash of the process loses
//! nothing, one of the machine at most the last saves, rows and saved offset together.

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
use crate::core::state::snapshot::VERSION;

use pages::Pages;
use progress::{advance, withdraw};
use rows::{progress, stored};

static MIGRATIONS: Migrator = sqlx::migrate!("src/edges/database/migrations/sqlite");

/// Customers that one statement reads.
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
    /// Opens `file`, created if it is missing, and brings its tables up to date.
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
        // Workers of one process begin together, and SQLite has no lock for migrations.
        let alone = MIGRATING.lock().unwrap_or_else(PoisonError::into_inner);
        asking.wait_or("bring tables up to date", async {
            MIGRATIONS.run(&pool).await.map_err(|error| StoreError::of_migration(&database, error))
        })?;
        drop(alone);
        let stream = asking.wait("look up the stream", stream_number(&pool, stream))?;
        Ok(Self { pool, asking, options, name: database, stream })
    }

    /// Runs one statement about a partition, stream ?1 and partition ?2, if the holder is
    /// still the owner; how many rows it changed.
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

    /// Does `work` in a transaction, if the holder is still the owner. It writes first, so that
    /// nobody can claim the partition in between.
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
            // Dropping it would leave its locks until this connection is used again.
            match (is_owner, done) {
                (true, Ok(())) => transaction.commit().await?,
                (false, Ok(())) => transaction.rollback().await?,
                (_, Err(error)) => {
                    // What went wrong first is what to tell; the caller drops the connection.
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
            for customer in customers {
                sqlx::query(
                    "insert into customer_state \
                     (stream, partition, customer_id, applied_offset, version, state) \
                     values (?, ?, ?, ?, ?, ?) \
                     on conflict (stream, partition, customer_id) do update set \
                     applied_offset = excluded.applied_offset, version = excluded.version, \
                     state = excluded.state \
                     where customer_state.applied_offset <= excluded.applied_offset",
                )
                .bind(stream)
                .bind(holder.partition)
                .bind(customer.customer_id.as_bytes())
                .bind(customer.applied_offset)
                .bind(i64::from(VERSION))
                .bind(customer.state)
                .execute(&mut **transaction)
                .await?;
            }
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
            for customer in customers {
                // The maximum of something and null would be null.
                sqlx::query(
                    "insert into customer_state as kept \
                     (stream, partition, customer_id, applied_offset, version, state, erased_at) \
                     values (?, ?, ?, ?, ?, ?, ?) \
                     on conflict (stream, partition, customer_id) do update set \
                     applied_offset = excluded.applied_offset, version = excluded.version, \
                     state = excluded.state, \
                     erased_at = max(coalesce(kept.erased_at, excluded.erased_at), \
                     coalesce(excluded.erased_at, kept.erased_at)) \
                     where kept.applied_offset < excluded.applied_offset \
                     or kept.applied_offset = excluded.applied_offset \
                     and (kept.erased_at is null or kept.erased_at <= excluded.erased_at)",
                )
                .bind(stream)
                .bind(holder.partition)
                .bind(customer.customer_id.as_bytes())
                .bind(customer.applied_offset)
                .bind(i64::from(VERSION))
                .bind(&*customer.state)
                .bind(customer.erased_at_ms)
                .execute(&mut **transaction)
                .await?;
            }
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
            for id in customer_ids {
                sqlx::query(
                    "delete from handed_over \
                     where stream = ? and partition = ? and customer_id = ?",
                )
                .bind(stream)
                .bind(holder.partition)
                .bind(id.as_bytes())
                .execute(&mut **transaction)
                .await?;
                sqlx::query(
                    "insert into customer_state \
                     (stream, partition, customer_id, applied_offset, version, state, erased_at) \
                     values (?, ?, ?, ?, ?, ?, ?) on conflict do update set \
                     applied_offset = excluded.applied_offset, version = excluded.version, \
                     state = excluded.state, erased_at = excluded.erased_at",
                )
                .bind(stream)
                .bind(holder.partition)
                .bind(id.as_bytes())
                .bind(applied_offset)
                .bind(VERSION as i64)
                .bind(state)
                .bind(now_millis())
                .execute(&mut **transaction)
                .await?;
            }
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
        self.as_holder("forget customers", holder, async |transaction, stream| {
            withdraw(transaction, (stream, holder.partition)).await?;
            for id in customer_ids {
                sqlx::query(
                    "delete from customer_state \
                     where stream = ? and partition = ? and customer_id = ?",
                )
                .bind(stream)
                .bind(holder.partition)
                .bind(id.as_bytes())
                .execute(&mut **transaction)
                .await?;
            }
            sqlx::query(
                "update partition_progress set saved_offset = min(saved_offset, ?) \
                 where stream = ? and partition = ? and saved_at is not null",
            )
            .bind(saved_offset.unwrap_or(i64::MAX))
            .bind(stream)
            .bind(holder.partition)
            .execute(&mut **transaction)
            .await?;
            Ok(())
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
            // One snapshot of the file for all of them.
            let mut transaction = self.pool.begin().await?;
            let mut found = Vec::with_capacity(customer_ids.len());
            for ids in customer_ids.chunks(LOADED_AT_ONCE) {
                // One statement for any number, so that it is prepared once: the first id fills it.
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
mod tests {
    use super::*;
    use crate::base::error::with_causes;
    use crate::edges::database::Problem;

    /// SQLite itself limits the file here, with the answer that it gives for a file system without
    /// room.
    fn limited(store: Sqlite, pages: i64) -> Sqlite {
        let limit = ("max_page_count", pages.to_string());
        let options = store.options.clone().pragma(limit.0, limit.1);
        let pool = store
            .asking
            .within(|| SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options));
        Sqlite { pool, ..store }
    }

    fn number(store: &Sqlite, pragma: &'static str) -> i64 {
        let ask = async { sqlx::query_scalar(pragma).fetch_one(&store.pool).await };
        store.asking.wait("ask", ask).unwrap()
    }

    #[test]
    fn a_full_disk_is_said_and_what_is_stored_stays_whole() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("synfinance.db");
        let stream = Stream { group_id: "g".to_owned(), topic: "t".to_owned() };
        let mut store = Sqlite::open(&file, &stream).unwrap();
        let holder = store.claim(0, "worker").unwrap().holder;
        let ids: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
        let customers = |applied_offset, state| -> Vec<SavedCustomer<'_>> {
            ids.iter().map(|id| SavedCustomer { customer_id: id, applied_offset, state }).collect()
        };
        let (small, large) = ([1; 8], [2; 8_000]);
        store.save(holder, &customers(10, &small), Some(10)).unwrap();

        let pages = number(&store, "pragma page_count");
        let mut full = limited(store, pages + 4);
        let error = full.save(holder, &customers(20, &large), Some(20)).unwrap_err();
        let said = with_causes(&error);
        assert_eq!(error.problem(), Problem::Unavailable, "{said}: saving goes on by itself");
        assert!(said.contains("its disk is full: make room"), "{said}");
        assert!(said.contains("synfinance.db"), "{said}");
        // SQLite has ended the transaction by itself; as keepers do, on with a new connection.
        let mut full = limited(full, pages + 4);
        let error = full.hand_over(holder, 0, &customers(20, &large), Some(20)).unwrap_err();
        assert_eq!(error.problem(), Problem::Unavailable);
        let mut full = limited(full, pages + 4);
        let asked: Vec<&str> = ids.iter().map(String::as_str).collect();
        let stored = full.load(0, &asked).unwrap();
        assert_eq!(stored.len(), ids.len());
        assert!(stored.iter().all(|row| row.applied_offset == 10 && row.state == small));
        assert_eq!(full.progress().unwrap()[0].saved_offset, Some(10));

        let mut roomy = limited(full, pages + 1_000);
        roomy.save(holder, &customers(20, &large), Some(20)).unwrap();
        assert_eq!(roomy.progress().unwrap()[0].saved_offset, Some(20));
        let check = async {
            sqlx::query_scalar::<_, String>("pragma integrity_check").fetch_one(&roomy.pool).await
        };
        assert_eq!(roomy.asking.wait("check", check).unwrap(), "ok");
    }
}
