//! What every other wing stands on: bounds, time, error texts, retries, settings.
//!
//! Rooms in reading order: [`limits`] (every bound that is not a setting), [`clock`] (the only
//! reader of the time), [`error`] (an error with its causes on one line), [`retry`] (how long to
//! wait before the next try; the only user of backoff), [`config`] (settings: raw, then validated).
//!
//! What never happens here: nothing uses another wing. A bound is a plain number; the type that it
//! protects asserts the relation between the two.

pub mod limits;

pub mod clock;

pub mod error;

pub mod retry;

pub mod config;
