//! Reads customers in the order of their ids.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, SqliteExecutor};

use super::rows::stored;
use crate::edges::database::StoreError;
use crate::edges::database::runtime::Asking;
use crate::edges::database::store::{Scan, StoredCustomer};

/// How many customers a scan reads at a time.
const SCANNED: u32 = 1_024;

/// Up to `limit` customers of a stream's partition with ids after `after`.
pub(super) async fn page(
    database: impl SqliteExecutor<'_>,
    (stream, partition): (i64, i32),
    after: &str,
    limit: u32,
) -> Result<Vec<StoredCustomer>, sqlx::Error> {
    let query = sqlx::query(
        "select customer_id, applied_offset, state, erased_at from customer_state \
         where stream = ? and partition = ? and customer_id > ? order by customer_id limit ?",
    );
    let query = query.bind(stream).bind(partition).bind(after.as_bytes()).bind(limit);
    query.fetch_all(database).await?.iter().map(stored).collect()
}

/// All customers of a partition as they were when the scan began, a page at a time. A slow reader
/// only keeps SQLite from shortening its write-ahead log.
pub(super) struct Pages {
    connection: SqliteConnection,
    asking: Asking,
    of: (i64, i32),
    after: String,
}

impl Pages {
    pub(super) fn open(
        options: &SqliteConnectOptions,
        name: String,
        of: (i64, i32),
    ) -> Result<Self, StoreError> {
        let asking = Asking::new(name)?;
        let connection = asking.wait("begin to read customers", async {
            let mut connection = SqliteConnection::connect_with(options).await?;
            sqlx::query("begin").execute(&mut connection).await?;
            Ok(connection)
        })?;
        Ok(Self { connection, asking, of, after: String::new() })
    }
}

impl Scan for Pages {
    fn next(&mut self) -> Result<Vec<StoredCustomer>, StoreError> {
        let Self { connection, asking, of, after } = self;
        let page = asking.wait("read customers", page(&mut *connection, *of, after, SCANNED))?;
        if let Some(last) = page.last() {
            after.clone_from(&last.customer_id);
        }
        Ok(page)
    }
}
