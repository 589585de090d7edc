//! A row of the catalogue, the look-up of features by name, and how values are written for people.

use std::ops::RangeInclusive;

use super::catalog::{CATALOG, FeatureId, Group};

/// How many features are the product's standard set; the rest is offered beyond it.
pub const STANDARD: usize = 69;

/// The unit of a feature, which decides how its value is written for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 0 or 1.
    Flag,
    /// A whole number.
    Count,
    /// Major units of the currency.
    Money,
    /// A part of a whole, 0 to 1.
    Share,
    /// A number without a unit.
    Number,
    /// Kilometres.
    Kilometres,
    /// Kilometres an hour.
    Speed,
    /// Seconds.
    Seconds,
    /// Hours.
    Hours,
    /// Days.
    Days,
}

/// A row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// Its index in the catalogue.
    pub id: FeatureId,
    /// The name that models and tables use.
    pub name: &'static str,
    /// The group that it is computed with.
    pub group: Group,
    /// The unit of its values.
    pub unit: Unit,
    /// Bounds of its values, `lowest..highest`; a missing bound means unbounded.
    pub range: &'static str,
    /// The value when its input is unknown.
    pub neutral: f64,
    /// What it needs beyond ids, time and amount; empty if nothing.
    pub needs: &'static str,
    /// Stable code in an alert's reasons.
    pub code: &'static str,
    /// How it is computed.
    pub formula: &'static str,
    /// What it tells an analyst; `{}` stands for the value.
    pub sentence: &'static str,
}

impl Feature {
    /// The row of a feature.
    pub fn of(id: FeatureId) -> &'static Self {
        &CATALOG[id as usize]
    }

    /// The feature with this name, or else the up to three most similar names.
    pub fn named(name: &str) -> Result<&'static Self, Vec<String>> {
        CATALOG.iter().find(|feature| feature.name == name).ok_or_else(|| nearest(name))
    }

    /// The lowest and the highest value that it can have; where the catalogue has no bound, beyond
    /// what any customer does.
    pub fn bounds(&self) -> RangeInclusive<f64> {
        let open = match self.unit {
            Unit::Count => 1e5,
            Unit::Days => 36_525.0,
            _ => 1e12,
        };
        let (lowest, highest) = self.range.split_once("..").unwrap_or_default();
        lowest.parse().unwrap_or(-open)..=highest.parse().unwrap_or(open)
    }

    /// The sentence with the value filled in. For features of a position it also mentions that the
    /// position may be unknown if the value is the neutral one.
    pub fn message(&self, value: f64) -> String {
        let said = self.sentence.replace("{}", &self.unit.format(value));
        if value == self.neutral && self.needs.contains("position") {
            return said + ", or no position";
        }
        said
    }
}

impl Unit {
    /// Writes a value for people.
    pub fn format(self, value: f64) -> String {
        match self {
            Self::Flag | Self::Count => format!("{value:.0}"),
            Self::Money => format!("{value:.2}"),
            Self::Share => format!("{:.0} %", value * 100.0),
            Self::Number if value.fract() == 0.0 => format!("{value:.0}"),
            Self::Number => format!("{value:.2}"),
            Self::Kilometres => format!("{value:.0} km"),
            Self::Speed => format!("{value:.0} km/h"),
            Self::Seconds => duration(value),
            Self::Hours => duration(value * 3_600.0),
            Self::Days => duration(value * 86_400.0),
        }
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

fn nearest(name: &str) -> Vec<String> {
    let mut ranked: Vec<(f64, &str)> = CATALOG
        .iter()
        .map(|feature| (strsim::jaro_winkler(name, feature.name), feature.name))
        .filter(|&(likeness, _)| likeness > 0.75)
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_is_sound() {
        let names: BTreeSet<_> = CATALOG.iter().map(|feature| feature.name).collect();
        let codes: BTreeSet<_> = CATALOG.iter().map(|feature| feature.code).collect();
        assert_eq!((names.len(), codes.len()), (CATALOG.len(), CATALOG.len()));
        for (place, feature) in CATALOG.iter().enumerate() {
            assert_eq!(feature.id as usize, place, "{}", feature.name);
            let counts = feature.sentence.matches("{}").count();
            assert_eq!(counts, usize::from(feature.unit != Unit::Flag), "{}", feature.name);
        }
        assert_eq!(CATALOG[STANDARD - 1].name, "ensemble_fraud_probability");
    }

    #[test]
    fn unknown_names_bring_the_nearest() {
        assert_eq!(Feature::named("amount").unwrap().name, "amount");
        let nearest = Feature::named("txn_frequency_2h").unwrap_err();
        assert!(nearest.iter().any(|name| name == "txn_frequency_1h"), "{nearest:?}");
        assert!(Feature::named("zzzz").unwrap_err().is_empty());
    }

    #[test]
    fn values_read_well() {
        let cases = [
            (FeatureId::TxnFrequency1h, 7.0, "7 transactions within the last hour"),
            (FeatureId::TravelVelocityKmh, 1234.5, "1234 km/h from the previous place"),
            (FeatureId::TravelVelocityKmh, 0.0, "0 km/h from the previous place, or no position"),
            (FeatureId::DistanceFromHome, 0.4, "0 km from home"),
            (FeatureId::DeclinedRate7d, 0.25, "25 % of this week's transactions were declined"),
            (FeatureId::SecondsSinceLastTxn, 300.0, "5 min since the previous transaction"),
            (FeatureId::NewDeviceFlag, 1.0, "first payment with this device"),
        ];
        for (id, value, message) in cases {
            assert_eq!(Feature::of(id).message(value), message);
        }
    }
}
