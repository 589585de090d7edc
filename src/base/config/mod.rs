//! Configuration: raw layers → checked values → [`Settings`].
//!
//! Values come from the compiled-in defaults, the environment's file, files named on the command
//! line, and variables; later ones win (`layers`). One table says what each key allows (`keys`).
//! Everything that does not fit is reported at once, with the key, where it came from and what is
//! allowed (`check`). The rest of the program sees [`Settings`] and need not check anything again.
//!
//! A new setting takes four places: `config/default.yaml` and `keys` (the key), `settings` (the
//! field), `read` (from one to the other).
//!
//! Secrets: a value that may hold one is a [`Secret`] in the settings, no message repeats it, and
//! [`Loaded::to_yaml`] and [`Loaded::to_json`] show it as `***`.

mod check;
mod fill;
mod keys;
mod layers;
mod read;
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

/// Reads all layers, weakest first: compiled-in defaults; `config/default.yaml` in the working
/// directory; `config/{environment}.yaml` there, or else its compiled-in copy; `files` in their
/// order; variables.
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
    /// Every key with its effective value and where that came from, as YAML. Secrets are hidden.
    pub fn to_yaml(&self) -> String {
        show::yaml(&self.entries)
    }

    /// `{"values": {section: {key: value}}, "sources": {"section.key": where}}`. Secrets are
    /// hidden.
    pub fn to_json(&self) -> serde_json::Value {
        show::json(&self.entries)
    }
}

/// A key with a value that is not allowed, or an unknown key.
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

/// Why there is no valid configuration. The user has to change it; trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A configuration file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The path, as it was named.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not YAML.
    #[error("{origin} is not valid YAML: {message}")]
    Syntax {
        /// The file.
        origin: String,
        /// The parser's message, with line and column.
        message: String,
    },
    /// A line of `.env` is not an assignment.
    #[error(".env line {line} is not NAME=value")]
    Dotenv {
        /// Counted from 1.
        line: usize,
    },
    /// `SYNFINANCE_ENV` does not name an environment.
    #[error("SYNFINANCE_ENV is {name:?}, allowed are development, staging and production")]
    UnknownEnvironment {
        /// What it is set to.
        name: String,
    },
    /// The layers cannot be merged.
    #[error("cannot merge the configuration: {0}")]
    Merge(String),
    /// Keys are unknown, of the wrong kind or out of range; all of them are listed.
    #[error("the configuration is not valid{}", lines(.0))]
    Invalid(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

#[cfg(test)]
mod tests;
