//! What changes in a customer's life during the run: journeys, phones, borrowed things, refunds.

use super::market::Commerce;
use super::random::Random;
use super::traces::Guise;
use super::trade::Mode;
use super::world::World;
use crate::core::transaction::{DAY_MS, HOUR_MS};

/// How many journeys lead abroad.
const ABROAD_SHARE: f64 = 0.2;

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
    /// How they are seen online for now, and in how many more payments.
    guise: Option<(Guise, u32)>,
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
        let distance_km = world.commerce.cities[home].distance_km(&world.commerce.cities[city]);
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

    /// Is seen like this in the next payments online.
    pub(super) fn put_on(&mut self, guise: Guise, payments: u32) {
        self.guise = (payments > 0).then_some((guise, payments));
    }

    /// How they are seen in this payment online, if not as themselves.
    pub(super) fn wear_guise(&mut self) -> Option<Guise> {
        let (guise, left) = self.guise?;
        self.guise = (left > 1).then(|| (guise, left - 1));
        Some(guise)
    }

    /// Whether the next payment online is not seen as theirs.
    pub(super) fn is_in_guise(&self) -> bool {
        self.guise.is_some()
    }

    /// Buys a new phone.
    pub(super) fn change_phone(&mut self) {
        self.phones += 1;
    }

    /// The present phone of this customer.
    pub(super) fn phone(&self, world: &World, customer: u32) -> u64 {
        world.device(customer, self.phones * 2)
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

fn destination(world: &World, home: usize, random: &mut Random) -> usize {
    let Commerce { merchants, cities, abroad, .. } = &world.commerce;
    if random.chance(ABROAD_SHARE) {
        return random.pick(abroad);
    }
    for _ in 0..8 {
        let merchant = &merchants[random.below(merchants.len() as u64) as usize];
        let is_abroad = cities[merchant.city].is_abroad();
        if !merchant.is_online && !is_abroad && merchant.city != home {
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
