//! What a leaving owner hands over to the next one.

use sqlx::Row as _;

use super::Sqlite;
use super::progress::withdraw;
use super::rows::stored;
use crate::core::state::snapshot::VERSION;
use crate::edges::database::StoreError;
use crate::edges::database::statements;
use crate::edges::database::store::{Chunk, Holder, SavedCustomer};

impl Sqlite {
    pub(super) fn insert_handed_over(
        &self,
        holder: Holder,
        chunk: i32,
        customers: &[SavedCustomer<'_>],
        offset: Option<i64>,
    ) -> Result<(), StoreError> {
        self.as_holder("hand a partition over", holder, async |transaction, stream| {
            if chunk == 0 {
                withdraw(transaction, (stream, holder.partition)).await?;
            }
            sqlx::query(statements::DROP_CHUNK)
                .bind(stream)
                .bind(holder.partition)
                .bind(chunk)
                .execute(&mut **transaction)
                .await?;
            for customer in customers {
                sqlx::query(
                    "insert into handed_over \
                     (stream, partition, chunk, customer_id, applied_offset, version, state) \
                     values (?, ?, ?, ?, ?, ?, ?)",
                )
                .bind(stream)
                .bind(holder.partition)
                .bind(chunk)
                .bind(customer.customer_id.as_bytes())
                .bind(customer.applied_offset)
                .bind(i64::from(VERSION))
                .bind(customer.state)
                .execute(&mut **transaction)
                .await?;
            }
            if let Some(offset) = offset {
                let query = sqlx::query(statements::PROMISE_HANDED_OVER).bind(stream);
                let query = query.bind(holder.partition).bind(offset);
                query.execute(&mut **transaction).await?;
            }
            Ok(())
        })
    }

    pub(super) fn select_handed_over(
        &self,
        partition: i32,
        chunk: i32,
    ) -> Result<Chunk, StoreError> {
        let query = sqlx::query(
            "select chunk, customer_id, applied_offset, state, null as erased_at \
             from handed_over where stream = $1 and partition = $2 and chunk = \
             (select min(chunk) from handed_over \
             where stream = $1 and partition = $2 and chunk >= $3)",
        );
        let query = query.bind(self.stream).bind(partition).bind(chunk);
        self.asking.wait("take a partition over", async {
            let rows = query.fetch_all(&self.pool).await?;
            let found = rows.first().map(|row| row.try_get::<i32, _>("chunk")).transpose()?;
            let customers = rows.iter().map(stored).collect::<Result<_, _>>()?;
            Ok(Chunk { customers, next: found.map(|chunk| chunk + 1) })
        })
    }
}
