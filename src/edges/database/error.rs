//! How a store can fail, and what the caller must do then.

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

use super::Holder;

/// What the caller must do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Try again later: the database is away, busy or full.
    Unavailable,
    /// Stop this partition and write nothing more for it: somebody else owns it.
    Fenced,
    /// Give up: trying again does not help, an operator has to act.
    Refused,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database reports an error.
    #[error("cannot {action} at {database}{}", advice(source))]
    Database {
        /// What was attempted.
        action: &'static str,
        /// Which database, without its password.
        database: String,
        /// The reported error.
        source: Box<sqlx::Error>,
    },
    /// The database does not answer.
    #[error("cannot {action} at {database}: no answer within {seconds} s")]
    Silent {
        /// What was attempted.
        action: &'static str,
        /// Which database, without its password.
        database: String,
        /// How long the answer was waited for.
        seconds: u64,
    },
    /// The database's tables are not those of this release.
    #[error(
        "tables of {database} cannot be brought up to date; a newer release may have written them, \
         then use that one"
    )]
    Migration {
        /// Which database, without its password.
        database: String,
        /// What is wrong.
        source: Box<MigrateError>,
    },
    /// The URL does not name a database.
    #[error("{database} is no address of a database, check state.database_url")]
    Address {
        /// Which database, without its password.
        database: String,
        /// What is wrong.
        source: Box<sqlx::Error>,
    },
    /// The claim is not the newest one.
    #[error("partition {} was claimed by somebody else, epoch {} is over", .0.partition, .0.epoch)]
    Fenced(Holder),
}

impl StoreError {
    /// The error for a failed migration. If the database could not run it, that says nothing about
    /// its tables.
    pub(super) fn of_migration(database: &str, error: MigrateError) -> Self {
        let database = database.to_owned();
        match error {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                let action = "bring tables up to date";
                Self::Database { action, database, source: Box::new(source) }
            }
            error => Self::Migration { database, source: Box::new(error) },
        }
    }

    /// What the caller must do about it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Fenced(_) => Problem::Fenced,
            Self::Silent { .. } => Problem::Unavailable,
            Self::Address { .. } => Problem::Refused,
            Self::Database { source, .. } => weigh(source),
            Self::Migration { .. } => Problem::Refused,
        }
    }
}

fn weigh(error: &sqlx::Error) -> Problem {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Problem::Unavailable,
        sqlx::Error::Database(said) if is_passing(&**said) => Problem::Unavailable,
        _ => Problem::Refused,
    }
}

/// Whether a database's error goes away by itself, or after an operator acts on the database.
fn is_passing(said: &dyn DatabaseError) -> bool {
    let code = said.code().unwrap_or_default();
    match code.parse::<i64>() {
        // SQLite: busy, locked, out of memory, read only, I/O, full, cannot open. The low byte is
        // the kind, the other bits the detail. SQLite's codes have fewer than five digits,
        // PostgreSQL's have five.
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5..=8 | 10 | 13 | 14),
        // PostgreSQL, by class: connection, rollback, resources, operator, system, internal error.
        _ => {
            ["08", "25006", "40", "53", "55", "57", "58", "XX"].iter().any(|c| code.starts_with(c))
        }
    }
}

fn advice(source: &sqlx::Error) -> &'static str {
    let sqlx::Error::Database(said) = source else { return "" };
    match said.code().as_deref() {
        Some("13") => ", its disk is full: make room, saving goes on by itself",
        Some("8" | "1032" | "1544" | "14") => {
            ", check that its directory exists and can be written"
        }
        Some("28P01" | "28000") => ", check user and password in state.database_url",
        Some("3D000") => ", create the database",
        Some("42501") => ", its user may not: tables are created on start",
        _ => "",
    }
}
