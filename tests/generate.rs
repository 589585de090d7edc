//! What the generator promises: exact counts, order, the same bytes for the same seed, that each
//! fraud pattern shows what it is named after, and that no single row shows that it is fraud.

mod generate_support;

use std::collections::{BTreeMap, BTreeSet};

use generate_support::worst_mark;
use proptest::prelude::*;
use synfinance::core::transaction::{DAY_MS, HOUR_MS, MINUTE_MS, RawTransaction, Status};
use synfinance::tools::generate::{FraudKind, Generated, Generator, Settings};
use xxhash_rust::xxh3::Xxh3;

fn generate(settings: &Settings) -> Vec<Generated> {
    Generator::new(settings).unwrap().collect()
}

/// A digest of every field, floating-point numbers by their bits.
fn digest(transactions: impl Iterator<Item = Generated>) -> u64 {
    let mut hash = Xxh3::new();
    for generated in transactions {
        let raw = generated.raw();
        let texts = [
            Some(raw.transaction_id),
            Some(raw.customer_id),
            Some(raw.merchant_id),
            Some(raw.currency),
            Some(raw.category),
            Some(raw.payment_mode),
            Some(raw.channel),
            Some(raw.status.symbol()),
            raw.merchant_name,
            raw.city,
            raw.country,
            raw.device_id,
            raw.ip_address,
            generated.fraud_type.map(FraudKind::word),
        ];
        for text in texts {
            hash.update(text.unwrap_or("-").as_bytes());
            hash.update(b"\n");
        }
        let numbers = [
            Some(raw.amount),
            raw.merchant_reputation,
            raw.latitude,
            raw.longitude,
            raw.home_latitude,
            raw.home_longitude,
        ];
        for number in numbers {
            hash.update(&number.map_or(0, f64::to_bits).to_le_bytes());
        }
        hash.update(&raw.event_time.to_le_bytes());
    }
    hash.digest()
}

#[test]
fn a_seed_always_gives_these_bytes() {
    // Changed on purpose only: files and models made from a seed are cited with it.
    for (seed, expected) in [(1, 0xc2bc_e84e_efe5_5775_u64), (42, 0x3409_3ff2_eebc_ca35)] {
        let settings = Settings { seed, ..Settings::default() };
        let got = digest(Generator::new(&settings).unwrap().take(10_000));
        assert_eq!(got, expected, "seed {seed}: {got:#018x}");
    }
}

#[test]
fn a_world_goes_on_with_the_same_people_and_other_payments() {
    let settings = Settings { transactions: 1_000, customers: 50, ..Settings::default() };
    let later = Settings { start_ms: settings.start_ms + 30 * DAY_MS, ..settings };
    let (first, second) = (generate(&settings), Generator::after(&later, 1_000).unwrap());
    let second: Vec<Generated> = second.collect();
    let all: Vec<_> = first.iter().chain(&second).map(Generated::raw).collect();
    assert!(all.is_sorted_by(|a, b| a.transaction_id < b.transaction_id));
    assert!(all.is_sorted_by_key(|one| one.event_time));
    let homes = |all: &[Generated]| -> BTreeMap<String, Option<u64>> {
        let home = |one: &Generated| one.raw().home_latitude.map(f64::to_bits);
        all.iter().map(|one| (one.raw().customer_id.to_owned(), home(one))).collect()
    };
    assert_eq!(homes(&first), homes(&second));
    let amounts = |all: &[Generated]| -> Vec<f64> { all.iter().map(|g| g.raw().amount).collect() };
    assert_ne!(amounts(&first), amounts(&second));
    assert_eq!(digest(Generator::after(&settings, 0).unwrap()), digest(first.into_iter()));
}

