//! The order of events: honest moments one after the other, and what waits for its time.
//!
//! Drawing all payments and sorting them would need memory for all of them. Instead the honest
//! moments come from [`Ticks`] in order, one at a time; whatever a moment sets off (more shopping,
//! a fraud episode) goes into a queue and comes out when its time has come. Nothing new is planned
//! while the queue holds a few payments a customer, so it is bounded by them and not by the
//! transactions.
//!
//! The counts are exact: a planned honest payment takes the place of a later moment, and episodes
//! start whenever fraud has fallen behind its share of what has been generated.

use std::sync::Arc;

use super::calendar::Ticks;
use super::episode::Episode;
use super::generated::Generated;
use super::life::Life;
use super::payment::Payment;
use super::queue::Queue;
use super::random::Random;
use super::shopper::pay;
use super::world::World;
use super::{FraudKind, Settings, SettingsError};
use crate::core::transaction::HOUR_MS;

/// Generates labelled transactions in the order of their event time, the same ones for the same
/// [`Settings`] on every machine. See the module's description.
#[derive(Debug)]
pub struct Generator {
    world: Arc<World>,
    lives: Vec<Life>,
    random: Random,
    ticks: Ticks,
    tick_ms: Option<i64>,
    /// Honest moments in all, used up, and owed to payments that were planned.
    honest: u64,
    ticked: u64,
    owed: u64,
    /// Fraudulent payments in all and planned.
    fraud: u64,
    planned_fraud: u64,
    deck: Vec<FraudKind>,
    queue: Queue,
    past: u64,
    emitted: u64,
    follow_ups: Vec<Payment>,
}

/// How often each pattern is dealt; shuffled anew whenever the deck is empty.
const DECK: [(FraudKind, usize); 7] = [
    (FraudKind::CardTesting, 1),
    (FraudKind::AccountTakeover, 2),
    (FraudKind::ImpossibleTravel, 4),
    (FraudKind::VelocityAbuse, 2),
    (FraudKind::SpendingSpike, 6),
    (FraudKind::NewDeviceNight, 3),
    (FraudKind::MerchantCollusion, 4),
];

