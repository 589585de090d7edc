//! A stream in which whatever makes features hard occurs, the same one in every run.
//!
//! The generator's payments come in order, complete and once. Here they are damaged as the world
//! damages them: late, twice, without a position or a home, with verdicts that are repeated and
//! taken back.

use std::collections::HashMap;

use synfinance::core::transaction::{
    DAY_MS, EventTime, HOUR_MS, Label, MINUTE_MS, RawTransaction, Status, Transaction,
};
use synfinance::tools::generate::{Generated, Generator, Settings};

/// Pays more often than its state remembers exactly: about 1,400 times in 31 days.
pub const FOLDED: &str = "C-folded";
/// Pays often; its state just remembers everything.
const BUSY: &str = "C-busy";

const TRANSACTIONS: u64 = 49_200;
const LABEL_DELAY_MS: i64 = 2 * DAY_MS;
const MEMORY_MS: i64 = 31 * DAY_MS;

/// Distances in time at which a window begins, as seen from a payment or from the verdict on it.
const APART_MS: [i64; 13] = [
    0,
    0,
    0,
    HOUR_MS,
    6 * HOUR_MS,
    DAY_MS,
    7 * DAY_MS,
    14 * DAY_MS,
    30 * DAY_MS,
    MEMORY_MS,
    LABEL_DELAY_MS,
    LABEL_DELAY_MS + DAY_MS,
    LABEL_DELAY_MS + 7 * DAY_MS,
];

/// A transaction that owns its texts.
#[derive(Debug, Clone)]
pub struct Payment {
    pub id: String,
    pub customer: String,
    pub merchant: String,
    pub time: i64,
    pub amount: f64,
    pub category: String,
    pub status: Status,
    pub reputation: Option<f64>,
    pub city: Option<String>,
    pub country: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub home: Option<(f64, f64)>,
    pub device: Option<String>,
    is_fraud: bool,
    /// When it arrives; what it is sorted by.
    arrives_at: i64,
}

impl Payment {
    fn of(generated: &Generated) -> Self {
        let raw = generated.raw();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            id: raw.transaction_id.to_owned(),
            customer: raw.customer_id.to_owned(),
            merchant: raw.merchant_id.to_owned(),
            time: raw.event_time,
            amount: raw.amount,
            category: raw.category.to_owned(),
            status: raw.status,
            reputation: raw.merchant_reputation,
            city: owned(raw.city),
            country: owned(raw.country),
            latitude: raw.latitude.map(six_decimals),
            longitude: raw.longitude.map(six_decimals),
            home: raw.home_latitude.zip(raw.home_longitude),
            device: owned(raw.device_id),
            is_fraud: generated.is_fraud,
            arrives_at: raw.event_time,
        }
    }

    /// The same as the engine takes it.
    pub fn transaction(&self) -> Transaction<'_> {
        let raw = RawTransaction {
            transaction_id: &self.id,
            customer_id: &self.customer,
            merchant_id: &self.merchant,
            event_time: self.time,
            amount: self.amount,
            category: &self.category,
            status: self.status,
            merchant_reputation: self.reputation,
            city: self.city.as_deref(),
            country: self.country.as_deref(),
            latitude: self.latitude,
            longitude: self.longitude,
            home_latitude: self.home.map(|(latitude, _)| latitude),
            home_longitude: self.home.map(|(_, longitude)| longitude),
            device_id: self.device.as_deref(),
            ..RawTransaction::default()
        };
        raw.validate(i64::MAX / 2).unwrap()
    }

    /// Every customer whose id ends in 0 or 5 never tells its home, one ending in 1 only sometimes.
    pub fn has_constant_home(&self) -> bool {
        !self.customer.ends_with(['0', '1', '5'])
    }
}

/// Positions are remembered in steps of 1e-7 degrees; a seventh decimal would be rounded.
fn six_decimals(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

/// A verdict, and how many payments arrive before it.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub transaction: String,
    pub customer: String,
    pub merchant: String,
    pub time: i64,
    pub is_fraud: bool,
    pub labeled_at: i64,
    pub arrival: usize,
}

