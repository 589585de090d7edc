//! A customer, as far as they never change: home, income, habits.

use super::address;
use super::calendar::{PROFILE_SHARES, appetite, local_hour};
use super::market::Commerce;
use super::random::{Random, four_decimals};
use super::text::Text;
use super::trade::Mode;

/// How many merchants a customer goes to again and again.
const REGULARS: usize = 10;

/// How many customers go through a provider abroad: a distant server, a company's network.
const FOREIGN_PROVIDER_SHARE: f64 = 0.06;

/// Someone who pays.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) id: Text<12>,
    /// Index into [`Commerce::cities`].
    pub(super) city: usize,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    /// Against a middling income.
    pub(super) income: f64,
    /// Payments against other customers.
    pub(super) activity: u64,
    /// Index of the daily profile: office hours, night owl, early bird.
    profile: usize,
    /// Merchants visited again and again, the likeliest first.
    regulars: [u32; REGULARS],
    pub(super) favourite_mode: Mode,
    pub(super) has_laptop: bool,
    /// The address at home.
    pub(super) home_ip: u32,
}

impl Customer {
    /// Someone in this city.
    pub(super) fn new(commerce: &Commerce, index: u32, city: usize, random: &mut Random) -> Self {
        let place = &commerce.cities[city];
        let regular = |slot: usize| {
            if slot % 3 == 2 {
                commerce.online.visit(random)
            } else {
                commerce.markets[city].visit(random)
            }
        };
        Self {
            id: Text::new().text("C").decimal(u64::from(index) + 1, 6),
            city,
            regulars: std::array::from_fn(regular),
            latitude: four_decimals(place.latitude + random.between(-0.08, 0.08)),
            longitude: four_decimals(place.longitude + random.between(-0.08, 0.08)),
            income: random.factor(0.9).clamp(0.25, 8.0),
            activity: [2, 3, 4, 5, 6, 8, 11][random.weighted(&[8, 14, 20, 22, 18, 12, 6])],
            profile: random.weighted(&PROFILE_SHARES),
            favourite_mode: Mode::favourite(random),
            has_laptop: random.chance(0.35),
            home_ip: match random.chance(FOREIGN_PROVIDER_SHARE) {
                true => address::foreign(random.bits()),
                false => address::indian(random.bits()),
            },
        }
    }

    /// Whether they would pay now, drawn by their daily profile.
    pub(super) fn is_awake(&self, time_ms: i64, random: &mut Random) -> bool {
        random.chance(appetite(self.profile, local_hour(time_ms)))
    }

    /// One of the merchants they always go to, the first ones most often.
    pub(super) fn regular(&self, random: &mut Random) -> u32 {
        let one = random.below(REGULARS as u64);
        let other = random.below(REGULARS as u64);
        self.regulars[one.min(other) as usize]
    }
}