#[test]
fn another_seed_gives_others() {
    let ids = |seed| {
        let settings = Settings { seed, transactions: 1_000, ..Settings::default() };
        let all = generate(&settings);
        all.iter().map(|one| one.raw().transaction_id.to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(ids(1).is_disjoint(&ids(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn counts_order_and_range_hold_for_all_settings(
        transactions in 1u64..3_000,
        customers in 1u32..300,
        merchants in 20u32..600,
        fraud_rate in 0.0..=0.5f64,
        seed in any::<u64>(),
        start_ms in 946_684_800_000i64..2_000_000_000_000,
        days in 1u32..60,
    ) {
        let settings =
            Settings { transactions, customers, merchants, fraud_rate, seed, start_ms, days };
        let generator = Generator::new(&settings).unwrap();
        let left = transactions as usize;
        prop_assert_eq!(generator.size_hint(), (left, Some(left)));
        let all: Vec<Generated> = generator.collect();
        prop_assert_eq!(all.len() as u64, transactions);
        let fraud = all.iter().filter(|one| one.is_fraud).count() as f64;
        prop_assert!((fraud - transactions as f64 * fraud_rate).abs() <= 0.5);
        prop_assert!(all.is_sorted_by_key(|one| one.raw().event_time));
        let end_ms = start_ms + i64::from(days) * DAY_MS;
        for one in &all {
            let raw = one.raw();
            prop_assert!((start_ms..end_ms).contains(&raw.event_time));
            prop_assert!(raw.validate(end_ms).is_ok(), "{:?}", raw);
            prop_assert_eq!((raw.amount * 100.0).round() / 100.0, raw.amount);
            prop_assert_eq!(one.is_fraud, one.fraud_type.is_some());
        }
        let ids: BTreeSet<&str> = all.iter().map(|one| one.raw().transaction_id).collect();
        prop_assert_eq!(ids.len(), all.len());
    }
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let defaults = Settings::default;
    let cases = [
        ("transactions", Settings { transactions: 0, ..defaults() }),
        ("transactions", Settings { transactions: 1_000_000_000_001, ..defaults() }),
        ("customers", Settings { customers: 0, ..defaults() }),
        ("customers", Settings { customers: 10_000_001, ..defaults() }),
        ("merchants", Settings { merchants: 19, ..defaults() }),
        ("fraud-rate", Settings { fraud_rate: -0.01, ..defaults() }),
        ("fraud-rate", Settings { fraud_rate: 0.51, ..defaults() }),
        ("fraud-rate", Settings { fraud_rate: f64::NAN, ..defaults() }),
        ("start", Settings { start_ms: 0, ..defaults() }),
        ("start", Settings { start_ms: i64::MAX, ..defaults() }),
        ("days", Settings { days: 0, ..defaults() }),
        ("days", Settings { days: 3_661, ..defaults() }),
    ];
    for (flag, settings) in cases {
        let error = Generator::new(&settings).expect_err(flag);
        assert_eq!(error.flag, flag);
        let text = error.to_string();
        assert!(text.starts_with(&format!("--{flag} is {}", error.value)), "{text}");
        assert!(text.ends_with(error.allowed), "{text}");
    }
}

/// The payments of one fraud: same pattern, same customer, no pause of three hours.
type Episode<'a> = Vec<&'a Generated>;

fn episodes(all: &[Generated], kind: FraudKind) -> Vec<Episode<'_>> {
    let mut by_customer: BTreeMap<&str, Vec<Episode>> = BTreeMap::new();
    for one in all.iter().filter(|one| one.fraud_type == Some(kind)) {
        let episodes = by_customer.entry(one.raw().customer_id).or_default();
        let time_ms = one.raw().event_time;
        match episodes.last_mut().filter(|last| time_ms - end(last) < 3 * HOUR_MS) {
            Some(last) => last.push(one),
            None => episodes.push(vec![one]),
        }
    }
    by_customer.into_values().flatten().collect()
}

fn end(episode: &[&Generated]) -> i64 {
    episode.last().map_or(0, |one| one.raw().event_time)
}

fn seconds(episode: &[&Generated]) -> i64 {
    (end(episode) - episode[0].raw().event_time) / 1_000
}

/// What customers do when nobody robs them.
struct Habits<'a> {
    mean_amount: BTreeMap<&'a str, f64>,
    devices: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Habits<'a> {
    fn of(all: &'a [Generated]) -> Self {
        let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        let mut devices = BTreeSet::new();
        for raw in all.iter().filter(|one| !one.is_fraud).map(Generated::raw) {
            let (sum, count) = sums.entry(raw.customer_id).or_default();
            (*sum, *count) = (*sum + raw.amount, *count + 1.0);
            devices.extend(raw.device_id.map(|device| (raw.customer_id, device)));
        }
        let mean_amount = sums.into_iter().map(|(id, (sum, count))| (id, sum / count)).collect();
        Self { mean_amount, devices }
    }

    /// How many times the customer's mean this is.
    fn times(&self, one: &Generated) -> f64 {
        one.raw().amount / self.mean_amount[one.raw().customer_id]
    }

    fn knows_device(&self, one: &Generated) -> bool {
        let raw = one.raw();
        raw.device_id.is_some_and(|device| self.devices.contains(&(raw.customer_id, device)))
    }
}

fn share<T>(of: &[T], is_so: impl Fn(&T) -> bool) -> f64 {
    assert!(!of.is_empty());
    of.iter().filter(|one| is_so(one)).count() as f64 / of.len() as f64
}

/// Great-circle distance (haversine) in kilometres.
fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let [p, q, r, s] = [a.0, b.0, b.0 - a.0, b.1 - a.1].map(f64::to_radians);
    let h = (r / 2.0).sin().powi(2) + p.cos() * q.cos() * (s / 2.0).sin().powi(2);
    2.0 * 6_371.008_8 * h.sqrt().asin()
}

fn position(one: &Generated) -> Option<(f64, f64)> {
    one.raw().latitude.zip(one.raw().longitude)
}

fn month() -> Vec<Generated> {
    generate(&Settings::default())
}

#[test]
fn the_share_of_fraud_is_met_and_every_pattern_has_its_part() {
    let all = month();
    assert_eq!(all.iter().filter(|one| one.is_fraud).count(), 1_000);
    for kind in FraudKind::ALL {
        let count = all.iter().filter(|one| one.fraud_type == Some(kind)).count();
        assert!(count >= 40, "{}: {count}", kind.word());
    }
}

#[test]
fn card_testing_is_many_small_amounts_then_a_large_one() {
    let all = month();
    let habits = Habits::of(&all);
    let episodes = episodes(&all, FraudKind::CardTesting);
    let is_small = |one: &Generated| one.raw().amount <= 150.0;
    let small: Vec<&Generated> =
        episodes.iter().flatten().copied().filter(|one| is_small(one)).collect();
    let declined = share(&small, |one| one.raw().status == Status::Declined);
    assert!((0.3..0.6).contains(&declined), "{declined}");
    assert!(small.iter().all(|one| one.raw().channel == "Online"));
    let typical = share(&episodes, |episode| {
        let count = episode.iter().filter(|one| is_small(one)).count();
        count >= 7 && seconds(episode) < 3_600 && habits.times(episode[episode.len() - 1]) > 2.0
    });
    assert!(typical > 0.85, "{typical}");
}

#[test]
fn account_takeover_has_an_unknown_device_and_rising_amounts() {
    let all = month();
    let habits = Habits::of(&all);
    let episodes = episodes(&all, FraudKind::AccountTakeover);
    assert!(episodes.iter().flatten().all(|one| !habits.knows_device(one)));
    let rising =
        share(&episodes, |e| e.len() >= 4 && e[0].raw().amount < e[e.len() - 1].raw().amount);
    assert!(rising > 0.9, "{rising}");
    assert!(share(&episodes, |episode| seconds(episode) < 5 * 3_600) > 0.95);
}

#[test]
fn impossible_travel_is_faster_than_an_aeroplane() {
    let all = month();
    let cases: Vec<Episode> = episodes(&all, FraudKind::ImpossibleTravel);
    let too_fast = share(&cases, |episode| {
        let first = episode[0];
        let mut before = all.iter().filter(|one| {
            !one.is_fraud
                && one.raw().customer_id == first.raw().customer_id
                && one.raw().event_time < first.raw().event_time
        });
        let Some(last) = before.rfind(|one| position(one).is_some()) else { return false };
        let hours = (first.raw().event_time - last.raw().event_time) as f64 / HOUR_MS as f64;
        let (Some(there), Some(here)) = (position(last), position(first)) else { return false };
        distance_km(there, here) / hours > 900.0
    });
    assert!(too_fast > 0.9, "{too_fast}");
}

#[test]
fn velocity_abuse_is_a_burst() {
    let all = month();
    let episodes = episodes(&all, FraudKind::VelocityAbuse);
    let bursts = share(&episodes, |e| e.len() >= 6 && seconds(e) / (e.len() as i64) < 15 * 60);
    assert!(bursts > 0.9, "{bursts}");
}

#[test]
fn spending_spike_is_ten_times_the_usual() {
    let all = month();
    let habits = Habits::of(&all);
    let episodes = episodes(&all, FraudKind::SpendingSpike);
    assert!(share(&episodes, |episode| episode.len() == 1) > 0.9);
    let large = share(&episodes, |episode| habits.times(episode[0]) > 5.0);
    assert!(large > 0.9, "{large}");
}

#[test]
fn new_device_night_is_at_night_from_an_unknown_device() {
    let all = month();
    let habits = Habits::of(&all);
    let nights: Vec<&Generated> =
        all.iter().filter(|one| one.fraud_type == Some(FraudKind::NewDeviceNight)).collect();
    for one in &nights {
        let local_ms = (one.raw().event_time + 330 * MINUTE_MS).rem_euclid(DAY_MS);
        assert!(local_ms < 6 * HOUR_MS, "{:?}", one.raw());
        assert!(one.raw().device_id.is_some() && !habits.knows_device(one));
    }
}

#[test]
fn merchant_collusion_is_many_customers_at_few_merchants() {
    let all = month();
    let mut victims: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let is_collusion = |one: &&Generated| one.fraud_type == Some(FraudKind::MerchantCollusion);
    for raw in all.iter().filter(is_collusion).map(Generated::raw) {
        victims.entry(raw.merchant_id).or_default().insert(raw.customer_id);
    }
    let (worst, most) = victims.iter().max_by_key(|(_, customers)| customers.len()).unwrap();
    assert!(victims.len() <= 12 && most.len() >= 20, "{victims:?}");
    let visits: Vec<&Generated> =
        all.iter().filter(|one| one.raw().merchant_id == *worst).collect();
    let fraud = share(&visits, |one| one.is_fraud);
    assert!((0.1..0.95).contains(&fraud), "the worst merchant has {fraud} fraud");
}

#[test]
fn honest_life_is_noisy_enough_to_fool_single_rules() {
    let all = month();
    let honest: Vec<&Generated> = all.iter().filter(|one| !one.is_fraud).collect();
    let hour = |one: &Generated| (one.raw().event_time + 330 * MINUTE_MS) % DAY_MS / HOUR_MS;
    let far = |one: &Generated| {
        let raw = one.raw();
        let home = raw.home_latitude.zip(raw.home_longitude);
        position(one).zip(home).is_some_and(|(here, home)| distance_km(here, home) > 300.0)
    };
    let habits = Habits::of(&all);
    let cases = [
        ("at night", share(&honest, |one| hour(one) < 6), 0.01..0.1),
        ("far from home", share(&honest, |one| far(one)), 0.01..0.1),
        ("declined", share(&honest, |one| one.raw().status == Status::Declined), 0.01..0.05),
        ("refunded", share(&honest, |one| one.raw().status == Status::Refunded), 0.005..0.03),
        ("ten times the usual", share(&honest, |one| habits.times(one) > 10.0), 0.002..0.03),
        ("by UPI", share(&honest, |one| one.raw().payment_mode == "UPI"), 0.4..0.7),
        ("without a position", share(&honest, |one| position(one).is_none()), 0.02..0.2),
    ];
    for (what, got, expected) in cases {
        assert!(expected.contains(&got), "{what}: {got}");
    }
}

#[test]
fn no_mark_of_single_rows_gives_fraud_away() {
    // A model would live on it, and score nothing when thieves change that one thing. With few
    // rows, three episodes that happen to be alike are a mark; with so many only habits are.
    for seed in [1, 2] {
        let settings =
            Settings { transactions: 150_000, customers: 3_000, seed, ..Settings::default() };
        let worst = worst_mark(&generate(&settings), 0.03);
        assert!(worst.precision < 0.6, "seed {seed}: {worst}");
    }
}

#[test]
fn the_search_for_marks_finds_them() {
    type Planted = (&'static str, fn(&RawTransaction) -> bool);
    let planted: [Planted; 4] = [
        ("Wallet", |raw| raw.payment_mode == "Wallet"),
        ("paise", |raw| (raw.amount * 100.0).round() % 100.0 != 0.0),
        ("DECLINED", |raw| raw.status == Status::Declined && raw.amount < 500.0),
        ("Mobile App", |raw| raw.channel == "Mobile App" && raw.country.is_none()),
    ];
    for (name, is_marked) in planted {
        let mut all = month();
        all.retain(|one| one.is_fraud || !is_marked(&one.raw()));
        let worst = worst_mark(&all, 0.03);
        assert!(worst.precision > 0.95, "{name}: {worst}");
    }
}

#[test]
fn the_bundled_tables_are_plain_and_in_range() {
    let mut names = BTreeSet::new();
    for line in include_str!("../config/cities.csv").lines().skip(1) {
        let [name, country, latitude, longitude]: [&str; 4] =
            line.split(',').collect::<Vec<_>>().try_into().expect(line);
        assert!(names.insert(name), "{name} twice");
        assert_eq!(country.len(), 2, "{line}");
        let [latitude, longitude] = [latitude, longitude].map(|text| text.parse::<f64>().unwrap());
        let is_indian = (6.0..36.0).contains(&latitude) && (68.0..98.0).contains(&longitude);
        assert!(country != "IN" || is_indian, "{line}");
        assert!(latitude.abs() <= 90.0 && longitude.abs() <= 180.0, "{line}");
    }
    assert!(names.len() >= 160);
    let holidays: Vec<&str> = include_str!("../config/holidays.csv").lines().skip(1).collect();
    assert!(holidays.is_sorted_by(|a, b| a[..10] < b[..10]), "dates ascend, none twice");
    for line in holidays {
        let (date, name) = line.split_once(',').expect(line);
        date.parse::<jiff::civil::Date>().expect(line);
        assert!(!name.is_empty());
    }
}
