//! Connections, with their limits.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::base::limits::{
    DATABASE_ANSWER_TIME, DATABASE_CONNECTIONS, DATABASE_LOCK_TIME, DATABASE_STATEMENT_TIME,
};
use crate::edges::database::runtime::Asking;
use crate::edges::database::{StoreError, Stream};

/// The connection options for the database at `url`, called `name` in messages.
pub(super) fn options_of(url: &str, name: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|source| StoreError::Address {
        database: name.to_owned(),
        source: Box::new(source),
    })?;
    let millis = |limit: std::time::Duration| limit.as_millis().to_string();
    Ok(options.application_name("synfinance").options([
        ("client_min_messages", "warning".to_owned()),
        ("statement_timeout", millis(DATABASE_STATEMENT_TIME)),
        ("lock_timeout", millis(DATABASE_LOCK_TIME)),
        ("idle_in_transaction_session_timeout", millis(DATABASE_ANSWER_TIME)),
    ]))
}

/// A pool of one connection, which is made at the first use.
pub(super) fn pool_of(options: PgConnectOptions, asking: &Asking) -> PgPool {
    // A pool belongs to the runtime in whose context it is made.
    asking.within(|| {
        PgPoolOptions::new()
            .max_connections(DATABASE_CONNECTIONS)
            .acquire_timeout(DATABASE_ANSWER_TIME)
            // A lost connection must be an error. Replaced unnoticed, the new one might lead to a
            // server that has lost what it had not written to disk.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options)
    })
}

/// The number of a stream, given to it now if it is new.
pub(super) async fn stream_number(pool: &PgPool, stream: &Stream) -> Result<i32, sqlx::Error> {
    sqlx::query("insert into streams (group_id, topic) values ($1, $2) on conflict do nothing")
        .bind(&stream.group_id)
        .bind(&stream.topic)
        .execute(pool)
        .await?;
    sqlx::query_scalar("select stream from streams where group_id = $1 and topic = $2")
        .bind(&stream.group_id)
        .bind(&stream.topic)
        .fetch_one(pool)
        .await
}
