//! Where snapshots are kept: PostgreSQL, or SQLite in a file. The only user of sqlx.
//!
//! A snapshot of a partition is not one moment in time. Saving a hundred thousand customers takes
//! seconds in which records go on coming, so rows are written one batch after the other, each with
//! the offset up to which *it* has applied the partition. When all that had changed before some
//! offset is written, that offset becomes the partition's *saved offset*. Whoever restores begins
//! to read there, and a row that is ahead says so: a record before its applied offset is not
//! applied to it again ([`SnapshotStore`]).
//!
//! A partition can have two owners for a moment: the group has given it to somebody else, and the
//! old one, slow or cut off, does not know yet. Its late save would put old rows over newer ones.
//! So a partition is *claimed* first, which raises its epoch, and every save names the epoch that
//! it was claimed with; an older one is refused ([`Problem::Fenced`]).
//!
//! Calls wait for their answer and belong into threads that may: a worker's never makes them.

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

/// What opening a store comes to.
pub type Opened = Result<Box<dyn SnapshotStore>, StoreError>;

/// Which records offsets are of: what one group reads of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The consumer group.
    pub group_id: String,
    /// The topic of transactions.
    pub topic: String,
}

/// Which database.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A URL, `postgres://...`, password and all.
    Postgres(String),
    /// A file.
    Sqlite(PathBuf),
}

impl std::fmt::Debug for Location {
    /// As [`Location::name`], because a URL has a password in it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name())
    }
}

impl Location {
    /// `postgres://user:password@host:5432/database` or `sqlite:FILE`; `None` for anything else.
    pub fn parse(url: &str) -> Option<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Some(Self::Postgres(url.to_owned()));
        }
        let file = url.strip_prefix("sqlite:")?;
        let file = file.strip_prefix("//").unwrap_or(file);
        (!file.is_empty()).then(|| Self::Sqlite(PathBuf::from(file)))
    }

    /// How it is called in messages: without user, password and options.
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

    /// Opens it for a stream, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`] if it does not answer, or is not to be worked with.
    pub fn open(&self, stream: &Stream) -> Opened {
        self.open_with(stream, None)
    }

    /// As [`open`](Self::open), with a copy of it to read customers from. A file has none.
    ///
    /// # Errors
    /// As for [`open`](Self::open); a copy that does not answer is no error.
    pub fn open_with(&self, stream: &Stream, replica: Option<&Replica>) -> Opened {
        Ok(match self {
            Self::Postgres(url) => Box::new(Postgres::open(url, &self.name(), stream, replica)?),
            Self::Sqlite(file) => Box::new(Sqlite::open(file, stream)?),
        })
    }

    /// A copy of it to read customers from; `None` for a file.
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
