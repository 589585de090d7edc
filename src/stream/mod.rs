//! A partition's life: taken over, restored, scored, saved, handed over.
//!
//! Rooms in reading order: [`worker`] (one thread, one consumer, its partitions), [`snapshots`]
//! (when customers are saved and the thread that takes them to the database), [`labels`] (analysts'
//! verdicts, from their topic to every worker), [`dead_letters`] (records that could not be scored:
//! listed, shown, replayed), [`health`] (what the parts of a process say of themselves).
//!
//! What never happens here: an offset is never committed before everything that follows from the
//! records before it is acknowledged. Nothing of a partition that was lost is ever committed or
//! saved. Workers share nothing. The scoring loop waits for no database.

pub mod worker;

pub mod snapshots;

pub mod labels;

pub mod dead_letters;

pub mod health;
