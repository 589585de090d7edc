//! What every other wing stands on: time, errors as people read them, waiting, bounds, settings.
//!
//! Rooms in reading order: [`limits`] (every bound that is not a setting), [`clock`] (the only
//! reader of the time), [`error`] (an error with its causes in one line), [`retry`] (how long to
//! wait before the next try; the only user of backoff), [`config`] (settings: raw, then validated).
//!
//! What never happens here: nothing uses another wing. A bound is a plain number; how it relates to
//! a type is asserted where the type lives.

pub mod limits;

pub mod clock;

pub mod error;

pub mod retry;

pub mod config;
