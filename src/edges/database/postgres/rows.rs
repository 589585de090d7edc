//! Reads rows into values, and values into the columns of a statement.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::edges::database::runtime::text;
use crate::edges::database::store::{Progress, SavedCustomer, StoredCustomer};

pub(super) fn stored(row: &PgRow) -> Result<StoredCustomer, sqlx::Error> {
    Ok(StoredCustomer {
        customer_id: text(row.try_get("customer_id")?)?,
        applied_offset: row.try_get("applied_offset")?,
        state: row.try_get("state")?,
        erased_at_ms: row.try_get("erased_at_ms")?,
    })
}

pub(super) fn progress(row: &PgRow) -> Result<Progress, sqlx::Error> {
    let saved_at_ms: Option<i64> = row.try_get("saved_at_ms")?;
    let saved_offset = row.try_get("saved_offset")?;
    Ok(Progress {
        partition: row.try_get("partition")?,
        saved_offset: saved_at_ms.is_some().then_some(saved_offset),
        saved_at_ms,
        epoch: row.try_get("epoch")?,
        owner: row.try_get("owner")?,
        handed_over: row.try_get("handed_over_offset")?,
        incomplete_at_ms: row.try_get("incomplete_at_ms")?,
    })
}

/// Customers as columns, one array per column of a statement.
pub(super) struct Columns<'a> {
    pub ids: Vec<&'a [u8]>,
    pub offsets: Vec<i64>,
    pub states: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(customers: &[SavedCustomer<'a>]) -> Self {
        Self {
            ids: customers.iter().map(|customer| customer.customer_id.as_bytes()).collect(),
            offsets: customers.iter().map(|customer| customer.applied_offset).collect(),
            states: customers.iter().map(|customer| customer.state).collect(),
        }
    }
}
