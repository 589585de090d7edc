//! Spans of batches for a collector, by OTLP over HTTP.
//!
//! A collector that is away must cost the stream nothing but its spans. They go through a queue of
//! fixed length to the exporter's own thread; what does not fit is dropped, and a failure that
//! repeats every few seconds is logged once a minute.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

use super::{Error, Rarely};
use crate::base::config::Secret;
use crate::base::limits::{MAX_SENT_SPANS, MAX_WAITING_SPANS};

/// The target of spans for the collector: one per batch, at level info. Spans of other targets, or
/// below level info, are not sent.
pub const BATCH_SPANS: &str = "synfinance::batch";

/// Longest wait for the collector, at the end of the process as well.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time between exports.
const DELAY: Duration = Duration::from_secs(5);

/// The path of traces in the protocol.
const TRACES: &str = "/v1/traces";

/// The connection to the collector. Dropping it sends the spans that still wait.
pub(super) struct Spans(SdkTracerProvider);

impl Spans {
    /// Prepares to send; the collector is not contacted yet.
    pub(super) fn start(endpoint: &Secret) -> Result<Self, Error> {
        let Address { url, authorization } = Address::parse(endpoint.expose())?;
        let headers = authorization.map(|value| ("authorization".to_owned(), value));
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(url)
            .with_headers(HashMap::from_iter(headers))
            .with_timeout(PATIENCE)
            .build()
            .map_err(|_| Error::OtlpEndpoint { what: "it is an http or https address" })?;
        Ok(Self::send_to(exporter))
    }

    fn send_to(exporter: impl SpanExporter + 'static) -> Self {
        let bounds = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_WAITING_SPANS)
            .with_max_export_batch_size(MAX_SENT_SPANS)
            .with_scheduled_delay(DELAY)
            .build();
        let quiet = Quiet { exporter, warnings: Rarely::minutely() };
        let processor = BatchSpanProcessor::builder(quiet).with_batch_config(bounds).build();
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let service = Resource::builder().with_service_name("synfinance").with_attribute(version);
        let provider = SdkTracerProvider::builder()
            .with_resource(service.build())
            .with_span_processor(processor)
            .build();
        Self(provider)
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        // The exporter has logged what went wrong; nothing is left to report it to.
        self.0.shutdown_with_timeout(PATIENCE).unwrap_or_default();
    }
}

/// The layer that turns tracing's spans into the collector's.
pub(super) fn layer(spans: &Spans) -> Box<dyn Layer<Registry> + Send + Sync> {
    let scope = InstrumentationScope::builder("synfinance").build();
    tracing_opentelemetry::layer()
        .with_tracer(spans.0.tracer_with_scope(scope))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(is_of_batch))
        .boxed()
}

fn is_of_batch(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == BATCH_SPANS && *metadata.level() <= Level::INFO
}

/// An exporter whose failures are logged once a minute.
#[derive(Debug)]
struct Quiet<E> {
    exporter: E,
    warnings: Rarely,
}

impl<E> Quiet<E> {
    fn warn(&self, error: &OTelSdkError, spans: usize) {
        if self.warnings.is_due() {
            tracing::warn!(
                %error,
                spans,
                "spans were not sent and are dropped, check telemetry.otlp_endpoint; \
                 further failures are not told for a minute"
            );
        }
    }
}

impl<E: SpanExporter> SpanExporter for Quiet<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        if let Err(error) = &sent {
            self.warn(error, spans);
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// An endpoint taken apart: the client's errors name the address, which must not contain a
/// password.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    url: String,
    authorization: Option<String>,
}

impl Address {
    fn parse(endpoint: &str) -> Result<Self, Error> {
        let wrong = || Error::OtlpEndpoint { what: "it is an http or https address" };
        let (scheme, rest) = endpoint.split_once("://").ok_or_else(wrong)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if host.is_empty() {
            return Err(wrong());
        }
        let path = path.split('#').next().unwrap_or_default();
        let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
        let path = path.trim_end_matches('/');
        let traces = if path.ends_with(TRACES) { "" } else { TRACES };
        Ok(Self {
            url: format!("{scheme}://{host}{path}{traces}{query}"),
            authorization: user.map(basic).transpose()?,
        })
    }
}

/// Basic authentication (RFC 7617) for `user:password`; both may be percent-encoded.
fn basic(user: &str) -> Result<String, Error> {
    let what = "%XX in its user and password are two hexadecimal digits";
    let plain = percent_decoded(user).ok_or(Error::OtlpEndpoint { what })?;
    let with_colon = if plain.contains(&b':') { plain } else { [&plain[..], b":"].concat() };
    Ok(format!("Basic {}", base64(&with_colon)))
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        decoded.push(u8::try_from(value).ok()?);
    }
    Some(decoded)
}

/// Base 64 (RFC 4648, section 4), with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let padded = group.iter().chain(&[0, 0]).take(3);
        let bits = padded.fold(0, |bits, &byte| bits << 8 | u32::from(byte));
        let digit = move |place: usize| {
            let is_padding = place > group.len();
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            if is_padding { '=' } else { char::from(digit) }
        };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn addresses_lose_their_password_and_gain_the_path() {
        let cases = [
            ("http://collector:4318", "http://collector:4318/v1/traces", None),
            ("http://collector:4318/", "http://collector:4318/v1/traces", None),
            ("https://h/otlp", "https://h/otlp/v1/traces", None),
            ("https://h/otlp/v1/traces", "https://h/otlp/v1/traces", None),
            ("https://h?a=b", "https://h/v1/traces?a=b", None),
            ("http://u:p%40ss@h:1", "http://h:1/v1/traces", Some("Basic dTpwQHNz")),
            ("http://u@h:1", "http://h:1/v1/traces", Some("Basic dTo=")),
        ];
        for (endpoint, url, authorization) in cases {
            let address = Address::parse(endpoint).unwrap();
            assert_eq!(
                (address.url.as_str(), address.authorization.as_deref()),
                (url, authorization)
            );
        }
        for wrong in ["http://", "collector", "http://u:p@", "http://%zz@h"] {
            let text = Address::parse(wrong).unwrap_err().to_string();
            assert!(text.contains("telemetry.otlp_endpoint"), "{text}");
            assert!(!text.contains("u:p"), "{text}");
        }
    }
}
