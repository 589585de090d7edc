//! The service: worker threads and what they need around them, from start to end.
//!
//! A worker ([`crate::stream::worker`]) is one thread that knows nothing of others. What a process
//! adds is here: brokers and a registry that are away at start are waited for, because exiting
//! would only make somebody start it again; a worker that Kafka stops is started anew, because a
//! transient fault must not take a whole process with it; a worker that finds itself in an
//! impossible state ends the process, because nobody knows what it would do next. The sidecar
//! answers from the first moment to the last, and says what is waited for.
//!
//! In reading order: `start` (what must be there before anything is read), `supervisor` (workers
//! and their ends), `observer` (what workers tell, as metrics and health).

mod observer;
mod start;
mod supervisor;

pub use start::{connection, snapshot_stream};

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::api::http::{self, Server};
use crate::base::config::{self, Http, SchemaRegistry};
use crate::core::engine::{Engine, EngineError};
use crate::core::state::Bounds;
use crate::edges::database::{Location, Replica};
use crate::edges::kafka::{Connection, Error as KafkaError};
use crate::edges::registry::{self, Standing};
use crate::edges::telemetry::Metrics;
use crate::stream::health::{Check, Finding, Health};
use crate::stream::labels;
use crate::stream::snapshots::Policy;
use crate::stream::worker::{self, Budget, ModelName};

/// How long a worker may be silent before the process is to be restarted: longer than anything a
/// worker waits for.
const LIVENESS_LIMIT: Duration = Duration::from_secs(120);

/// How long the sidecar may take to answer its last requests.
const SIDECAR_DEADLINE: Duration = Duration::from_secs(1);

/// What a service is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Section `stream`.
    pub stream: config::Stream,
    /// Section `schema_registry`.
    pub schema_registry: SchemaRegistry,
    /// Section `http`.
    pub http: Http,
    /// Where customers are saved.
    pub database: Location,
    /// When they are.
    pub save: Policy,
    /// A copy of it for look-ups.
    pub replica: Option<Replica>,
    /// Whether to go on when records left the topic before they were saved.
    pub goes_on_incomplete: bool,
    /// Bounds of each customer's state.
    pub bounds: Bounds,
    /// Memory for customers in bytes, all workers together.
    pub max_bytes: usize,
    /// Worker threads, at least 1.
    pub workers: usize,
    /// The model behind the scores, as alerts name it.
    pub model: ModelName,
    /// What tells this process apart from all others, now and later: part of transactional ids
    /// where membership is not static.
    pub process: String,
}

/// Why a service ended before it was told to, or did not end in order.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka cannot be worked with.
    #[error("kafka cannot be worked with")]
    Kafka(#[from] KafkaError),
    /// The registry refuses, or the static table cannot be read.
    #[error("there is no schema for the alerts")]
    Registry(#[from] registry::Error),
    /// The sidecar cannot start.
    #[error("the sidecar cannot start")]
    Http(#[from] http::Error),
    /// Verdicts cannot be followed.
    #[error("the verdicts of analysts cannot be followed")]
    Labels(#[from] labels::Error),
    /// No engine can be made.
    #[error("no engine can be made")]
    Engine(#[from] EngineError),
    /// A worker has stopped and must not go on.
    #[error("worker {number} stopped for good")]
    Worker {
        /// Its number.
        number: usize,
        /// Why.
        source: worker::Error,
    },
    /// A worker panicked; its message is on stderr.
    #[error("worker {0} panicked, this is a bug")]
    Panicked(usize),
    /// The system gives no thread.
    #[error("no thread can be started, check the limits of the process")]
    Thread(#[from] std::io::Error),
    /// Workers were told to end and have not.
    #[error(
        "workers had not ended {seconds} s after they were told to; what they had not committed will \
         be read again; raise stream.shutdown_deadline if this is a busy cluster"
    )]
    Deadline {
        /// The deadline.
        seconds: u64,
    },
}

/// What the parts of a service share.
#[derive(Clone)]
struct Shared {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    schemas: registry::Schemas,
    connection: Connection,
    budget: Arc<Budget>,
}

/// Makes an engine for a worker, in the worker's thread.
pub type Make = Arc<dyn Fn() -> Result<Engine, EngineError> + Send + Sync>;

/// Runs until `stop` is set, then ends in order. `idle` is
/// called several times a second by the thread that called.
///
/// # Errors
/// [`Error`]; all that was acknowledged is committed by then.
pub fn run(
    settings: &Settings,
    make: &Make,
    stop: &Arc<AtomicBool>,
    idle: &mut dyn FnMut(),
) -> Result<(), Error> {
    let health = Arc::new(Health::new(settings.workers));
    let metrics = Arc::new(Metrics::new(settings.workers));
    health.report(Check::Model, Finding::Ok);
    health.report(Check::Database, Finding::Unknown);
    health.obstruct(start::PART, "starting");
    let state = http::State {
        health: Arc::clone(&health),
        metrics: Arc::clone(&metrics),
        model: http::Model {
            name: settings.model.name.clone(),
            version: settings.model.version.clone(),
        },
        version: env!("CARGO_PKG_VERSION"),
        liveness_limit: LIVENESS_LIMIT,
    };
    let server = Server::start(&settings.http, Arc::new(state))?;
    let outcome = serve(settings, make, stop, idle, (health, metrics));
    server.stop(SIDECAR_DEADLINE);
    outcome
}

/// Puts how the registry stands on the board that the probes read.
fn tell(health: &Arc<Health>) -> registry::Tell {
    let health = Arc::clone(health);
    Arc::new(move |standing| {
        let finding = match standing {
            Standing::Unused => Finding::Unused,
            Standing::Answers => Finding::Ok,
            Standing::Silent(why) => Finding::Degraded(why),
            Standing::Missed(why) => Finding::Down(why),
        };
        health.report(Check::SchemaRegistry, finding);
    })
}

fn serve(
    settings: &Settings,
    make: &Make,
    stop: &Arc<AtomicBool>,
    idle: &mut dyn FnMut(),
    (health, metrics): (Arc<Health>, Arc<Metrics>),
) -> Result<(), Error> {
    let schemas = registry::Schemas::start(&settings.schema_registry, tell(&health))?;
    let connection = start::connection(&settings.stream)?;
    let budget = Budget::new(settings.max_bytes);
    let shared = Shared { health, metrics, schemas, connection, budget };
    if !start::ensure_topics(&settings.stream, &shared, stop, idle)? {
        tracing::info!("told to end while the brokers were waited for; nothing was read");
        return Ok(());
    }
    let Some(framing) = shared.schemas.alert_framing(&settings.stream.topics.alerts, stop)? else {
        tracing::info!("told to end while the schema registry was waited for; nothing was read");
        return Ok(());
    };
    supervisor::run(settings, &shared, framing, make, stop, idle)
}
