//! Where values come from: compiled-in defaults, files, the environment. Each value knows its
//! origin.
//!
//! Each layer is checked against the table of keys before the layers are merged. So an unknown key
//! is reported with its file, and an empty section (everything in it commented out) cannot wipe out
//! the defaults below it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ::config::{
    Config, ConfigError as CrateError, FileFormat, Format, Map, Source, Value, ValueKind,
};

use super::check::parse_fragment;
use super::fill::{fill, parse_dotenv};
use super::keys::{Key, Kind, is_section, nearest};
use super::{COMPILED_IN, ConfigError, Problem};

const DEFAULT: &str = include_str!("../../../config/default.yaml");

/// The environments with their compiled-in files.
const ENVIRONMENTS: [(&str, &str); 3] = [
    ("development", include_str!("../../../config/development.yaml")),
    ("staging", include_str!("../../../config/staging.yaml")),
    ("production", include_str!("../../../config/production.yaml")),
];

/// The prefix of variables that set a key.
const PREFIX: &str = "SYNFINANCE__";

/// The process's surroundings: its variables and its working directory. They are passed as a value,
/// so that nothing else reads the real ones.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    directory: PathBuf,
    from_dotenv: Vec<String>,
}

impl Environment {
    /// The real surroundings of this process.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::new(variables, ".")
    }

    /// Surroundings with these variables and this working directory.
    pub fn new(
        variables: impl IntoIterator<Item = (String, String)>,
        directory: impl Into<PathBuf>,
    ) -> Self {
        let variables = variables.into_iter().collect();
        Self { variables, directory: directory.into(), from_dotenv: Vec::new() }
    }

    /// Sets a variable, replacing one of the process.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// The text of a file, relative to the working directory; `None` if there is no such file.
    fn read(&self, path: &Path) -> Result<Option<String>, ConfigError> {
        match std::fs::read_to_string(self.directory.join(path)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
        }
    }

    /// Adds the variables of `.env` that the process does not have.
    fn read_dotenv(&mut self) -> Result<(), ConfigError> {
        let Some(text) = self.read(Path::new(".env"))? else { return Ok(()) };
        let variables = parse_dotenv(&text).map_err(|line| ConfigError::Dotenv { line })?;
        for (name, value) in variables {
            if !self.variables.contains_key(&name) {
                self.from_dotenv.push(name.clone());
                self.variables.insert(name, value);
            }
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    fn origin_of(&self, name: &str) -> String {
        let from_file = self.from_dotenv.iter().any(|known| known == name);
        format!("{} {name}", if from_file { ".env" } else { "environment" })
    }
}

/// Reads all layers and merges them. Unknown keys and variables that cannot be filled in are added
/// to `problems`; the error is a file that cannot be read or is not YAML.
pub(super) fn merged(
    mut environment: Environment,
    files: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Result<Value, ConfigError> {
    environment.read_dotenv()?;
    let mut builder = Config::builder();
    for (origin, text) in texts(&environment, files)? {
        let mut layer = Layer { environment: &environment, problems };
        builder = builder.add_source(Table(layer.of_text(&origin, &text)?));
    }
    let mut layer = Layer { environment: &environment, problems };
    let merged = builder.add_source(Table(layer.of_variables())).build();
    // Reading tables in memory cannot fail, but the crate's error type does not say so.
    merged.map(|config| config.cache).map_err(|error| ConfigError::Merge(error.to_string()))
}

/// The YAML layers with their origins, weakest first.
fn texts(
    environment: &Environment,
    files: &[PathBuf],
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut texts = vec![(COMPILED_IN.to_owned(), DEFAULT.to_owned())];
    let default = Path::new("config/default.yaml");
    if let Some(text) = environment.read(default)?.filter(|text| text != DEFAULT) {
        texts.push((default.display().to_string(), text));
    }
    if let Some(name) = environment.get("SYNFINANCE_ENV").filter(|name| !name.is_empty()) {
        texts.push(environment_text(environment, name)?);
    }
    for path in files {
        let text = std::fs::read_to_string(environment.directory.join(path))
            .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        texts.push((path.display().to_string(), text));
    }
    Ok(texts)
}

fn environment_text(
    environment: &Environment,
    name: &str,
) -> Result<(String, String), ConfigError> {
    let (_, compiled_in) = ENVIRONMENTS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| ConfigError::UnknownEnvironment { name: name.to_owned() })?;
    let path = format!("config/{name}.yaml");
    Ok(match environment.read(Path::new(&path))? {
        Some(text) => (path, text),
        None => (format!("{path} (compiled in)"), (*compiled_in).to_owned()),
    })
}

/// A table as a source of the `config` crate.
#[derive(Debug, Clone)]
struct Table(Map<String, Value>);

impl Source for Table {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, CrateError> {
        Ok(self.0.clone())
    }
}

/// One layer while it is checked and filled in.
struct Layer<'a> {
    environment: &'a Environment,
    problems: &'a mut Vec<Problem>,
}

