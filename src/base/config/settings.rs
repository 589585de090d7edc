//! The validated settings, as the rest of the program sees them.
//!
//! They are made from checked values only, so no code behind them checks again whether a port is a
//! port. What involves two keys (both must be set, or neither) is checked while they are made.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Problem;
use super::check::{Checked, Entry};
use super::secret::Secret;

/// All settings, by section.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Kafka: what is read and written, and how.
    pub stream: Stream,
    /// Where writer schemas come from.
    pub schema_registry: SchemaRegistry,
    /// Customers' state: how much is remembered, for how long, where it is saved.
    pub state: State,
    /// Tables and time zone behind the features.
    pub features: Features,
    /// Model files.
    pub models: Models,
    /// When a score becomes an alert.
    pub decision: Decision,
    /// The sidecar.
    pub http: Http,
    /// Access to the sidecar.
    pub auth: Auth,
    /// Logs and traces.
    pub telemetry: Telemetry,
}

/// Section `stream`.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Brokers as host:port, at least one.
    pub brokers: Vec<String>,
    /// Consumer group.
    pub group_id: String,
    /// Topic names.
    pub topics: Topics,
    /// Whether missing topics are created on start.
    pub create_topics: bool,
    /// Partitions of the topics that are created, at least 1; `None`: the brokers' default.
    pub topic_partitions: Option<i32>,
    /// What a crash may do to alerts.
    pub delivery: Delivery,
    /// How the group moves partitions.
    pub assignment: Assignment,
    /// Worker threads, at least 1; `None`: one per core.
    pub workers: Option<usize>,
    /// Most records scored as one batch, at least 1.
    pub batch_records: usize,
    /// How long an idle worker waits for a record.
    pub batch_wait: Duration,
    /// Time between commits.
    pub commit_interval: Duration,
    /// How long a worker may take to end after it was told to.
    pub shutdown_deadline: Duration,
    /// librdkafka properties; any of them may be a password.
    pub kafka: BTreeMap<String, Secret>,
}

/// Section `stream.topics`.
#[derive(Debug, Clone)]
pub struct Topics {
    /// Transactions to score.
    pub transactions: String,
    /// Where alerts go.
    pub alerts: String,
    /// Analysts' verdicts.
    pub labels: String,
    /// Records that cannot be scored.
    pub dead_letters: String,
    /// Decisions about every transaction; `None`: off.
    pub scored: Option<String>,
}

/// What subscribers may see after a crash or a rebalance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// No alert is lost; one may come twice, with the same id.
    AtLeastOnce,
    /// Alerts and offsets are one Kafka transaction.
    ExactlyOnce,
}

/// How a group moves partitions between its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// Members give up only the partitions that move.
    Cooperative,
    /// All members give up all partitions, then all are assigned anew.
    Eager,
}

/// Section `schema_registry`.
#[derive(Debug, Clone)]
pub struct SchemaRegistry {
    /// The registry's address, which may contain a password; `None`: the static table is used.
    pub url: Option<Secret>,
    /// User and password of basic authentication.
    pub basic_auth: Option<(String, Secret)>,
    /// Schema files by id, used if there is no registry.
    pub fixed: BTreeMap<u32, PathBuf>,
    /// Whether the alerts' schema is registered on start.
    pub auto_register: bool,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

/// Section `state`.
#[derive(Debug, Clone)]
pub struct State {
    /// The database that state is saved in; may contain a password.
    pub database_url: Secret,
    /// A replica of the database that customers are read from; may contain a password.
    pub read_url: Option<Secret>,
    /// When to save: as soon as one of these applies.
    pub save: Vec<SavePoint>,
    /// Whether to go on if records left the topic before they were saved.
    pub goes_on_incomplete: bool,
    /// Bound on the memory of customers' state, in bytes.
    pub max_bytes: u64,
    /// How many transactions of a customer are remembered one by one, 32 to 2,048.
    pub max_transactions_per_customer: usize,
    /// How long a transaction id is recognised as a duplicate.
    pub dedup_horizon: Duration,
}

/// Save once `interval` has passed if at least `changes` customers changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavePoint {
    /// Time since the last save, at least a second.
    pub interval: Duration,
    /// Changed customers, at least 1.
    pub changes: u64,
}

/// Section `features`.
#[derive(Debug, Clone)]
pub struct Features {
    /// The IANA time zone of local hours, weekends and holidays.
    pub timezone: String,
    /// CSV file; `None`: the bundled one.
    pub holidays: Option<PathBuf>,
    /// CSV file; `None`: the bundled one.
    pub cities: Option<PathBuf>,
}

