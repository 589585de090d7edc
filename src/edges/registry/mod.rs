//! Schemas by id: from a schema registry, or from files if there is none.
//!
//! A record names the schema that it was written with, and cannot be read without it. Asking the
//! registry when such a record comes would stop a worker, all of its partitions and its membership
//! in the group for as long as the registry is slow or away; giving up the record would lose it. So
//! [`Schemas::lookup`] never waits: an unknown schema is *pending* while one background thread asks
//! again and again, with growing pauses, and the worker goes on with other partitions. Only the
//! registry's own word that there is no such schema makes a record unreadable. Any other failure is
//! trouble with the registry ([`Schemas::trouble`]), and is waited out.

mod address;
mod background;
mod board;
mod client;
mod error;
mod fixed;
mod recent;
mod references;
mod remote;
mod wording;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::base::config;
use crate::core::codec::Framing;
use client::Client;
pub use error::Error;
use fixed::Fixed;
use remote::Registry;

/// The result of a look-up.
pub use crate::core::codec::SchemaAnswer as Lookup;

/// How often things are asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// About how long the first retry waits.
    pub first_retry: Duration,
    /// The longest wait before a retry.
    pub longest_retry: Duration,
    /// For how long the registry's word that there is no such schema is believed.
    pub unknown_for: Duration,
    /// Time between probes of a registry that answered last time.
    pub probe: Duration,
    /// Time between probes of a registry that did not, or was never asked.
    pub probe_in_trouble: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_millis(100),
            longest_retry: Duration::from_secs(5),
            unknown_for: Duration::from_secs(30),
            probe: Duration::from_secs(30),
            probe_in_trouble: Duration::from_secs(10),
        }
    }
}

/// Whether the registry answers, and whether this process needs it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The settings name no registry.
    Unused,
    /// It answered last time.
    Answers,
    /// It did not answer last time, but nobody waits for it; with the reason.
    Silent(String),
    /// It did not answer last time, and somebody needs it to go on; with the reason.
    Missed(String),
}

/// Called with the registry's [`Standing`], in the thread that notices a change. It must not block.
pub type Tell = Arc<dyn Fn(Standing) + Send + Sync>;

/// Schemas by id. Cheap to clone: clones share the known schemas and one background thread, which
/// ends with the last clone.
#[derive(Clone)]
pub struct Schemas(Arc<Source>);

enum Source {
    Fixed(Fixed),
    Registry(Registry),
}

impl Schemas {
    /// Starts with the registry of the settings, which need not answer yet, or reads the files of
    /// the static table. `tell` is called whenever the registry's standing may have changed.
    pub fn start(settings: &config::SchemaRegistry, tell: Tell) -> Result<Self, Error> {
        Self::start_with(settings, tell, Pace::default())
    }

    /// Like [`Self::start`], at another pace.
    pub fn start_with(
        settings: &config::SchemaRegistry,
        tell: Tell,
        pace: Pace,
    ) -> Result<Self, Error> {
        let source = match &settings.url {
            Some(url) => {
                let client = Client::new(url, settings)?;
                Source::Registry(Registry::start(client, settings, tell, pace)?)
            }
            None => {
                tell(Standing::Unused);
                Source::Fixed(Fixed::read(&settings.fixed)?)
            }
        };
        Ok(Self(Arc::new(source)))
    }

    /// Checks the settings without asking a server: the address is valid, or the table's files are
    /// schemas.
    ///
    /// # Errors
    /// The same as [`Self::start`].
    pub fn check(settings: &config::SchemaRegistry) -> Result<(), Error> {
        match &settings.url {
            Some(url) => Client::new(url, settings).map(drop),
            None => Fixed::read(&settings.fixed).map(drop),
        }
    }

    /// What is known of an id, at once. The first look-up of an id starts a fetch in the
    /// background, which goes on until the registry answers; meanwhile the id is pending. That
    /// there is no such schema is believed for [`Pace::unknown_for`]; then the registry is asked
    /// again.
    pub fn lookup(&self, id: u32) -> Lookup {
        match &*self.0 {
            Source::Fixed(fixed) => fixed.lookup(id),
            Source::Registry(registry) => registry.lookup(id),
        }
    }

    /// Why the registry does not answer and since when; `None` if it answered last time, was not
    /// asked yet, or there is none.
    pub fn trouble(&self) -> Option<String> {
        match &*self.0 {
            Source::Fixed(_) => None,
            Source::Registry(registry) => registry.trouble(),
        }
    }

    /// The header of the alerts on `alerts_topic`. With a registry it contains the id of their
    /// schema under the subject `{alerts_topic}-value`, where the schema is registered if
    /// `schema_registry.auto_register` allows it. The call waits while the registry is away and
    /// returns `None` once `stop` is set. Without a registry it contains the static table's id of
    /// their schema, or else the schema's fingerprint.
    ///
    /// [`Error::Refused`] and [`Error::NotRegistered`] say what to change in the registry.
    pub fn alert_framing(
        &self,
        alerts_topic: &str,
        stop: &AtomicBool,
    ) -> Result<Option<Framing>, Error> {
        match &*self.0 {
            Source::Fixed(fixed) => Ok(Some(fixed.alert_framing)),
            Source::Registry(registry) => {
                let id = registry.alert_schema(&subject_of(alerts_topic), stop)?;
                Ok(id.map(Framing::Confluent))
            }
        }
    }

    /// Registers a schema under a subject; returns its id, the existing one if it was registered
    /// before. Makes one attempt within the configured time-out.
    pub fn register(&self, subject: &str, schema_json: &str) -> Result<u32, Error> {
        let Source::Registry(registry) = &*self.0 else { return Err(Error::NoRegistry) };
        registry.register(subject, schema_json)
    }
}

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &*self.0 {
            Source::Fixed(_) => "the static table",
            Source::Registry(registry) => &registry.shown,
        };
        f.debug_tuple("Schemas").field(&source).finish()
    }
}

/// The subject of a topic's values, named as Confluent's serializers do.
pub fn subject_of(topic: &str) -> String {
    format!("{topic}-value")
}