impl Layer<'_> {
    fn of_text(&mut self, origin: &str, text: &str) -> Result<Map<String, Value>, ConfigError> {
        let table = FileFormat::Yaml.parse(Some(&origin.to_owned()), text).map_err(|error| {
            ConfigError::Syntax { origin: origin.to_owned(), message: error.to_string() }
        })?;
        Ok(self.section("", table))
    }

    fn section(&mut self, path: &str, table: Map<String, Value>) -> Map<String, Value> {
        let sorted: BTreeMap<String, Value> = table.into_iter().collect();
        let below =
            |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        sorted
            .into_iter()
            .filter_map(|(name, value)| {
                let value = self.admit(&below(&name), value)?;
                Some((name, value))
            })
            .collect()
    }

    /// The value with its variables filled in; `None` if it has no place in the tree.
    fn admit(&mut self, path: &str, value: Value) -> Option<Value> {
        let origin = value.origin().unwrap_or_default().to_owned();
        if let Some(key) = Key::find(path) {
            return self.filled(path, value).map(|value| expanded(key, value));
        }
        if !is_section(path) {
            let what = unknown(nearest(path));
            self.problems.push(Problem { path: path.to_owned(), what, origin });
            return None;
        }
        match value.kind {
            ValueKind::Table(table) => {
                Some(Value::new(Some(&origin), ValueKind::Table(self.section(path, table))))
            }
            ValueKind::Nil => None,
            _ => {
                let what = "is a section and must be a table of keys".to_owned();
                self.problems.push(Problem { path: path.to_owned(), what, origin });
                None
            }
        }
    }

    fn filled(&mut self, path: &str, value: Value) -> Option<Value> {
        let origin = value.origin().map(str::to_owned);
        let kind = match value.kind {
            ValueKind::String(text) => return self.filled_text(path, &text, origin),
            ValueKind::Array(items) => ValueKind::Array(
                items.into_iter().filter_map(|item| self.filled(path, item)).collect(),
            ),
            ValueKind::Table(table) => ValueKind::Table(
                table
                    .into_iter()
                    .filter_map(|(name, item)| {
                        let item = self.filled(&format!("{path}.{name}"), item)?;
                        Some((name, item))
                    })
                    .collect(),
            ),
            other => other,
        };
        Some(Value::new(origin.as_ref(), kind))
    }

    fn filled_text(&mut self, path: &str, text: &str, origin: Option<String>) -> Option<Value> {
        let origin = origin.unwrap_or_default();
        match fill(text, |name| self.environment.get(name)) {
            Ok(filled) => {
                let names = filled.names.iter().map(|name| self.environment.origin_of(name));
                let origin = std::iter::once(origin).chain(names).collect::<Vec<_>>().join(", ");
                Some(Value::new(Some(&origin), ValueKind::String(filled.text)))
            }
            Err(error) => {
                let what = error.to_string();
                self.problems.push(Problem { path: path.to_owned(), what, origin });
                None
            }
        }
    }

    /// The layer of the `SYNFINANCE__SECTION__KEY` variables.
    fn of_variables(&mut self) -> Map<String, Value> {
        let mut root = Map::new();
        for (name, text) in &self.environment.variables {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let path = rest.to_ascii_lowercase().replace("__", ".");
            let origin = self.environment.origin_of(name);
            let value = Value::new(Some(&origin), ValueKind::String(text.clone()));
            if let Some(key) = Key::find(&path) {
                insert(&mut root, path.split('.'), expanded(key, value));
            } else if let Some(key) = Key::map_above(&path) {
                let entry = entry_name(key, &path[key.path.len() + 1..]);
                insert(&mut root, key.path.split('.').chain([entry.as_str()]), value);
            } else {
                let what = unknown(nearest(&path));
                self.problems.push(Problem { path, what, origin });
            }
        }
        root
    }
}

/// Turns a text in flow form into the table that the key wants, so that tables of several layers
/// merge.
fn expanded(key: &Key, value: Value) -> Value {
    match &value.kind {
        ValueKind::String(text) if key.is_map() && text.trim_start().starts_with('{') => {
            let origin = value.origin().unwrap_or_default().to_owned();
            parse_fragment(text, &origin).unwrap_or(value)
        }
        ValueKind::String(text) if key.is_map() && text.trim().is_empty() => {
            Value::new(None, ValueKind::Table(Map::new()))
        }
        ValueKind::Nil if key.is_map() => Value::new(None, ValueKind::Table(Map::new())),
        _ => value,
    }
}

/// The entry that the rest of a variable's name means: librdkafka's names have dots, which shells
/// do not allow in variables.
fn entry_name(key: &Key, rest: &str) -> String {
    match key.kind {
        Kind::Properties => rest.replace('_', "."),
        _ => rest.to_owned(),
    }
}

fn insert<'a>(
    table: &mut Map<String, Value>,
    mut path: impl Iterator<Item = &'a str>,
    value: Value,
) {
    let Some(name) = path.next() else { return };
    let rest: Vec<&str> = path.collect();
    if rest.is_empty() {
        merge(table, name, value);
        return;
    }
    let child = table
        .entry(name.to_owned())
        .or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
    if let ValueKind::Table(table) = &mut child.kind {
        insert(table, rest.into_iter(), value);
    }
}

/// Sets a value; if both the old and the new one are tables, they are merged.
fn merge(table: &mut Map<String, Value>, name: &str, value: Value) {
    if let (Some(old), ValueKind::Table(new)) = (table.get_mut(name), &value.kind)
        && let ValueKind::Table(old) = &mut old.kind
    {
        old.extend(new.clone());
        return;
    }
    table.insert(name.to_owned(), value);
}

fn unknown(nearest: Option<&str>) -> String {
    match nearest {
        Some(near) => format!("is not a known key; did you mean {near}?"),
        None => "is not a known key; `synfinance config show` lists them".to_owned(),
    }
}
