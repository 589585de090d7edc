//! The lines of the file.

use std::io::Write;

use serde::{Deserialize, Serialize};

/// The format's name in the first line.
pub(super) const FORMAT: &str = "synfinance-snapshots-2";

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum Line {
    /// The first line.
    Snapshots {
        /// [`FORMAT`].
        format: String,
        /// The group whose offsets these are.
        group_id: String,
        /// The topic.
        topic: String,
    },
    /// A partition, before its customers.
    Partition {
        /// Its number.
        partition: i32,
        /// As in [`Claim`](crate::edges::database::Claim).
        saved_offset: Option<i64>,
    },
    /// A customer of the last partition named.
    Customer {
        /// As in the transactions.
        customer_id: String,
        /// Records before this offset are in the state.
        applied_offset: i64,
        /// When the customer was erased, in milliseconds since the epoch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        erased_at_ms: Option<i64>,
        /// Base64 of the state's bytes.
        state: String,
    },
    /// The end of a partition, after its customers.
    PartitionEnd {
        /// Its number.
        partition: i32,
        /// Its customers.
        customers: u64,
    },
    /// The last line.
    End {
        /// Partitions in the file.
        partitions: usize,
        /// Customers in all of them.
        customers: u64,
    },
}

/// Writes a line.
pub(super) fn write_line(out: &mut dyn Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
