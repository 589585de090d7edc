//! Why there are no schemas to work with.

use std::path::PathBuf;

use crate::core::codec::SchemaError;

/// Why schemas cannot be had or a schema cannot be registered. No variant's text or `Debug` has a
/// password in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be used. It is not repeated, for it may hold a password.
    #[error("schema_registry.url {what}")]
    Address {
        /// What is wrong, to be read after the key.
        what: &'static str,
    },
    /// A file of the static table cannot be read.
    #[error("schema_registry.static.{id}: cannot read the file {}", file.display())]
    Read {
        /// The id it stands under.
        id: u32,
        /// As configured.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the static table holds no schema.
    #[error("schema_registry.static.{id}: the file {} is no schema", file.display())]
    Schema {
        /// The id it stands under.
        id: u32,
        /// As configured.
        file: PathBuf,
        /// Why.
        source: SchemaError,
    },
    /// There is a static table, or nothing, where a registry is needed.
    #[error("schema_registry.url is not set, there is no registry to register with")]
    NoRegistry,
    /// The client or the thread that asks the registry cannot be made.
    #[error("cannot start asking the schema registry {registry}: {why}")]
    Start {
        /// Its address, without user and password.
        registry: String,
        /// What the system says.
        why: String,
    },
    /// One try was made, and there was no answer or none that helps.
    #[error("the schema registry {registry} does not answer: {why}")]
    Away {
        /// Its address, without user and password.
        registry: String,
        /// What happened instead.
        why: String,
    },
    /// The registry does not take a schema.
    #[error(
        "the schema registry {registry} refuses the schema for subject {subject}: {why}; register \
         it under another subject, or change what that subject is compatible with"
    )]
    Refused {
        /// Its address, without user and password.
        registry: String,
        /// What it was to be registered under.
        subject: String,
        /// What the registry says.
        why: String,
    },
    /// The alerts' schema is not there, and is not to be registered.
    #[error(
        "the schema registry {registry} does not have the alerts' schema under subject {subject}: \
         {why}; register it with `synfinance schemas register` or set \
         schema_registry.auto_register to true"
    )]
    NotRegistered {
        /// Its address, without user and password.
        registry: String,
        /// Where it was looked for.
        subject: String,
        /// What the registry says.
        why: String,
    },
}

impl Error {
    /// Whether the configuration is wrong, rather than the world.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Address { .. } | Self::Read { .. } | Self::Schema { .. } | Self::NoRegistry
        )
    }
}
