//! Statements about customers' rows.

use sqlx::{Postgres as Dialect, Transaction};

use super::rows::Columns;
use crate::core::state::snapshot::VERSION;
use crate::edges::database::store::StoredCustomer;

/// Stream and partition.
type Of = (i32, i32);

/// Stores customers, but for those who are stored with a later offset.
pub(super) async fn upsert(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    Columns { ids, offsets, states }: &Columns<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into customer_state \
         (stream, partition, customer_id, applied_offset, version, state) \
         select $1, $2, new.id, new.applied, $3, new.state \
         from unnest($4::bytea[], $5::bigint[], $6::bytea[]) as new (id, applied, state) \
         on conflict (stream, partition, customer_id) do update set \
         applied_offset = excluded.applied_offset, version = excluded.version, \
         state = excluded.state \
         where customer_state.applied_offset <= excluded.applied_offset",
    )
    .bind(stream)
    .bind(partition)
    .bind(VERSION as i16)
    .bind(ids)
    .bind(offsets)
    .bind(states)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Stores customers as another database had them, but for those who are stored with a later offset
/// or a later erasure.
pub(super) async fn import(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    customers: &[StoredCustomer],
) -> Result<(), sqlx::Error> {
    let ids: Vec<&[u8]> = customers.iter().map(|row| row.customer_id.as_bytes()).collect();
    let offsets: Vec<i64> = customers.iter().map(|row| row.applied_offset).collect();
    let states: Vec<&[u8]> = customers.iter().map(|row| &*row.state).collect();
    let erased: Vec<Option<i64>> = customers.iter().map(|row| row.erased_at_ms).collect();
    sqlx::query(
        "insert into customer_state as kept \
         (stream, partition, customer_id, applied_offset, version, state, erased_at) \
         select $1, $2, new.id, new.applied, $3, new.state, \
         timestamptz 'epoch' + new.erased * interval '1 millisecond' \
         from unnest($4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[]) \
         as new (id, applied, state, erased) \
         on conflict (stream, partition, customer_id) do update set \
         applied_offset = excluded.applied_offset, version = excluded.version, \
         state = excluded.state, erased_at = greatest(kept.erased_at, excluded.erased_at) \
         where kept.applied_offset < excluded.applied_offset \
         or kept.applied_offset = excluded.applied_offset \
         and (kept.erased_at is null or kept.erased_at <= excluded.erased_at)",
    )
    .bind(stream)
    .bind(partition)
    .bind(VERSION as i16)
    .bind(&ids)
    .bind(&offsets)
    .bind(&states)
    .bind(&erased)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Puts an erased state in the place of whatever is stored or handed over of these customers.
pub(super) async fn erase(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    ids: &[&[u8]],
    (applied_offset, state): (i64, &[u8]),
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "delete from handed_over \
         where stream = $1 and partition = $2 and customer_id = any ($3)",
    )
    .bind(stream)
    .bind(partition)
    .bind(ids)
    .execute(&mut **transaction)
    .await?;
    sqlx::query(
        "insert into customer_state \
         (stream, partition, customer_id, applied_offset, version, state, erased_at) \
         select $1, $2, new.id, $3, $4, $5, now() from unnest($6::bytea[]) as new (id) \
         on conflict (stream, partition, customer_id) do update set \
         applied_offset = excluded.applied_offset, version = excluded.version, \
         state = excluded.state, erased_at = excluded.erased_at",
    )
    .bind(stream)
    .bind(partition)
    .bind(applied_offset)
    .bind(VERSION as i16)
    .bind(state)
    .bind(ids)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Deletes customers' rows.
pub(super) async fn delete(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    ids: &[&[u8]],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "delete from customer_state \
         where stream = $1 and partition = $2 and customer_id = any ($3)",
    )
    .bind(stream)
    .bind(partition)
    .bind(ids)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
