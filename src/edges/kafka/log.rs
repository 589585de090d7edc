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
    match error.rdkafka_error_code() {
        // Whoever wants to know where a partition ends is told so, and librdkafka calls it an
        // error.
        Some(RDKafkaErrorCode::PartitionEOF) => return,
        // That follows from what was said of each broker, and is said again at every try.
        Some(RDKafkaErrorCode::AllBrokersDown) => {
            tracing::debug!(target: "librdkafka", %error, detail, "kafka is in trouble, retrying");
            return;
        }
        _ => {}
    }
    tracing::warn!(target: "librdkafka", %error, detail, "kafka is in trouble, retrying");
}
