//! What all frauds share: a victim, what the thief pays with, how much is much for the victim.

use super::FraudKind;
use super::life::Life;
use super::payment::{Payment, to_paise};
use super::random::Random;
use super::traces::{Guise, Kept, Payer};
use super::trade::{Channel, Mode};
use super::world::World;
use crate::core::transaction::Status;

/// A fraud about to be planned.
pub(super) struct Episode<'a> {
    pub(super) world: &'a World,
    pub(super) lives: &'a [Life],
    pub(super) random: &'a mut Random,
    pub(super) now_ms: i64,
    pub(super) victim: u32,
    /// What is planned, in any order.
    pub(super) payments: Vec<Payment>,
}

/// What a thief pays with, the same throughout an episode.
#[derive(Clone, Copy)]
pub(super) struct Kit {
    /// `None`: the victim's own things and place, or what is seen at a terminal.
    pub(super) guise: Option<Guise>,
    pub(super) mode: Mode,
    pub(super) channel: Channel,
}

impl Episode<'_> {
    /// A customer who might shop at this merchant.
    pub(super) fn patron(&mut self, merchant: u32) -> u32 {
        let shop = self.world.merchant(merchant);
        let residents = &self.world.residents[shop.city];
        if shop.is_online || residents.is_empty() {
            return self.world.activity.draw(self.random) as u32;
        }
        self.random.pick(residents)
    }

    /// What the victim would pay so much with at that merchant.
    pub(super) fn own_kit(&mut self, merchant: u32, paise: u64) -> Kit {
        let is_online = self.world.merchant(merchant).is_online;
        let favourite = self.world.customer(self.victim).favourite_mode;
        let mode = Mode::choose(self.random, favourite, is_online, paise as f64 / 100.0);
        Kit { guise: None, mode, channel: Channel::choose(self.random, is_online, mode) }
    }

    /// What a thief has who knows so much of the victim.
    pub(super) fn stolen_kit(&mut self, kept: Kept, mode: Mode, channel: Channel) -> Kit {
        let home = self.world.customer(self.victim).city;
        let guise = Some(Guise::draw(kept, home, self.world, self.random));
        Kit { guise, mode, channel }
    }

    /// A city with shops, too far to get there within two hours: abroad or at the other end of the
    /// country.
    pub(super) fn far_city(&mut self) -> Option<usize> {
        const FAR_KM: f64 = 1_700.0;
        let commerce = &self.world.commerce;
        let home = &commerce.cities[self.world.customer(self.victim).city];
        let is_abroad = self.random.chance(0.5);
        let is_far = |&city: &usize| {
            let place = &commerce.cities[city];
            let has_shops = !commerce.markets[city].is_empty();
            place.distance_km(home) > FAR_KM && has_shops && place.is_abroad() == is_abroad
        };
        let cities: Vec<usize> = (0..commerce.cities.len()).filter(is_far).collect();
        (!cities.is_empty()).then(|| self.random.pick(&cities))
    }

    /// An online merchant, known or not.
    pub(super) fn online(&mut self) -> u32 {
        self.world.commerce.online.any(self.random)
    }

    /// An online merchant that may well ask for such a sum: a thief buys what costs as much.
    pub(super) fn online_for(&mut self, paise: u64) -> u32 {
        self.one_for(paise, |episode| episode.online())
    }

    /// An online merchant that may well ask for so many times what the victim usually pays.
    pub(super) fn online_at(&mut self, times: f64) -> u32 {
        let paise = self.times_usual(times, times);
        self.online_for(paise)
    }

    /// The same of a shop in this city.
    pub(super) fn shop_for(&mut self, paise: u64, city: usize) -> u32 {
        self.one_for(paise, |episode| episode.world.commerce.markets[city].visit(episode.random))
    }

    fn one_for(&mut self, paise: u64, mut draw: impl FnMut(&mut Self) -> u32) -> u32 {
        const ATTEMPTS: usize = 12;
        let mut merchant = draw(self);
        for _ in 1..ATTEMPTS {
            let usual = self.world.merchant(merchant).usual_rupees() * 100.0;
            if (usual / 8.0..usual * 5.0).contains(&(paise as f64)) {
                break;
            }
            merchant = draw(self);
        }
        merchant
    }

    /// An online merchant of what is easily sold on.
    pub(super) fn big_ticket(&mut self) -> u32 {
        self.world.commerce.big_ticket.any(self.random)
    }

    /// So many times what the victim usually pays, in hundredths of a rupee.
    pub(super) fn times_usual(&mut self, low: f64, high: f64) -> u64 {
        let income = self.world.customer(self.victim).income;
        let usual = self.lives[self.victim as usize].mean_paise(income);
        to_paise(usual * self.random.between(low, high) / 100.0, self.random)
    }

    /// Refused with this probability.
    pub(super) fn declined(&mut self, chance: f64) -> Status {
        if self.random.chance(chance) { Status::Declined } else { Status::Approved }
    }

    /// Plans one payment of the victim.
    pub(super) fn add(
        &mut self,
        kit: Kit,
        kind: FraudKind,
        time_ms: i64,
        merchant: u32,
        paise: u64,
        status: Status,
    ) {
        let (world, customer) = (self.world, self.victim);
        let phone = self.lives[customer as usize].phone(world, customer);
        let payer = Payer { world, customer, phone, city: world.customer(customer).city };
        let shop = world.merchant(merchant);
        let traces = payer.traces(shop, kit.channel, kit.guise, time_ms, self.random);
        let mode = kit.mode.or_card(shop.is_online, paise as f64 / 100.0);
        self.payments.push(Payment {
            time_ms,
            customer,
            merchant,
            paise,
            mode,
            channel: kit.channel,
            status,
            traces,
            fraud: Some(kind),
        });
    }
}
