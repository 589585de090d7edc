//! The outside systems, one room each; an outside crate is named in its room only.
//!
//! [`kafka`] (brokers, by rdkafka), [`registry`] (writer schemas by id, by
//! schema_registry_converter), [`database`] (stored customers in PostgreSQL or SQLite, by sqlx),
//! [`telemetry`] (metrics, log lines, spans).
//!
//! What never happens here: an edge decides nothing about the stream. It answers questions and
//! reports values; the caller knows what they mean for the process. No edge uses another.

pub mod kafka;

pub mod registry;

pub mod database;

pub mod telemetry;
