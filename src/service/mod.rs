//! The service: worker threads and what they need around them, from start to end.
//!
//! A worker ([`crate::stream::worker`]) is one thread that knows nothing of others. The process
//! adds the rest. It waits for brokers and a registry that are away at start, because exiting would
//! only make somebody start it again. It restarts a worker that Kafka stops, because a transient
//! fault must not end the whole process. It ends if a worker finds itself in an impossible state,
//! because nobody knows what that worker would do next. The sidecar answers from the first moment
//! to the last, and says what the process waits for.
//!
//! In reading order: `start` (what must exist before anything is read), `supervisor` (workers and
//! their ends), `observer` (what workers report, as metrics and health).

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

/// How long a worker may be silent before the process should be restarted: longer than anything
/// that a worker waits for.
const LIVENESS_LIMIT: Duration = Duration::from_secs(120);

/// How long the sidecar may take to answer its last requests.
const SIDECAR_DEADLINE: Duration = Duration::from_secs(1);

/// The settings of a service.
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
    /// When customers are saved.
    pub save: Policy,
    /// A replica of the database for look-ups.
    pub replica: Option<Replica>,
    /// Whether to go on if records left the topic before they were saved.
    pub goes_on_incomplete: bool,
    /// Bounds of each customer's state.
    pub bounds: Bounds,
    /// Memory for customers in bytes, for all workers together.
    pub max_bytes: usize,
    /// Worker threads, at least 1.
    pub workers: usize,
    /// The name of the model behind the scores, as alerts show it.
    pub model: ModelName,
    /// Tells this process apart from all others, now and later; it is part of transactional ids if
    /// group membership is not static.
    pub process: String,
}

/// Why a service ended before it was told to, or did not end in order.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka fails in a way that waiting does not mend.
    #[error("kafka cannot be worked with")]
    Kafka(#[from] KafkaError),
    /// The registry does not accept or have the alerts' schema, or the static table cannot be read.
    #[error("there is no schema for the alerts")]
    Registry(#[from] registry::Error),
    /// The sidecar cannot start.
    #[error("the sidecar cannot start")]
    Http(#[from] http::Error),
    /// The analysts' verdicts cannot be followed.
    #[error("the verdicts of analysts cannot be followed")]
    Labels(#[from] labels::Error),
    /// No engine can be built.
    #[error("no engine can be made")]
    Engine(#[from] EngineError),
    /// A worker has stopped and must not be restarted.
    #[error("worker {number} stopped for good")]
    Worker {
        /// The worker's number.
        number: usize,
        /// Why it stopped.
        source: worker::Error,
    },
    /// A worker panicked; its message is on stderr.
    #[error("worker {0} panicked, this is a bug")]
    Panicked(usize),
    /// The system provides no thread.
    #[error("no thread can be started, check the limits of the process")]
    Thread(#[from] std::io::Error),
    /// Workers had not ended by the deadline after they were told to.
    #[error(
        "workers had not ended {seconds} s after they were told to; what they had not committed will \
         be read again; raise stream.shutdown_deadline if this is a busy cluster"
    )]
    Deadline {
        /// The deadline in seconds.
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

/// Builds a worker's engine, in the worker's thread.
pub type Make = Arc<dyn Fn() -> Result<Engine, EngineError> + Send + Sync>;

/// Runs until `stop` is set, then ends in order. `idle` is called several times a second, in the
/// calling thread.
///
/// # Errors
/// [`Error`]. Workers that ended in order have committed everything acknowledged; whatever is not
/// committed is read again.
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

/// Reports the registry's standing to the board that the probes read.
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
