//! Where cities lie, for transactions that name a city and bring no coordinates.

use hashbrown::HashTable;

use crate::core::state::hash::hash64_bytes;
use crate::core::transaction::Position;

/// The longest name that is looked up, in bytes: city, separator and country together. Every name
/// of the table fits.
const LONGEST: usize = 96;

/// A table of cities by name, and by name and country.
#[derive(Debug, Clone, Default)]
pub struct Cities {
    table: HashTable<(u64, Position)>,
}

/// Why a table of cities cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CitiesError {
    /// A line is not `city,country,latitude,longitude`.
    #[error("line {line} of the cities: {problem}; write city,country,latitude,longitude")]
    BadLine {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

impl Cities {
    /// Reads a CSV table with the header `city,country,latitude,longitude`. If several rows have
    /// the same city, the first one answers look-ups without a country.
    pub fn new(table: &str) -> Result<Self, CitiesError> {
        let mut cities = Self::default();
        for (index, record) in csv::Reader::from_reader(table.as_bytes()).records().enumerate() {
            let bad = |problem: String| CitiesError::BadLine { line: index as u64 + 2, problem };
            let record = record.map_err(|error| bad(error.to_string()))?;
            let field = |at: usize| record.get(at).unwrap_or("").trim();
            let degrees = |at: usize| {
                let number = field(at).parse::<f64>();
                number.map_err(|_| bad(format!("{:?} is no number", field(at))))
            };
            let position = Position::new(degrees(2)?, degrees(3)?);
            let position = position.map_err(|error| bad(error.to_string()))?;
            let with_country = key(field(0), field(1));
            let alone = key(field(0), "");
            let (Some(with_country), Some(alone)) = (with_country, alone) else {
                return Err(bad("a name is empty or too long".to_owned()));
            };
            cities.insert(with_country, position);
            cities.insert(alone, position);
        }
        Ok(cities)
    }

    /// Where a city lies, ignoring ASCII case. If the table does not have it in this country, the
    /// country is ignored; `None` if it does not have the city at all.
    pub fn find(&self, city: &str, country: Option<&str>) -> Option<Position> {
        let with_country = country.and_then(|country| self.get(key(city, country)?));
        with_country.or_else(|| self.get(key(city, "")?))
    }

    fn get(&self, key: u64) -> Option<Position> {
        self.table.find(key, |&(other, _)| other == key).map(|&(_, position)| position)
    }

    fn insert(&mut self, key: u64, position: Position) {
        if self.get(key).is_none() {
            self.table.insert_unique(key, (key, position), |&(key, _)| key);
        }
    }
}

/// The hash of both names in lower case (ASCII); `None` if the city is empty or they are too long.
fn key(city: &str, country: &str) -> Option<u64> {
    let mut bytes = [0; LONGEST];
    let length = city.len() + 1 + country.len();
    if city.is_empty() || length > LONGEST {
        return None;
    }
    bytes[..city.len()].copy_from_slice(city.as_bytes());
    bytes[city.len() + 1..length].copy_from_slice(country.as_bytes());
    bytes.make_ascii_lowercase();
    Some(hash64_bytes(&bytes[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "city,country,latitude,longitude\n\
        Hyderabad,IN,17.385,78.4867\nHyderabad,PK,25.396,68.3578\n";

    #[test]
    fn names_are_found_in_any_case_and_by_country() {
        let cities = Cities::new(TABLE).unwrap();
        let latitude = |city, country| cities.find(city, country).map(Position::latitude);
        let cases = [
            ("Hyderabad", None, Some(17.385)),
            ("HYDERABAD", Some("pk"), Some(25.396)),
            ("Hyderabad", Some("India"), Some(17.385)),
            ("Atlantis", Some("GR"), None),
            ("", None, None),
        ];
        for (city, country, expected) in cases {
            assert_eq!(latitude(city, country), expected, "{city} {country:?}");
        }
        assert_eq!(cities.find(&"x".repeat(5_000), None), None);
    }

    #[test]
    fn a_bad_line_is_named() {
        let error =
            Cities::new("city,country,latitude,longitude\nA,IN,1,2\nB,IN,91,2\n").unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
