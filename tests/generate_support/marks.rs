//! The search: the leaves of all decision trees of depth two.

use std::fmt;

use synfinance::tools::generate::Generated;

use super::columns::{Column, columns};

/// Two conditions on single rows, and what fulfils both.
#[derive(Debug)]
pub struct Mark {
    what: String,
    /// How much of it is fraud.
    pub precision: f64,
    /// How much of all fraud it is.
    pub share: f64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, precision, share } = self;
        write!(f, "{what}: {precision:.2} of it is fraud, and {share:.3} of all fraud is it")
    }
}

/// Which rows fulfil a condition.
struct Condition {
    what: String,
    fraud: Vec<u64>,
    honest: Vec<u64>,
}

/// The two conditions that tell fraud most precisely and hold at least this share of it.
pub fn worst_mark(rows: &[Generated], least_share: f64) -> Mark {
    let is_fraud: Vec<bool> = rows.iter().map(|row| row.is_fraud).collect();
    let all = is_fraud.iter().filter(|is_fraud| **is_fraud).count();
    let least = (least_share * all as f64).ceil() as u32;
    let mut conditions = Vec::new();
    for column in columns(rows) {
        conditions_on(&column, &is_fraud, least, &mut conditions);
    }
    let mut worst = Mark { what: String::new(), precision: 0.0, share: 0.0 };
    for (index, one) in conditions.iter().enumerate() {
        for other in &conditions[..=index] {
            let fraud = count(&one.fraud, &other.fraud, u32::MAX);
            if fraud < least {
                continue;
            }
            // With more honest rows than that it is not the worst.
            let most = f64::from(fraud) / worst.precision - f64::from(fraud);
            let honest = count(&one.honest, &other.honest, most as u32);
            let precision = f64::from(fraud) / f64::from(fraud + honest);
            if precision > worst.precision {
                let what = format!("{} and {}", one.what, other.what);
                worst = Mark { what, precision, share: f64::from(fraud) / all as f64 };
            }
        }
    }
    worst
}

/// How many rows fulfil both; counting ends when there are more than `most`.
fn count(one: &[u64], other: &[u64], most: u32) -> u32 {
    let mut count = 0;
    for (one, other) in one.iter().zip(other) {
        count += (one & other).count_ones();
        if count > most {
            break;
        }
    }
    count
}

/// At most, or more than, each of some thresholds; and having no value.
fn conditions_on(column: &Column, is_fraud: &[bool], least: u32, into: &mut Vec<Condition>) {
    let Column { name, values } = column;
    let mut add = |what: String, is_met: &dyn Fn(f64) -> bool| {
        let rows = |of_fraud: bool| {
            let rows = values.iter().zip(is_fraud).filter(|row| *row.1 == of_fraud);
            bits(rows.map(|row| is_met(*row.0)))
        };
        let fraud = rows(true);
        if count(&fraud, &fraud, u32::MAX) >= least {
            into.push(Condition { what, fraud, honest: rows(false) });
        }
    };
    if values.iter().any(|value| value.is_nan()) {
        add(format!("{name} is missing"), &f64::is_nan);
    }
    for threshold in thresholds(values, is_fraud) {
        add(format!("{name} <= {threshold}"), &|value| value <= threshold);
        add(format!("{name} > {threshold}"), &|value| value > threshold);
    }
}

/// Every value but the largest if there are few; else values at even ranks, among all rows and
/// among fraud, and some close to both ends.
fn thresholds(values: &[f64], is_fraud: &[bool]) -> Vec<f64> {
    const FEW: usize = 16;
    let sorted = |rows: Vec<f64>| {
        let mut rows: Vec<f64> = rows.into_iter().filter(|value| !value.is_nan()).collect();
        rows.sort_by(f64::total_cmp);
        rows
    };
    let all = sorted(values.to_vec());
    let mut distinct = all.clone();
    distinct.dedup();
    let last = distinct.pop();
    if distinct.len() < FEW || last.is_none() {
        return distinct;
    }
    let fraud = values.iter().zip(is_fraud).filter(|row| *row.1).map(|row| *row.0);
    let fraud = sorted(fraud.collect());
    let even = (1..FEW).map(|rank| rank as f64 / FEW as f64);
    let ranks: Vec<f64> = even.chain([0.005, 0.02, 0.98, 0.995]).collect();
    let at = |rows: &[f64], rank: f64| rows.get((rank * rows.len() as f64) as usize).copied();
    let mut chosen: Vec<f64> =
        ranks.iter().flat_map(|&rank| [at(&all, rank), at(&fraud, rank)]).flatten().collect();
    chosen.sort_by(f64::total_cmp);
    chosen.dedup();
    chosen
}

fn bits(rows: impl Iterator<Item = bool>) -> Vec<u64> {
    let mut words = Vec::new();
    for (index, is_met) in rows.enumerate() {
        if index % 64 == 0 {
            words.push(0);
        }
        if let Some(word) = words.last_mut() {
            *word |= u64::from(is_met) << (index % 64);
        }
    }
    words
}
