//! Reads rows into values.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::edges::database::runtime::text;
use crate::edges::database::store::{Progress, StoredCustomer};

pub(super) fn stored(row: &SqliteRow) -> Result<StoredCustomer, sqlx::Error> {
    Ok(StoredCustomer {
        customer_id: text(row.try_get("customer_id")?)?,
        applied_offset: row.try_get("applied_offset")?,
        state: row.try_get("state")?,
        erased_at_ms: row.try_get("erased_at")?,
    })
}

pub(super) fn progress(row: &SqliteRow) -> Result<Progress, sqlx::Error> {
    let saved_at_ms: Option<i64> = row.try_get("saved_at")?;
    let saved_offset = row.try_get("saved_offset")?;
    Ok(Progress {
        partition: row.try_get("partition")?,
        saved_offset: saved_at_ms.is_some().then_some(saved_offset),
        saved_at_ms,
        epoch: row.try_get("epoch")?,
        owner: row.try_get("owner")?,
        handed_over: row.try_get("handed_over_offset")?,
        incomplete_at_ms: row.try_get("incomplete_at")?,
    })
}
