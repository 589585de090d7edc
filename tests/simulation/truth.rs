//! The log of transactions, and what one engine makes of it that reads it undisturbed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, LazyLock};

use synfinance::core::codec::{encode_transaction, frame_confluent, read_alert};
use synfinance::core::engine::{Context, Engine, Memory};
use synfinance::core::state::Bounds;
use synfinance::core::state::customers::Customers;
use synfinance::core::state::hash::hash64;
use synfinance::core::state::snapshot::encode;
use synfinance::edges::kafka::{Headers, Outgoing};
use synfinance::stream::worker::step::{Arrived, Kind, Publish};
use synfinance::stream::worker::{Error, Step};
use synfinance::tools::generate::{self, Generator};

use crate::engine_support;
use crate::process::settings;

pub const PARTITIONS: usize = 3;
const RECORDS: u64 = 360;
const CUSTOMERS: u32 = 15;

/// Ids of the schemas of transactions and alerts.
pub const TRANSACTION_ID: u32 = 1;
pub const ALERT_ID: u32 = 2;

/// An alert: of which transaction, and all that it says, as a hash.
pub type Alert = (String, u64);

/// Customers' states by partition and id.
pub type States = BTreeMap<(usize, String), Vec<u8>>;

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

/// The log by partition, and what has to come of it.
pub struct Truth {
    pub log: Vec<Vec<Record>>,
    /// By partition and offset of the transaction.
    pub alerts: BTreeMap<(usize, i64), Alert>,
    pub states: States,
}

pub static TRUTH: LazyLock<Truth> = LazyLock::new(|| {
    let log = log();
    let (mut engine, mut memory) = (engine(), memory());
    let mut alerts = Alerts::default();
    let all: Vec<Record> = log.iter().flatten().cloned().collect();
    let settings = settings(0, false, None);
    let mut step = Step::new(&settings, &mut engine, &mut memory);
    step.run(&all, &|| i64::MAX / 2, &mut alerts).unwrap();
    assert!(step.held.is_empty() && !alerts.0.is_empty());
    Truth { log, alerts: alerts.0, states: states(&memory) }
});

/// Payments of a few customers, some out of order and some twice.
fn log() -> Vec<Vec<Record>> {
    let (transactions, customers) = (RECORDS, CUSTOMERS);
    let settings = generate::Settings { transactions, customers, ..generate::Settings::default() };
    let mut payments: Vec<_> = Generator::new(&settings).unwrap().collect();
    for index in (20..payments.len()).step_by(31) {
        payments.swap(index - 9, index);
    }
    for index in (50..payments.len()).step_by(61) {
        payments[index] = payments[index - 3].clone();
    }
    let mut log = vec![Vec::new(); PARTITIONS];
    for payment in &payments {
        let raw = payment.raw();
        let mut value = Vec::new();
        frame_confluent(TRANSACTION_ID, &mut value);
        encode_transaction(&raw, &mut value);
        let partition = (hash64(raw.customer_id) % PARTITIONS as u64) as usize;
        let offset = log[partition].len() as i64;
        let record = Record { partition: partition as i32, offset, value: Arc::from(value) };
        log[partition].push(record);
    }
    log
}

static CONTEXT: LazyLock<Arc<Context>> = LazyLock::new(|| engine_support::context("UTC"));

/// An engine that alerts often.
pub fn engine() -> Engine {
    engine_support::engine(CONTEXT.clone(), Some(0.05))
}

/// A memory that folds what is older than a customer's newest few transactions.
pub fn memory() -> Memory {
    Memory::new(Bounds { max_transactions: 32, ..Bounds::default() })
}

/// Who is in a memory.
pub fn states(memory: &Memory) -> States {
    let of = |partition: usize| {
        let customers = memory.customers(partition as i32).into_iter().flat_map(Customers::iter);
        customers.map(move |customer| {
            let mut bytes = Vec::new();
            encode(&customer.state, &mut bytes);
            ((partition, customer.id().to_owned()), bytes)
        })
    };
    (0..PARTITIONS).flat_map(of).collect()
}

/// The alert in a record that is published.
pub fn alert(record: &Outgoing<'_>) -> Alert {
    let alert = read_alert(record.value.unwrap(), ALERT_ID).unwrap();
    let mut hasher = DefaultHasher::new();
    (record.topic, record.key, record.value).hash(&mut hasher);
    (alert.transaction_id.to_owned(), hasher.finish())
}

/// Takes every alert, and has judged nothing before.
#[derive(Default)]
struct Alerts(BTreeMap<(usize, i64), Alert>);

impl Publish for Alerts {
    fn was_judged(&mut self, _: &impl Arrived) -> bool {
        false
    }

    fn publish(
        &mut self,
        source: &impl Arrived,
        kind: Kind,
        record: Outgoing<'_>,
    ) -> Result<(), Error> {
        assert_eq!(kind, Kind::Alert, "every record of the log can be scored");
        let place = (source.partition() as usize, source.offset());
        self.0.insert(place, alert(&record));
        Ok(())
    }
}
