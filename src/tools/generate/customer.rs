//! A customer: what is fixed (home, income, habits) and what happens to them (journeys, phones).

use super::calendar::{PROFILE_SHARES, appetite, local_hour};
use super::random::{Random, mix};
use super::text::Text;
use super::trade::Mode;
use super::world::{World, four_decimals};
use crate::core::transaction::{DAY_MS, HOUR_MS, MINUTE_MS};

/// How many merchants a customer goes to again and again.
const REGULARS: usize = 10;

/// Someone who pays.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) id: Text<12>,
    /// Index into the world's cities.
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
    pub(super) fn new(world: &World, index: u32, city: usize, random: &mut Random) -> Self {
        let place = &world.cities[city];
        let regular = |slot: usize| {
            if slot % 3 == 2 {
                world.online.visit(random)
            } else {
                world.markets[city].visit(random)
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
            home_ip: indian_ip(random.bits()),
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

/// An address of an Indian provider, by 64 random bits.
pub(super) fn indian_ip(bits: u64) -> u32 {
    const FIRST: [u32; 8] = [27, 49, 59, 103, 106, 117, 157, 182];
    FIRST[(bits >> 61) as usize] << 24 | (bits as u32 & 0x00FF_FFFF)
}

/// An address of a provider elsewhere, by 64 random bits.
pub(super) fn foreign_ip(bits: u64) -> u32 {
    const FIRST: [u32; 8] = [5, 31, 45, 77, 91, 146, 185, 193];
    FIRST[(bits >> 61) as usize] << 24 | (bits as u32 & 0x00FF_FFFF)
}

/// A stay in another city.
#[derive(Debug, Clone, Copy)]
struct Journey {
    city: usize,
    /// Arrival, departure and return home, in this order.
    arrives_ms: i64,
    leaves_ms: i64,
    returns_ms: i64,
}

/// A payment that will flow back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refund {
    pub(super) merchant: u32,
    pub(super) paise: u64,
    pub(super) mode: Mode,
    due_ms: i64,
}

/// What changes in a customer's life during the run.
#[derive(Debug, Clone, Default)]
pub(super) struct Life {
    journey: Option<Journey>,
    refund: Option<Refund>,
    /// Phones they had before the present one.
    phones: u32,
    payments: u32,
    paise: u64,
    /// A fraud on them is going on until then; no second one starts.
    pub(super) victim_until_ms: i64,
}

impl Life {
    /// The city in which they are, or none while they travel.
    pub(super) fn city(&mut self, home: usize, now_ms: i64) -> Option<usize> {
        let Some(journey) = self.journey else { return Some(home) };
        if now_ms >= journey.returns_ms {
            self.journey = None;
            return Some(home);
        }
        let stays = (journey.arrives_ms..journey.leaves_ms).contains(&now_ms);
        stays.then_some(journey.city)
    }

    /// Whether they are on a journey.
    pub(super) fn is_away(&self) -> bool {
        self.journey.is_some()
    }

    /// Ends a journey at once.
    pub(super) fn come_home(&mut self) {
        self.journey = None;
    }

    /// Sets out for another city now: two hours for the ways at both ends, the rest at 700 km/h.
    pub(super) fn set_out(&mut self, world: &World, home: usize, now_ms: i64, random: &mut Random) {
        let city = destination(world, home, random);
        let distance_km = world.cities[home].distance_km(&world.cities[city]);
        let way_ms = 2 * HOUR_MS + (distance_km / 700.0 * HOUR_MS as f64) as i64;
        // Half an hour more: the last payment at home may still be a few minutes ahead.
        let arrives_ms = now_ms + way_ms + HOUR_MS / 2;
        let leaves_ms = arrives_ms + random.within(10 * HOUR_MS, 5 * DAY_MS);
        self.journey = Some(Journey {
            city,
            arrives_ms,
            leaves_ms,
            returns_ms: leaves_ms + way_ms + HOUR_MS / 2,
        });
    }

    /// Plans that this payment flows back, unless another one is about to.
    pub(super) fn plan_refund(
        &mut self,
        payment: (u32, u64, Mode),
        now_ms: i64,
        random: &mut Random,
    ) {
        let (merchant, paise, mode) = payment;
        let due_ms = now_ms + random.within(6 * HOUR_MS, 9 * DAY_MS);
        self.refund.get_or_insert(Refund { merchant, paise, mode, due_ms });
    }

    /// The refund that is due, once.
    pub(super) fn take_refund(&mut self, now_ms: i64) -> Option<Refund> {
        self.refund.take_if(|refund| refund.due_ms <= now_ms)
    }

    /// Buys a new phone.
    pub(super) fn change_phone(&mut self) {
        self.phones += 1;
    }

    /// The present phone of this customer.
    pub(super) fn phone(&self, world: &World, customer: u32) -> u64 {
        device(world, customer, self.phones * 2)
    }

    /// Counts an honest payment.
    pub(super) fn count(&mut self, paise: u64) {
        self.payments += 1;
        self.paise += paise;
    }

    /// Honest payments so far.
    pub(super) fn payments(&self) -> u32 {
        self.payments
    }

    /// The mean honest payment so far in paise, or a guess by the income.
    pub(super) fn mean_paise(&self, income: f64) -> f64 {
        if self.payments < 5 {
            90_000.0 * income
        } else {
            self.paise as f64 / f64::from(self.payments)
        }
    }
}

/// A laptop never changes.
pub(super) fn laptop(world: &World, customer: u32) -> u64 {
    device(world, customer, 1)
}

/// The address of a phone: one per customer and three hours, from the provider's pool.
pub(super) fn mobile_ip(world: &World, customer: u32, now_ms: i64) -> u32 {
    let span = (now_ms / (180 * MINUTE_MS)) as u64;
    indian_ip(mix(world.salt ^ u64::from(customer) << 32 ^ span))
}

fn device(world: &World, customer: u32, number: u32) -> u64 {
    mix(world.salt.wrapping_add(u64::from(customer) << 24 | u64::from(number)))
}

fn destination(world: &World, home: usize, random: &mut Random) -> usize {
    for _ in 0..8 {
        let merchant = random.below(world.merchants.len() as u64) as usize;
        let merchant = &world.merchants[merchant];
        // Foreign shops are one in 25; most journeys stay in the country.
        if !merchant.is_online && merchant.city != home {
            return merchant.city;
        }
    }
    (home + 1) % 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_pays_on_the_way() {
        let world = World::new(1, 200, 10);
        let mut random = Random::new(1, 9);
        let mut life = Life::default();
        life.set_out(&world, 0, 0, &mut random);
        let cities: Vec<Option<usize>> =
            (0..24 * 8).map(|hour| life.city(0, hour * HOUR_MS)).collect();
        let mut steps = cities.clone();
        steps.dedup();
        assert_eq!(steps.len(), 4, "on the way, away, on the way, home: {steps:?}");
        assert!(steps[0].is_none() && steps[1] != Some(0) && steps[2].is_none());
        assert_eq!(steps[3], Some(0));
        assert!(!life.is_away());
    }

    #[test]
    fn a_refund_is_given_once() {
        let mut life = Life::default();
        life.plan_refund((3, 500, Mode::Upi), 0, &mut Random::new(1, 1));
        assert!(life.take_refund(HOUR_MS).is_none());
        assert_eq!(life.take_refund(10 * DAY_MS).map(|refund| refund.paise), Some(500));
        assert!(life.take_refund(10 * DAY_MS).is_none());
    }
}