/// Section `models`.
#[derive(Debug, Clone)]
pub struct Models {
    /// Path of the ONNX model that scores; `None`: the bundled model.
    pub active: Option<PathBuf>,
    /// The directory of model files, which the other paths are relative to.
    pub directory: PathBuf,
    /// Whether newer files in the directory are loaded while the service runs.
    pub watch: bool,
    /// Paths of ONNX models that score without alerting.
    pub shadow: Vec<PathBuf>,
    /// Path of the isolation forest's ONNX model; `None`: the bundled one.
    pub isolation_forest: Option<PathBuf>,
}

/// Section `decision`.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Scores from this one on raise an alert, 0 to 1; `None`: the model's own threshold.
    pub threshold: Option<f64>,
}

/// Section `http`.
#[derive(Debug, Clone)]
pub struct Http {
    /// The address to listen on.
    pub address: String,
    /// The port to listen on.
    pub port: u16,
    /// PEM files of certificate and key; `None`: plain HTTP.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// Section `auth`.
#[derive(Debug, Clone)]
pub struct Auth {
    /// The key that signs access tokens, at least 32 characters; `None`: no log-in.
    pub jwt_secret: Option<Secret>,
}

/// Section `telemetry`.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// error, warn, info, debug, trace or off.
    pub level: String,
    /// The form of log lines.
    pub format: LogFormat,
    /// Log file; `None`: stderr.
    pub file: Option<PathBuf>,
    /// When a new log file begins.
    pub rotation: Rotation,
    /// How many log files are kept, at least 1.
    pub retention: usize,
    /// Where spans are sent by OTLP over HTTP; the address may contain a password. `None`: nowhere.
    pub otlp_endpoint: Option<Secret>,
}

/// When a new log file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
    /// Never.
    Never,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The format with this word, `text` or `json`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Settings {
    /// Builds the settings from checked values; fails if two keys do not go together.
    pub(super) fn new(entries: &[Entry]) -> Result<Self, Problem> {
        let values = Values(entries);
        Ok(Self {
            stream: stream(&values),
            schema_registry: schema_registry(&values)?,
            state: state(&values),
            features: features(&values),
            models: models(&values),
            decision: Decision { threshold: values.number("decision.threshold") },
            http: http(&values)?,
            auth: Auth { jwt_secret: values.optional_text("auth.jwt_secret").map(Secret::new) },
            telemetry: telemetry(&values),
        })
    }
}

fn stream(values: &Values) -> Stream {
    let delivery = match values.text("stream.delivery").as_str() {
        "exactly_once" => Delivery::ExactlyOnce,
        _ => Delivery::AtLeastOnce,
    };
    let default_commit_ms = match delivery {
        Delivery::AtLeastOnce => 1_000,
        Delivery::ExactlyOnce => 100,
    };
    Stream {
        brokers: values.texts("stream.brokers"),
        group_id: values.text("stream.group_id"),
        topics: Topics {
            transactions: values.text("stream.topics.transactions"),
            alerts: values.text("stream.topics.alerts"),
            labels: values.text("stream.topics.labels"),
            dead_letters: values.text("stream.topics.dead_letters"),
            scored: values.optional_text("stream.topics.scored"),
        },
        create_topics: values.flag("stream.create_topics"),
        topic_partitions: values.integer("stream.topic_partitions").map(|count| count as i32),
        delivery,
        assignment: match values.text("stream.assignment").as_str() {
            "eager" => Assignment::Eager,
            _ => Assignment::Cooperative,
        },
        workers: values.integer("stream.workers").map(|workers| workers as usize),
        batch_records: values.whole("stream.batch_records") as usize,
        batch_wait: Duration::from_millis(values.whole("stream.batch_wait_ms")),
        commit_interval: values
            .optional_duration("stream.commit_interval")
            .unwrap_or(Duration::from_millis(default_commit_ms)),
        shutdown_deadline: values.duration("stream.shutdown_deadline"),
        kafka: values
            .entries("stream.kafka")
            .into_iter()
            .map(|(name, text)| (name, Secret::new(text)))
            .collect(),
    }
}

fn schema_registry(values: &Values) -> Result<SchemaRegistry, Problem> {
    let fixed = values.entries("schema_registry.static").into_iter();
    let basic_auth = values.both("schema_registry.username", "schema_registry.password")?;
    Ok(SchemaRegistry {
        url: values.optional_text("schema_registry.url").map(Secret::new),
        basic_auth: basic_auth.map(|(user, password)| (user, Secret::new(password))),
        fixed: fixed.filter_map(|(id, file)| Some((id.parse().ok()?, file.into()))).collect(),
        auto_register: values.flag("schema_registry.auto_register"),
        timeout: values.duration("schema_registry.timeout"),
    })
}

fn state(values: &Values) -> State {
    let save_point =
        |(seconds, changes)| SavePoint { interval: Duration::from_secs(seconds), changes };
    State {
        database_url: Secret::new(values.text("state.database_url")),
        read_url: values.optional_text("state.read_url").map(Secret::new),
        save: values.save_points("state.save").into_iter().map(save_point).collect(),
        goes_on_incomplete: values.text("state.on_lost_records") == "continue",
        max_bytes: values.size("state.max_bytes"),
        max_transactions_per_customer: values.whole("state.max_transactions_per_customer") as usize,
        dedup_horizon: values.duration("state.dedup_horizon"),
    }
}