impl Generator {
    /// Draws customers and merchants and stands before the first transaction.
    ///
    /// # Errors
    /// What [`Settings::check`] finds.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        Self::after(settings, 0)
    }

    /// As [`new`](Self::new), for a world that has made `past` transactions before the settings'
    /// start: the same customers and merchants live on, ids are counted on, and what happens is
    /// not what happened before.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn after(settings: &Settings, past: u64) -> Result<Self, SettingsError> {
        settings.check()?;
        let world = World::new(settings.seed, settings.merchants, settings.customers);
        let fraud = (settings.transactions as f64 * settings.fraud_rate).round() as u64;
        let honest = settings.transactions - fraud;
        // A moment is needed to start a fraud, even if every payment is one.
        let ticks = Ticks::new(&world.calendar, settings.start_ms, settings.days, honest.max(1));
        let end_ms = ticks.end_ms();
        Ok(Self {
            lives: vec![Life::default(); settings.customers as usize],
            random: Random::new(settings.seed, 4 + (past << 8)),
            ticks,
            tick_ms: None,
            honest,
            ticked: 0,
            owed: u64::from(honest == 0),
            fraud,
            planned_fraud: 0,
            deck: Vec::new(),
            queue: Queue::new(1_024 + 4 * settings.customers as usize, end_ms),
            past,
            emitted: 0,
            follow_ups: Vec::new(),
            world: Arc::new(world),
        })
    }

    /// Takes the next moment; an honest payment unless the moment is owed.
    fn tick(&mut self, now_ms: i64) -> Option<Payment> {
        self.tick_ms = None;
        self.ticked += 1;
        if self.owed > 0 {
            self.owed -= 1;
            self.keep_up_fraud(now_ms, None);
            return None;
        }
        let payment = self.honest_payment(now_ms);
        self.keep_up_fraud(now_ms, Some(&payment));
        Some(payment)
    }

    fn honest_payment(&mut self, now_ms: i64) -> Payment {
        let mut follow_ups = std::mem::take(&mut self.follow_ups);
        let payment = self.find_payer(now_ms, &mut follow_ups);
        // Every follow-up takes the place of a later moment; those with none left are not made.
        let is_full = self.queue.is_full();
        let moments = self.honest.saturating_sub(self.ticked + self.owed);
        let left = if is_full { 0 } else { moments };
        follow_ups.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        self.owed += follow_ups.len() as u64;
        self.queue.push_all(&mut follow_ups, now_ms);
        self.follow_ups = follow_ups;
        payment
    }

    fn find_payer(&mut self, now_ms: i64, follow_ups: &mut Vec<Payment>) -> Payment {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let customer = self.world.activity.draw(&mut self.random) as u32;
            let is_awake = self.world.customer(customer).is_awake(now_ms, &mut self.random);
            if attempts <= MOST_ATTEMPTS && !is_awake {
                continue;
            }
            let life = &mut self.lives[customer as usize];
            if attempts > MOST_ATTEMPTS {
                // Whoever has come home can pay, so this is the last attempt.
                life.come_home();
            }
            let random = &mut self.random;
            if let Some(payment) = pay(&self.world, life, customer, now_ms, random, follow_ups) {
                return payment;
            }
        }
    }

    /// Starts episodes until fraud has its share of the moments so far. The first twentieth stays
    /// honest, so that victims have habits; the last episodes start a little before the end.
    fn keep_up_fraud(&mut self, now_ms: i64, recent: Option<&Payment>) {
        let moments = self.honest.max(1);
        let lead = moments / 20;
        let span = (moments - 2 * lead).max(1);
        let passed = self.ticked.saturating_sub(lead).min(span);
        let due = (u128::from(self.fraud) * u128::from(passed) / u128::from(span)) as u64;
        while self.planned_fraud < due && !self.queue.is_full() {
            let kind = self.deal(now_ms);
            let victim = match kind {
                FraudKind::ImpossibleTravel => {
                    recent.and_then(|payment| self.just_at_home(payment))
                }
                _ => Some(self.find_victim(now_ms)),
            };
            let Some(victim) = victim else {
                // Its moment will come: someone pays at home every few moments.
                return self.deck.push(kind);
            };
            self.start_episode(kind, victim, now_ms);
        }
    }

    /// The customer of a payment that shows them in their home city, and no fraud going on.
    fn just_at_home(&self, payment: &Payment) -> Option<u32> {
        let home = self.world.customer(payment.customer).city;
        let is_free = self.lives[payment.customer as usize].victim_until_ms < payment.time_ms;
        let is_seen = payment.traces.city == Some(home) && payment.traces.position.is_some();
        (is_seen && is_free).then_some(payment.customer)
    }

    fn start_episode(&mut self, kind: FraudKind, victim: u32, now_ms: i64) {
        let mut payments = self.plan(kind, victim, now_ms);
        payments.sort_by_key(|payment| payment.time_ms);
        let left = self.fraud - self.planned_fraud;
        payments.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        self.planned_fraud += payments.len() as u64;
        for payment in &payments {
            let until_ms = &mut self.lives[payment.customer as usize].victim_until_ms;
            *until_ms = payment.time_ms.max(*until_ms);
        }
        self.queue.push_all(&mut payments, now_ms);
    }

    /// Plans what is still missing when no moment is left: few settings get here.
    fn finish_fraud(&mut self) -> bool {
        if self.planned_fraud == self.fraud {
            return false;
        }
        let now_ms = self.ticks.end_ms() - 1;
        let kind = self.deal(now_ms);
        let victim = self.find_victim(now_ms);
        self.start_episode(kind, victim, now_ms);
        true
    }

    fn plan(&mut self, kind: FraudKind, victim: u32, now_ms: i64) -> Vec<Payment> {
        let mut episode = Episode {
            world: &self.world,
            lives: &self.lives,
            random: &mut self.random,
            now_ms,
            victim,
            payments: Vec::new(),
        };
        episode.plan(kind);
        episode.payments
    }

    /// Someone with a history and no fraud going on, if a few draws find one.
    fn find_victim(&mut self, now_ms: i64) -> u32 {
        let mut victim = 0;
        for _ in 0..24 {
            victim = self.world.activity.draw(&mut self.random) as u32;
            let life = &self.lives[victim as usize];
            if life.payments() >= 8 && life.victim_until_ms < now_ms && !life.is_away() {
                break;
            }
        }
        victim
    }

    fn deal(&mut self, now_ms: i64) -> FraudKind {
        if self.deck.is_empty() {
            let cards = |&(kind, count)| std::iter::repeat_n(kind, count);
            self.deck = DECK.iter().flat_map(cards).collect();
            // Fisher and Yates (1938).
            for last in (1..self.deck.len()).rev() {
                let other = self.random.below(last as u64 + 1) as usize;
                self.deck.swap(last, other);
            }
        }
        let kind = self.deck.pop().expect("invariant: an empty deck has just been refilled");
        // A night that is not to come would be squeezed into daylight.
        let is_too_late = now_ms + 30 * HOUR_MS > self.ticks.end_ms();
        let is_night = kind == FraudKind::NewDeviceNight;
        if is_night && is_too_late { FraudKind::SpendingSpike } else { kind }
    }

    fn next_payment(&mut self) -> Option<Payment> {
        loop {
            if self.tick_ms.is_none() {
                self.tick_ms = self.ticks.next(&self.world.calendar, &mut self.random);
            }
            match (self.queue.next_ms(), self.tick_ms) {
                (Some(waiting), tick) if tick.is_none_or(|tick| waiting <= tick) => {
                    return self.queue.pop();
                }
                (_, Some(tick)) => match self.tick(tick) {
                    Some(payment) => return Some(payment),
                    None => continue,
                },
                (_, None) if self.finish_fraud() => continue,
                (_, None) => return None,
            }
        }
    }
}

/// How many customers may turn out asleep or on the way before one has to pay.
const MOST_ATTEMPTS: u32 = 64;

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        let payment = self.next_payment()?;
        let number = self.past + self.emitted;
        self.emitted += 1;
        Some(Generated::new(&self.world, payment, number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.honest + self.fraud - self.emitted;
        usize::try_from(left).map_or((usize::MAX, None), |left| (left, Some(left)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_waits_however_many_are_generated() {
        for (transactions, customers, days) in [(200_000, 1, 1), (100_000, 100, 2), (300, 20, 30)] {
            let fraud_rate = 0.5;
            let settings =
                Settings { transactions, customers, days, fraud_rate, ..Settings::default() };
            let mut generator = Generator::new(&settings).unwrap();
            // One moment may add an episode of 13 payments or 8 honest ones to a heap almost full.
            let bound = generator.queue.most() + 21;
            let (mut count, mut fraud) = (0, 0);
            while let Some(generated) = generator.next() {
                assert!(generator.queue.len() <= bound, "{}", generator.queue.len());
                count += 1;
                fraud += u64::from(generated.is_fraud);
            }
            assert_eq!((count, fraud), (transactions, transactions / 2));
        }
    }
}
