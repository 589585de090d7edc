//! What librdkafka says, as events of tracing.

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// A line of librdkafka's log.
pub(super) fn line(level: RDKafkaLogLevel, facility: &str, line: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
    // Consumers and producers get the same properties, and each warns of the other's.
    if facility == "CONFWARN" && line.contains("will be ignored by this") {
        tracing::debug!(target: "librdkafka", facility, "{line}");
        return;
    }
    match level {
        Emerg | Alert | Critical | Error => {
            tracing::error!(target: "librdkafka", facility, "{line}");
        }
        Warning => tracing::warn!(target: "librdkafka", facility, "{line}"),
        Notice | Info => tracing::info!(target: "librdkafka", facility, "{line}"),
        Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// An error that librdkafka itself goes on after, such as a broker that is away.
pub(super) fn passing(error: &KafkaError, detail: &str) {
    // Whoever wants to know where a partition ends is told so, and librdkafka calls it an error.
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
        return;
    }
    tracing::warn!(target: "librdkafka", %error, detail, "kafka is in trouble, retrying");
}
