//! From checked values to settings, section by section.

use std::path::PathBuf;
use std::time::Duration;

use super::Problem;
use super::check::{Checked, Entry};
use super::secret::Secret;
use super::settings::{
    Assignment, Auth, Decision, Delivery, Features, Http, LogFormat, Models, Rotation, SavePoint,
    SchemaRegistry, Settings, State, Stream, Telemetry, Topics,
};

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
