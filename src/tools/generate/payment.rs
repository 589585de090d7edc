//! A payment as planned, and how honest people pay.
//!
//! Honest life has to look suspicious now and then, or else every rule would be perfect: people
//! travel, buy a new phone, pay at four in the morning, go shopping in one street for half an hour,
//! surf through a distant server, and once in a while buy something expensive.

use super::FraudKind;
use super::calendar::local_day;
use super::customer::{Life, Refund, indian_ip, laptop, mobile_ip};
use super::random::Random;
use super::trade::{Channel, Mode};
use super::world::{World, four_decimals};
use crate::core::transaction::{MINUTE_MS, SECOND_MS, Status};

/// A payment of which everything is known but its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payment {
    pub(super) time_ms: i64,
    pub(super) customer: u32,
    pub(super) merchant: u32,
    /// Hundredths of a rupee.
    pub(super) paise: u64,
    pub(super) mode: Mode,
    pub(super) channel: Channel,
    pub(super) status: Status,
    /// Index into the world's cities.
    pub(super) city: Option<usize>,
    /// Degrees north and east.
    pub(super) position: Option<(f64, f64)>,
    pub(super) device: Option<u64>,
    pub(super) ip: Option<u32>,
    pub(super) fraud: Option<FraudKind>,
}

/// One in so many payments is the start of a journey, is followed by a new phone, flows back.
const JOURNEY_CHANCE: f64 = 1.0 / 90.0;
const NEW_PHONE_CHANCE: f64 = 1.0 / 500.0;
const REFUND_CHANCE: f64 = 1.0 / 60.0;
const FEWEST_FOR_JOURNEYS: usize = 50;
/// One in so many payments is refused, is the first of several in a row.
const DECLINE_CHANCE: f64 = 0.022;
const SPREE_CHANCE: f64 = 0.05;
/// One in so many payments is much larger than usual.
const LARGE_CHANCE: f64 = 0.008;

/// What a customer does at one moment: a payment, and those that follow from it within two hours.
/// `None` while they travel.
pub(super) fn pay(
    world: &World,
    life: &mut Life,
    customer: u32,
    now_ms: i64,
    random: &mut Random,
    follow_ups: &mut Vec<Payment>,
) -> Option<Payment> {
    let city = life.city(world.customer(customer).city, now_ms)?;
    if let Some(refund) = life.take_refund(now_ms) {
        return Some(flow_back(world, customer, refund, now_ms));
    }
    let mut shopper = Shopper { world, life, customer, city, random };
    let payment = shopper.buy(now_ms);
    shopper.follow_up(&payment, follow_ups);
    shopper.move_on(&payment, follow_ups.is_empty());
    Some(payment)
}

fn flow_back(world: &World, customer: u32, refund: Refund, now_ms: i64) -> Payment {
    let merchant = world.merchant(refund.merchant);
    Payment {
        time_ms: now_ms,
        customer,
        merchant: refund.merchant,
        paise: refund.paise,
        mode: refund.mode,
        channel: if merchant.is_online { Channel::Online } else { Channel::Pos },
        status: Status::Refunded,
        city: None,
        position: None,
        device: None,
        ip: None,
        fraud: None,
    }
}

struct Shopper<'a> {
    world: &'a World,
    life: &'a mut Life,
    customer: u32,
    /// Where they are.
    city: usize,
    random: &'a mut Random,
}

