//! Log lines to stderr or a file, as text or JSON, and spans to a collector.
//!
//! A service that waits for its log's disk has handed its latency to the disk. Lines for a file go
//! through a queue of fixed length to a thread of their own; when it is full, lines are dropped,
//! counted, and told of at the end. What is in the queue when the process ends is written by the
//! guard that [`Logging`] is, so it has to live as long as there is something to log.
//!
//! The level can be changed while running. A span for the collector costs next to nothing while
//! there is no collector: its callsite is found uninteresting once and never asked again.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing::Metadata;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{FilterExt, FilterFn, LevelFilter, filter_fn};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use super::Error;
use super::log_file::LogFile;
use super::spans::{self, BATCH_SPANS, Spans};
use crate::base::config::{LogFormat, Telemetry};
use crate::base::limits::MAX_WAITING_LOG_LINES;

/// A layer of the subscriber, whatever is in it.
pub(super) type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Logging as it was started. Lines and spans that wait are written when this is dropped.
#[must_use = "lines that wait are written when this is dropped"]
pub struct Logging {
    level: reload::Handle<LevelFilter, Registry>,
    // In this order: spans may have something to say about their end.
    spans: Option<Spans>,
    file: Option<Waiting>,
}

impl Logging {
    /// Writes log lines as configured from now on, in `format`, and sends spans if there is a
    /// collector. A second call in the same process changes nothing but opens its own file.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be written or the collector's address makes no sense.
    pub fn start(settings: &Telemetry, format: LogFormat) -> Result<Self, Error> {
        let (logging, layers) = Self::build(settings, format)?;
        if let Err(error) = tracing_subscriber::registry().with(layers).try_init() {
            tracing::debug!(%error, "logging had been started before");
        }
        Ok(logging)
    }

    /// Log lines of `level` (error, warn, info, debug, trace or off) and above are written from now
    /// on.
    ///
    /// # Errors
    /// [`Error::Level`] if it is none of these; nothing changes then.
    pub fn set_level(&self, level: &str) -> Result<(), Error> {
        let level = level_filter(level)?;
        // Fails only when the subscriber is gone, and its lines with it.
        self.level.reload(level).unwrap_or_default();
        Ok(())
    }

    /// Lines that were dropped because the file could not keep up.
    pub fn dropped_lines(&self) -> usize {
        self.file.as_ref().map_or(0, |file| file.dropped.dropped_lines())
    }

    /// Logging and the layers that do it, not in effect yet.
    pub(super) fn build(
        settings: &Telemetry,
        format: LogFormat,
    ) -> Result<(Self, Vec<Boxed>), Error> {
        let (filter, level) = reload::Layer::new(level_filter(&settings.level)?);
        let (writer, file) = writer(settings)?;
        let is_terminal = file.is_none() && std::io::stderr().is_terminal();
        let base = fmt::layer().with_writer(writer).with_ansi(is_terminal);
        let lines: Boxed = match format {
            LogFormat::Text => base.with_target(false).with_filter(filter.and(no_span())).boxed(),
            LogFormat::Json => {
                base.json().flatten_event(true).with_filter(filter.and(no_span())).boxed()
            }
        };
        let mut layers = vec![lines];
        let spans = settings.otlp_endpoint.as_ref().map(Spans::start).transpose()?;
        if let Some(spans) = &spans {
            layers.push(spans::layer(spans));
        }
        Ok((Self { level, spans, file }, layers))
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        drop(self.spans.take());
        let lines = self.dropped_lines();
        if lines > 0 {
            tracing::warn!(lines, "log lines were dropped because the file could not keep up");
        }
    }
}

impl std::fmt::Debug for Logging {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Logging").finish_non_exhaustive()
    }
}

/// Lines on their way to the file; dropped, it writes them.
struct Waiting {
    dropped: ErrorCounter,
    _guard: WorkerGuard,
}

fn writer(settings: &Telemetry) -> Result<(BoxMakeWriter, Option<Waiting>), Error> {
    let Some(path) = &settings.file else {
        return Ok((BoxMakeWriter::new(std::io::stderr), None));
    };
    let file = LogFile::open(path, settings.rotation, settings.retention)
        .map_err(|source| Error::LogFile { path: path.clone(), source })?;
    let (writer, guard): (NonBlocking, WorkerGuard) = NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_WAITING_LOG_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(file);
    let waiting = Waiting { dropped: writer.error_counter(), _guard: guard };
    Ok((BoxMakeWriter::new(writer), Some(waiting)))
}

fn level_filter(level: &str) -> Result<LevelFilter, Error> {
    LevelFilter::from_str(level).map_err(|_| Error::Level { level: level.to_owned() })
}

/// Everything but the spans that are for the collector alone.
fn no_span() -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    filter_fn(|metadata| !metadata.is_span() || metadata.target() != BATCH_SPANS)
        .with_max_level_hint(LevelFilter::TRACE)
}
