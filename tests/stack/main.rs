//! The service on real servers: the binary as a process, Kafka, a schema registry, and clients that
//! share no code with it.
//!
//! What only shows between processes is tested here: what is left after a `kill -9`, who has a
//! partition when, what a restarting broker or a registry that is away does to alerts. What must be
//! alerted is computed by `payments.py` in plain Python from the same seed, so lost state, lost
//! records and repeated alerts are counted, not guessed.
//!
//! Needs the servers that `.ci/setup servers` brings and a Python with `tests/requirements.txt`,
//! named by `SYNFINANCE_PYTHON`; `make test` provides both. `SYNFINANCE_KILLS=20` kills that many
//! times in each delivery mode instead of a few.

mod cluster;
mod gate;
mod oracle;
mod process;
mod servers;
mod service;
mod stage;

mod beginnings;
mod drill;
mod end_to_end;
mod kills;
mod labels;
mod members;
mod outages;
mod poison;
mod snapshots;
mod stores;
mod topics;
