//! Snapshots in PostgreSQL.

mod connect;
mod cursor;
mod customers;
mod handover;
mod progress;
mod rows;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{AssertSqlSafe, Postgres as Dialect, Row as _, Transaction};

use super::replica::{Copy, Replica};
use super::runtime::{Asking, text};
use super::store::{
    Chunk, Claim, Holder, Progress, SavedCustomer, Scan, SnapshotStore, StoredCustomer,
};
use super::{StoreError, Stream, statements};

use connect::{options_of, pool_of, stream_number};
use cursor::Cursor;
use progress::{advance, take_back, withdraw};
use rows::{Columns, progress, stored};

static MIGRATIONS: Migrator = sqlx::migrate!("src/edges/database/migrations/postgres");

/// A stream's snapshots in PostgreSQL.
pub struct Postgres {
    pool: PgPool,
    asking: Asking,
    options: PgConnectOptions,
    name: String,
    stream: i32,
    copy: Option<Copy>,
}

impl Postgres {
    /// Opens the database at `url`, called `name` in messages, and brings its tables up to date.
    /// Customers are read from `replica` if one is given and has replayed far enough.
    ///
    /// # Errors
    /// [`StoreError`] if the database does not answer or cannot be used.
    pub fn open(
        url: &str,
        name: &str,
        stream: &Stream,
        replica: Option<&Replica>,
    ) -> Result<Self, StoreError> {
        let asking = Asking::new(name.to_owned())?;
        let options = options_of(url, name)?;
        let pool = pool_of(options.clone(), &asking);
        asking.wait("connect", async { pool.acquire().await.map(drop) })?;
        asking.wait_or("bring tables up to date", async {
            MIGRATIONS.run(&pool).await.map_err(|error| StoreError::of_migration(name, error))
        })?;
        let stream = asking.wait("look up the stream", stream_number(&pool, stream))?;
        let copy = replica.map(|replica| {
            let options = options_of(&replica.url, &replica.name)?;
            Copy::new(replica.clone(), options, pool_of)
        });
        let (name, copy) = (name.to_owned(), copy.transpose()?);
        Ok(Self { pool, asking, options, name, stream, copy })
    }

    /// Asks the replica if there is one and it can answer, else the database.
    fn read<T>(
        &mut self,
        action: &'static str,
        query: impl AsyncFn(&PgPool) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        if let Some(copy) = &mut self.copy
            && let Some(found) = copy.read(action, &query)
        {
            return Ok(found);
        }
        self.asking.wait(action, query(&self.pool))
    }

    /// Notes how far the replica must have replayed to show the latest change.
    async fn wrote(&self) -> Result<(), sqlx::Error> {
        let Some(copy) = &self.copy else { return Ok(()) };
        let position =
            sqlx::query_scalar("select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint");
        copy.wrote(position.fetch_one(&self.pool).await?);
        Ok(())
    }
}