impl Verdict {
    /// The same as the engine takes it.
    pub fn label(&self) -> Label<'_> {
        Label {
            transaction_id: &self.transaction,
            customer_id: &self.customer,
            merchant_id: &self.merchant,
            event_time: EventTime::from_trusted_millis(self.time),
            is_fraud: self.is_fraud,
            labeled_at: EventTime::from_trusted_millis(self.labeled_at),
            fraud_type: None,
        }
    }
}

/// Knuth's MMIX generator: enough for choosing, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// True in `n` of 1,000 cases.
    fn per_mille(&mut self, n: u64) -> bool {
        self.next() % 1_000 < n
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() as i64) % (high - low)
    }
}

/// Payments in order of arrival and the verdicts on them in order of arrival.
pub fn stream() -> (Vec<Payment>, Vec<Verdict>) {
    let settings = Settings {
        transactions: TRANSACTIONS,
        customers: 400,
        merchants: 600,
        fraud_rate: 0.03,
        seed: 11,
        days: 90,
        ..Settings::default()
    };
    let generated = Generator::new(&settings).unwrap();
    let mut payments: Vec<Payment> = generated.map(|generated| Payment::of(&generated)).collect();
    let mut chance = Chance(2_026);
    make_customers_busy(&mut payments);
    align(&mut payments, &mut chance);
    for payment in &mut payments {
        forget(payment, &mut chance);
        change(payment, &mut chance);
        delay(payment, &mut chance);
    }
    repeat(&mut payments, &mut chance);
    payments.sort_by_key(|payment| payment.arrives_at);
    let verdicts = verdicts(&payments, &mut chance);
    (payments, verdicts)
}

fn make_customers_busy(payments: &mut [Payment]) {
    let homes = [(19.076, 72.8777), (28.6519, 77.2315)];
    for (index, payment) in payments.iter_mut().enumerate() {
        let (customer, home) = match index % 40 {
            0 | 13 | 27 => (FOLDED, homes[0]),
            7 => (BUSY, homes[1]),
            _ => continue,
        };
        payment.customer = customer.to_owned();
        payment.home = Some(home);
    }
}

/// Some payments come exactly a window after the customer's payment before, or at the very same
/// time; verdicts come after two days, so some lie exactly at the edges of their windows too. What
/// is then just too old to be remembered, or to be known as a duplicate, arrives right after. A
/// customer's first payment may arrive when it is too old to be remembered as the first.
fn align(payments: &mut Vec<Payment>, chance: &mut Chance) {
    let mut last = HashMap::new();
    let mut again = Vec::new();
    for index in 0..payments.len() {
        let Some(before) = last.insert(payments[index].customer.clone(), index) else {
            payments[index].arrives_at +=
                if chance.per_mille(300) { MEMORY_MS + DAY_MS } else { 0 };
            continue;
        };
        if !chance.per_mille(if payments[before].is_fraud { 200 } else { 50 }) {
            continue;
        }
        let apart = APART_MS[chance.next() as usize % APART_MS.len()];
        let time = payments[before].time + apart;
        payments[index].time = time;
        payments[index].arrives_at = time;
        match apart {
            _ if payments[index].customer == FOLDED => {}
            MEMORY_MS => payments[before].arrives_at = time + 1,
            DAY_MS => {
                let copy = payments[before].clone();
                again.push(Payment { arrives_at: time + 1, is_fraud: false, ..copy });
            }
            _ => {}
        }
    }
    payments.extend(again);
}

/// Fields that a producer may leave out.
fn forget(payment: &mut Payment, chance: &mut Chance) {
    let (ends_in_1, is_known) = (payment.customer.ends_with('1'), payment.has_constant_home());
    let tells_it = is_known || ends_in_1 && chance.per_mille(600);
    if !tells_it {
        payment.home = None;
    }
    if chance.per_mille(100) {
        payment.latitude = None;
        payment.longitude = None;
    }
    if chance.per_mille(10) {
        payment.longitude = None;
    }
    if chance.per_mille(40) {
        payment.city = None;
    }
    if chance.per_mille(40) {
        payment.country = None;
    }
    if chance.per_mille(40) {
        payment.category.clear();
    }
    if chance.per_mille(50) {
        payment.device = None;
    }
    if chance.per_mille(50) {
        payment.reputation = None;
    }
}

