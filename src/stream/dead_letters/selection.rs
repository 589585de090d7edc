//! Which dead letters are selected.

use std::fmt;
use std::str::FromStr;

use super::Letter;
use crate::edges::kafka::Start;

/// A place in the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{}:{}", self.partition, self.offset))
    }
}

impl FromStr for Place {
    type Err = String;

    /// `PARTITION:OFFSET`, both from 0 on.
    fn from_str(text: &str) -> Result<Self, String> {
        let place = || {
            let (partition, offset) = text.split_once(':')?;
            let place = Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? };
            (place.partition >= 0 && place.offset >= 0).then_some(place)
        };
        place().ok_or_else(|| format!("{text:?} is no PARTITION:OFFSET such as 0:123"))
    }
}

/// Selects the dead letters that meet every condition that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Set aside for this reason.
    pub reason: Option<String>,
    /// Set aside at this time or later, in milliseconds since the epoch. Letters without a
    /// timestamp are selected.
    pub since_ms: Option<i64>,
    /// At one of these places; anywhere if empty.
    pub places: Vec<Place>,
}

impl Selection {
    /// Whether a letter is selected.
    pub fn has(&self, letter: &Letter) -> bool {
        let is_place = self.places.is_empty() || self.places.contains(&letter.place);
        let is_reason = self.reason.as_deref().is_none_or(|reason| letter.reason() == Some(reason));
        let is_recent =
            self.since_ms.is_none_or(|since| letter.timestamp_ms.is_none_or(|at| at >= since));
        is_place && is_reason && is_recent
    }

    /// Where reading must begin.
    pub(super) fn start(&self) -> Start {
        if self.places.is_empty() {
            return self.since_ms.map_or(Start::Beginning, Start::Time);
        }
        let mut places = self.places.clone();
        places.sort_unstable();
        places.dedup_by_key(|place| place.partition);
        Start::Offsets(places.into_iter().map(|place| (place.partition, place.offset)).collect())
    }

    /// Whether no letter at `place` or after it in its partition is selected.
    pub(super) fn is_past(&self, place: Place) -> bool {
        let is_before =
            |other: &Place| other.partition != place.partition || other.offset < place.offset;
        !self.places.is_empty() && self.places.iter().all(is_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_read_and_written() {
        assert_eq!(place("3:4711"), Place { partition: 3, offset: 4711 });
        assert_eq!(place("3:4711").to_string(), "3:4711");
        for text in ["", "3", "3:", ":4", "-1:4", "3:-4", "3:4:5", "a:b", "3: 4", "99999999999:1"] {
            let error = text.parse::<Place>().unwrap_err();
            assert!(error.contains("PARTITION:OFFSET"), "{text}: {error}");
        }
    }

    #[test]
    fn reading_begins_where_the_first_letter_is_meant_and_ends_behind_the_last() {
        let places = ["1:9", "0:5", "1:3", "1:9"].map(place).to_vec();
        let selection = Selection { places, since_ms: Some(7), ..Selection::default() };
        assert_eq!(selection.start(), Start::Offsets(vec![(0, 5), (1, 3)]));
        for (at, is_past) in [("0:5", false), ("0:6", true), ("1:9", false), ("1:10", true)] {
            assert_eq!(selection.is_past(place(at)), is_past, "{at}");
        }
        assert!(!Selection::default().is_past(place("0:0")));
        assert_eq!(Selection::default().start(), Start::Beginning);
        let since = Selection { since_ms: Some(7), ..Selection::default() };
        assert_eq!(since.start(), Start::Time(7));
    }
}
