//! The connection, with its limits.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::database::StoreError;
use crate::database::runtime::Asking;
use crate::limits::{
    DATABASE_ANSWER_TIME, DATABASE_CONNECTIONS, DATABASE_LOCK_TIME, DATABASE_STATEMENT_TIME,
};

/// One connection, made when it is wanted first.
pub(super) fn pool_of(url: &str, name: &str, asking: &Asking) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|source| StoreError::Address {
        database: name.to_owned(),
        source: Box::new(source),
    })?;
    let millis = |limit: std::time::Duration| limit.as_millis().to_string();
    let options = options.application_name("synfinance").options([
        ("client_min_messages", "warning".to_owned()),
        ("statement_timeout", millis(DATABASE_STATEMENT_TIME)),
        ("lock_timeout", millis(DATABASE_LOCK_TIME)),
        ("idle_in_transaction_session_timeout", millis(DATABASE_ANSWER_TIME)),
    ]);
    // A pool belongs to the runtime that it is made in.
    Ok(asking.within(|| {
        PgPoolOptions::new()
            .max_connections(DATABASE_CONNECTIONS)
            .acquire_timeout(DATABASE_ANSWER_TIME)
            // A connection that has gone is an error: another one in its place, unnoticed, may
            // be to a server that has forgotten what it had not written.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options)
    }))
}
