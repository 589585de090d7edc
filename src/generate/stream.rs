//! The order of events: honest moments one after the other, and what waits for its time.
//!
//! Drawing all payments and sorting them would need memory for all of them. Instead the honest
//! moments come from [`Ticks`] in order, one at a time; whatever a moment sets off (more shopping, a
//! fraud episode) goes into a heap and comes out when its time has come. At most one episode a
//! victim runs at a time, so the heap is bounded by the customers, not by the transactions.
//!
//! The counts are exact: a planned honest payment takes the place of a later moment, and episodes
//! start whenever fraud has fallen behind its share of what has been generated.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::calendar::Ticks;
use super::customer::Life;
use super::fraud::Episode;
use super::generated::Generated;
use super::payment::{Payment, pay};
use super::random::Random;
use super::world::World;
use super::{FraudKind, Settings, SettingsError};
use crate::transaction::HOUR_MS;

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
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Payments that ever waited: the order among equal times.
    queued: u64,
    emitted: u64,
    follow_ups: Vec<Payment>,
}

/// A planned payment, ordered by its time and then by when it was planned.
#[derive(Debug)]
struct Waiting {
    time_ms: i64,
    number: u64,
    payment: Payment,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time_ms, self.number).cmp(&(other.time_ms, other.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Waiting {}

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
        settings.check()?;
        let world = World::new(settings.seed, settings.merchants, settings.customers);
        let fraud = (settings.transactions as f64 * settings.fraud_rate).round() as u64;
        let honest = settings.transactions - fraud;
        // A moment is needed to start a fraud, even if every payment is one.
        let ticks = Ticks::new(&world.calendar, settings.start_ms, settings.days, honest.max(1));
        Ok(Self {
            lives: vec![Life::default(); settings.customers as usize],
            random: Random::new(settings.seed, 4),
            ticks,
            tick_ms: None,
            honest,
            ticked: 0,
            owed: u64::from(honest == 0),
            fraud,
            planned_fraud: 0,
            deck: Vec::new(),
            waiting: BinaryHeap::new(),
            queued: 0,
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
            let bystander = self.world.activity.draw(&mut self.random) as u32;
            self.keep_up_fraud(now_ms, bystander);
            return None;
        }
        let payment = self.honest_payment(now_ms);
        self.keep_up_fraud(now_ms, payment.customer);
        Some(payment)
    }

    fn honest_payment(&mut self, now_ms: i64) -> Payment {
        let mut follow_ups = std::mem::take(&mut self.follow_ups);
        let payment = self.find_payer(now_ms, &mut follow_ups);
        // Every follow-up takes the place of a later moment; those with none left are not made.
        let left = self.honest.saturating_sub(self.ticked + self.owed);
        follow_ups.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        self.owed += follow_ups.len() as u64;
        self.enqueue(&mut follow_ups, now_ms);
        self.follow_ups = follow_ups;
        payment
    }

    fn find_payer(&mut self, now_ms: i64, follow_ups: &mut Vec<Payment>) -> Payment {
        for attempt in 0.. {
            let customer = self.world.activity.draw(&mut self.random) as u32;
            let is_awake = self.world.customer(customer).is_awake(now_ms, &mut self.random);
            if attempt < MOST_ATTEMPTS && !is_awake {
                continue;
            }
            let life = &mut self.lives[customer as usize];
            if attempt >= MOST_ATTEMPTS {
                life.come_home();
            }
            let random = &mut self.random;
            if let Some(payment) = pay(&self.world, life, customer, now_ms, random, follow_ups) {
                return payment;
            }
        }
        unreachable!("invariant: whoever has come home can pay")
    }

    /// Starts episodes until fraud has its share of the moments so far. The first twentieth stays
    /// honest, so that victims have habits; the last episodes start a little before the end.
    fn keep_up_fraud(&mut self, now_ms: i64, recent: u32) {
        let moments = self.honest.max(1);
        let lead = moments / 20;
        let span = (moments - 2 * lead).max(1);
        let passed = self.ticked.saturating_sub(lead).min(span);
        let due = if self.ticked >= moments {
            self.fraud
        } else {
            (u128::from(self.fraud) * u128::from(passed) / u128::from(span)) as u64
        };
        while self.planned_fraud < due {
            self.start_episode(now_ms, recent);
        }
    }

    fn start_episode(&mut self, now_ms: i64, recent: u32) {
        let mut kind = self.deal();
        // A night that is not to come would be squeezed into daylight.
        if kind == FraudKind::NewDeviceNight && now_ms + 30 * HOUR_MS > self.ticks.end_ms() {
            kind = FraudKind::SpendingSpike;
        }
        let victim = match kind {
            FraudKind::ImpossibleTravel if !self.lives[recent as usize].is_away() => recent,
            _ => self.find_victim(now_ms),
        };
        let mut payments = self.plan(kind, victim, now_ms);
        payments.sort_by_key(|payment| payment.time_ms);
        let left = self.fraud - self.planned_fraud;
        payments.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        self.planned_fraud += payments.len() as u64;
        if let Some(last) = payments.last() {
            self.lives[victim as usize].victim_until_ms = last.time_ms;
        }
        self.enqueue(&mut payments, now_ms);
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

    fn deal(&mut self) -> FraudKind {
        if self.deck.is_empty() {
            let cards = |&(kind, count)| std::iter::repeat_n(kind, count);
            self.deck = DECK.iter().flat_map(cards).collect();
            // Fisher and Yates (1938).
            for last in (1..self.deck.len()).rev() {
                let other = self.random.below(last as u64 + 1) as usize;
                self.deck.swap(last, other);
            }
        }
        self.deck.pop().expect("invariant: an empty deck has just been refilled")
    }

    /// Lets payments wait for their time; what would happen after the end is moved closer.
    fn enqueue(&mut self, payments: &mut Vec<Payment>, now_ms: i64) {
        let last_ms = payments.iter().map(|payment| payment.time_ms).max().unwrap_or(now_ms);
        let room_ms = self.ticks.end_ms() - 1 - now_ms;
        for mut payment in payments.drain(..) {
            if last_ms - now_ms > room_ms {
                let offset = i128::from(payment.time_ms - now_ms) * i128::from(room_ms);
                payment.time_ms = now_ms + (offset / i128::from(last_ms - now_ms)) as i64;
            }
            let number = self.queued;
            self.queued += 1;
            self.waiting.push(Reverse(Waiting { time_ms: payment.time_ms, number, payment }));
        }
    }

    fn next_payment(&mut self) -> Option<Payment> {
        loop {
            if self.tick_ms.is_none() {
                self.tick_ms = self.ticks.next(&self.world.calendar, &mut self.random);
            }
            let waiting_ms = self.waiting.peek().map(|Reverse(waiting)| waiting.time_ms);
            match (waiting_ms, self.tick_ms) {
                (Some(waiting), tick) if tick.is_none_or(|tick| waiting <= tick) => {
                    return self.waiting.pop().map(|Reverse(waiting)| waiting.payment);
                }
                (_, Some(tick)) => match self.tick(tick) {
                    Some(payment) => return Some(payment),
                    None => continue,
                },
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
        let number = self.emitted;
        self.emitted += 1;
        Some(Generated::new(&self.world, payment, number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.honest + self.fraud - self.emitted;
        usize::try_from(left).map_or((usize::MAX, None), |left| (left, Some(left)))
    }
}
