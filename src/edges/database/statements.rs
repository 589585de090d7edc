//! Statements that both databases understand: $1 is the stream, $2 the partition.

use crate::base::limits::DISCARDED_AT_ONCE;

/// The partition has no owner any more.
pub(super) const RELEASE: &str =
    "update partition_progress set owner = null where stream = $1 and partition = $2";

/// Nothing of the partition counts as saved.
pub(super) const UNSAVE: &str = "update partition_progress set saved_offset = 0, saved_at = null \
                                 where stream = $1 and partition = $2";

/// No stored customer has an offset.
pub(super) const EMPTY: &str =
    "update partition_progress set highest_offset = 0 where stream = $1 and partition = $2";

/// Nothing is handed over; its rows are deleted.
pub(super) const WITHDRAW: [&str; 2] = [
    "update partition_progress set handed_over_offset = null where stream = $1 and partition = $2",
    DROP_HANDED_OVER,
];

/// Withdraws what is handed over if it does not reach beyond $3, the saved offset. If that changes
/// a row, [`DROP_HANDED_OVER`] must follow. Chunks without a promised offset are withdrawn too.
pub(super) const WITHDRAW_SAVED: &str = "update partition_progress set handed_over_offset = null \
    where stream = $1 and partition = $2 and coalesce(handed_over_offset, 0) <= $3";

pub(super) const DROP_HANDED_OVER: &str =
    "delete from handed_over where stream = $1 and partition = $2";

/// Deletes chunk $3 of what is handed over.
pub(super) const DROP_CHUNK: &str =
    "delete from handed_over where stream = $1 and partition = $2 and chunk = $3";

/// Every customer that changed before offset $3 is stored or handed over.
pub(super) const PROMISE_HANDED_OVER: &str =
    "update partition_progress set handed_over_offset = $3 where stream = $1 and partition = $2";

/// Deletes some customers. One statement for all of a partition could exceed its time limit.
pub(super) fn discard_some() -> String {
    format!(
        "delete from customer_state where stream = $1 and partition = $2 \
         and customer_id in (select customer_id from customer_state \
         where stream = $1 and partition = $2 limit {DISCARDED_AT_ONCE})"
    )
}

/// How many records the earlier topics had.
pub(super) const PAST_RECORDS: &str = "select past_records from streams where stream = $1";

/// The statements for a new topic, see [`begin_anew`]; `now` is the time in SQL. Partitions come
/// first, because saves lock them before customers.
///
/// [`begin_anew`]: super::SnapshotStore::begin_anew
pub(super) fn begin_anew(keeps: bool, now: &str) -> Vec<String> {
    let free = "update partition_progress \
                set highest_offset = 0, epoch = epoch + 1, owner = null where stream = $1";
    let statements = if keeps {
        [
            "update streams set past_records = past_records + \
             (select cast(coalesce(sum(coalesce(handed_over_offset, saved_offset)), 0) as bigint) \
             from partition_progress where stream = $1) where stream = $1",
            "insert into customer_state \
             (stream, partition, customer_id, applied_offset, version, state) \
             select stream, partition, customer_id, applied_offset, version, state \
             from handed_over where stream = $1 and partition in \
             (select partition from partition_progress \
             where stream = $1 and handed_over_offset is not null) \
             on conflict (stream, partition, customer_id) do update set \
             applied_offset = excluded.applied_offset, version = excluded.version, \
             state = excluded.state \
             where customer_state.applied_offset <= excluded.applied_offset",
            "update customer_state set applied_offset = 0 where stream = $1",
            &format!(
                "update partition_progress set saved_offset = 0, handed_over_offset = null, \
                 saved_at = coalesce(saved_at, {now}) where stream = $1"
            ),
        ]
    } else {
        [
            "update streams set past_records = 0 where stream = $1",
            "delete from customer_state where stream = $1",
            "update partition_progress set saved_offset = 0, saved_at = null where stream = $1",
            "update partition_progress set handed_over_offset = null where stream = $1",
        ]
    };
    let handed_over = "delete from handed_over where stream = $1";
    [free].into_iter().chain(statements).chain([handed_over]).map(str::to_owned).collect()
}
