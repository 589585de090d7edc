//! Four detectors that judge a transaction against its customer's own past.
//!
//! Each detector is silent until it has something to compare with: ten remembered transactions, or
//! for travel an earlier position. The verdict is made once, when the transaction arrives, and is
//! remembered with it.

/// How many transactions must be remembered before habits mean anything.
pub const MIN_HISTORY: usize = 10;

/// Speed in km/h above which a journey is impossible: that of an airliner.
pub const IMPOSSIBLE_KMH: f64 = 900.0;

/// Length from which a journey can be impossible, km: below, a second of haste or a position that
/// is a street off makes any speed.
pub const MIN_TRAVEL_KM: f64 = 100.0;

/// Share of the past below which a category or an hour is unusual.
pub const RARE_SHARE: f64 = 0.05;

/// An amount more than this many standard deviations above the mean is a spike.
pub const SPIKE_Z: f64 = 3.0;

/// The kinds of anomaly. Among equally severe ones the first in this order wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Far, and faster than an airliner, from the previous position.
    Geographic = 0,
    /// A category that the customer hardly uses.
    Behavioural = 1,
    /// An hour at which the customer hardly pays.
    Temporal = 2,
    /// An amount far above the customer's mean.
    Amount = 3,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Geographic, Self::Behavioural, Self::Temporal, Self::Amount];

    /// The kind at an index of [`Kind::ALL`]; `None` beyond it.
    pub fn from_index(index: u32) -> Option<Self> {
        Self::ALL.get(index as usize).copied()
    }
}

/// What the detectors judge: a transaction compared with those remembered before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// How many transactions are remembered.
    pub history: usize,
    /// Kilometres from the previous position, 0 if there is none.
    pub travelled_km: f64,
    /// Speed from the previous position in km/h, 0 if there is none.
    pub velocity_kmh: f64,
    /// Share of the past with the same category; `None` if the category is unknown.
    pub category_share: Option<f64>,
    /// Share of the past within an hour of the same local hour.
    pub hour_share: f64,
    /// How many standard deviations the amount lies above the mean.
    pub z_score: f64,
}

/// What the detectors found in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Verdict {
    /// Severity in 0..1 by [`Kind`]; 0 if that detector is silent.
    pub severities: [f64; 4],
    /// The most severe, if any detector fired.
    pub anomaly: Option<(Kind, f64)>,
}

impl Verdict {
    /// Runs the four detectors.
    #[inline]
    pub fn of(evidence: &Evidence) -> Self {
        let mut severities = [travel(evidence), 0.0, 0.0, 0.0];
        if evidence.history >= MIN_HISTORY {
            severities[Kind::Behavioural as usize] = evidence.category_share.map_or(0.0, rarity);
            severities[Kind::Temporal as usize] = rarity(evidence.hour_share);
            severities[Kind::Amount as usize] = spike(evidence.z_score);
        }
        let mut anomaly = None;
        for kind in Kind::ALL {
            let severity = severities[kind as usize];
            if severity > anomaly.map_or(0.0, |(_, strongest)| strongest) {
                anomaly = Some((kind, severity));
            }
        }
        Self { severities, anomaly }
    }

    /// Severity of the anomaly, 0 if there is none.
    pub fn severity(&self) -> f64 {
        self.anomaly.map_or(0.0, |(_, severity)| severity)
    }

    /// Whether this detector fired.
    pub fn has(&self, kind: Kind) -> bool {
        self.severities[kind as usize] > 0.0
    }
}

fn travel(evidence: &Evidence) -> f64 {
    if evidence.velocity_kmh > IMPOSSIBLE_KMH && evidence.travelled_km >= MIN_TRAVEL_KM {
        (evidence.velocity_kmh / (2.0 * IMPOSSIBLE_KMH)).min(1.0)
    } else {
        0.0
    }
}

fn rarity(share: f64) -> f64 {
    if share < RARE_SHARE { 1.0 - share / RARE_SHARE } else { 0.0 }
}

fn spike(z_score: f64) -> f64 {
    if z_score > SPIKE_Z { (z_score / 10.0).min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Evidence = Evidence {
        history: 100,
        travelled_km: 500.0,
        velocity_kmh: 10.0,
        category_share: Some(0.5),
        hour_share: 0.5,
        z_score: 0.0,
    };

    #[test]
    fn each_detector_fires_beyond_its_bound() {
        let cases = [
            (USUAL, None),
            (Evidence { velocity_kmh: 900.0, ..USUAL }, None),
            (Evidence { velocity_kmh: 1_350.0, ..USUAL }, Some((Kind::Geographic, 0.75))),
            (Evidence { velocity_kmh: 20_000.0, ..USUAL }, Some((Kind::Geographic, 1.0))),
            (Evidence { velocity_kmh: 20_000.0, travelled_km: 99.9, ..USUAL }, None),
            (
                Evidence { velocity_kmh: 1_350.0, travelled_km: 100.0, ..USUAL },
                Some((Kind::Geographic, 0.75)),
            ),
            (Evidence { category_share: Some(0.05), ..USUAL }, None),
            (Evidence { category_share: Some(0.0), ..USUAL }, Some((Kind::Behavioural, 1.0))),
            (Evidence { category_share: None, ..USUAL }, None),
            (Evidence { hour_share: 0.025, ..USUAL }, Some((Kind::Temporal, 0.5))),
            (Evidence { z_score: 3.0, ..USUAL }, None),
            (Evidence { z_score: 4.0, ..USUAL }, Some((Kind::Amount, 0.4))),
        ];
        for (evidence, expected) in cases {
            assert_eq!(Verdict::of(&evidence).anomaly, expected, "{evidence:?}");
        }
    }

    #[test]
    fn only_travel_speaks_without_a_past() {
        let strange = Evidence {
            history: 9,
            travelled_km: 100.0,
            velocity_kmh: 1_000.0,
            category_share: Some(0.0),
            hour_share: 0.0,
            z_score: 50.0,
        };
        let verdict = Verdict::of(&strange);
        assert_eq!(verdict.severities, [1_000.0 / 1_800.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_first_kind_wins_among_equals() {
        let evidence = Evidence { category_share: Some(0.0), hour_share: 0.0, ..USUAL };
        assert_eq!(Verdict::of(&evidence).anomaly, Some((Kind::Behavioural, 1.0)));
    }
}
