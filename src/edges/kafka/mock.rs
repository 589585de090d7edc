//! A Kafka cluster inside the process: librdkafka's mock.
//!
//! It speaks the real protocol over real sockets, so consumers, groups and producers are the real
//! ones. It keeps only the newest 5 MB of a partition and drops older records *silently*: whoever
//! produces must stay within that distance of whoever reads. Nothing survives the process.

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer as _};

use super::{Connection, Error};

/// How long a group waits for further members before the first assignment.
const FIRST_REBALANCE_DELAY_MS: i32 = 250;

/// A cluster of one broker that lives as long as this value.
pub struct MockCluster {
    /// A client that does nothing but own the cluster.
    owner: BaseProducer,
    brokers: String,
}

impl MockCluster {
    /// Bytes of a partition beyond which its oldest records are dropped.
    pub const RETAINED_BYTES: usize = 5 << 20;

    /// Starts a cluster on a free local port, with topics and their numbers of partitions.
    ///
    /// # Errors
    /// [`Error::Mock`] if librdkafka cannot start it or create a topic.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, Error> {
        let owner: BaseProducer = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .create()
            .map_err(|source| Error::Mock { action: "start", source: source.into() })?;
        shorten_first_rebalance(&owner);
        let cluster = owner.client().mock_cluster().ok_or_else(|| Error::Mock {
            action: "start",
            source: Box::new(rdkafka::error::KafkaError::Canceled),
        })?;
        let brokers = cluster.bootstrap_servers();
        for (topic, partitions) in topics {
            cluster.create_topic(topic, *partitions, 1).map_err(|source| Error::Mock {
                action: "create a topic",
                source: source.into(),
            })?;
        }
        drop(cluster);
        Ok(Self { owner, brokers })
    }

    /// How to reach it.
    pub fn connection(&self) -> Connection {
        Connection::new(&self.brokers, [].into())
            .expect("invariant: no property is never a reserved one")
    }

    /// Lets the broker answer so much later.
    ///
    /// # Errors
    /// [`Error::Mock`] if librdkafka refuses.
    pub fn delay_answers(&self, delay: std::time::Duration) -> Result<(), Error> {
        self.owner.client().mock_cluster().map_or(Ok(()), |cluster| {
            cluster.broker_round_trip_time(-1, delay).map_err(|source| Error::Mock {
                action: "delay its answers",
                source: source.into(),
            })
        })
    }
}

/// The mock's own three seconds would be most of a short run.
#[expect(unsafe_code, reason = "rdkafka has no safe name for this setting of the mock")]
fn shorten_first_rebalance(owner: &BaseProducer) {
    use rdkafka::bindings::{
        rd_kafka_handle_mock_cluster, rd_kafka_mock_group_initial_rebalance_delay_ms,
    };
    // SAFETY: the client is alive, the cluster that it owns lives as long, and the setter only
    // takes the cluster's lock and writes one number.
    unsafe {
        let cluster = rd_kafka_handle_mock_cluster(owner.client().native_ptr());
        if !cluster.is_null() {
            rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, FIRST_REBALANCE_DELAY_MS);
        }
    }
}