impl SnapshotStore for Postgres {
    fn claim(&mut self, partition: i32, owner: &str) -> Result<Claim, StoreError> {
        let (pool, stream) = (&self.pool, self.stream);
        self.asking.wait("claim a partition", async {
            let mut transaction = pool.begin().await?;
            sqlx::query(
                "insert into partition_progress (stream, partition) values ($1, $2) \
                 on conflict do nothing",
            )
            .bind(stream)
            .bind(partition)
            .execute(&mut *transaction)
            .await?;
            let before = sqlx::query(
                "select epoch, owner, saved_offset, \
                 (extract(epoch from saved_at) * 1000)::bigint as saved_at_ms, \
                 highest_offset, handed_over_offset \
                 from partition_progress where stream = $1 and partition = $2 for update",
            )
            .bind(stream)
            .bind(partition)
            .fetch_one(&mut *transaction)
            .await?;
            let epoch = before.try_get::<i64, _>("epoch")? + 1;
            sqlx::query(
                "update partition_progress set epoch = $3, owner = $4 \
                 where stream = $1 and partition = $2",
            )
            .bind(stream)
            .bind(partition)
            .bind(epoch)
            .bind(owner)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            self.wrote().await?;
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
        let columns = Columns::of(customers);
        self.as_holder("save customers", holder, async |transaction, stream| {
            // Rows without a saved offset promise nothing, so they need not wait for the disk. A
            // saved offset does promise: its commit waits, and that brings all earlier rows to the
            // disk as well, unless the server restarted in between. The caller then sends no saved
            // offset.
            if saved_offset.is_none() {
                sqlx::query("set local synchronous_commit = off")
                    .execute(&mut **transaction)
                    .await?;
            }
            customers::upsert(transaction, (stream, holder.partition), &columns).await?;
            let highest = columns.offsets.iter().copied().max();
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
            let highest = customers.iter().map(|row| row.applied_offset).max();
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
        let ids: Vec<&[u8]> = customer_ids.iter().map(|id| id.as_bytes()).collect();
        self.as_holder("erase customers", holder, async |transaction, stream| {
            let of = (stream, holder.partition);
            customers::erase(transaction, of, &ids, (applied_offset, state)).await?;
            let highest = Some(applied_offset);
            advance(transaction, (stream, holder.partition), highest, None).await
        })
    }

    fn mark_incomplete(&mut self, holder: Holder) -> Result<(), StoreError> {
        let marked = "update partition_progress set incomplete_at = now() \
                      where stream = $1 and partition = $2";
        self.change("note lost records", holder, marked).map(drop)
    }

    fn begin_anew(&mut self, keeps: bool) -> Result<u64, StoreError> {
        let past: i64 = self.asking.wait("begin a topic anew", async {
            let mut transaction = self.pool.begin().await?;
            for statement in statements::begin_anew(keeps, "now()") {
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
        let ids: Vec<&[u8]> = customer_ids.iter().map(|id| id.as_bytes()).collect();
        self.as_holder("delete customers", holder, async |transaction, stream| {
            withdraw(transaction, (stream, holder.partition)).await?;
            customers::delete(transaction, (stream, holder.partition), &ids).await?;
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
        let ids: Vec<&[u8]> = customer_ids.iter().map(|id| id.as_bytes()).collect();
        let stream = self.stream;
        self.read("load customers", async |pool| {
            let query = sqlx::query(
                "select customer_id, applied_offset, state, \
                 (extract(epoch from erased_at) * 1000)::bigint as erased_at_ms \
                 from customer_state \
                 where stream = $1 and partition = $2 and customer_id = any ($3)",
            );
            let query = query.bind(stream).bind(partition).bind(&ids);
            query.fetch_all(pool).await?.iter().map(stored).collect()
        })
    }

    fn scan(&mut self, partition: i32) -> Result<Box<dyn Scan>, StoreError> {
        let of = (self.stream, partition);
        let on_copy = self.copy.as_mut().and_then(|copy| {
            copy.scan(|options, replica| {
                let name = replica.name.clone();
                Cursor::open(options, &name, Some(replica), of)
            })
        });
        let cursor = match on_copy {
            Some(cursor) => Some(cursor),
            None => Cursor::open(&self.options, &self.name, None, of)?,
        };
        Ok(Box::new(cursor.expect("invariant: the database itself has everything")))
    }

    fn page(
        &mut self,
        partition: i32,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredCustomer>, StoreError> {
        let stream = self.stream;
        self.read("read customers", async |pool| {
            let query = sqlx::query(
                "select customer_id, applied_offset, state, \
                 (extract(epoch from erased_at) * 1000)::bigint as erased_at_ms \
                 from customer_state \
                 where stream = $1 and partition = $2 and customer_id > $3 \
                 order by customer_id limit $4",
            );
            let query = query.bind(stream).bind(partition).bind(after.as_bytes());
            query.bind(i64::from(limit)).fetch_all(pool).await?.iter().map(stored).collect()
        })
    }

    fn ids(&mut self, partition: i32, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        let stream = self.stream;
        self.read("read customers' ids", async |pool| {
            let query = sqlx::query_scalar(
                "select customer_id from customer_state \
                 where stream = $1 and partition = $2 and customer_id > $3 \
                 order by customer_id limit $4",
            );
            let query = query.bind(stream).bind(partition).bind(after.as_bytes());
            let ids: Vec<Vec<u8>> = query.bind(i64::from(limit)).fetch_all(pool).await?;
            ids.into_iter().map(text).collect()
        })
    }

    fn progress(&mut self) -> Result<Vec<Progress>, StoreError> {
        let query = sqlx::query(
            "select partition, saved_offset, epoch, owner, handed_over_offset, \
             (extract(epoch from saved_at) * 1000)::bigint as saved_at_ms, \
             (extract(epoch from incomplete_at) * 1000)::bigint as incomplete_at_ms \
             from partition_progress where stream = $1 order by partition",
        )
        .bind(self.stream);
        self.asking.wait("read the progress of partitions", async {
            query.fetch_all(&self.pool).await?.iter().map(progress).collect()
        })
    }
}

impl Postgres {
    /// Runs one statement about a partition (stream is $1, partition $2) if the holder still owns
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

    /// Runs `work` in a transaction if the holder still owns the partition. The row with the epoch
    /// stays locked until the end, so a claim waits for this write.
    fn as_holder(
        &self,
        action: &'static str,
        holder: Holder,
        work: impl AsyncFnOnce(&mut Transaction<'_, Dialect>, i32) -> Result<(), sqlx::Error>,
    ) -> Result<(), StoreError> {
        let is_owner = self.asking.wait(action, async {
            let mut transaction = self.pool.begin().await?;
            let epoch: Option<i64> = sqlx::query_scalar(
                "select epoch from partition_progress where stream = $1 and partition = $2 \
                 for update",
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
            self.wrote().await?;
            Ok(is_owner)
        })?;
        if is_owner { Ok(()) } else { Err(StoreError::Fenced(holder)) }
    }
}
