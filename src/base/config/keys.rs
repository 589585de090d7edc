//! The one table of configuration keys: name, allowed values, whether it is secret.
//!
//! Checking, messages, `config show` and the settings all read this table, so a key cannot be known
//! to one and unknown to another. Defaults, units and explanations are in `config/default.yaml`; a
//! test makes sure that both have the same keys.

use std::time::Duration;

use super::units::{format_duration, format_size};

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Sections and name, joined by dots.
    pub path: &'static str,
    /// Which values are allowed, besides `null`.
    pub kind: Kind,
    /// Whether `null` is allowed.
    pub nullable: bool,
    /// Whether the value is never shown.
    pub secret: bool,
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Any text but the empty one.
    Text,
    /// A text of at least so many characters.
    LongText(usize),
    /// An address that begins with one of these; a password in it is never shown.
    Url(&'static [&'static str]),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The name of a time zone.
    TimeZone,
    /// true or false.
    Flag,
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A number within these bounds.
    Number(f64, f64),
    /// A duration within these bounds.
    Duration(Duration, Duration),
    /// A number of bytes within these bounds.
    Size(u64, u64),
    /// A list of texts; `true`: at least one.
    Texts(bool),
    /// A table of freely named texts; the names may contain dots.
    Properties,
    /// A table of schema ids, each with a file.
    Schemas,
    /// Pairs of seconds and a number of changed customers.
    SavePoints,
}

const fn key(path: &'static str, kind: Kind) -> Key {
    Key { path, kind, nullable: false, secret: false }
}

const fn optional(path: &'static str, kind: Kind) -> Key {
    Key { path, kind, nullable: true, secret: false }
}

const fn secret(path: &'static str, kind: Kind) -> Key {
    Key { path, kind, nullable: true, secret: true }
}

const HUNDREDTH: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);
const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// Every key, in the order of `config/default.yaml`.
pub(super) const KEYS: &[Key] = &[
    key("stream.brokers", Kind::Texts(true)),
    key("stream.group_id", Kind::Text),
    key("stream.topics.transactions", Kind::Text),
    key("stream.topics.alerts", Kind::Text),
    key("stream.topics.labels", Kind::Text),
    key("stream.topics.dead_letters", Kind::Text),
    optional("stream.topics.scored", Kind::Text),
    key("stream.create_topics", Kind::Flag),
    optional("stream.topic_partitions", Kind::Integer(1, 100_000)),
    key("stream.delivery", Kind::OneOf(&["at_least_once", "exactly_once"])),
    key("stream.assignment", Kind::OneOf(&["cooperative", "eager"])),
    optional("stream.workers", Kind::Integer(1, 1_024)),
    key("stream.batch_records", Kind::Integer(1, 65_536)),
    key("stream.batch_wait_ms", Kind::Integer(1, 10_000)),
    optional("stream.commit_interval", Kind::Duration(HUNDREDTH, MINUTE)),
    key("stream.shutdown_deadline", Kind::Duration(SECOND, HOUR)),
    key("stream.kafka", Kind::Properties),
    optional("schema_registry.url", Kind::Url(&["http://", "https://"])),
    optional("schema_registry.username", Kind::Text),
    secret("schema_registry.password", Kind::Text),
    key("schema_registry.static", Kind::Schemas),
    key("schema_registry.auto_register", Kind::Flag),
    key("schema_registry.timeout", Kind::Duration(HUNDREDTH, MINUTE)),
    key("state.database_url", Kind::Url(&["postgres://", "postgresql://", "sqlite:"])),
    optional("state.read_url", Kind::Url(&["postgres://", "postgresql://"])),
    key("state.save", Kind::SavePoints),
    key("state.on_lost_records", Kind::OneOf(&["continue", "stop"])),
    key("state.max_bytes", Kind::Size(16 << 20, 1 << 50)),
    key("state.max_transactions_per_customer", Kind::Integer(32, 2_048)),
    key("state.dedup_horizon", Kind::Duration(MINUTE, MONTH)),
    key("features.timezone", Kind::TimeZone),
    optional("features.holidays", Kind::Text),
    optional("features.cities", Kind::Text),
    optional("models.active", Kind::Text),
    key("models.directory", Kind::Text),
    key("models.watch", Kind::Flag),
    key("models.shadow", Kind::Texts(false)),
    optional("models.isolation_forest", Kind::Text),
    optional("decision.threshold", Kind::Number(0.0, 1.0)),
    key("http.address", Kind::Text),
    key("http.port", Kind::Integer(1, 65_535)),
    optional("http.tls.certificate", Kind::Text),
    optional("http.tls.key", Kind::Text),
    secret("auth.jwt_secret", Kind::LongText(32)),
    key("telemetry.level", Kind::OneOf(&["error", "warn", "info", "debug", "trace", "off"])),
    key("telemetry.format", Kind::OneOf(&["text", "json"])),
    optional("telemetry.file", Kind::Text),
    key("telemetry.rotation", Kind::OneOf(&["hourly", "daily", "never"])),
    key("telemetry.retention", Kind::Integer(1, 10_000)),
    optional("telemetry.otlp_endpoint", Kind::Url(&["http://", "https://"])),
];

