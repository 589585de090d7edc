//! Statements that both databases take as they are: $1 is the stream, $2 the partition.

use crate::limits::DISCARDED_AT_ONCE;

/// Nobody owns the partition.
pub(super) const RELEASE: &str =
    "update partition_progress set owner = null where stream = $1 and partition = $2";

/// Nothing counts as saved.
pub(super) const UNSAVE: &str = "update partition_progress set saved_offset = 0, saved_at = null \
                                 where stream = $1 and partition = $2";

/// No customer has any offset.
pub(super) const EMPTY: &str =
    "update partition_progress set highest_offset = 0 where stream = $1 and partition = $2";

/// Some customers go. A few at a time: a statement has a time limit, a partition has none.
pub(super) fn discard_some() -> String {
    format!(
        "delete from customer_state where stream = $1 and partition = $2 \
         and customer_id in (select customer_id from customer_state \
         where stream = $1 and partition = $2 limit {DISCARDED_AT_ONCE})"
    )
}

/// How many records the topics before had.
pub(super) const PAST_RECORDS: &str = "select past_records from streams where stream = $1";

/// A new topic begins, see [`begin_anew`]; `now` is the time in SQL. Partitions first: saves lock
/// them before customers.
///
/// [`begin_anew`]: super::SnapshotStore::begin_anew
pub(super) fn begin_anew(keeps: bool, now: &str) -> [String; 4] {
    let free = "update partition_progress \
                set highest_offset = 0, epoch = epoch + 1, owner = null where stream = $1";
    let [past, customers, saved] = if keeps {
        [
            "update streams set past_records = past_records + \
             (select cast(coalesce(sum(saved_offset), 0) as bigint) from partition_progress \
             where stream = $1) where stream = $1",
            "update customer_state set applied_offset = 0 where stream = $1",
            &format!(
                "update partition_progress set saved_offset = 0, \
                 saved_at = coalesce(saved_at, {now}) where stream = $1"
            ),
        ]
    } else {
        [
            "update streams set past_records = 0 where stream = $1",
            "delete from customer_state where stream = $1",
            "update partition_progress set saved_offset = 0, saved_at = null where stream = $1",
        ]
    };
    [free, past, customers, saved].map(str::to_owned)
}
