//! All customers of a partition, in the order of the table's file.
//!
//! In the order of ids, each row lies somewhere else: reading a million of them takes the server
//! twice as long. So one cursor covers the whole partition, and rows are fetched from it in
//! portions.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _};

use super::rows::stored;
use crate::edges::database::runtime::Asking;
use crate::edges::database::store::{Scan, StoredCustomer};
use crate::edges::database::{Replica, StoreError};

const MORE: &str = "fetch forward 1024 from scanned";

/// A transaction that sees what was stored when it began. Dropping the cursor ends it.
pub(super) struct Cursor {
    connection: PgConnection,
    asking: Asking,
    /// The replica it reads from, unless it reads from the database itself.
    replica: Option<Replica>,
}

impl Cursor {
    /// Begins to read a stream's partition from the database called `name`, which may be a replica;
    /// `None` if the replica has not replayed far enough.
    pub(super) fn open(
        options: &PgConnectOptions,
        name: &str,
        replica: Option<Replica>,
        (stream, partition): (i32, i32),
    ) -> Result<Option<Self>, StoreError> {
        let asking = Asking::new(name.to_owned())?;
        // All rows are read, so a plan that gives the first ones early is slower, and compiling a
        // plan does not pay.
        let begin = format!(
            "begin read only; \
             set local cursor_tuple_fraction = 1; \
             set local jit = off; \
             declare scanned no scroll cursor for \
             select customer_id, applied_offset, state, \
             (extract(epoch from erased_at) * 1000)::bigint as erased_at_ms \
             from customer_state where stream = {stream} and partition = {partition}"
        );
        let connection = asking.wait("begin to read customers", async {
            let mut connection = PgConnection::connect_with(options).await?;
            if let Some(replica) = &replica
                && !replica.has_come(&mut connection).await?
            {
                return Ok(None);
            }
            sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await?;
            Ok(Some(connection))
        })?;
        Ok(connection.map(|connection| Self { connection, asking, replica }))
    }
}

impl Scan for Cursor {
    fn next(&mut self) -> Result<Vec<StoredCustomer>, StoreError> {
        let Self { connection, asking, replica } = self;
        let more = asking.wait("read customers", async {
            sqlx::query(MORE).fetch_all(connection).await?.iter().map(stored).collect()
        });
        // A replica cancels queries that stand in the way of replaying the log.
        if let Some(replica) = replica.as_ref().filter(|_| more.is_err()) {
            replica.failed_a_scan();
        }
        more
    }
}
