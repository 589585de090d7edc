//! A process: the real worker, with its engine, its keepers and a simulated Kafka and database.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use synfinance::base::clock::{Time, simulate};
use synfinance::core::codec::{ALERT_SCHEMA, Framing, TRANSACTION_SCHEMA};
use synfinance::edges::database::SnapshotStore;
use synfinance::edges::kafka::{Assignment, Connection};
use synfinance::stream::snapshots::policy::SavePoint;
use synfinance::stream::snapshots::{Policy, Portions};
use synfinance::stream::worker::{
    self, Budget, Delivery, ModelName, Schemas, Settings, Snapshots, Surroundings, Topics,
};

use crate::member::Member;
use crate::scheduler::Shared;
use crate::store::Client;
use crate::truth::{ALERT_ID, States, TRANSACTION_ID, engine, memory, states};
use crate::world::Stay;

/// What a worker is told; deadlines are as in production, the rest makes much happen in little
/// time.
pub fn settings(seat: usize, is_exactly_once: bool, snapshots: Option<Snapshots>) -> Settings {
    let model = ModelName { name: "m".to_owned(), version: "1".to_owned(), threshold: 0.05 };
    Settings {
        connection: Connection::new("nowhere:1", Vec::new().into_iter().collect()).unwrap(),
        group_id: "g".to_owned(),
        assignment: Assignment::Cooperative,
        topics: Topics::default(),
        schemas: Schemas::of(&[(TRANSACTION_ID, TRANSACTION_SCHEMA), (ALERT_ID, ALERT_SCHEMA)]),
        framing: Framing::Confluent(ALERT_ID),
        delivery: match is_exactly_once {
            true => Delivery::ExactlyOnce { transactional_id: seat.to_string() },
            false => Delivery::AtLeastOnce,
        },
        model,
        batch_records: 32,
        batch_wait: Duration::from_millis(200),
        commit_interval: Duration::from_millis(500),
        snapshots,
        memory: Duration::from_secs(30 * 86_400),
        patience: Duration::from_secs(10),
        shutdown_deadline: Duration::from_secs(20),
    }
}

fn snapshots(shared: &Arc<Shared>, stay: Stay, bytes: usize, few_customers: usize) -> Snapshots {
    let (opened, gate) = (Arc::clone(shared), Arc::clone(shared));
    let portions = Portions { batch_customers: 2, chunk_bytes: 600, few_customers };
    let often = SavePoint { after: Duration::from_millis(1_500), changed: 1 };
    Snapshots {
        open: Arc::new(move || {
            let client = Client::open(Arc::clone(&opened), stay)?;
            Ok(Box::new(client) as Box<dyn SnapshotStore>)
        }),
        complain: Arc::new(|_| ()),
        owner: format!("process {}", stay.seat),
        policy: Policy(vec![often]),
        portions,
        goes_on_incomplete: true,
        budget: Budget::new(bytes),
        in_turns: Some(Arc::new(move || gate.world().draw.chance(70))),
    }
}

/// A process's time is the world's.
struct Now(Arc<Shared>, Stay);

impl Time for Now {
    fn now(&self) -> Duration {
        self.0.world().now
    }

    fn pass(&self, duration: Duration) {
        self.0.pass(self.1, duration);
    }
}

/// How a process has ended.
pub enum End {
    /// In order, or because it could not go on; and whom it remembered then.
    Left(Result<(), worker::Error>, States),
    /// It was killed.
    Killed,
    /// It broke.
    Panicked(String),
}

/// What unwinds a process that is killed.
pub struct Kill;

/// Lives until it ends.
pub fn live(shared: &Arc<Shared>, stay: Stay, stop: &AtomicBool) {
    simulate(Rc::new(Now(Arc::clone(shared), stay)));
    shared.begin(stay);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let (is_exactly_once, bytes, few) = {
            let world = shared.world();
            (world.is_exactly_once, world.memory_bytes, world.few_customers)
        };
        let snapshots = snapshots(shared, stay, bytes, few);
        let settings = settings(stay.seat, is_exactly_once, Some(snapshots));
        let (mut engine, mut memory) = (engine(), memory());
        let member = Member::join(Arc::clone(shared), stay);
        let surroundings = Surroundings {
            clock: &|| i64::MAX / 2,
            stop,
            verdicts: &mut |_| (),
            observe: &mut |event| shared.world().observe(stay, &event),
        };
        let worked = worker::work(&settings, member, &mut engine, &mut memory, surroundings);
        (worked.map(drop), states(&memory))
    }));
    shared.end(
        stay,
        match lived {
            Ok((worked, states)) => End::Left(worked, states),
            Err(panic) if panic.is::<Kill>() => End::Killed,
            Err(panic) => End::Panicked(said(&*panic)),
        },
    );
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
