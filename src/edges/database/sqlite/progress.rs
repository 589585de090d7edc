//! How far a partition is saved and handed over.

use sqlx::{AssertSqlSafe, Sqlite as Dialect, Transaction};

use crate::base::clock::now_millis;
use crate::edges::database::statements;

type Of = (i64, i32);

/// Notes the highest applied offset of the customers just stored, and the saved offset if given.
pub(super) async fn advance(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    highest: Option<i64>,
    saved_offset: Option<i64>,
) -> Result<(), sqlx::Error> {
    if let Some(saved_offset) = saved_offset {
        withdraw_saved(transaction, (stream, partition), saved_offset).await?;
    }
    let query = sqlx::query(
        "update partition_progress set \
         highest_offset = max(highest_offset, ?), \
         saved_offset = coalesce(?, saved_offset), saved_at = coalesce(?, saved_at) \
         where stream = ? and partition = ?",
    );
    let saved_at = saved_offset.map(|_| now_millis());
    let query = query.bind(highest.unwrap_or(0)).bind(saved_offset).bind(saved_at);
    query.bind(stream).bind(partition).execute(&mut **transaction).await.map(drop)
}

/// Withdraws what is handed over and deletes its rows.
pub(super) async fn withdraw(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
) -> Result<(), sqlx::Error> {
    for statement in statements::WITHDRAW {
        let query = sqlx::query(AssertSqlSafe(statement)).bind(stream).bind(partition);
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

/// Withdraws what is handed over if the saved offset has reached it: then all of it is stored.
async fn withdraw_saved(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    saved_offset: i64,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(statements::WITHDRAW_SAVED).bind(stream).bind(partition);
    let changed = query.bind(saved_offset).execute(&mut **transaction).await?;
    if changed.rows_affected() > 0 {
        let query = sqlx::query(statements::DROP_HANDED_OVER).bind(stream).bind(partition);
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

/// What was saved counts up to this offset only, if it is given.
pub(super) async fn take_back(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    saved_offset: Option<i64>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update partition_progress set saved_offset = min(saved_offset, ?) \
         where stream = ? and partition = ? and saved_at is not null",
    )
    .bind(saved_offset.unwrap_or(i64::MAX))
    .bind(stream)
    .bind(partition)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
