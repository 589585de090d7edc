//! Everything that can be read off a row, as numbers: its columns, parts and digits of them, which
//! of them are equal, and how often a value occurs in the whole table.

use std::collections::{BTreeMap, BTreeSet};

use synfinance::core::transaction::{DAY_MS, HOUR_MS, MINUTE_MS, RawTransaction};
use synfinance::tools::generate::Generated;

/// A number for each row.
pub struct Column {
    pub name: String,
    pub values: Vec<f64>,
}

/// The texts of a row, by the name of their column; an empty one is no value.
type Texts<'a> = [(&'static str, &'a str); 13];

/// The numbers of a row; NaN is no value.
type Numbers = [(&'static str, f64); 7];

/// All columns of the rows, which are in the order of their time.
pub fn columns(rows: &[Generated]) -> Vec<Column> {
    let raws: Vec<RawTransaction> = rows.iter().map(Generated::raw).collect();
    let mut columns = Vec::new();
    numbers_of(&raws, &mut columns);
    texts_of(&raws, &mut columns);
    equalities_of(&raws, &mut columns);
    against_the_usual(&raws, &mut columns);
    columns
}

fn texts<'a>(raw: &RawTransaction<'a>) -> Texts<'a> {
    [
        ("transaction_id", raw.transaction_id),
        ("customer_id", raw.customer_id),
        ("merchant_id", raw.merchant_id),
        ("currency", raw.currency),
        ("category", raw.category),
        ("payment_mode", raw.payment_mode),
        ("channel", raw.channel),
        ("status", raw.status.symbol()),
        ("merchant_name", raw.merchant_name.unwrap_or("")),
        ("city", raw.city.unwrap_or("")),
        ("country", raw.country.unwrap_or("")),
        ("device_id", raw.device_id.unwrap_or("")),
        ("ip_address", raw.ip_address.unwrap_or("")),
    ]
}

fn numbers(raw: &RawTransaction) -> Numbers {
    let degrees = |value: Option<f64>| value.unwrap_or(f64::NAN);
    [
        ("amount", raw.amount),
        ("event_time", raw.event_time as f64),
        ("merchant_reputation", degrees(raw.merchant_reputation)),
        ("latitude", degrees(raw.latitude)),
        ("longitude", degrees(raw.longitude)),
        ("home_latitude", degrees(raw.home_latitude)),
        ("home_longitude", degrees(raw.home_longitude)),
    ]
}

fn add(columns: &mut Vec<Column>, name: impl Into<String>, values: impl IntoIterator<Item = f64>) {
    columns.push(Column { name: name.into(), values: values.into_iter().collect() });
}