/// Values that the generator does not produce, or seldom.
fn change(payment: &mut Payment, chance: &mut Chance) {
    match chance.next() % 100 {
        0 | 1 => payment.status = Status::Refunded,
        2..5 => payment.status = Status::Declined,
        5 => payment.city = payment.city.take().map(|city| city.to_uppercase()),
        6 => payment.city = Some("Atlantis".to_owned()),
        7 => payment.country = Some("ZZ".to_owned()),
        8 => payment.amount = 0.0,
        9 => payment.amount = 100.0 * chance.between(1, 100) as f64,
        10 => payment.amount = chance.between(1, 40_000) as f64 / 10_000.0,
        11 => payment.reputation = Some(chance.between(0, 1 << 30) as f64 / f64::from(1 << 30)),
        12 => payment.category = "Never heard of".to_owned(),
        13 => payment.amount *= 20.0,
        _ => {}
    }
}

/// Some payments arrive late: minutes to days, a few after everything around them is forgotten.
/// The folded customer's stay in order: what they may still see exactly is not of interest here.
fn delay(payment: &mut Payment, chance: &mut Chance) {
    if payment.customer == FOLDED {
        return;
    }
    payment.arrives_at += match chance.next() % 1_000 {
        0..10 => chance.between(MINUTE_MS, HOUR_MS),
        10..20 => chance.between(HOUR_MS, DAY_MS),
        20..30 => chance.between(DAY_MS, 9 * DAY_MS),
        30..33 => chance.between(20 * DAY_MS, 50 * DAY_MS),
        _ => 0,
    };
}

/// Duplicates: most come within hours, some when their id is forgotten and count as new ones.
fn repeat(payments: &mut Vec<Payment>, chance: &mut Chance) {
    let again: Vec<Payment> = payments
        .iter()
        .filter(|payment| payment.customer != FOLDED && !payment.is_fraud)
        .filter_map(|payment| {
            let after = match chance.next() % 1_000 {
                0..4 => 0,
                4..12 => chance.between(1, 12 * HOUR_MS),
                12..14 => chance.between(2 * DAY_MS, 12 * DAY_MS),
                _ => return None,
            };
            Some(Payment { arrives_at: payment.arrives_at + after, ..payment.clone() })
        })
        .collect();
    payments.extend(again);
}

/// A verdict on every fraud, two days later. One half is delivered before everything else (it
/// counts from `labeled_at` nevertheless), one half right after its payment. Some are repeated with
/// a later time (what is delivered first counts), some taken back, some of those confirmed again.
fn verdicts(payments: &[Payment], chance: &mut Chance) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (row, payment) in payments.iter().enumerate().filter(|(_, payment)| payment.is_fraud) {
        let verdict = Verdict {
            transaction: payment.id.clone(),
            customer: payment.customer.clone(),
            merchant: payment.merchant.clone(),
            time: payment.time,
            is_fraud: true,
            labeled_at: payment.time + LABEL_DELAY_MS,
            arrival: if chance.per_mille(500) { 0 } else { row + 1 },
        };
        let later = |is_fraud, days: i64| Verdict {
            is_fraud,
            labeled_at: payment.time + days * DAY_MS,
            arrival: arrivals_until(payments, payment.arrives_at + days * DAY_MS).max(row + 1),
            ..verdict.clone()
        };
        match chance.next() % 20 {
            0 => verdicts.push(later(true, 4)),
            1 => verdicts.push(later(false, 5)),
            2 => verdicts.extend([later(false, 5), later(true, 8)]),
            _ => {}
        }
        verdicts.push(verdict);
    }
    verdicts.sort_by_key(|verdict| verdict.arrival);
    verdicts
}

/// How many payments arrive before `time`.
fn arrivals_until(payments: &[Payment], time: i64) -> usize {
    payments.partition_point(|payment| payment.arrives_at < time)
}
