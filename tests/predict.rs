//! A prediction is what the stream would decide if the transaction were the next record, to the
//! bit, and leaves the memory as it was, to the byte: for customers known and new, in order, out of
//! order, late and repeated, whatever analysts have said by then.

mod engine_support;

use proptest::prelude::*;
use synfinance::core::engine::{Decision, Engine, Memory, Place};
use synfinance::core::state::customers::Customers;
use synfinance::core::state::{Bounds, MEMORY_MS, snapshot};
use synfinance::core::transaction::{DAY_MS, EventTime, HOUR_MS, Label, RawTransaction};

const PARTITIONS: i32 = 3;
const T0: i64 = 1_767_225_600_000;

/// Names that repeat often, so that histories meet.
const CUSTOMERS: [&str; 4] = ["C-0", "C-1", "C-2", "C-3"];
const MERCHANTS: [&str; 5] = ["M-0", "M-1", "M-2", "M-3", "M-4"];
const CATEGORIES: [&str; 3] = ["Groceries", "Travel", ""];
const CITIES: [Option<&str>; 4] = [None, Some("Mumbai"), Some("Pune"), Some("Nowhere")];

#[derive(Debug, Clone)]
struct Payment {
    /// Few ids: many come twice.
    id: String,
    partition: i32,
    customer: &'static str,
    merchant: &'static str,
    /// After [`T0`].
    after_ms: i64,
    amount: f64,
    category: &'static str,
    city: Option<&'static str>,
    device: Option<String>,
}

impl Payment {
    fn raw(&self) -> RawTransaction<'_> {
        RawTransaction {
            transaction_id: &self.id,
            customer_id: self.customer,
            merchant_id: self.merchant,
            event_time: T0 + self.after_ms,
            amount: self.amount,
            category: self.category,
            city: self.city,
            country: Some("IN"),
            device_id: self.device.as_deref(),
            ..RawTransaction::default()
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    Pay(Payment),
    /// An analyst's verdict about the payments of a customer at a merchant.
    Verdict {
        id: String,
        customer: &'static str,
        merchant: &'static str,
        is_fraud: bool,
        at: i64,
    },
}

fn payments() -> impl Strategy<Value = Payment> {
    // Mostly close together, sometimes behind everything that is remembered.
    let after_ms = prop_oneof![
        6 => 0..3 * HOUR_MS,
        3 => 0..40 * DAY_MS,
        1 => (40 * DAY_MS - MEMORY_MS - 5)..(40 * DAY_MS - MEMORY_MS + 5),
        1 => Just(40 * DAY_MS),
    ];
    let names = (
        0..60_u32,
        0..PARTITIONS,
        prop::sample::select(&CUSTOMERS[..]),
        prop::sample::select(&MERCHANTS[..]),
    );
    let rest = (
        1..9_000_000_u32,
        prop::sample::select(&CATEGORIES[..]),
        prop::sample::select(&CITIES[..]),
        prop::option::of(0..3_u8),
    );
    (names, after_ms, rest).prop_map(|((id, partition, customer, merchant), after_ms, rest)| {
        let (paise, category, city, device) = rest;
        let (id, device) = (format!("T-{id}"), device.map(|device| format!("D-{device}")));
        let amount = f64::from(paise) / 100.0;
        Payment { id, partition, customer, merchant, after_ms, amount, category, city, device }
    })
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let verdict = (
        0..60_u32,
        prop::sample::select(&CUSTOMERS[..]),
        prop::sample::select(&MERCHANTS[..]),
        any::<bool>(),
        0..40 * DAY_MS,
    )
        .prop_map(|(id, customer, merchant, is_fraud, at)| Act::Verdict {
            id: format!("T-{id}"),
            customer,
            merchant,
            is_fraud,
            at,
        });
    prop::collection::vec(prop_oneof![9 => payments().prop_map(Act::Pay), 1 => verdict], 1..120)
}

/// Everything that a memory holds, as bytes.
fn bytes(memory: &Memory) -> Vec<(i32, String, i64, Vec<u8>)> {
    let of = |partition: i32| {
        let customers = memory.customers(partition).into_iter().flat_map(Customers::iter);
        customers.map(move |customer| {
            let mut bytes = Vec::new();
            snapshot::encode(&customer.state, &mut bytes);
            (partition, customer.id().to_owned(), customer.applied_offset(), bytes)
        })
    };
    (0..PARTITIONS).flat_map(of).collect()
}

fn engine() -> Engine {
    // A threshold so low that reasons are compared as well.
    engine_support::engine(engine_support::context("Asia/Kolkata"), Some(0.01))
}

fn bits(decision: &Option<Decision>) -> Option<(u64, String)> {
    let decision = decision.as_ref()?;
    Some((decision.score.to_bits(), format!("{:?} {:?}", decision.severity, decision.reasons)))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_prediction_is_the_decision_that_the_next_record_gets(
        acts in acts(),
        max_transactions in prop::sample::select(&[32_u16, 1_024][..]),
    ) {
        let (mut streaming, mut asked) = (engine(), engine());
        let mut memory = Memory::new(Bounds { max_transactions, ..Bounds::default() });
        for (offset, act) in acts.iter().enumerate() {
            let payment = match act {
                Act::Pay(payment) => payment,
                Act::Verdict { id, customer, merchant, is_fraud, at } => {
                    memory.learn(&Label {
                        transaction_id: id,
                        customer_id: customer,
                        merchant_id: merchant,
                        event_time: EventTime::from_trusted_millis(T0),
                        is_fraud: *is_fraud,
                        labeled_at: EventTime::from_trusted_millis(T0 + at),
                        fraud_type: None,
                    });
                    continue;
                }
            };
            let transaction = payment.raw().validate(i64::MAX / 2).unwrap();
            let before = (bytes(&memory), memory.counts(), memory.bytes());
            let predicted = asked.predict(&memory, payment.partition, &transaction).unwrap();
            let changed = memory.changed(payment.partition);
            prop_assert!(before == (bytes(&memory), memory.counts(), memory.bytes()));
            let place = Place { partition: payment.partition, offset: offset as i64 };
            let mut decided = Vec::new();
            streaming.score(&mut memory, &[transaction], |_| place, &mut decided).unwrap();
            prop_assert_eq!(bits(&predicted), bits(&decided[0]), "{:?}", payment);
            prop_assert!(memory.changed(payment.partition) >= changed);
            // Asked again, it is a repeat, unless the horizon for repeats has passed it by.
            let again = asked.predict(&memory, payment.partition, &transaction).unwrap();
            streaming.score(&mut memory, &[transaction], |_| place, &mut decided).unwrap();
            prop_assert_eq!(bits(&again), bits(&decided[0]));
        }
    }
}

#[test]
fn nobody_enters_memory_by_being_asked_about() {
    let mut memory = Memory::default();
    let payment = RawTransaction {
        transaction_id: "T",
        customer_id: "C",
        merchant_id: "M",
        event_time: T0,
        amount: 10.0,
        ..RawTransaction::default()
    };
    let transaction = payment.validate(T0).unwrap();
    let predicted = engine().predict(&memory, 1, &transaction).unwrap();
    assert!(memory.customers(1).is_none() && memory.customer_count() == 0);
    let mut decided = Vec::new();
    let place = Place { partition: 1, offset: 0 };
    engine().score(&mut memory, &[transaction], |_| place, &mut decided).unwrap();
    assert_eq!(bits(&predicted), bits(&decided[0]));
}