fn numbers_of(raws: &[RawTransaction], columns: &mut Vec<Column>) {
    type Part = (&'static str, fn(&RawTransaction) -> f64);
    let local_ms = |raw: &RawTransaction| raw.event_time + 330 * MINUTE_MS;
    let parts: [Part; 20] = [
        ("milliseconds", |raw| raw.event_time.rem_euclid(1_000) as f64),
        ("second", |raw| (raw.event_time / 1_000).rem_euclid(60) as f64),
        ("minute", |raw| (raw.event_time / MINUTE_MS).rem_euclid(60) as f64),
        ("hour", |raw| (raw.event_time / HOUR_MS).rem_euclid(24) as f64),
        ("paise", |raw| (raw.amount * 100.0).round() % 100.0),
        ("amount modulo 10", |raw| (raw.amount * 100.0).round() % 1_000.0),
        ("amount modulo 100", |raw| (raw.amount * 100.0).round() % 10_000.0),
        ("amount's zeros", |raw| zeros((raw.amount * 100.0).round() as u64)),
        ("amount's first digit", |raw| first_digit(raw.amount)),
        ("amount's length", |raw| raw.amount.to_string().len() as f64),
        ("latitude's length", |raw| length(raw.latitude)),
        ("longitude's length", |raw| length(raw.longitude)),
        ("latitude's last digit", |raw| last_digit(raw.latitude)),
        ("longitude's last digit", |raw| last_digit(raw.longitude)),
        ("north of home", |raw| difference(raw.latitude, raw.home_latitude)),
        ("east of home", |raw| difference(raw.longitude, raw.home_longitude)),
        ("degrees north or south", |raw| difference(raw.latitude, raw.home_latitude).abs()),
        ("degrees east or west", |raw| difference(raw.longitude, raw.home_longitude).abs()),
        ("degrees from home", |raw| {
            let north = difference(raw.latitude, raw.home_latitude);
            north.hypot(difference(raw.longitude, raw.home_longitude))
        }),
        ("missing", |raw| texts(raw).iter().filter(|(_, text)| text.is_empty()).count() as f64),
    ];
    for (name, part) in parts {
        add(columns, name, raws.iter().map(part));
    }
    for index in 0..numbers(&raws[0]).len() {
        let name = numbers(&raws[0])[index].0;
        add(columns, name, raws.iter().map(|raw| numbers(raw)[index].1));
    }
    let hour = |raw| (local_ms(raw) % DAY_MS) as f64 / HOUR_MS as f64;
    add(columns, "local hour", raws.iter().map(hour));
    add(columns, "weekday", raws.iter().map(|raw| (local_ms(raw) / DAY_MS % 7) as f64));
}

fn texts_of(raws: &[RawTransaction], columns: &mut Vec<Column>) {
    for index in 0..texts(&raws[0]).len() {
        let (name, _) = texts(&raws[0])[index];
        let values: Vec<&str> = raws.iter().map(|raw| texts(raw)[index].1).collect();
        text(name, &values, columns);
        customers(name, &values, raws, columns);
    }
    let positions: Vec<String> =
        raws.iter().map(|raw| format!("{:?} {:?}", raw.latitude, raw.longitude)).collect();
    frequency("position", &positions, columns);
    let amounts: Vec<String> = raws.iter().map(|raw| raw.amount.to_string()).collect();
    frequency("amount", &amounts, columns);
    for (one, other) in [(4, 5), (4, 6), (4, 7), (5, 6), (5, 7), (6, 7)] {
        let both = |raw| {
            let texts = texts(raw);
            format!("{}, {}", texts[one].1, texts[other].1)
        };
        let values: Vec<String> = raws.iter().map(both).collect();
        words("both", &values, columns);
    }
    for byte in 0..4 {
        let part = |raw: &RawTransaction| {
            let bytes = raw.ip_address.unwrap_or("").split('.').nth(byte);
            bytes.and_then(|text| text.parse().ok()).unwrap_or(-1.0)
        };
        add(columns, format!("byte {byte} of the address"), raws.iter().map(part));
    }
    let first_words = raws.iter().map(|raw| raw.ip_address.unwrap_or("").split('.').next());
    let first_words: Vec<String> = first_words.map(|w| w.unwrap_or("").to_owned()).collect();
    words("provider", &first_words, columns);
}

/// A text's digits, length, place in the alphabet and frequency; and a column for each word if
/// there are few.
fn text(name: &str, values: &[&str], columns: &mut Vec<Column>) {
    let digits = |value: &&str| {
        let last = value.rsplit(|c: char| !c.is_ascii_hexdigit()).next().unwrap_or("");
        u64::from_str_radix(last, 16).map_or(-1.0, |number| number as f64)
    };
    add(columns, format!("{name}'s number"), values.iter().map(digits));
    add(columns, format!("{name}'s length"), values.iter().map(|value| value.len() as f64));
    let alphabet: BTreeSet<&str> = values.iter().copied().collect();
    let places: BTreeMap<&str, f64> =
        alphabet.iter().enumerate().map(|(place, &value)| (value, place as f64)).collect();
    add(columns, format!("{name} by the alphabet"), values.iter().map(|value| places[value]));
    frequency(name, values, columns);
    words(name, values, columns);
}

fn words(name: &str, values: &[impl AsRef<str>], columns: &mut Vec<Column>) {
    const MOST: usize = 100;
    let alphabet: BTreeSet<&str> = values.iter().map(AsRef::as_ref).collect();
    if alphabet.len() > MOST {
        return;
    }
    for word in alphabet {
        let is_it = values.iter().map(|value| f64::from(u8::from(value.as_ref() == word)));
        add(columns, format!("{name} is {word:?}"), is_it);
    }
}

fn frequency(name: &str, values: &[impl AsRef<str>], columns: &mut Vec<Column>) {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for value in values {
        *counts.entry(value.as_ref()).or_default() += 1.0;
    }
    add(columns, format!("{name}'s frequency"), values.iter().map(|v| counts[v.as_ref()]));
}

/// How many customers share a value.
fn customers(name: &str, values: &[&str], raws: &[RawTransaction], columns: &mut Vec<Column>) {
    let mut customers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (&value, raw) in values.iter().zip(raws) {
        customers.entry(value).or_default().insert(raw.customer_id);
    }
    let count = values.iter().map(|value| customers[value].len() as f64);
    add(columns, format!("{name}'s customers"), count);
}

/// Whether two columns of a row are the same.
fn equalities_of(raws: &[RawTransaction], columns: &mut Vec<Column>) {
    let [numbers_all, texts_all] = [numbers(&raws[0]).len(), texts(&raws[0]).len()];
    for one in 0..numbers_all {
        for other in 0..one {
            let name = |index: usize| numbers(&raws[0])[index].0;
            let is_equal = |raw| numbers(raw)[one].1 == numbers(raw)[other].1;
            let values = raws.iter().map(|raw| f64::from(u8::from(is_equal(raw))));
            add(columns, format!("{} is {}", name(one), name(other)), values);
        }
    }
    for one in 0..texts_all {
        for other in 0..one {
            let name = |index: usize| texts(&raws[0])[index].0;
            let is_equal = |raw| texts(raw)[one].1 == texts(raw)[other].1;
            let values = raws.iter().map(|raw| f64::from(u8::from(is_equal(raw))));
            add(columns, format!("{} is {}", name(one), name(other)), values);
        }
    }
}

/// An amount against the middle one of its category and of its merchant.
fn against_the_usual(raws: &[RawTransaction], columns: &mut Vec<Column>) {
    type Id = fn(&RawTransaction<'_>) -> String;
    let ids: [(&str, Id); 2] = [
        ("category", |raw| raw.category.to_owned()),
        ("merchant", |raw| raw.merchant_id.to_owned()),
    ];
    for (of, id) in ids {
        let mut amounts: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        raws.iter().for_each(|raw| amounts.entry(id(raw)).or_default().push(raw.amount));
        amounts.values_mut().for_each(|all| all.sort_by(f64::total_cmp));
        let usual = |raw| {
            let all = &amounts[&id(raw)];
            all[all.len() / 2]
        };
        let times = raws.iter().map(|raw| raw.amount / usual(raw));
        add(columns, format!("amount against the {of}'s"), times);
    }
}

fn zeros(mut value: u64) -> f64 {
    let mut count = 0.0;
    while value > 0 && value.is_multiple_of(10) {
        value /= 10;
        count += 1.0;
    }
    count
}

fn first_digit(value: f64) -> f64 {
    let text = value.to_string();
    let digit = text.chars().find(|c| ('1'..='9').contains(c));
    digit.map_or(0.0, |digit| f64::from(digit as u8 - b'0'))
}

fn length(value: Option<f64>) -> f64 {
    value.map_or(0.0, |value| value.to_string().len() as f64)
}

fn last_digit(value: Option<f64>) -> f64 {
    value.map_or(-1.0, |value| (value.abs() * 10_000.0).round() % 10.0)
}

fn difference(here: Option<f64>, home: Option<f64>) -> f64 {
    here.zip(home).map_or(f64::NAN, |(here, home)| here - home)
}
