//! Where customers live and travel: the largest Indian cities and some abroad.
//!
//! Coordinates come from the bundled table `config/cities.csv`, so a generated city and its
//! position agree with what the features look up.

/// A city with shops.
#[derive(Debug, Clone, Copy)]
pub(super) struct City {
    /// As in the bundled table.
    pub(super) name: &'static str,
    /// ISO 3166-1 alpha-2.
    pub(super) country: &'static str,
    /// Degrees north.
    pub(super) latitude: f64,
    /// Degrees east.
    pub(super) longitude: f64,
    /// Inhabitants against the other cities; 0 abroad, where no customer lives.
    pub(super) weight: u64,
}

impl City {
    /// A rough distance in kilometres, never too short by more than a hundredth: the legs of the
    /// triangle, with meridians as far apart as at the equator. Good enough to plan a journey, and
    /// it needs no cosine.
    pub(super) fn distance_km(&self, other: &Self) -> f64 {
        const KM_PER_DEGREE: f64 = 111.2;
        let north = self.latitude - other.latitude;
        let east = self.longitude - other.longitude;
        (north * north + east * east).sqrt() * KM_PER_DEGREE
    }

    /// Whether it lies outside India.
    pub(super) fn is_abroad(&self) -> bool {
        self.weight == 0
    }
}

/// Indian cities by their size, with rough weights (hundred thousands of inhabitants).
const INDIAN: [(&str, u64); 36] = [
    ("Mumbai", 205),
    ("Delhi", 280),
    ("Bengaluru", 125),
    ("Chennai", 110),
    ("Kolkata", 148),
    ("Hyderabad", 100),
    ("Ahmedabad", 80),
    ("Pune", 66),
    ("Surat", 62),
    ("Jaipur", 40),
    ("Lucknow", 36),
    ("Kochi", 30),
    ("Guwahati", 12),
    ("Kanpur", 31),
    ("Nagpur", 28),
    ("Indore", 29),
    ("Coimbatore", 27),
    ("Bhopal", 24),
    ("Visakhapatnam", 22),
    ("Patna", 23),
    ("Vadodara", 21),
    ("Thiruvananthapuram", 24),
    ("Ludhiana", 18),
    ("Agra", 20),
    ("Nashik", 19),
    ("Vijayawada", 18),
    ("Madurai", 17),
    ("Varanasi", 16),
    ("Chandigarh", 12),
    ("Bhubaneswar", 12),
    ("Mysuru", 11),
    ("Gurugram", 13),
    ("Noida", 11),
    ("Raipur", 14),
    ("Ranchi", 13),
    ("Dehradun", 9),
];

const ABROAD: [&str; 10] = [
    "London",
    "Singapore",
    "Dubai",
    "New York",
    "Bangkok",
    "Frankfurt",
    "Hong Kong",
    "Sydney",
    "Lagos",
    "San Francisco",
];

/// The `count` largest Indian cities, then the ones abroad.
pub(super) fn cities(count: usize) -> Vec<City> {
    let home = INDIAN.iter().take(count).map(|&(name, weight)| find(name, weight));
    home.chain(ABROAD.iter().map(|name| find(name, 0))).collect()
}

/// How many cities there are to live in.
pub(super) fn most_homes() -> usize {
    INDIAN.len()
}

fn find(name: &'static str, weight: u64) -> City {
    parse(name, weight).expect("invariant: every city named here is in config/cities.csv")
}

fn parse(name: &'static str, weight: u64) -> Option<City> {
    let mut rows = include_str!("../../../config/cities.csv").lines().map(|line| line.split(','));
    let mut fields = rows.find(|fields| fields.clone().next() == Some(name))?.skip(1);
    Some(City {
        name,
        country: fields.next()?,
        latitude: fields.next()?.trim().parse().ok()?,
        longitude: fields.next()?.trim().parse().ok()?,
        weight,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_city_is_in_the_table() {
        let all = cities(usize::MAX);
        assert_eq!(all.len(), INDIAN.len() + ABROAD.len());
        for city in all {
            assert_eq!(city.country == "IN", !city.is_abroad(), "{}", city.name);
        }
    }

    #[test]
    fn distances_are_never_much_too_short() {
        let [mumbai, delhi] =
            [("Mumbai", 1), ("Delhi", 1)].map(|(name, weight)| find(name, weight));
        // 1,153 km along the great circle.
        let rough = mumbai.distance_km(&delhi);
        assert!((1_140.0..1_350.0).contains(&rough), "{rough}");
    }
}
