//! Where snapshots are stored: PostgreSQL, or SQLite in a file. The only user of sqlx.
//!
//! A partition's snapshot is not of one moment. Saving a hundred thousand customers takes seconds,
//! and records keep coming meanwhile. So rows are written batch by batch, each with its *applied
//! offset*: the state contains the records before it. When every customer that had changed before
//! some offset is written, that offset becomes the partition's *saved offset*. A restore starts
//! reading there; a record before a row's applied offset is not applied to that row again
//! ([`SnapshotStore`]).
//!
//! A partition can have two owners for a moment: the group gave it to another worker, and the old
//! one, slow or cut off, does not know yet. Its late save would put old rows over newer ones. So an
//! owner *claims* the partition first, which raises its epoch. Every save names the epoch of its
//! claim, and the store refuses an older one ([`Problem::Fenced`]).
//!
//! Calls block until the answer comes. Make them in threads that may wait; a worker's thread never
//! makes one.

mod error;
mod postgres;
mod replica;
mod runtime;
mod sqlite;
mod statements;
mod store;
mod walk;

use std::path::PathBuf;

pub use error::{Problem, StoreError};
pub use postgres::Postgres;
pub use replica::Replica;
pub use sqlite::Sqlite;
pub use store::{
    Chunk, Claim, Holder, Progress, SavedCustomer, Scan, SnapshotStore, StoredCustomer,
};
pub use walk::{each_customer, each_handed_over};

/// The result of opening a store.
pub type Opened = Result<Box<dyn SnapshotStore>, StoreError>;

/// The stream that offsets belong to: what one consumer group reads of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The consumer group.
    pub group_id: String,
    /// The topic of transactions.
    pub topic: String,
}

/// Which database, and where.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A URL, `postgres://...`, which may contain a password.
    Postgres(String),
    /// A file's path.
    Sqlite(PathBuf),
}

impl std::fmt::Debug for Location {
    /// Prints [`Location::name`], because a URL may contain a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name())
    }
}

impl Location {
    /// Reads `postgres://user:password@host:5432/database` or `sqlite:FILE`; `None` for anything
    /// else.
    pub fn parse(url: &str) -> Option<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Some(Self::Postgres(url.to_owned()));
        }
        let file = url.strip_prefix("sqlite:")?;
        let file = file.strip_prefix("//").unwrap_or(file);
        (!file.is_empty()).then(|| Self::Sqlite(PathBuf::from(file)))
    }

    /// Its name in messages: without user, password and options.
    pub fn name(&self) -> String {
        match self {
            Self::Postgres(url) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let rest = rest.split('?').next().unwrap_or_default();
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                format!("postgres://{host}")
            }
            Self::Sqlite(file) => format!("sqlite:{}", file.display()),
        }
    }

    /// Opens it for a stream and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`] if it does not answer or cannot be used.
    pub fn open(&self, stream: &Stream) -> Opened {
        self.open_with(stream, None)
    }

    /// Like [`open`](Self::open), with a replica to read customers from. A SQLite file has none, so
    /// `replica` is ignored.
    ///
    /// # Errors
    /// The same as [`open`](Self::open); a replica that does not answer is no error.
    pub fn open_with(&self, stream: &Stream, replica: Option<&Replica>) -> Opened {
        Ok(match self {
            Self::Postgres(url) => Box::new(Postgres::open(url, &self.name(), stream, replica)?),
            Self::Sqlite(file) => Box::new(Sqlite::open(file, stream)?),
        })
    }

    /// This location as a replica to read customers from; `None` for a file.
    pub fn replica(&self) -> Option<Replica> {
        match self {
            Self::Postgres(url) => Some(Replica::new(url.clone(), self.name())),
            Self::Sqlite(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_urls() {
        let file = |path: &str| Some(Location::Sqlite(PathBuf::from(path)));
        for (url, location) in [
            ("sqlite:a/b.db", file("a/b.db")),
            ("sqlite:/a/b.db", file("/a/b.db")),
            ("sqlite:///a/b.db", file("/a/b.db")),
            ("sqlite://b.db", file("b.db")),
            ("sqlite:", None),
            ("mysql://h/d", None),
            ("b.db", None),
        ] {
            assert_eq!(Location::parse(url), location, "{url}");
        }
    }

    #[test]
    fn nothing_secret_is_said() {
        for url in [
            "postgres://svc:hunter2@db:5432/fraud",
            "postgresql://svc:hunt@er2@db:5432/fraud?password=hunter2",
        ] {
            let location = Location::parse(url).unwrap();
            assert_eq!(location.name(), "postgres://db:5432/fraud");
            assert_eq!(format!("{location:?}"), location.name());
        }
    }
}
