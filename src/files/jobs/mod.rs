//! What the commands ask for: a file scored, a training table, verdicts, rows one by one.
//!
//! In reading order: `job` is what all runs over a file share, `shards` divides customers among
//! engines that work side by side ([`Scorer`] is what they need of one), [`score()`] and
//! [`features()`] put results together, `reasons` is one of their columns, `order` notices times
//! that go backwards, [`Summary`] adds up.
//! `records` and `labels` read without scoring, [`TransactionWriter`] writes what was generated.
//!
//! What never happens here: results never depend on the number of shards. Rows are never lost:
//! rows = scored + rejected. No clock: the caller brings its own.

mod features;
mod job;
mod labels;
mod order;
mod reasons;
mod records;
mod score;
mod scorer;
mod shards;
mod summary;
mod transactions;

pub use features::{DEFAULT_LABEL_DELAY_MS, Table, features};
pub use job::Job;
pub use labels::read_labels;
pub use records::{Cell, EachTransaction, Record, Shape, read_records, read_transactions};
pub use score::score;
pub use scorer::{Scorer, Shard};
pub use summary::{Summary, SummaryJson};
pub use transactions::TransactionWriter;
