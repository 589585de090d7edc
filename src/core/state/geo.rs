//! Places: great-circle distance, and positions compact enough to remember.

use crate::core::transaction::Position;

/// Mean radius of the earth in kilometres (IUGG 2a+b over 3).
pub const EARTH_RADIUS_KM: f64 = 6_371.008_8;

const E7: f64 = 1e7;

/// Great-circle distance in kilometres by the haversine formula.
pub fn distance_km(a: Position, b: Position) -> f64 {
    let (lat_a, lat_b) = (a.latitude().to_radians(), b.latitude().to_radians());
    let half_lat = ((lat_b - lat_a) / 2.0).sin();
    let half_lon = ((b.longitude() - a.longitude()).to_radians() / 2.0).sin();
    let h = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
    2.0 * EARTH_RADIUS_KM * h.min(1.0).sqrt().asin()
}

/// A position rounded to 1e-7 degrees (at most 1.1 cm), as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionE7 {
    /// Degrees north times 1e7.
    pub latitude: i32,
    /// Degrees east times 1e7.
    pub longitude: i32,
}

impl From<Position> for PositionE7 {
    fn from(position: Position) -> Self {
        Self {
            latitude: (position.latitude() * E7).round() as i32,
            longitude: (position.longitude() * E7).round() as i32,
        }
    }
}

impl PositionE7 {
    /// What rounding takes from a position: degrees north and east, to within 3e-15.
    pub fn residual(position: Position) -> [f32; 2] {
        let kept = Self::from(position).position();
        let lost = [position.latitude() - kept.latitude(), position.longitude() - kept.longitude()];
        lost.map(|degrees| degrees as f32)
    }

    /// The position with its residual added back.
    pub fn refined(self, residual: [f32; 2]) -> Position {
        let kept = self.position();
        let [latitude, longitude] = residual.map(f64::from);
        Position::new(kept.latitude() + latitude, kept.longitude() + longitude).unwrap_or(kept)
    }

    /// The position as it is remembered.
    pub fn position(self) -> Position {
        mean_position(i64::from(self.latitude), i64::from(self.longitude), 1)
            .expect("i32 times 1e-7 of a valid position is a valid position")
    }
}

/// The mean of `count` positions from the sums of their coordinates in 1e-7 degrees; `None` if
/// `count` is 0. An arithmetic mean of degrees: good enough at the scale of a home, wrong across
/// the date line.
pub fn mean_position(latitude_sum: i64, longitude_sum: i64, count: u32) -> Option<Position> {
    let scale = E7 * f64::from(count);
    Position::new(latitude_sum as f64 / scale, longitude_sum as f64 / scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Position {
        Position::new(latitude, longitude).unwrap()
    }

    #[test]
    fn distances_agree_with_known_ones() {
        // A quarter of the meridian, half of the equator, no way at all.
        let quarter = std::f64::consts::FRAC_PI_2 * EARTH_RADIUS_KM;
        let cases = [
            (at(0.0, 0.0), at(90.0, 0.0), quarter),
            (at(0.0, -90.0), at(0.0, 90.0), 2.0 * quarter),
            (at(12.5, 77.5), at(12.5, 77.5), 0.0),
        ];
        for (a, b, km) in cases {
            assert!((distance_km(a, b) - km).abs() < 1e-9, "{a:?} {b:?}");
        }
        // scikit-learn 1.9.1: haversine_distances of the same two, times the radius.
        let mumbai_delhi = distance_km(at(19.076, 72.877), at(28.704, 77.102));
        assert!((mumbai_delhi - 1_153.240_173_996_677).abs() < 1e-9, "{mumbai_delhi}");
    }

    #[test]
    fn seven_decimals_survive() {
        for position in [at(19.076, 72.877), at(-89.9999999, 179.9999999), at(0.0, -180.0)] {
            assert_eq!(PositionE7::from(position).position(), position);
        }
        assert_eq!(mean_position(0, 0, 0), None);
    }
}
