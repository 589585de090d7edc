//! Schemas by id: from a schema registry, or from files where there is none.
//!
//! A record names the schema it was written with, and cannot be read before that is there. Asking
//! the registry when such a record comes would stop a worker, all its partitions and its membership
//! in the group, for as long as the registry is slow or away; giving the record up would lose it.
//! So [`Schemas::lookup`] never waits: what is not known yet is *pending* while one background
//! thread asks, again and again with growing pauses, and the worker goes on with other partitions.
//! Only the registry's own word that there is no such schema makes a record unreadable; whatever
//! else comes back is the registry's trouble ([`Schemas::trouble`]), and waited out.

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

/// What a look-up says.
pub use crate::core::codec::SchemaAnswer as Lookup;

/// How often what is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Around how long the first retry waits.
    pub first_retry: Duration,
    /// The longest wait before a retry.
    pub longest_retry: Duration,
    /// How long the registry's word that there is no such schema is believed.
    pub unknown_for: Duration,
    /// Time between looks at a registry that answered last time.
    pub probe: Duration,
    /// Time between looks at one that did not.
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

/// How the registry stands with the process that asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The settings name no registry.
    Unused,
    /// It answered last time.
    Answers,
    /// It did not answer last time, and nobody waits for it; with the reason.
    Silent(String),
    /// It did not answer last time, and somebody cannot go on without it; with the reason.
    Missed(String),
}

/// Is told how the registry stands, from the threads that notice. It must not wait.
pub type Tell = Arc<dyn Fn(Standing) + Send + Sync>;

/// Schemas by id. Cheap to clone: clones share one memory and one background thread, which ends
/// with the last of them.
#[derive(Clone)]
pub struct Schemas(Arc<Source>);

enum Source {
    Fixed(Fixed),
    Registry(Registry),
}

impl Schemas {
    /// Schemas as the settings say: of the registry, which need not be there yet, or of the static
    /// table's files, which are read now. `tell` is told how the registry stands, whenever
    /// that may have changed.
    pub fn start(settings: &config::SchemaRegistry, tell: Tell) -> Result<Self, Error> {
        Self::start_with(settings, tell, Pace::default())
    }

    /// [`Self::start`] at another pace.
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

    /// Whether there could be an answer: the address is one, the table's files are schemas. Asks no
    /// server.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn check(settings: &config::SchemaRegistry) -> Result<(), Error> {
        match &settings.url {
            Some(url) => Client::new(url, settings).map(drop),
            None => Fixed::read(&settings.fixed).map(drop),
        }
    }

    /// What is known of an id, at once. The first question for an id has it fetched in the
    /// background, for as long as it takes; until then it is pending. That there is no such schema
    /// is believed for [`Pace::unknown_for`] and then asked again.
    pub fn lookup(&self, id: u32) -> Lookup {
        match &*self.0 {
            Source::Fixed(fixed) => fixed.lookup(id),
            Source::Registry(registry) => registry.lookup(id),
        }
    }

    /// Why the registry does not answer and since when; `None` while it does, before the first
    /// question, and where there is none.
    pub fn trouble(&self) -> Option<String> {
        match &*self.0 {
            Source::Fixed(_) => None,
            Source::Registry(registry) => registry.trouble(),
        }
    }

    /// What stands before the alerts on `alerts_topic`. With a registry it is the id of their
    /// schema under `{alerts_topic}-value`, registered there if `schema_registry.auto_register`
    /// allows it; waits while the registry is away, and gives `None` once `stop` is set. Without a
    /// registry it is the static table's id of their schema, else its fingerprint.
    ///
    /// [`Error::Refused`] and [`Error::NotRegistered`] say what has to be done in the registry.
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

    /// Registers a schema under a subject; its id, the old one if it was there. One try within
    /// the time-out of the settings.
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

/// The subject of a topic's values, as Confluent's serializers name it.
pub fn subject_of(topic: &str) -> String {
    format!("{topic}-value")
}
