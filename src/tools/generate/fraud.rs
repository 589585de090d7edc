//! Fraud: seven patterns, each as a handful of payments that tell its story.
//!
//! An episode is planned as a whole at the moment it begins, so that its payments fit each other;
//! they then wait among the planned payments until their time comes. Two episodes in five are the
//! work of someone careful: smaller amounts, longer pauses, a known place. Those are the cases that
//! a threshold on one feature misses.

use super::FraudKind;
use super::calendar::next_midnight;
use super::episode::{Episode, Kit};
use super::errand::price;
use super::payment::small_sum;
use super::traces::Kept;
use super::trade::{Channel, Mode};
use crate::core::transaction::{HOUR_MS, MINUTE_MS, SECOND_MS, Status};

impl Episode<'_> {
    /// Plans the payments of this pattern.
    pub(super) fn plan(&mut self, kind: FraudKind) {
        let is_careful = self.random.chance(0.4);
        match kind {
            FraudKind::CardTesting => self.test_card(is_careful),
            FraudKind::AccountTakeover => self.take_over(is_careful),
            FraudKind::ImpossibleTravel => self.clone_card(is_careful),
            FraudKind::VelocityAbuse => self.burst(is_careful),
            FraudKind::SpendingSpike => self.spike(is_careful),
            FraudKind::NewDeviceNight => self.night(is_careful),
            FraudKind::MerchantCollusion => self.collude(),
        }
    }

    /// Is the card alive? Many small payments within minutes, about half of them refused, then a
    /// large one.
    fn test_card(&mut self, is_careful: bool) {
        let kit = self.stolen_kit(Kept::Nothing, Mode::CreditCard, Channel::Online);
        let favourite = self.online();
        let pause_ms = if is_careful { 4 * MINUTE_MS } else { 45 * SECOND_MS };
        let mut time_ms = self.now_ms;
        for _ in 0..self.random.within(7, 12) {
            time_ms += self.random.within(4 * SECOND_MS, pause_ms);
            let paise = small_sum(self.random);
            let merchant = if self.random.chance(0.5) { favourite } else { self.online() };
            let status = self.declined(0.45);
            self.add(kit, FraudKind::CardTesting, time_ms, merchant, paise, status);
        }
        time_ms += self.random.within(MINUTE_MS, 12 * MINUTE_MS);
        let paise = self.times_usual(5.0, 25.0);
        let merchant = self.big_ticket();
        let status = self.declined(0.25);
        self.add(kit, FraudKind::CardTesting, time_ms, merchant, paise, status);
    }

    /// Someone else is in the account: another device and address, merchants never visited, and
    /// amounts that rise with every success.
    fn take_over(&mut self, is_careful: bool) {
        let mode = Mode::from_afar(self.random);
        let kept = if is_careful { Kept::Place } else { Kept::Nothing };
        let channel = Channel::choose(self.random, true, mode);
        let kit = self.stolen_kit(kept, mode, channel);
        let mut usual = if is_careful { 0.3 } else { self.random.between(0.8, 2.0) };
        let mut merchant = self.online_at(usual);
        let longest_ms = if is_careful { 30 * MINUTE_MS } else { 12 * MINUTE_MS };
        let mut time_ms = self.now_ms;
        for _ in 0..self.random.within(5, 8) {
            time_ms += self.random.within(2 * MINUTE_MS, longest_ms);
            let paise = self.times_usual(usual, usual * 1.15);
            if self.random.chance(0.6) {
                merchant = self.online_for(paise);
            }
            let status = self.declined(0.08);
            self.add(kit, FraudKind::AccountTakeover, time_ms, merchant, paise, status);
            usual *= self.random.between(1.35, 1.8);
        }
    }

    /// A copy of the card is used far away while its owner is at home. The victim has just paid.
    fn clone_card(&mut self, is_careful: bool) {
        let Some(city) = self.far_city() else { return self.spike(is_careful) };
        let mut time_ms = self.now_ms;
        for number in 0..self.random.within(1, 3) {
            let longest_ms = if number == 0 && is_careful { 100 } else { 45 } * MINUTE_MS;
            time_ms += self.random.within(6 * MINUTE_MS, longest_ms);
            let mode = self.random.pick(&[Mode::CreditCard, Mode::DebitCard]);
            let kit = Kit { guise: None, mode, channel: Channel::Pos };
            let paise =
                if is_careful { self.times_usual(0.2, 1.8) } else { self.times_usual(1.0, 5.0) };
            let merchant = self.shop_for(paise, city);
            let status = self.declined(0.1);
            self.add(kit, FraudKind::ImpossibleTravel, time_ms, merchant, paise, status);
        }
    }

    /// As many middling payments as go through before someone notices.
    fn burst(&mut self, is_careful: bool) {
        let mode = Mode::from_afar(self.random);
        let kept = self.kept_or_nothing(is_careful, 0.3);
        let kit = self.stolen_kit(kept, mode, Channel::Online);
        let sites = [self.online_at(0.5), self.online_at(1.0), self.online_at(1.5)];
        let pause_ms = if is_careful { 6 * MINUTE_MS } else { 60 * SECOND_MS };
        let mut time_ms = self.now_ms;
        for number in 0..self.random.within(6, 11) {
            time_ms += self.random.within(15 * SECOND_MS, pause_ms);
            let paise = self.times_usual(0.3, 1.7);
            let is_new = self.random.chance(0.6);
            let merchant = if is_new { self.online_for(paise) } else { self.random.pick(&sites) };
            let status = self.declined(if number > 4 { 0.25 } else { 0.04 });
            self.add(kit, FraudKind::VelocityAbuse, time_ms, merchant, paise, status);
        }
    }

    /// One payment far above everything before, from the customer's own phone half of the time.
    fn spike(&mut self, is_careful: bool) {
        let kept = self.kept_or_nothing(is_careful, 0.5);
        let channel = Channel::choose(self.random, true, Mode::CreditCard);
        let kit = self.stolen_kit(kept, Mode::CreditCard, channel);
        let paise =
            if is_careful { self.times_usual(10.0, 14.0) } else { self.times_usual(14.0, 50.0) };
        let merchant = self.big_ticket();
        let time_ms = self.now_ms + self.random.within(SECOND_MS, 30 * MINUTE_MS);
        let status = self.declined(0.15);
        self.add(kit, FraudKind::SpendingSpike, time_ms, merchant, paise, status);
    }

    /// Careful thieves work through the victim's own device, others with this probability.
    fn kept_or_nothing(&mut self, is_careful: bool, chance: f64) -> Kept {
        let has_device = is_careful || self.random.chance(chance);
        if has_device { Kept::PlaceAndDevice } else { Kept::Nothing }
    }

    /// While the owner sleeps: one to three purchases from an unknown device.
    fn night(&mut self, is_careful: bool) {
        let kept = if is_careful { Kept::Place } else { Kept::Nothing };
        let mode = Mode::from_afar(self.random);
        let channel = Channel::choose(self.random, true, mode);
        let kit = self.stolen_kit(kept, mode, channel);
        let mut time_ms =
            next_midnight(self.now_ms) + self.random.within(10 * MINUTE_MS, 4 * HOUR_MS);
        for _ in 0..self.random.within(1, 3) {
            let paise =
                if is_careful { self.times_usual(0.4, 3.0) } else { self.times_usual(1.5, 8.0) };
            let merchant = self.online_for(paise);
            let status = self.declined(0.1);
            self.add(kit, FraudKind::NewDeviceNight, time_ms, merchant, paise, status);
            time_ms += self.random.within(2 * MINUTE_MS, 25 * MINUTE_MS);
        }
    }

    /// A merchant books payments that its customers never made: nothing about a single one is odd,
    /// but the merchant's labels add up.
    fn collude(&mut self) {
        // The smaller of two draws: some colluders do it far more often than others.
        let count = self.world.colluders.len() as u64;
        let which = self.random.below(count).min(self.random.below(count));
        let merchant = self.world.colluders[which as usize];
        let mut time_ms = self.now_ms;
        for _ in 0..self.random.within(3, 6) {
            time_ms += self.random.within(20 * MINUTE_MS, 14 * HOUR_MS);
            self.victim = self.patron(merchant);
            let dearer = self.random.between(0.8, 2.0);
            let paise = price(self.world, self.victim, merchant, dearer, time_ms, self.random);
            let kit = self.own_kit(merchant, paise);
            self.add(kit, FraudKind::MerchantCollusion, time_ms, merchant, paise, Status::Approved);
        }
    }
}
