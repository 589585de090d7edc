//! The path that every front end takes: remember, features, score, decide.
//!
//! Training tables, backtests, the API and the live stream agree because they run this code and no
//! other. It is synchronous and deterministic: the same transactions in the same order give the
//! same features, scores and state, however they are cut into batches. A batch is only a matter of
//! speed: its rows are remembered one after the other, then scored together.

use std::sync::Arc;

use crate::core::features::calendar::{Calendar, LocalTime};
use crate::core::features::catalog::FeatureId;
use crate::core::features::cities::Cities;
use crate::core::features::plan::Plan;
use crate::core::features::row::{Moment, Row};
use crate::core::state::Bounds;
use crate::core::state::customer::{CustomerState, Remembered};
use crate::core::state::customers::Customers;
use crate::core::state::hash::{hash30, hash32, hash64};
use crate::core::state::labels::KnownFrauds;
use crate::core::state::observation::{Incoming, Observation};
use crate::core::state::partitions::Partitions;
use crate::core::transaction::{Label, Transaction};

mod scoring;

pub use crate::core::state::customer::Seen;
pub use crate::core::state::partitions::Place;
use scoring::{Decider, Forest};
pub use scoring::{Decision, EngineError};

/// What every engine of a process shares: tables and bounds.
#[derive(Debug)]
pub struct Context {
    /// Local time and holidays.
    pub calendar: Calendar,
    /// Where cities lie.
    pub cities: Cities,
    /// Bounds of each customer's state.
    pub bounds: Bounds,
}

/// What an engine has met so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Judged and not remembered, because they came too late.
    pub late: u64,
    /// Ids that had been seen before.
    pub duplicates: u64,
    /// Transactions folded into hourly sums.
    pub folded: u64,
    /// Stored customers taken out of memory to make room.
    pub evicted: u64,
}

/// The partition of transactions that come from no topic.
pub const WHOLE: i32 = 0;

/// Where those stand: nobody asks how far they are applied.
const NOWHERE: Place = Place { partition: WHOLE, offset: 0 };

/// One engine: the state of the customers that it owns, a model, and room for a batch.
/// `Send` and not shared: one for each shard or worker.
pub struct Engine {
    context: Arc<Context>,
    partitions: Partitions,
    frauds: KnownFrauds,
    counts: Counts,
    plan: Plan,
    /// Columns of `plan` that are handed out; the rest only feeds the forest.
    width: usize,
    decider: Option<Decider>,
    forest: Option<Forest>,
    row: Row,
    /// Rows of the batch, one for each transaction that is not a duplicate, `plan`'s columns wide.
    values: Vec<f64>,
    seen: Vec<Seen>,
}

impl Engine {
    /// Takes an analyst's verdict in; it counts from its `labeled_at`.
    pub fn learn(&mut self, label: &Label<'_>) {
        self.frauds.learn(label);
    }

