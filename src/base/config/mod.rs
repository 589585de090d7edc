//! Configuration: raw layers → checked values → [`Settings`].
//!
//! Values come from a compiled-in file, files of the environment, files named on the command line
//! and variables, the later ones winning (`layers`). One table says what each key allows
//! (`keys`); what does not fit is reported at once, with the key, the place it came from and what
//! is allowed (`check`). The rest of the program sees [`Settings`], in which nothing needs
//! checking again.
//!
//! Secrets: a value that may hold one is a [`Secret`] in the settings, is left out of every
//! message, and shows as `***` in [`Loaded::to_yaml`] and [`Loaded::to_json`].

mod check;
mod fill;
mod keys;
mod layers;
mod secret;
mod settings;
mod show;
mod units;

use std::fmt;
use std::path::PathBuf;

pub use layers::Environment;
pub use secret::{HIDDEN, Secret, mask_url};
pub use settings::{
    Assignment, Auth, Decision, Delivery, Features, Http, LogFormat, Models, Rotation, SavePoint,
    SchemaRegistry, Settings, State, Stream, Telemetry, Topics,
};
pub use units::{format_duration, format_size, parse_duration, parse_size};

/// The origin of a default.
const COMPILED_IN: &str = "config/default.yaml (compiled in)";

/// A configuration that was read and found valid.
pub struct Loaded {
    /// What the program works with.
    pub settings: Settings,
    entries: Vec<check::Entry>,
}

/// Reads all layers, weakest first: compiled-in defaults, `config/default.yaml` and
/// `config/{environment}.yaml` of the working directory, `files` in their order, variables.
pub fn load(environment: Environment, files: &[PathBuf]) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let root = layers::merged(environment, files, &mut problems)?;
    let entries = check::check(&root, &mut problems);
    if !problems.is_empty() {
        return Err(ConfigError::Invalid(problems));
    }
    match Settings::new(&entries) {
        Ok(settings) => Ok(Loaded { settings, entries }),
        Err(problem) => Err(ConfigError::Invalid(vec![problem])),
    }
}

impl Loaded {
    /// Every key with its effective value and where that came from, as YAML; secrets hidden.
    pub fn to_yaml(&self) -> String {
        show::yaml(&self.entries)
    }

    /// `{"values": {section: {key: value}}, "sources": {"section.key": where}}`; secrets hidden.
    pub fn to_json(&self) -> serde_json::Value {
        show::json(&self.entries)
    }
}

/// One key that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, sections and name joined by dots.
    pub path: String,
    /// What is wrong and what is allowed, to be read after the key.
    pub what: String,
    /// The file or variable it came from.
    pub origin: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.path, self.what, self.origin)
    }
}

/// Why there is no configuration to work with. The user mends it; trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file named on the command line, or one that is there, cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// As it was named.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no YAML.
    #[error("{origin} is not valid YAML: {message}")]
    Syntax {
        /// The file.
        origin: String,
        /// What the parser says, with line and column.
        message: String,
    },
    /// A line of `.env` is no assignment.
    #[error(".env line {line} is not NAME=value")]
    Dotenv {
        /// Counted from 1.
        line: usize,
    },
    /// `SYNFINANCE_ENV` names no environment.
    #[error("SYNFINANCE_ENV is {name:?}, allowed are development, staging and production")]
    UnknownEnvironment {
        /// What it is set to.
        name: String,
    },
    /// Layers cannot be merged.
    #[error("cannot merge the configuration: {0}")]
    Merge(String),
    /// Keys are unknown, of the wrong type or out of range: all of them.
    #[error("the configuration is not valid{}", lines(.0))]
    Invalid(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

#[cfg(test)]
mod tests;
