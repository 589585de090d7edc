//! The validated settings, as the rest of the program sees them.
//!
//! They are made in `read`, from keys that are declared in `keys`, and from checked values only, so
//! no code behind them checks again whether a port is a port. What involves two keys (both must be
//! set, or neither) is checked while they are made.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

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