    /// Features of transactions in order of arrival, each as of its own time: row-major, [`width`]
    /// columns a row. Both outputs are cleared first; a duplicate's row is all NaN.
    ///
    /// [`width`]: Engine::width
    pub fn features(
        &mut self,
        batch: &[Transaction<'_>],
        rows: &mut Vec<f64>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), EngineError> {
        self.remember(batch, |_| NOWHERE)?;
        let stride = self.plan.columns().len();
        let mut computed = self.values.chunks_exact(stride);
        rows.clear();
        for seen in &self.seen {
            match seen {
                Seen::Duplicate => rows.resize(rows.len() + self.width, f64::NAN),
                _ => rows.extend(computed.by_ref().take(1).flat_map(|row| &row[..self.width])),
            }
        }
        seen.clear();
        seen.extend_from_slice(&self.seen);
        Ok(())
    }

    /// Columns of [`Engine::features`].
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features in the order of the columns.
    pub fn columns(&self) -> &[FeatureId] {
        &self.plan.columns()[..self.width]
    }

    /// The customers that are remembered of a partition ([`WHOLE`] outside Kafka), if any are.
    pub fn customers(&self, partition: i32) -> Option<&Customers> {
        self.partitions.of(partition)
    }

    /// How many customers are remembered, all partitions together.
    pub fn customer_count(&self) -> usize {
        self.partitions.customers()
    }

    /// Memory of the customers' states in bytes, about.
    pub fn state_bytes(&self) -> usize {
        self.partitions.bytes()
    }

    /// How many frauds are known.
    pub fn fraud_count(&self) -> usize {
        self.frauds.len()
    }

    /// Remembers a transaction that has been judged before, and judges nothing: what rebuilds lost
    /// state. The state is the same as after scoring it. How it was taken is not counted again.
    /// `false` if its customer's state, read from a snapshot, has it already.
    pub fn restore(&mut self, transaction: &Transaction<'_>, place: Place) -> bool {
        let (incoming, _) = incoming(&self.context, transaction);
        let customers = self.partitions.of_mut(place.partition);
        let slot = customers.slot(transaction.customer_id, hash64(transaction.customer_id));
        if place.offset < customers.at(slot).applied_offset() {
            return false;
        }
        let state = customers.state_mut(slot);
        let remembered = state.remember(&incoming, &self.context.bounds, |_, _| ());
        if remembered.seen != Seen::Duplicate {
            customers.applied(slot, place.offset);
        }
        true
    }

    /// Whether a customer of a partition is in memory.
    pub fn has(&self, partition: i32, customer_id: &str) -> bool {
        let customers = self.partitions.of(partition);
        customers.is_some_and(|customers| customers.has(customer_id, hash64(customer_id)))
    }

    /// Takes a customer in as stored: `state` has all records of the partition before
    /// `applied_offset`. `false` if the customer is in memory already; then that stays. The
    /// customer is missing no more.
    pub fn admit(
        &mut self,
        partition: i32,
        customer_id: &str,
        applied_offset: i64,
        state: CustomerState,
    ) -> bool {
        let customers = self.partitions.of_mut(partition);
        customers.met_in_store(customer_id);
        customers.admit(customer_id, state, applied_offset)
    }

    /// As [`admit`](Engine::admit), for a customer who is not stored like that: there is something
    /// to save.
    pub fn admit_changed(
        &mut self,
        partition: i32,
        customer_id: &str,
        applied_offset: i64,
        state: CustomerState,
    ) -> bool {
        let customers = self.partitions.of_mut(partition);
        customers.met_in_store(customer_id);
        customers.admit_changed(customer_id, state, applied_offset)
    }

    /// A customer of a partition is stored. See [`Engine::is_missing`].
    pub fn expect(&mut self, partition: i32, customer_id: &str) {
        self.partitions.of_mut(partition).expect(customer_id);
    }

    /// Nobody knows who is stored of a partition: every customer may be, until
    /// [`list`](Engine::list) tells more.
    pub fn expect_all(&mut self, partition: i32) {
        self.partitions.of_mut(partition).expect_all();
    }

    /// Who is stored of a partition has been told, up to this id; `None`: to the end.
    pub fn list(&mut self, partition: i32, up_to: Option<&str>) {
        self.partitions.of_mut(partition).list(up_to);
    }

    /// Whether any customer is stored and not in memory, or may be.
    pub fn expects(&self) -> bool {
        self.partitions.iter().any(Customers::expects)
    }

    /// Whether a customer is stored and not in memory, or may be: the store has to be asked before
    /// a transaction of it is scored or restored.
    pub fn is_missing(&self, partition: i32, customer_id: &str) -> bool {
        self.partitions.of(partition).is_some_and(|customers| customers.is_missing(customer_id))
    }

    /// The store has been asked for a customer, who is missing no more.
    pub fn met_in_store(&mut self, partition: i32, customer_id: &str) {
        self.partitions.of_mut(partition).met_in_store(customer_id);
    }

    /// How many customers of a partition have changed since the last [`Engine::cut`].
    pub fn changed(&self, partition: i32) -> usize {
        self.partitions.of(partition).map_or(0, Customers::changed)
    }

    /// The slots of those customers, to be saved; from now on none has changed.
    pub fn cut(&mut self, partition: i32) -> Vec<u32> {
        self.partitions.of_mut(partition).cut()
    }

    /// What was [`cut`](Engine::cut) last of a partition is stored, or it never will be and has
    /// changed still.
    pub fn settle(&mut self, partition: i32, is_stored: bool) {
        let customers = self.partitions.of_mut(partition);
        if is_stored { customers.settle() } else { customers.put_back() }
    }

    /// The customers in these slots are stored, of those that were [`cut`](Engine::cut) last.
    pub fn settle_some(&mut self, partition: i32, slots: &[u32]) {
        self.partitions.of_mut(partition).settle_some(slots);
    }

    /// Takes customers out of memory that are stored as they are, until about `bytes` are free or a
    /// sweep of each partition is over; see [`Customers::evict`]. How many.
    pub fn evict(&mut self, bytes: usize) -> usize {
        let evicted = self.partitions.evict(bytes);
        self.counts.evicted += evicted as u64;
        evicted
    }

    /// Forgets all customers, and keeps the known frauds.
    pub fn forget_customers(&mut self) {
        self.partitions = Partitions::default();
    }

    /// Forgets the customers of a partition that this engine does not have any more.
    pub fn forget(&mut self, partition: i32) {
        self.partitions.forget(partition);
    }

    /// What was met so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Remembers a batch and leaves its rows in `values`, complete with the forest's columns.
    /// `place_of` tells where the transaction at a place of the batch comes from.
    fn remember(
        &mut self,
        batch: &[Transaction<'_>],
        place_of: impl Fn(usize) -> Place,
    ) -> Result<(), EngineError> {
        self.values.clear();
        self.seen.clear();
        for (place, transaction) in batch.iter().enumerate() {
            let seen = self.remember_one(transaction, place_of(place));
            self.seen.push(seen);
        }
        if let Some(forest) = &mut self.forest {
            forest.fill(&mut self.values, self.plan.columns().len())?;
        }
        Ok(())
    }

    #[inline]
    fn remember_one(&mut self, transaction: &Transaction<'_>, place: Place) -> Seen {
        let (incoming, local) = incoming(&self.context, transaction);
        let customer = hash64(transaction.customer_id);
        let customers = self.partitions.of_mut(place.partition);
        let slot = customers.slot(transaction.customer_id, customer);
        let state = customers.state_mut(slot);
        let (plan, row, values) = (&self.plan, &mut self.row, &mut self.values);
        let frauds = &self.frauds;
        let read = |state: &CustomerState, observation: &Observation| {
            let incoming = &incoming;
            plan.fill(&Moment { incoming, local, state, observation, frauds, customer }, row);
            values.extend(plan.columns().iter().map(|&id| row[id]));
        };
        let Remembered { seen, folded } = state.remember(&incoming, &self.context.bounds, read);
        self.counts.folded += folded as u64;
        match seen {
            Seen::New => customers.applied(slot, place.offset),
            Seen::Late => {
                self.counts.late += 1;
                customers.applied(slot, place.offset);
            }
            Seen::Duplicate => self.counts.duplicates += 1,
        }
        seen
    }
}

/// A transaction as the state takes it.
#[inline]
fn incoming(context: &Context, transaction: &Transaction<'_>) -> (Incoming, LocalTime) {
    let time = transaction.event_time.millis();
    let local = context.calendar.local(time);
    let millionths = |reputation: f64| (reputation * 1e6).round() as u32;
    let city = transaction.city.unwrap_or("");
    let position = transaction.position.or_else(|| context.cities.find(city, transaction.country));
    let incoming = Incoming {
        transaction: hash64(transaction.transaction_id),
        time,
        amount: transaction.amount.minor(),
        merchant: hash32(transaction.merchant_id),
        status: transaction.status,
        hour: local.hour,
        category: hash30(transaction.category),
        city: hash30(city),
        device: hash30(transaction.device_id.unwrap_or("")),
        reputation: transaction.merchant_reputation.map(millionths),
        position,
        home: transaction.home,
    };
    (incoming, local)
}