impl Shopper<'_> {
    fn buy(&mut self, now_ms: i64) -> Payment {
        let merchant = self.choose_merchant();
        let is_online = self.world.merchant(merchant).is_online;
        let paise = self.amount(merchant, now_ms);
        let favourite = self.world.customer(self.customer).favourite_mode;
        let mode = Mode::choose(self.random, favourite, is_online, paise as f64 / 100.0);
        let channel = Channel::choose(self.random, is_online, mode);
        let (city, position) = self.place(merchant);
        let (device, ip) = self.equipment(channel, now_ms);
        let declined = self.random.chance(DECLINE_CHANCE) && mode != Mode::Cash;
        let status = if declined { Status::Declined } else { Status::Approved };
        self.life.count(paise);
        Payment {
            time_ms: now_ms,
            customer: self.customer,
            merchant,
            paise,
            mode,
            channel,
            status,
            city,
            position,
            device,
            ip,
            fraud: None,
        }
    }

    fn choose_merchant(&mut self) -> u32 {
        let world = self.world;
        if self.life.is_away() {
            return match self.random.chance(0.25) {
                true => world.online.visit(self.random),
                false => world.markets[self.city].visit(self.random),
            };
        }
        match self.random.below(100) {
            0..70 => world.customer(self.customer).regular(self.random),
            70..82 => world.online.visit(self.random),
            _ => world.markets[self.city].visit(self.random),
        }
    }

    fn amount(&mut self, merchant: u32, now_ms: i64) -> u64 {
        let merchant = self.world.merchant(merchant);
        let category = merchant.category();
        let income = self.world.customer(self.customer).income;
        let means = if category.is_elastic { income } else { income.sqrt() };
        let mut rupees =
            category.median * merchant.prices * means * self.random.factor(category.octaves);
        if category.is_elastic && self.world.calendar.is_festive(local_day(now_ms)) {
            rupees *= 1.4;
        }
        if self.random.chance(LARGE_CHANCE) {
            rupees *= self.random.between(4.0, 14.0);
        }
        to_paise(rupees, self.random)
    }

    fn place(&mut self, merchant: u32) -> (Option<usize>, Option<(f64, f64)>) {
        let merchant = self.world.merchant(merchant);
        let unknown = self.random.unit();
        if !merchant.is_online {
            let position = (merchant.latitude, merchant.longitude);
            return (Some(merchant.city), (unknown > 0.05).then_some(position));
        }
        if unknown < 0.04 {
            return (None, None);
        }
        // A few surf through a server in another city and seem to be there.
        let elsewhere = self.random.chance(0.004);
        let seen = if elsewhere { self.random.below(4) as usize } else { self.city };
        let customer = self.world.customer(self.customer);
        let centre = if seen == customer.city {
            (customer.latitude, customer.longitude)
        } else {
            (self.world.cities[seen].latitude, self.world.cities[seen].longitude)
        };
        (Some(seen), (unknown > 0.12).then(|| near(centre, 0.02, self.random)))
    }

    fn equipment(&mut self, channel: Channel, now_ms: i64) -> (Option<u64>, Option<u32>) {
        let customer = self.world.customer(self.customer);
        let laptop = laptop(self.world, self.customer);
        let phone = self.life.phone(self.world, self.customer);
        let device = match channel {
            Channel::Pos => return (None, None),
            Channel::Online if customer.has_laptop => laptop,
            _ => phone,
        };
        let ip = if self.life.is_away() && device == laptop {
            indian_ip(self.random.bits())
        } else if !self.life.is_away() && channel != Channel::Qr && self.random.chance(0.6) {
            customer.home_ip
        } else {
            mobile_ip(self.world, self.customer, now_ms)
        };
        (Some(device), Some(ip))
    }

    /// Tries again what was refused, or goes on shopping.
    fn follow_up(&mut self, payment: &Payment, follow_ups: &mut Vec<Payment>) {
        if payment.status == Status::Declined && self.random.chance(0.5) {
            let time_ms = payment.time_ms + self.random.within(20 * SECOND_MS, 3 * MINUTE_MS);
            follow_ups.push(Payment { time_ms, status: Status::Approved, ..*payment });
        } else if self.random.chance(SPREE_CHANCE) {
            self.go_on(payment.time_ms, follow_ups);
        }
    }

    /// A stroll from shop to shop, or an evening of bills and orders one right after the other.
    fn go_on(&mut self, mut time_ms: i64, follow_ups: &mut Vec<Payment>) {
        let (most, pause_ms) = match self.random.chance(0.3) {
            true => (8, [20 * SECOND_MS, 4 * MINUTE_MS]),
            false => (4, [2 * MINUTE_MS, 25 * MINUTE_MS]),
        };
        for _ in 0..self.random.within(1, most) {
            time_ms += self.random.within(pause_ms[0], pause_ms[1]);
            follow_ups.push(self.buy(time_ms));
        }
    }

    /// What a payment may lead to later on.
    fn move_on(&mut self, payment: &Payment, is_free: bool) {
        if payment.status == Status::Approved && self.random.chance(REFUND_CHANCE) {
            let paid = (payment.merchant, payment.paise, payment.mode);
            self.life.plan_refund(paid, payment.time_ms, self.random);
        }
        if self.random.chance(NEW_PHONE_CHANCE) {
            self.life.change_phone();
        }
        // With too few customers, somebody on the way would have to pay all the same.
        let is_free = is_free && self.world.customers.len() >= FEWEST_FOR_JOURNEYS;
        if is_free && !self.life.is_away() && self.random.chance(JOURNEY_CHANCE) {
            let home = self.world.customer(self.customer).city;
            self.life.set_out(self.world, home, payment.time_ms, self.random);
        }
    }
}

/// A place within `spread` degrees of the centre.
pub(super) fn near(centre: (f64, f64), spread: f64, random: &mut Random) -> (f64, f64) {
    let mut jitter = || random.between(-spread, spread);
    (four_decimals(centre.0 + jitter()), four_decimals(centre.1 + jitter()))
}

/// A price as people ask for it, in hundredths: whole rupees mostly, round sums often.
pub(super) fn to_paise(rupees: f64, random: &mut Random) -> u64 {
    let rupees = rupees.clamp(1.0, 2_000_000.0);
    let step = match random.below(100) {
        0..12 if rupees >= 500.0 => 100.0,
        0..35 if rupees >= 50.0 => 10.0,
        0..75 => 1.0,
        _ => 0.01,
    };
    ((rupees / step).round() * step * 100.0).round().max(100.0) as u64
}
