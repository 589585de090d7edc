//! What is lost with a process comes back: rows that were saved at different moments, and the
//! records from the saved offset on, give the state that an undisturbed run has, byte for byte, and
//! the same decisions from then on. So does a customer who had to leave memory for others.
//!
//! The engine alone, with a map for a database: no thread, no clock, every moment to save or to
//! crash at.

mod engine_support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use synfinance::core::engine::{Decision, Engine, Memory, Place};
use synfinance::core::state::customers::Customers;
use synfinance::core::state::{Bounds, snapshot};
use synfinance::core::transaction::Transaction;
use synfinance::tools::generate::{Generated, Generator, Settings};

const PARTITION: i32 = 5;

fn engine() -> Engine {
    engine_support::engine(engine_support::context("Asia/Kolkata"), None)
}

fn memory() -> Memory {
    Memory::new(Bounds { max_transactions: 32, ..Bounds::default() })
}

/// Payments of few customers, some out of order, some twice.
fn payments() -> Vec<Generated> {
    let settings = Settings { transactions: 3_000, customers: 40, ..Settings::default() };
    let mut payments: Vec<_> = Generator::new(&settings).unwrap().collect();
    for index in (10..payments.len()).step_by(37) {
        payments.swap(index - 10, index);
    }
    for index in (50..payments.len()).step_by(101) {
        payments[index] = payments[index - 3].clone();
    }
    payments
}

fn valid(payments: &[Generated]) -> Vec<Transaction<'_>> {
    payments.iter().map(|payment| payment.raw().validate(i64::MAX / 2).unwrap()).collect()
}

/// A process, its database, and what has become of the log so far.
struct World<'a> {
    log: &'a [Transaction<'a>],
    engine: Engine,
    memory: Memory,
    /// Records before this offset have been judged.
    judged: usize,
    decisions: Vec<Option<Decision>>,
    stored: BTreeMap<String, (i64, Vec<u8>)>,
    saved_offset: usize,
}

impl<'a> World<'a> {
    fn new(log: &'a [Transaction<'a>]) -> Self {
        let (decisions, stored) = (Vec::new(), BTreeMap::new());
        Self {
            log,
            engine: engine(),
            memory: memory(),
            judged: 0,
            decisions,
            stored,
            saved_offset: 0,
        }
    }

    fn judge(&mut self, count: usize) {
        let until = (self.judged + count).min(self.log.len());
        let batch = &self.log[self.judged..until];
        batch.iter().for_each(|transaction| self.load(transaction));
        let first = self.judged;
        let place_of = |place| Place { partition: PARTITION, offset: (first + place) as i64 };
        let mut decisions = Vec::new();
        self.engine.score(&mut self.memory, batch, place_of, &mut decisions).unwrap();
        self.decisions.append(&mut decisions);
        self.judged = until;
    }

    /// Reads a customer who is stored and not in memory.
    fn load(&mut self, transaction: &Transaction<'_>) {
        let id = transaction.customer_id;
        if self.memory.is_missing(PARTITION, id) {
            let (applied, state) = &self.stored[id];
            let state = snapshot::decode(state).unwrap();
            assert!(self.memory.customers_mut(PARTITION).admit(id, state, *applied));
        }
    }

    /// Takes customers out of memory, as many as may go.
    fn evict(&mut self, bytes: usize) {
        self.memory.evict(bytes);
    }

    /// Saves what has changed, a few customers at a time; `between` records come between them. Cut
    /// short, rows are written and the saved offset is not.
    fn save(&mut self, few: usize, between: usize, is_cut_short: bool) {
        let offset = self.judged;
        let slots = self.memory.customers_mut(PARTITION).start_save();
        let end = if is_cut_short { slots.len() / 2 } else { slots.len() };
        for slots in slots[..end].chunks(few) {
            for &slot in slots {
                let customer = self.memory.customers(PARTITION).unwrap().at(slot);
                let mut bytes = Vec::new();
                snapshot::encode(&customer.state, &mut bytes);
                let row = (customer.applied_offset(), bytes);
                self.stored.insert(customer.id().to_owned(), row);
            }
            self.judge(between);
        }
        if is_cut_short {
            self.crash();
        } else {
            self.memory.customers_mut(PARTITION).confirm_save();
            self.saved_offset = offset;
        }
    }

    /// Memory is lost; what has been judged is remembered again from the saved offset on.
    fn crash(&mut self) {
        self.memory = memory();
        let customers = self.memory.customers_mut(PARTITION);
        self.stored.keys().for_each(|id| customers.mark_stored(id));
        for offset in self.saved_offset..self.judged {
            let transaction = &self.log[offset];
            self.load(transaction);
            let place = Place { partition: PARTITION, offset: offset as i64 };
            self.engine.restore(&mut self.memory, transaction, place);
        }
    }

    /// The state of every customer, in memory or stored.
    fn states(&self) -> BTreeMap<String, Vec<u8>> {
        let stored = self.stored.iter().map(|(id, (_, state))| (id.clone(), state.clone()));
        let mut states: BTreeMap<_, _> = stored.collect();
        for customer in self.memory.customers(PARTITION).into_iter().flat_map(Customers::iter) {
            let mut bytes = Vec::new();
            snapshot::encode(&customer.state, &mut bytes);
            states.insert(customer.id().to_owned(), bytes);
        }
        states
    }
}

#[derive(Debug, Clone)]
enum Act {
    Judge(usize),
    Save { few: usize, between: usize, is_cut_short: bool },
    Evict(usize),
    Crash,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let save = (1..20_usize, 0..8_usize, prop::bool::weighted(0.3))
        .prop_map(|(few, between, is_cut_short)| Act::Save { few, between, is_cut_short });
    let act = prop_oneof![
        4 => (0..400_usize).prop_map(Act::Judge),
        3 => save,
        3 => (0..60_000_usize).prop_map(Act::Evict),
        2 => Just(Act::Crash),
    ];
    prop::collection::vec(act, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn crashes_and_evictions_at_any_moment_change_nothing(acts in acts()) {
        let payments = payments();
        let log = valid(&payments);
        let mut undisturbed = World::new(&log);
        undisturbed.judge(log.len());
        let mut world = World::new(&log);
        for act in acts {
            match act {
                Act::Judge(count) => world.judge(count),
                Act::Save { few, between, is_cut_short } => world.save(few, between, is_cut_short),
                Act::Evict(bytes) => world.evict(bytes),
                Act::Crash => world.crash(),
            }
        }
        world.judge(log.len());
        prop_assert!(world.decisions == undisturbed.decisions, "a decision differs");
        prop_assert!(world.states() == undisturbed.states(), "a state differs");
    }
}

#[test]
fn a_record_that_a_row_has_is_not_applied_again() {
    let payments = payments();
    let log = valid(&payments);
    let mut world = World::new(&log);
    world.judge(100);
    world.save(100, 0, false);
    world.memory = memory();
    let customers = world.memory.customers_mut(PARTITION);
    world.stored.keys().for_each(|id| customers.mark_stored(id));
    let place = |offset: usize| Place { partition: PARTITION, offset: offset as i64 };
    for (offset, transaction) in log[..100].iter().enumerate() {
        world.load(transaction);
        let is_applied = world.engine.restore(&mut world.memory, transaction, place(offset));
        let (applied, _) = world.stored[transaction.customer_id];
        assert_eq!(is_applied, offset as i64 >= applied, "{offset}");
    }
    assert_eq!(world.memory.changed(PARTITION), 0, "nothing of it has to be saved again");
}