fn features(values: &Values) -> Features {
    Features {
        timezone: values.text("features.timezone"),
        holidays: values.path("features.holidays"),
        cities: values.path("features.cities"),
    }
}

fn models(values: &Values) -> Models {
    let directory = PathBuf::from(values.text("models.directory"));
    let inside = |path: PathBuf| directory.join(path);
    Models {
        active: values.path("models.active").map(inside),
        watch: values.flag("models.watch"),
        shadow: values.texts("models.shadow").into_iter().map(|p| inside(p.into())).collect(),
        isolation_forest: values.path("models.isolation_forest").map(inside),
        directory,
    }
}

fn http(values: &Values) -> Result<Http, Problem> {
    let tls = values.both("http.tls.certificate", "http.tls.key")?;
    Ok(Http {
        address: values.text("http.address"),
        port: values.whole("http.port") as u16,
        tls: tls.map(|(certificate, key)| (certificate.into(), key.into())),
    })
}

fn telemetry(values: &Values) -> Telemetry {
    Telemetry {
        level: values.text("telemetry.level"),
        format: LogFormat::from_word(&values.text("telemetry.format"))
            .expect("invariant: the check allows the words of this enum"),
        file: values.path("telemetry.file"),
        rotation: match values.text("telemetry.rotation").as_str() {
            "hourly" => Rotation::Hourly,
            "never" => Rotation::Never,
            _ => Rotation::Daily,
        },
        retention: values.whole("telemetry.retention") as usize,
        otlp_endpoint: values.optional_text("telemetry.otlp_endpoint").map(Secret::new),
    }
}

/// Checked values by path. Asking for a path as a kind that it does not have is a mistake in this
/// file, which every test that loads settings would find.
struct Values<'a>(&'a [Entry]);

impl Values<'_> {
    fn entry(&self, path: &str) -> &Entry {
        let entry = self.0.iter().find(|entry| entry.key.path == path);
        entry.expect("invariant: every key of the table has been checked")
    }

    fn optional_text(&self, path: &str) -> Option<String> {
        match &self.entry(path).value {
            Checked::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn text(&self, path: &str) -> String {
        self.optional_text(path).expect("invariant: this key is a text")
    }

    fn path(&self, path: &str) -> Option<PathBuf> {
        self.optional_text(path).map(PathBuf::from)
    }

    fn integer(&self, path: &str) -> Option<u64> {
        match self.entry(path).value {
            Checked::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    fn whole(&self, path: &str) -> u64 {
        self.integer(path).expect("invariant: this key is a whole number, not negative")
    }

    fn number(&self, path: &str) -> Option<f64> {
        match self.entry(path).value {
            Checked::Number(number) => Some(number),
            _ => None,
        }
    }

    fn flag(&self, path: &str) -> bool {
        matches!(self.entry(path).value, Checked::Flag(true))
    }

    fn size(&self, path: &str) -> u64 {
        match self.entry(path).value {
            Checked::Size(bytes) => bytes,
            _ => 0,
        }
    }

    fn optional_duration(&self, path: &str) -> Option<Duration> {
        match self.entry(path).value {
            Checked::Duration(duration) => Some(duration),
            _ => None,
        }
    }

    fn duration(&self, path: &str) -> Duration {
        self.optional_duration(path).expect("invariant: this key is a duration")
    }

    fn texts(&self, path: &str) -> Vec<String> {
        match &self.entry(path).value {
            Checked::Texts(texts) => texts.clone(),
            _ => Vec::new(),
        }
    }

    fn entries(&self, path: &str) -> Vec<(String, String)> {
        match &self.entry(path).value {
            Checked::Entries(entries) => {
                entries.iter().map(|(name, (text, _))| (name.clone(), text.clone())).collect()
            }
            _ => Vec::new(),
        }
    }

    fn save_points(&self, path: &str) -> Vec<(u64, u64)> {
        match &self.entry(path).value {
            Checked::SavePoints(points) => points.clone(),
            _ => Vec::new(),
        }
    }

    /// Two texts that must both be set, or neither.
    fn both(&self, first: &str, second: &str) -> Result<Option<(String, String)>, Problem> {
        match (self.optional_text(first), self.optional_text(second)) {
            (Some(first), Some(second)) => Ok(Some((first, second))),
            (None, None) => Ok(None),
            (given, _) => {
                let (given, missing) =
                    if given.is_some() { (first, second) } else { (second, first) };
                Err(Problem {
                    path: given.to_owned(),
                    what: format!("is set without {missing}; set both or neither"),
                    origin: self.entry(given).origin.clone(),
                })
            }
        }
    }
}
