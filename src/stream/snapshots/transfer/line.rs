//! A line of the file.

use std::io::Write;

use serde::{Deserialize, Serialize};

/// What this format is called in its first line.
pub(super) const FORMAT: &str = "synfinance-snapshots-2";

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum Line {
    /// The first one.
    Snapshots {
        /// [`FORMAT`].
        format: String,
        /// Whose offsets these are.
        group_id: String,
        /// Of which topic.
        topic: String,
    },
    /// Before its customers.
    Partition {
        /// Its number.
        partition: i32,
        /// As in [`Claim`](crate::edges::database::Claim).
        saved_offset: Option<i64>,
    },
    /// Of the partition that was named last.
    Customer {
        /// As in the transactions.
        customer_id: String,
        /// Records before this offset are in the state.
        applied_offset: i64,
        /// When what was known before was erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        erased_at_ms: Option<i64>,
        /// Base64 of the state's bytes.
        state: String,
    },
    /// After its customers.
    PartitionEnd {
        /// Its number.
        partition: i32,
        /// How many there are.
        customers: u64,
    },
    /// The last one.
    End {
        /// How many there are.
        partitions: usize,
        /// How many there are in all of them.
        customers: u64,
    },
}

/// Writes one.
pub(super) fn write_line(out: &mut dyn Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
