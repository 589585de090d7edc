//! Statements about customers' rows, one row after the other: nothing waits for a network here.

use sqlx::{Sqlite as Dialect, Transaction};

use crate::base::clock::now_millis;
use crate::core::state::snapshot::VERSION;
use crate::edges::database::store::{SavedCustomer, StoredCustomer};

/// Stream and partition.
type Of = (i64, i32);

/// Stores customers, but for those who are stored with a later offset.
pub(super) async fn upsert(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    customers: &[SavedCustomer<'_>],
) -> Result<(), sqlx::Error> {
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
        .bind(partition)
        .bind(customer.customer_id.as_bytes())
        .bind(customer.applied_offset)
        .bind(i64::from(VERSION))
        .bind(customer.state)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Stores customers as another database had them, but for those who are stored with a later offset
/// or a later erasure.
pub(super) async fn import(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    customers: &[StoredCustomer],
) -> Result<(), sqlx::Error> {
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
        .bind(partition)
        .bind(customer.customer_id.as_bytes())
        .bind(customer.applied_offset)
        .bind(i64::from(VERSION))
        .bind(&*customer.state)
        .bind(customer.erased_at_ms)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Puts an erased state in the place of whatever is stored or handed over of these customers.
pub(super) async fn erase(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    customer_ids: &[&str],
    (applied_offset, state): (i64, &[u8]),
) -> Result<(), sqlx::Error> {
    for id in customer_ids {
        sqlx::query(
            "delete from handed_over \
             where stream = ? and partition = ? and customer_id = ?",
        )
        .bind(stream)
        .bind(partition)
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
        .bind(partition)
        .bind(id.as_bytes())
        .bind(applied_offset)
        .bind(VERSION as i64)
        .bind(state)
        .bind(now_millis())
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Deletes customers' rows.
pub(super) async fn delete(
    transaction: &mut Transaction<'_, Dialect>,
    (stream, partition): Of,
    customer_ids: &[&str],
) -> Result<(), sqlx::Error> {
    for id in customer_ids {
        sqlx::query(
            "delete from customer_state \
             where stream = ? and partition = ? and customer_id = ?",
        )
        .bind(stream)
        .bind(partition)
        .bind(id.as_bytes())
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}
