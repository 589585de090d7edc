//! Resident memory of a million customers with thirty remembered transactions each.
//!
//! Not a timed bench: it plays the transactions through an engine, day by day over a month, and
//! prints what the process holds resident (Linux). Each customer has six merchants, five
//! categories, three cities with positions and two devices, and one anomaly in ten transactions or
//! so.

use std::sync::Arc;

use synfinance::core::engine::{Context, Engine, Memory};
use synfinance::core::features::calendar::Calendar;
use synfinance::core::features::catalog::FeatureId;
use synfinance::core::features::cities::Cities;
use synfinance::core::transaction::{DAY_MS, HOUR_MS, RawTransaction};

/// The binary's allocator: what it wastes counts too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CUSTOMERS: u64 = 1_000_000;
const EACH: u64 = 30;
const START_MS: i64 = 1_767_225_600_000;
const BATCH: u64 = 256;
const CATEGORIES: [&str; 5] = ["Groceries", "Fuel", "Dining", "Travel", "Electronics"];
const CITIES: [&str; 3] = ["Mumbai", "Pune", "Nashik"];

fn main() {
    let context = Context {
        calendar: Calendar::new("Asia/Kolkata", "").expect("the zone is in the database"),
        cities: Cities::default(),
    };
    let before = resident_bytes();
    let mut engine = Engine::for_features(Arc::new(context), vec![FeatureId::Amount], None)
        .expect("the amount is in the catalogue");
    let mut memory = Memory::default();
    for round in 0..EACH {
        for first in (0..CUSTOMERS).step_by(BATCH as usize) {
            play((&mut engine, &mut memory), round, first..(first + BATCH).min(CUSTOMERS));
        }
    }
    let customers = memory.customers(Memory::WHOLE).expect("customers");
    let remembered: usize = customers.iter().map(|customer| customer.state.columns.len()).sum();
    let heap: usize = customers.iter().map(|customer| customer.state.heap_bytes()).sum();
    let resident = resident_bytes() - before;
    println!("customers              {}", customers.len());
    println!("remembered             {remembered}");
    println!("resident               {resident} bytes");
    println!("resident per customer  {} bytes", resident / CUSTOMERS);
    println!("  of it on their heaps {} bytes", heap as u64 / CUSTOMERS);
    println!(
        "  of it in the state   {} bytes",
        size_of::<synfinance::core::state::customers::Customer>()
    );
}

fn play((engine, memory): (&mut Engine, &mut Memory), round: u64, customers: std::ops::Range<u64>) {
    let ids: Vec<[String; 4]> = customers
        .map(|customer| {
            let mix = customer.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (round * 0x2545_f491);
            [
                format!("C{customer:07}"),
                format!("T{round:02}{customer:07}"),
                format!("M{:05}", customer * 7 % 50_000 + mix % 6),
                format!("D{customer:07}{}", mix % 11 / 10),
            ]
        })
        .collect();
    let batch: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(n, [customer, transaction, merchant, device])| {
            let mix = (n as u64 + round * 31).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let raw = RawTransaction {
                transaction_id: transaction,
                customer_id: customer,
                merchant_id: merchant,
                event_time: START_MS + round as i64 * DAY_MS + (mix % 14) as i64 * HOUR_MS,
                amount: (mix % 500_000) as f64 / 100.0,
                category: CATEGORIES[(mix % 5) as usize],
                city: Some(CITIES[(mix % 3) as usize]),
                latitude: Some(19.0 + (mix % 3) as f64 / 2.0),
                longitude: Some(73.0),
                home_latitude: Some(19.0),
                home_longitude: Some(73.0),
                device_id: Some(device),
                merchant_reputation: Some(0.9),
                ..RawTransaction::default()
            };
            raw.validate(i64::MAX / 2).expect("the transaction is valid")
        })
        .collect();
    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    engine.features(memory, &batch, &mut rows, &mut seen).expect("features need no model");
}

/// What the kernel counts as resident; 0 where it does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kilobytes.unwrap_or(0_u64) * 1_024
}
