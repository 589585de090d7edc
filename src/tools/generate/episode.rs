//! What all frauds share: a victim, what the thief pays with, how much is much for the victim.

use super::FraudKind;
use super::customer::{Life, foreign_ip, indian_ip};
use super::payment::{Payment, near};
use super::random::Random;
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
    pub(super) device: Option<u64>,
    pub(super) ip: Option<u32>,
    pub(super) city: Option<usize>,
    pub(super) position: Option<(f64, f64)>,
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

    /// What that customer pays with there, or seems to.
    pub(super) fn patron_kit(&mut self, merchant: u32) -> Kit {
        let shop = self.world.merchant(merchant);
        if shop.is_online {
            let (city, position) = self.home();
            let device = Some(self.phone());
            let ip = Some(self.world.customer(self.victim).home_ip);
            let mode = self.random.pick(&[Mode::Upi, Mode::CreditCard, Mode::DebitCard]);
            return Kit { device, ip, city, position, mode, channel: Channel::Online };
        }
        Kit {
            device: None,
            ip: None,
            city: Some(shop.city),
            position: Some((shop.latitude, shop.longitude)),
            mode: self.random.pick(&[Mode::CreditCard, Mode::DebitCard]),
            channel: Channel::Pos,
        }
    }

    /// An unknown device somewhere: abroad, in another Indian city, or nowhere to be seen.
    pub(super) fn stolen_kit(&mut self, mode: Mode, channel: Channel) -> Kit {
        let device = Some(self.random.bits());
        let bits = self.random.bits();
        let (ip, city) = match self.random.below(10) {
            0..3 => (foreign_ip(bits), None),
            3..7 => (indian_ip(bits), Some(self.world.customer(self.victim).city)),
            _ => (indian_ip(bits), Some(self.random.below(4) as usize)),
        };
        let place = city.map(|city| &self.world.cities[city]);
        let position = place
            .filter(|_| self.random.chance(0.7))
            .map(|place| near((place.latitude, place.longitude), 0.05, self.random));
        Kit { device, ip: Some(ip), city, position, mode, channel }
    }

    /// A city with shops, too far to get there within two hours.
    pub(super) fn far_city(&mut self) -> Option<usize> {
        const FAR_KM: f64 = 2_000.0;
        let world = self.world;
        let home = &world.cities[world.customer(self.victim).city];
        let is_far = |&city: &usize| {
            world.cities[city].distance_km(home) > FAR_KM && !world.markets[city].is_empty()
        };
        let cities: Vec<usize> = (0..world.cities.len()).filter(is_far).collect();
        (!cities.is_empty()).then(|| self.random.pick(&cities))
    }

    /// Where the victim lives.
    pub(super) fn home(&self) -> (Option<usize>, Option<(f64, f64)>) {
        let customer = self.world.customer(self.victim);
        (Some(customer.city), Some((customer.latitude, customer.longitude)))
    }

    /// The victim's own phone.
    pub(super) fn phone(&self) -> u64 {
        self.lives[self.victim as usize].phone(self.world, self.victim)
    }

    /// An online merchant, known or not.
    pub(super) fn online(&mut self) -> u32 {
        self.world.online.any(self.random)
    }

    /// So many times what the victim usually pays, in hundredths of a rupee.
    pub(super) fn times_usual(&mut self, low: f64, high: f64) -> u64 {
        let income = self.world.customer(self.victim).income;
        let usual = self.lives[self.victim as usize].mean_paise(income);
        let paise = usual * self.random.between(low, high);
        let is_round = self.random.chance(0.5);
        let rounded = if is_round { (paise / 10_000.0).round() * 10_000.0 } else { paise };
        rounded.clamp(100.0, 500_000_000.0).round() as u64
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
        self.payments.push(Payment {
            time_ms,
            customer: self.victim,
            merchant,
            paise,
            mode: kit.mode,
            channel: kit.channel,
            status,
            city: kit.city,
            position: kit.position,
            device: kit.device,
            ip: kit.ip,
            fraud: Some(kind),
        });
    }
}
