//! How to reach a cluster: brokers, and librdkafka's properties as the operator wants them.
//!
//! Everything librdkafka can do (TLS, SASL, buffers, timeouts) is one map of properties, passed
//! through as it is. Only what decides about delivery is not negotiable: with automatic commits or
//! without idempotence the promise that no alert is lost would be a matter of configuration. Each
//! client's own defaults stand in its constructor (consumer, producer, reader, copier, admin).

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use super::Error;

/// Properties that are not the operator's.
const RESERVED: [&str; 11] = [
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "request.required.acks",
    "test.mock.num.brokers",
    "transactional.id",
];

/// Where a cluster is and how to talk to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    brokers: String,
    properties: BTreeMap<String, String>,
}

/// librdkafka's name of the static member's id.
const INSTANCE_ID: &str = "group.instance.id";

impl Connection {
    /// A cluster at `brokers` (`host:port`, separated by commas) with further librdkafka
    /// `properties`.
    ///
    /// # Errors
    /// [`Error::Reserved`] if a property is not the operator's, [`Error::Property`] if librdkafka
    /// does not take it.
    pub fn new(
        brokers: impl Into<String>,
        properties: BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        if let Some(key) = properties.keys().find(|key| RESERVED.contains(&key.as_str())) {
            return Err(Error::Reserved { key: key.clone() });
        }
        let connection = Self { brokers: brokers.into(), properties };
        match connection.client(&[], &[]).create_native_config() {
            Err(KafkaError::ClientConfig(outcome, _, key, _)) => {
                // Its own words have the value in them, which may be a password.
                let what = match outcome {
                    RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => "knows no property",
                    _ => "refuses the value of",
                };
                Err(Error::Property { key, what })
            }
            _ => Ok(connection),
        }
    }

    /// As configured.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The same for the worker of this number. Static membership (`group.instance.id`) is of one
    /// member each, so the number is put behind the configured id.
    #[must_use]
    pub fn of_worker(&self, number: usize) -> Self {
        let mut own = self.clone();
        if let Some(id) = own.properties.get_mut(INSTANCE_ID) {
            id.push_str(&format!("-{number}"));
        }
        own
    }

    /// The same for clients that read committed records alone, whatever the operator wants: what is
    /// aborted never happened, so an alert about it would be one too many.
    #[must_use]
    pub fn reading_committed(&self) -> Self {
        let mut own = self.clone();
        own.properties.insert("isolation.level".to_owned(), "read_committed".to_owned());
        own
    }

    /// The static member's id, if membership is static.
    pub fn instance_id(&self) -> Option<&str> {
        self.properties.get(INSTANCE_ID).map(String::as_str)
    }

    /// The configuration of a client: `defaults`, over them the operator's properties, over them
    /// what is `fixed`.
    pub(super) fn client(&self, defaults: &[(&str, &str)], fixed: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Info);
        config.set("client.id", "synfinance");
        let properties = self.properties.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in defaults.iter().copied().chain(properties).chain(fixed.iter().copied())
        {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }
}

impl fmt::Debug for Connection {
    /// Names the properties and hides their values: any of them may be a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.properties.keys().collect();
        formatter
            .debug_struct("Connection")
            .field("brokers", &self.brokers)
            .field("properties", &keys)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(key: &str, value: &str) -> Result<Connection, Error> {
        Connection::new("h:9092", BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    #[test]
    fn what_decides_about_delivery_is_refused_and_named() {
        for key in RESERVED {
            let error = connection(key, "true").unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
        connection("linger.ms", "7").unwrap();
    }

    #[test]
    fn what_librdkafka_does_not_take_is_named_without_its_value() {
        for (key, said) in [
            ("fetch.maximum.bytes", "librdkafka knows no property fetch.maximum.bytes"),
            ("fetch.max.bytes", "librdkafka refuses the value of fetch.max.bytes"),
        ] {
            let error = connection(key, "hunter2").unwrap_err().to_string();
            assert!(error.starts_with(said) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_operator_overrides_defaults_and_nothing_else() {
        let connection = connection("linger.ms", "7").unwrap();
        let config =
            connection.client(&[("linger.ms", "1"), ("a", "1")], &[("enable.idempotence", "true")]);
        let get = |key| config.get(key);
        assert_eq!(get("linger.ms"), Some("7"));
        assert_eq!(get("a"), Some("1"));
        assert_eq!(get("enable.idempotence"), Some("true"));
        assert_eq!(get("bootstrap.servers"), Some("h:9092"));
    }

    #[test]
    fn static_members_are_numbered() {
        let shared = connection("group.instance.id", "pod-7").unwrap();
        assert_eq!(shared.of_worker(1).instance_id(), Some("pod-7-1"));
        let dynamic = connection("linger.ms", "7").unwrap();
        assert_eq!(dynamic.of_worker(1), dynamic);
    }

    #[test]
    fn what_was_aborted_can_be_refused() {
        let operators = connection("isolation.level", "read_uncommitted").unwrap();
        let config = operators.reading_committed().client(&[], &[]);
        assert_eq!(config.get("isolation.level"), Some("read_committed"));
    }

    #[test]
    fn values_of_properties_are_not_shown() {
        let connection = connection("sasl.password", "hunter2").unwrap();
        let shown = format!("{connection:?}");
        assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
    }
}
