//! Requests to a process over HTTP.
//!
//! [`http`] (the server, probes, health and metrics; the only user of axum).
//!
//! What never happens here: a request never makes a worker wait. Handlers read boards and counters
//! that nobody locks for long, so they answer even when all workers are busy or stuck.

pub mod http;
