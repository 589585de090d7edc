//! Log lines to stderr or a file, as text or JSON, and spans to a collector.
//!
//! A service that waits for its log's disk makes the disk part of its latency. So lines for a file
//! go through a queue of fixed length to a thread of their own. When the queue is full, lines are
//! dropped and counted, and the count is logged at the end. [`Logging`] is the guard that writes
//! what is left in the queue when it is dropped, so it must live as long as there is something to
//! log.
//!
//! The level can be changed while running. Without a collector its spans cost next to nothing:
//! tracing asks once whether a callsite is enabled, and never again.

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

/// A layer of the subscriber, of any type.
pub(super) type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Logging as it was started. Dropping it writes the lines and spans that still wait.
#[must_use = "lines that wait are written when this is dropped"]
pub struct Logging {
    level: reload::Handle<LevelFilter, Registry>,
    // Dropped in this order: ending spans may log something.
    spans: Option<Spans>,
    file: Option<Waiting>,
}

impl Logging {
    /// Starts logging as configured, in `format`, and sends spans if a collector is configured. A
    /// second call in the same process has no effect, except that it opens its file.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be written or the collector's address is not valid.
    pub fn start(settings: &Telemetry, format: LogFormat) -> Result<Self, Error> {
        let (logging, layers) = Self::build(settings, format)?;
        if let Err(error) = tracing_subscriber::registry().with(layers).try_init() {
            tracing::debug!(%error, "logging had been started before");
        }
        Ok(logging)
    }

    /// Writes only log lines of at least this `level` (error, warn, info, debug, trace or off) from
    /// now on.
    ///
    /// # Errors
    /// [`Error::Level`] if it is none of these; then nothing changes.
    pub fn set_level(&self, level: &str) -> Result<(), Error> {
        let level = level_filter(level)?;
        // Fails only if the subscriber is gone; then there are no lines to filter.
        self.level.reload(level).unwrap_or_default();
        Ok(())
    }

    /// How many lines were dropped because the file could not keep up.
    pub fn dropped_lines(&self) -> usize {
        self.file.as_ref().map_or(0, |file| file.dropped.dropped_lines())
    }

    /// Builds logging and its layers, without putting them into effect.
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

/// The queue of lines for the file; dropping it writes them.
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

/// Lets everything through except the spans meant for the collector.
fn no_span() -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    filter_fn(|metadata| !metadata.is_span() || metadata.target() != BATCH_SPANS)
        .with_max_level_hint(LevelFilter::TRACE)
}
