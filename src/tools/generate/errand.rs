//! What an honest customer wants: a merchant, a sum, a way to pay it.
//!
//! Thieves ask for a rupee to see whether a card is alive, and for as much as it holds. So honest
//! people do both as well, at the same merchants and more often; what tells a thief is that it is
//! done many times within minutes, or far beyond what this customer ever spent.

use super::calendar::local_day;
use super::life::Life;
use super::payment::{small_sum, to_paise};
use super::random::Random;
use super::trade::{Channel, Mode};
use super::world::World;

/// One in so many payments is much larger than usual.
const LARGE_CHANCE: f64 = 0.006;
/// One in so many leaves a card with a shop, which sees with a small sum whether it is alive.
const SIGN_UP_CHANCE: f64 = 0.018;
/// One in so many would be something expensive, if they could afford it.
const TREAT_CHANCE: f64 = 0.1;

/// An intended payment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errand {
    pub(super) merchant: u32,
    /// Hundredths of a rupee.
    pub(super) paise: u64,
    pub(super) mode: Mode,
    pub(super) channel: Channel,
    /// How likely it is in a guise; `None`: as usual.
    pub(super) guise_chance: Option<f64>,
    /// How likely it is refused; `None`: as usual.
    pub(super) decline_chance: Option<f64>,
}

/// Someone who makes up their mind.
pub(super) struct Mind<'a> {
    pub(super) world: &'a World,
    pub(super) life: &'a Life,
    pub(super) customer: u32,
    /// Where they are.
    pub(super) city: usize,
    pub(super) random: &'a mut Random,
}

impl Mind<'_> {
    /// What they want now.
    pub(super) fn errand(&mut self, now_ms: i64) -> Errand {
        let is_home = self.city == self.world.customer(self.customer).city;
        if is_home && self.random.chance(SIGN_UP_CHANCE) {
            return self.sign_up();
        }
        let wish = is_home && self.random.chance(TREAT_CHANCE);
        let treat = if wish { self.treat() } else { None };
        treat.unwrap_or_else(|| self.ordinary(is_home, now_ms))
    }

    fn sign_up(&mut self) -> Errand {
        Errand {
            merchant: self.world.commerce.online.any(self.random),
            paise: small_sum(self.random),
            mode: Mode::CreditCard,
            channel: Channel::Online,
            guise_chance: Some(0.7),
            decline_chance: Some(0.4),
        }
    }

    /// Something that would be far too expensive for somebody else, but not for this customer: the
    /// sum alone does not tell a thief.
    fn treat(&mut self) -> Option<Errand> {
        let Self { world, life, customer, ref mut random, .. } = *self;
        let other = world.customer(world.activity.draw(random) as u32);
        let paise = 130_000.0 * other.income * random.between(10.0, 50.0);
        let usual = life.mean_paise(world.customer(customer).income);
        if paise > 6.0 * usual {
            return None;
        }
        let is_by_card = random.chance(0.6);
        let mode = if is_by_card { Mode::CreditCard } else { Mode::from_afar(random) };
        Some(Errand {
            merchant: world.commerce.big_ticket.any(random),
            paise: to_paise(paise / 100.0, random),
            mode: mode.or_card(true, paise / 100.0),
            channel: Channel::choose(random, true, mode),
            guise_chance: Some(0.6),
            decline_chance: Some(0.12),
        })
    }

    fn ordinary(&mut self, is_home: bool, now_ms: i64) -> Errand {
        let merchant = self.merchant(is_home);
        let paise = self.paise(merchant, now_ms);
        let (mode, channel) = self.means(merchant, paise);
        Errand { merchant, paise, mode, channel, guise_chance: None, decline_chance: None }
    }

    fn merchant(&mut self, is_home: bool) -> u32 {
        let Self { world, random, .. } = self;
        let commerce = &world.commerce;
        if self.life.is_in_guise() && random.chance(0.5) {
            return commerce.online.any(random);
        }
        if !is_home {
            return match random.chance(0.25) {
                true => commerce.online.visit(random),
                false => commerce.markets[self.city].visit(random),
            };
        }
        match random.below(100) {
            0..70 => world.customer(self.customer).regular(random),
            70..82 => commerce.online.visit(random),
            _ => commerce.markets[self.city].visit(random),
        }
    }

    fn paise(&mut self, merchant: u32, now_ms: i64) -> u64 {
        let is_large = self.random.chance(LARGE_CHANCE);
        let mut dearer = if is_large { self.random.between(3.0, 9.0) } else { 1.0 };
        if self.is_abroad(merchant) {
            dearer *= 1.8;
        }
        price(self.world, self.customer, merchant, dearer, now_ms, self.random)
    }

    fn is_abroad(&self, merchant: u32) -> bool {
        let merchant = self.world.merchant(merchant);
        !merchant.is_online && self.world.commerce.cities[merchant.city].is_abroad()
    }

    fn means(&mut self, merchant: u32, paise: u64) -> (Mode, Channel) {
        let is_online = self.world.merchant(merchant).is_online;
        let mode = if self.is_abroad(merchant) {
            self.random.pick(&[Mode::CreditCard, Mode::DebitCard])
        } else {
            let favourite = self.world.customer(self.customer).favourite_mode;
            Mode::choose(self.random, favourite, is_online, paise as f64 / 100.0)
        };
        (mode, Channel::choose(self.random, is_online, mode))
    }
}

/// What this customer pays at this merchant, so many times dearer than usual; in hundredths of a
/// rupee.
pub(super) fn price(
    world: &World,
    customer: u32,
    merchant: u32,
    dearer: f64,
    now_ms: i64,
    random: &mut Random,
) -> u64 {
    let merchant = world.merchant(merchant);
    let category = merchant.category();
    let income = world.customer(customer).income;
    let means = if category.is_elastic { income } else { income.sqrt() };
    let mut rupees = merchant.usual_rupees() * means * random.factor(category.octaves) * dearer;
    if category.is_elastic && world.calendar.is_festive(local_day(now_ms)) {
        rupees *= 1.4;
    }
    to_paise(rupees, random)
}
