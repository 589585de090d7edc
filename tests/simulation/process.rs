//! A process of the simulated world: an engine, tasks, saves, and alerts on their way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use synfinance::codec::{ALERT_SCHEMA, Framing, TRANSACTION_SCHEMA, read_alert};
use synfinance::database::Holder;
use synfinance::engine::{Context, Engine};
use synfinance::kafka::{Assignment, Connection, Headers, Outgoing};
use synfinance::snapshots::{Batch, Place, Saving};
use synfinance::state::Bounds;
use synfinance::worker::step::{Arrived, Kind, Publish};
use synfinance::worker::tasks::Tasks;
use synfinance::worker::{Delivery, Error, ModelName, Schemas, Settings, Topics};

use crate::engine_support;

/// An alert: of which transaction, and what it says.
pub type Alert = (String, u64);

/// A record of the log.
#[derive(Clone)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub value: Arc<[u8]>,
}

impl Arrived for Record {
    fn partition(&self) -> i32 {
        self.partition
    }

    fn offset(&self) -> i64 {
        self.offset
    }

    fn timestamp_ms(&self) -> Option<i64> {
        None
    }

    fn key(&self) -> Option<&[u8]> {
        None
    }

    fn value(&self) -> Option<&[u8]> {
        Some(&self.value)
    }

    fn headers(&self) -> Headers {
        Headers::default()
    }
}

static CONTEXT: LazyLock<Arc<Context>> = LazyLock::new(|| {
    let bounds = Bounds { max_transactions: 32, ..Bounds::default() };
    engine_support::context("UTC", bounds)
});

/// An engine that alerts often.
pub fn engine() -> Engine {
    engine_support::engine(CONTEXT.clone(), Some(0.05))
}

/// What a step is told; nothing in it is connected to anything.
pub fn settings() -> Settings {
    let model = ModelName { name: "m".to_owned(), version: "1".to_owned(), threshold: 0.05 };
    Settings {
        connection: Connection::new("nowhere:1", Vec::new().into_iter().collect()).unwrap(),
        group_id: "g".to_owned(),
        assignment: Assignment::Cooperative,
        topics: Topics::default(),
        schemas: Schemas::of(&[(1, TRANSACTION_SCHEMA), (2, ALERT_SCHEMA)]),
        framing: Framing::Confluent(2),
        delivery: Delivery::AtLeastOnce,
        model,
        batch_records: 64,
        batch_wait: Duration::ZERO,
        commit_interval: Duration::ZERO,
        snapshots: None,
        memory: Duration::ZERO,
        patience: Duration::ZERO,
        shutdown_deadline: Duration::ZERO,
    }
}

/// One partition's snapshot in a process.
#[derive(Default)]
pub struct Part {
    pub holder: Option<Holder>,
    pub saving: Option<Saving>,
    /// The last batch of a save is handed on and not answered.
    pub is_awaited: bool,
    /// It is not known who is stored from here on.
    pub unlisted: Option<Place>,
    /// What is left of the scan that has begun.
    pub scan: Option<Scan>,
    /// Who was read ahead and has not returned: applied offset and state.
    pub shelf: BTreeMap<String, (i64, Vec<u8>)>,
    /// A page that was read and is not taken in.
    pub page: Option<Page>,
}

/// Customers as they were stored when it began.
pub struct Scan {
    /// Customers evicted by then.
    pub evicted: u64,
    pub rows: VecDeque<Row>,
}

/// Id, applied offset and state of a customer.
pub type Row = (String, i64, Vec<u8>);

/// Customers that were read.
pub struct Page {
    pub rows: Vec<Row>,
    /// Ids alone were asked for.
    pub ids: Vec<String>,
    pub next: Option<Place>,
}

/// A process.
pub struct Process {
    pub engine: Engine,
    pub tasks: Tasks,
    pub parts: BTreeMap<i32, Part>,
    /// Where it reads on.
    pub positions: BTreeMap<i32, i64>,
    /// Alerts that the broker has not taken; without a place, if nobody waits to be told.
    pub sent: VecDeque<(Option<(i32, i64)>, Alert)>,
    /// Offsets whose alerts the broker has, which the process does not know yet.
    pub taken: VecDeque<(i32, i64)>,
    /// Batches on their way to the store.
    pub orders: VecDeque<Batch>,
}

impl Process {
    pub fn new() -> Self {
        Self {
            engine: engine(),
            tasks: Tasks::default(),
            parts: BTreeMap::new(),
            positions: BTreeMap::new(),
            sent: VecDeque::new(),
            taken: VecDeque::new(),
            orders: VecDeque::new(),
        }
    }

    /// Forgets a partition that is gone.
    pub fn forget(&mut self, partition: i32) {
        self.engine.forget(partition);
        self.tasks.remove(&[partition]);
        self.parts.remove(&partition);
        self.positions.remove(&partition);
        self.taken.retain(|(of, _)| *of != partition);
        for (place, _) in &mut self.sent {
            *place = place.filter(|(of, _)| *of != partition);
        }
    }
}

/// Where a step's alerts go.
pub struct Out<'a> {
    pub tasks: &'a mut Tasks,
    pub sent: &'a mut VecDeque<(Option<(i32, i64)>, Alert)>,
}

impl Publish for Out<'_> {
    fn was_judged(&mut self, source: &impl Arrived) -> bool {
        self.tasks.was_judged(source.partition(), source.offset())
    }

    fn publish(
        &mut self,
        source: &impl Arrived,
        kind: Kind,
        record: Outgoing<'_>,
    ) -> Result<(), Error> {
        assert_eq!(kind, Kind::Alert, "every record of the log can be scored");
        let alert = read_alert(record.value.unwrap(), 2).unwrap();
        let alert = (alert.transaction_id.to_owned(), alert.score.to_bits());
        self.tasks.expect(source.partition(), source.offset())?;
        self.sent.push_back((Some((source.partition(), source.offset())), alert));
        Ok(())
    }
}
