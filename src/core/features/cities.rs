//! Where cities lie, for transactions that name a city and bring no coordinates.

use hashbrown::HashTable;

use crate::core::state::hash::hash64_bytes;
use crate::core::transaction::Position;

/// The longest name that is looked up, in bytes: city, separator and country together. Every name
/// of the table fits.
const LONGEST: usize = 96;

/// The columns of a table, in their order.
const COLUMNS: [&str; 4] = ["city", "country", "latitude", "longitude"];

/// A table of cities by name, and by name and country.
#[derive(Debug, Clone, Default)]
pub struct Cities {
    table: HashTable<(u64, Position)>,
    /// Countries, by ISO 3166-1 and as the table calls them.
    countries: HashTable<u64>,
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
    /// Reads a CSV table `city,country,latitude,longitude`, with or without these names on its
    /// first line. Of equal names the first stands for those that come without a country.
    pub fn new(table: &str) -> Result<Self, CitiesError> {
        let mut cities = Self::default();
        COUNTRIES.split(' ').for_each(|country| cities.insert_country(country));
        let table = table.trim_start_matches('\u{feff}');
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes());
        for record in reader.records() {
            let line = |position: Option<&csv::Position>| position.map_or(1, csv::Position::line);
            let record = record.map_err(|error| CitiesError::BadLine {
                line: line(error.position()),
                problem: error.to_string(),
            })?;
            let line = line(record.position());
            let bad = |problem: String| CitiesError::BadLine { line, problem };
            let field = |at: usize| record.get(at).unwrap_or("").trim();
            if line == 1 && is_header(&record) {
                check_header(&record).map_err(bad)?;
                continue;
            }
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
            cities.insert_country(field(1));
        }
        Ok(cities)
    }

    /// Where a city lies. With a country that is known it is the city there or none: its namesake
    /// in another country is another city. A country that nobody knows says nothing.
    pub fn find(&self, city: &str, country: Option<&str>) -> Option<Position> {
        let Some(country) = country.filter(|country| !country.is_empty()) else {
            return self.get(key(city, "")?);
        };
        let there = self.get(key(city, country)?);
        if there.is_some() || self.knows(country) {
            return there;
        }
        self.get(key(city, "")?)
    }

    fn knows(&self, country: &str) -> bool {
        country_key(country)
            .is_some_and(|key| self.countries.find(key, |other| *other == key).is_some())
    }

    fn insert_country(&mut self, country: &str) {
        if let Some(key) = country_key(country).filter(|_| !self.knows(country)) {
            self.countries.insert_unique(key, key, |key| *key);
        }
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

/// ISO 3166-1 alpha-2.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI \
    BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY \
    CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN \
    GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH \
    KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL \
    PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV \
    SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN \
    VU WF WS YE YT ZA ZM ZW";

/// Whether the first line names columns: where numbers belong there is no digit.
fn is_header(record: &csv::StringRecord) -> bool {
    let has_digit =
        |at: usize| record.get(at).is_some_and(|text| text.contains(|c: char| c.is_ascii_digit()));
    !has_digit(2) && !has_digit(3)
}

/// Names of columns that stand in another order would be read as one another.
fn check_header(record: &csv::StringRecord) -> Result<(), String> {
    let place =
        |name: &str| record.iter().position(|other| other.trim().eq_ignore_ascii_case(name));
    let moved = COLUMNS.iter().enumerate().find(|(at, name)| place(name).is_some_and(|p| p != *at));
    match moved {
        Some((at, name)) => Err(format!("{name} is not column {}", at + 1)),
        None => Ok(()),
    }
}

fn country_key(country: &str) -> Option<u64> {
    key(country, "country")
}

/// The hash of both names in lower case (ASCII), if they are names of a sane length.
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
        Hyderabad,IN,17.385,78.4867\nHyderabad,PK,25.396,68.3578\nLahore,PK,31.5497,74.3436\n\
        Capital,Shelby,1,2\nSpringfield,US,39.8,-89.6\n";

    #[test]
    fn names_are_found_in_any_case_and_by_country() {
        let cities = Cities::new(TABLE).unwrap();
        let latitude = |city, country| cities.find(city, country).map(Position::latitude);
        let cases = [
            ("Hyderabad", None, Some(17.385)),
            ("HYDERABAD", Some("pk"), Some(25.396)),
            ("Hyderabad", Some("India"), Some(17.385)),
            ("Hyderabad", Some(""), Some(17.385)),
            // A known country where there is no such city, in the table or not.
            ("Hyderabad", Some("US"), None),
            ("Hyderabad", Some("ca"), None),
            ("Lahore", Some("IN"), None),
            ("Lahore", Some("XA"), Some(31.5497)),
            ("Springfield", Some("Shelby"), None),
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

    #[test]
    fn a_table_without_a_header_keeps_its_first_line() {
        let cities = Cities::new("\u{feff}Pune,IN,18.52,73.85\nLahore,PK,31.5,74.3\n").unwrap();
        assert_eq!(cities.find("Pune", Some("IN")).map(Position::latitude), Some(18.52));
        let error = Cities::new("Pune,IN,18.52N,73.85\n").unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
        let error = Cities::new("country,city,latitude,longitude\nIN,Pune,1,2\n").unwrap_err();
        assert!(error.to_string().contains("city is not column 1"), "{error}");
        assert!(Cities::new("").is_ok());
    }
}
