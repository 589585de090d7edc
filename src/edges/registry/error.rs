//! Why schemas cannot be had or registered.

use std::path::PathBuf;

use crate::core::codec::SchemaError;

/// Why schemas cannot be had, or one cannot be registered. Neither text nor `Debug` of any variant
/// contains a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not valid. It is not repeated, as it may contain a password.
    #[error("schema_registry.url {what}")]
    Address {
        /// What is wrong, to be read after the key.
        what: &'static str,
    },
    /// A file of the static table cannot be read.
    #[error("schema_registry.static.{id}: cannot read the file {}", file.display())]
    Read {
        /// The id that it is configured for.
        id: u32,
        /// The path, as configured.
        file: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file of the static table is not an Avro schema.
    #[error("schema_registry.static.{id}: the file {} is no schema", file.display())]
    Schema {
        /// The id that it is configured for.
        id: u32,
        /// The path, as configured.
        file: PathBuf,
        /// What is wrong with it.
        source: SchemaError,
    },
    /// A registry is needed, but the settings name none.
    #[error("schema_registry.url is not set, there is no registry to register with")]
    NoRegistry,
    /// The registry's client or its thread cannot be started.
    #[error("cannot start asking the schema registry {registry}: {why}")]
    Start {
        /// Its address, without user and password.
        registry: String,
        /// What went wrong.
        why: String,
    },
    /// One attempt was made, and the registry did not answer, or not usefully.
    #[error("the schema registry {registry} does not answer: {why}")]
    Away {
        /// Its address, without user and password.
        registry: String,
        /// What happened instead.
        why: String,
    },
    /// The registry does not accept a schema.
    #[error(
        "the schema registry {registry} refuses the schema for subject {subject}: {why}; register \
         it under another subject, or change what that subject is compatible with"
    )]
    Refused {
        /// Its address, without user and password.
        registry: String,
        /// The subject that it was to be registered under.
        subject: String,
        /// The registry's reason.
        why: String,
    },
    /// The registry does not have the alerts' schema, and it may not be registered.
    #[error(
        "the schema registry {registry} does not have the alerts' schema under subject {subject}: \
         {why}; register it with `synfinance schemas register` or set \
         schema_registry.auto_register to true"
    )]
    NotRegistered {
        /// Its address, without user and password.
        registry: String,
        /// The subject that it was looked for under.
        subject: String,
        /// The registry's reason.
        why: String,
    },
}

impl Error {
    /// Whether the user has to change the configuration, rather than the outside world.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Address { .. } | Self::Read { .. } | Self::Schema { .. } | Self::NoRegistry
        )
    }
}
