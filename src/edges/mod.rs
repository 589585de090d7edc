//! The outside systems, one room each; each outside crate is named in its room alone.
//!
//! [`kafka`] (brokers, by rdkafka), [`registry`] (writer schemas by id, by
//! schema_registry_converter), [`database`] (stored customers in PostgreSQL or SQLite, by sqlx),
//! [`telemetry`] (metrics, log lines, spans).
//!
//! What never happens here: an edge decides nothing about the stream. It answers what it is asked
//! and reports values; who uses it says what they mean for the process. No edge uses another.

pub mod kafka;

pub mod registry;

pub mod database;

pub mod telemetry;
