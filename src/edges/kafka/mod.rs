//! The edge to Kafka: the only user of rdkafka.
//!
//! librdkafka has its own threads, its own queues and callbacks that come whenever it is polled.
//! Let through, they would spread over the whole program: a partition taken away in the middle of a
//! batch, a delivery report on another thread, a queue that is full. Here they become values that
//! the one thread of a worker asks for when it is ready: a batch that has arrived, a rebalance that
//! waits for its answer ([`Consumer::rebalance`]), the sequence numbers of acknowledged records
//! ([`Producer::acknowledged`]). What librdkafka logs goes to tracing.
//!
//! Calls that may wait for others are made by threads of their own, which are left behind when a
//! call does not come back (`calls`).
//!
//! What can be retried is retried inside; an [`Error`] means that this client cannot go on.

mod admin;
mod calls;
mod connection;
mod consumer;
mod copier;
mod error;
mod events;
mod headers;
mod history;
mod log;
mod mock;
mod positions;
mod producer;
mod raw_headers;
mod reader;
mod record;
mod roles;
mod transaction;

pub use admin::{NewTopics, delete, ensure_topics, partitions_of};
pub use calls::calls_left_behind;
pub use connection::Connection;
pub use consumer::{Assignment, Consumer, Rebalance};
pub use copier::{Copier, Destination};
pub use error::Error;
pub use events::Commits;
pub use headers::Headers;
pub use history::{Beginning, committed_offsets, look_back};
pub use mock::MockCluster;
pub use producer::{Outgoing, Oversized, Producer};
pub use raw_headers::RawHeader;
pub use reader::{Reader, Start};
pub use record::Record;
pub use roles::{Role, broker_ids, broker_with};
pub use transaction::Setback;