impl Key {
    /// The key with this path.
    pub(super) fn find(path: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.path == path)
    }

    /// The table key that `path` is an entry of, if it is one.
    pub(super) fn map_above(path: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| {
            key.is_map() && path.strip_prefix(key.path).is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// Whether the value is a table of entries that the user names.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Properties | Kind::Schemas)
    }

    /// Whether the value, or a part of it, may be secret.
    pub(super) fn may_hide(&self) -> bool {
        self.secret || matches!(self.kind, Kind::Url(_) | Kind::Properties)
    }

    /// The allowed values, as a noun phrase for messages.
    pub(super) fn allowed(&self) -> String {
        let allowed = match self.kind {
            Kind::Text => "a text that is not empty".to_owned(),
            Kind::LongText(length) => format!("a text of at least {length} characters"),
            Kind::Url(starts) => format!("an address beginning with {}", starts.join(" or ")),
            Kind::OneOf(words) => format!("one of {}", words.join(", ")),
            Kind::TimeZone => "an IANA time zone such as Asia/Kolkata".to_owned(),
            Kind::Flag => "true or false".to_owned(),
            Kind::Integer(min, max) => format!("a whole number from {min} to {max}"),
            Kind::Number(min, max) => format!("a number from {min} to {max}"),
            Kind::Duration(min, max) => format!(
                "a duration from {} to {}, such as 500ms, 30s or 24h",
                format_duration(min),
                format_duration(max)
            ),
            Kind::Size(min, max) => {
                format!("a size from {} to {}, such as 512MiB", format_size(min), format_size(max))
            }
            Kind::Texts(true) => "a list of at least one text".to_owned(),
            Kind::Texts(false) => "a list of texts".to_owned(),
            Kind::Properties => "a table of names and values".to_owned(),
            Kind::Schemas => "a table of schema ids and files, such as {1: a.avsc}".to_owned(),
            Kind::SavePoints => {
                "a list of [seconds, changed customers], both at least 1, such as [[60, 10000]]"
                    .to_owned()
            }
        };
        if self.nullable { format!("{allowed}, or null") } else { allowed }
    }
}

/// Whether `path` is a section, that is, has keys below it.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The known path most similar to an unknown one, if it is similar enough to be what was meant.
pub(super) fn nearest(path: &str) -> Option<&'static str> {
    let name = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let scored = KEYS.iter().map(|key| {
        let whole = strsim::jaro_winkler(key.path, path);
        let last = strsim::jaro_winkler(&name(key.path), &name(path));
        (whole.max(last * 0.95), key.path)
    });
    let (score, path) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score > 0.85).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_find_their_nearest() {
        let cases = [
            ("http.prot", Some("http.port")),
            ("stream.broker", Some("stream.brokers")),
            ("stream.timezone", Some("features.timezone")),
            ("state.max_transaction_per_customer", Some("state.max_transactions_per_customer")),
            ("wobble", None),
        ];
        for (path, near) in cases {
            assert_eq!(nearest(path), near, "{path}");
        }
    }

    #[test]
    fn sections_and_entries() {
        assert!(is_section("stream") && is_section("stream.topics"));
        assert!(!is_section("stream.kafka") && !is_section("strea"));
        let above = |path| Key::map_above(path).map(|key| key.path);
        assert_eq!(above("stream.kafka.sasl.password"), Some("stream.kafka"));
        assert_eq!(above("stream.kafka"), None);
        assert_eq!(above("stream.kafkaesque.a"), None);
    }
}
