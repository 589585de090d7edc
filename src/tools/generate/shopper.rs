//! How honest people pay.
//!
//! Honest life has to look suspicious now and then, or else every rule would be perfect: people
//! travel, buy a new phone, pay at four in the morning, go shopping in one street for half an hour,
//! borrow a device, surf through a distant server, and once in a while buy something expensive.

use super::calendar::local_hour;
use super::errand::{Errand, Mind};
use super::life::{Life, Refund};
use super::payment::Payment;
use super::random::Random;
use super::traces::{Guise, Kept, Payer, Traces};
use super::trade::{Channel, Mode};
use super::world::World;
use crate::core::transaction::{MINUTE_MS, SECOND_MS, Status};

/// One in so many payments is the start of a journey, is followed by a new phone, flows back.
const JOURNEY_CHANCE: f64 = 1.0 / 90.0;
const NEW_PHONE_CHANCE: f64 = 1.0 / 250.0;
const REFUND_CHANCE: f64 = 1.0 / 60.0;
const FEWEST_FOR_JOURNEYS: usize = 50;
/// One in so many payments is the first of several in a row.
const SPREE_CHANCE: f64 = 0.04;
const SPREE_CHANCE_IN_GUISE: f64 = 0.08;
/// One in so many payments is refused; more where the bank has reason to wonder.
const DECLINE_CHANCE: f64 = 0.022;
const DECLINE_CHANCE_STRANGE: f64 = 0.1;
/// One in so many payments online is the first in a guise. At night more are: who cannot sleep
/// pays with whatever lies beside the bed.
const GUISE_CHANCE: f64 = 0.02;
const GUISE_CHANCE_AT_NIGHT: f64 = 0.25;

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
        traces: Traces::default(),
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
        let Self { world, customer, city, .. } = *self;
        let mut mind = Mind { world, life: self.life, customer, city, random: self.random };
        let errand = mind.errand(now_ms);
        let merchant = world.merchant(errand.merchant);
        let guise = if merchant.is_online { self.guise(&errand, now_ms) } else { None };
        let phone = self.life.phone(world, customer);
        let payer = Payer { world, customer, phone, city };
        let traces = payer.traces(merchant, errand.channel, guise, now_ms, self.random);
        self.life.count(errand.paise);
        Payment {
            time_ms: now_ms,
            customer,
            merchant: errand.merchant,
            paise: errand.paise,
            mode: self.mode(&errand, guise.is_some()),
            channel: errand.channel,
            status: self.status(&errand, guise.is_some()),
            traces,
            fraud: None,
        }
    }

    /// How they are seen online, if not as themselves.
    fn guise(&mut self, errand: &Errand, now_ms: i64) -> Option<Guise> {
        if let Some(guise) = self.life.wear_guise() {
            return Some(guise);
        }
        let is_night = local_hour(now_ms) < 6;
        let chance = match errand.guise_chance {
            Some(chance) => chance,
            None if is_night => GUISE_CHANCE_AT_NIGHT,
            None => GUISE_CHANCE,
        };
        if !self.random.chance(chance) {
            return None;
        }
        let kept = match self.random.below(100) {
            0..55 => Kept::Nothing,
            55..70 => Kept::Place,
            _ => Kept::PlaceAndDevice,
        };
        let guise = Guise::draw(kept, self.city, self.world, self.random);
        let is_long = self.random.chance(0.3);
        let more = match is_night || errand.guise_chance.is_some() {
            true => self.random.below(2),
            false if is_long => self.random.below(9) + 3,
            false => self.random.below(4),
        };
        self.life.put_on(guise, more as u32);
        Some(guise)
    }

    /// A card's number can be typed in everywhere; an app works on its owner's phone.
    fn mode(&mut self, errand: &Errand, has_guise: bool) -> Mode {
        if !has_guise || errand.mode == Mode::CreditCard || self.random.chance(0.25) {
            return errand.mode;
        }
        Mode::from_afar(self.random).or_card(true, errand.paise as f64 / 100.0)
    }

    fn status(&mut self, errand: &Errand, has_guise: bool) -> Status {
        let is_abroad = self.world.commerce.cities[self.city].is_abroad();
        let chance = match errand.decline_chance {
            Some(chance) => chance,
            None if has_guise || is_abroad => DECLINE_CHANCE_STRANGE,
            None => DECLINE_CHANCE,
        };
        let is_declined = errand.mode.can_fail() && self.random.chance(chance);
        if is_declined { Status::Declined } else { Status::Approved }
    }

    /// Tries again what was refused, or goes on shopping.
    fn follow_up(&mut self, payment: &Payment, follow_ups: &mut Vec<Payment>) {
        if payment.status == Status::Declined && self.random.chance(0.5) {
            let time_ms = payment.time_ms + self.random.within(20 * SECOND_MS, 3 * MINUTE_MS);
            follow_ups.push(Payment { time_ms, status: Status::Approved, ..*payment });
        } else if self.random.chance(self.spree_chance()) {
            self.go_on(payment.time_ms, follow_ups);
        }
    }

    /// Whoever sits at another device makes use of it.
    fn spree_chance(&self) -> f64 {
        if self.life.is_in_guise() { SPREE_CHANCE_IN_GUISE } else { SPREE_CHANCE }
    }

    /// A stroll from shop to shop, or an evening of bills and orders one right after the other.
    fn go_on(&mut self, mut time_ms: i64, follow_ups: &mut Vec<Payment>) {
        let (most, pause_ms) = match self.random.chance(0.3) {
            true => (4, [20 * SECOND_MS, 4 * MINUTE_MS]),
            false => (3, [2 * MINUTE_MS, 25 * MINUTE_MS]),
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
