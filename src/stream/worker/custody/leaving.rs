//! Partitions that leave are saved if that is quick, and handed over if not.
//!
//! Nobody scores a partition from its draining until the next owner knows its customers. Saving
//! tens of thousands of changed customers takes seconds, because each row is found and replaced;
//! reading the topic again takes as long. Handed-over rows are not looked up, so writing and
//! reading them takes a fraction. A process that ends does not know whether anybody takes its
//! partitions: it hands over, leaves the group, and saves until somebody claims them.

use std::time::Duration;

use super::part::Part;
use super::{Custody, WAIT};
use crate::base::clock::Stopwatch;
use crate::core::state::memory::Memory;
use crate::edges::database::Holder;
use crate::stream::snapshots::{Answer, Order};
use crate::stream::worker::Event;
use crate::stream::worker::tasks::Tasks;

/// How long a leaving partition waits for a database that is away.
const AWAY_PATIENCE: Duration = Duration::from_millis(500);

/// Time that saving leaving partitions may take; more is handed over.
const SAVE_TIME: Duration = Duration::from_millis(250);

/// How partitions leave.
#[derive(Debug, Clone, Copy)]
pub(in crate::stream::worker) struct Departure {
    /// How long saving and handing over may take.
    pub limit: Duration,
    /// Whether partitions handed over are kept for [`Custody::save_rest`].
    pub keeps_handed_over: bool,
}

impl Custody {
    /// Saves or hands over all unsaved changes of these partitions and releases them. Everything
    /// judged must be committed. The next owner reads from the topic what misses the limit.
    pub(in crate::stream::worker) fn let_go(
        &mut self,
        partitions: &[i32],
        memory: &mut Memory,
        tasks: &Tasks,
        Departure { limit, keeps_handed_over: keeps }: Departure,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        let waited = Stopwatch::start();
        while let Some(answer) = self.keeper.answer() {
            self.take_answer(answer, memory, observe);
        }
        let quick = self.pace.map_or(0.0, |pace| pace * SAVE_TIME.as_secs_f64());
        let most = (quick as usize).max(self.portions.few_customers);
        self.hand_over_what_takes_long(partitions, memory, tasks, most);
        let left = self.save(partitions, memory, tasks, &|| waited.elapsed() > limit, observe);
        if !left.is_empty() {
            tracing::warn!(partitions = ?left, "partitions go before all of them is saved");
            self.drop_parts(&left);
        }
        let is_one = |part: &Part| partitions.contains(&part.partition) && part.holder().is_some();
        let held: Vec<Holder> =
            self.parts.iter().filter(|part| is_one(part)).filter_map(Part::holder).collect();
        let is_kept = |part: &Part| keeps && part.phase.is_handing_over();
        self.parts.retain(|part| !partitions.contains(&part.partition) || is_kept(part));
        self.share.set(self.parts.len());
        self.release(held, limit.saturating_sub(waited.elapsed()), memory, observe);
    }

    /// Saves what was handed over of partitions that left with this process and that nobody else
    /// has claimed: the last process to end leaves everything stored.
    pub(in crate::stream::worker) fn save_rest(
        &mut self,
        memory: &mut Memory,
        tasks: &Tasks,
        limit: Duration,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        let waited = Stopwatch::start();
        self.parts.iter_mut().for_each(|part| part.leave(memory));
        let partitions: Vec<i32> = self.parts.iter().map(|part| part.partition).collect();
        let left = self.save(&partitions, memory, tasks, &|| waited.elapsed() > limit, observe);
        if !left.is_empty() {
            tracing::info!(partitions = ?left, "what was handed over is left to the next owner");
        }
    }

    /// Saves and hands over until all is done, `is_late` says so, or the database is away. Returns
    /// the unfinished partitions.
    pub(super) fn save(
        &mut self,
        partitions: &[i32],
        memory: &mut Memory,
        tasks: &Tasks,
        is_late: &dyn Fn() -> bool,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Vec<i32> {
        let waited = Stopwatch::start();
        let is_one = |part: &Part| partitions.contains(&part.partition) && part.holder().is_some();
        loop {
            observe(Event::Beat);
            let keeper = &self.keeper;
            // Smallest first, so that as many partitions as possible are complete at the limit.
            let mut parts: Vec<_> = self.parts.iter_mut().filter(|part| is_one(part)).collect();
            parts.sort_by_key(|part| part.unsaved(memory));
            let mut may_encode = true;
            for part in parts {
                if part.is_idle() && memory.changed(part.partition) > 0 {
                    part.begin_save(memory, tasks);
                }
                may_encode &= !part.go_on(keeper, memory, tasks, may_encode);
            }
            let is_open = |part: &Part| {
                !part.is_idle() || part.may_save() && memory.changed(part.partition) > 0
            };
            let open = self.parts.iter().filter(|part| is_one(part) && is_open(part));
            let open: Vec<i32> = open.map(|part| part.partition).collect();
            let is_away = self.keeper.is_away() && waited.elapsed() > AWAY_PATIENCE;
            if open.is_empty() || is_away || is_late() {
                return open;
            }
            if let Some(answer) = self.keeper.wait(WAIT) {
                self.take_answer(answer, memory, observe);
            }
        }
    }

    /// Releases these claims in the database, within `limit`.
    fn release(
        &mut self,
        mut left: Vec<Holder>,
        limit: Duration,
        memory: &mut Memory,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        let waited = Stopwatch::start();
        let mut to_give = left.clone();
        while !left.is_empty() && waited.elapsed() < limit {
            // The keeper has room for few orders and few answers.
            while let Some(&holder) = to_give.last()
                && self.keeper.order(Order::Release(holder)).is_ok()
            {
                to_give.pop();
            }
            match self.keeper.wait(WAIT) {
                Some(Answer::Released(holder)) => left.retain(|other| *other != holder),
                Some(answer) => {
                    if let Answer::Fenced(holder) = answer {
                        left.retain(|other| *other != holder);
                    }
                    self.take_answer(answer, memory, observe);
                }
                None if self.keeper.is_away() && waited.elapsed() > AWAY_PATIENCE => break,
                None => observe(Event::Beat),
            }
        }
        if !left.is_empty() {
            tracing::warn!(
                partitions = left.len(),
                "the database was not told in time that partitions are let go"
            );
        }
    }

    /// Begins to hand over the largest of these partitions, so that at most `most` customers are
    /// left to save. Drops those where that is impossible.
    pub(super) fn hand_over_what_takes_long(
        &mut self,
        partitions: &[i32],
        memory: &mut Memory,
        tasks: &Tasks,
        most: usize,
    ) {
        let parts = self.parts.iter().filter(|part| partitions.contains(&part.partition));
        let mut sizes: Vec<_> = parts.map(|part| (part.unsaved(memory), part.partition)).collect();
        sizes.sort_unstable();
        let mut sum = 0;
        let is_too_much = |&(size, _): &(usize, i32)| {
            sum += size;
            sum > most
        };
        let kept = sizes.iter().position(is_too_much).unwrap_or(sizes.len());
        let mut lost = Vec::new();
        for &(customers, partition) in &sizes[kept..] {
            let Some(part) = self.part(partition) else { continue };
            if part.hand_over(memory, tasks) {
                tracing::info!(partition, customers, "handing over instead of saving");
            } else {
                lost.push(partition);
            }
        }
        if !lost.is_empty() {
            tracing::warn!(
                partitions = ?lost,
                "partitions go unsaved; what has changed is read from the topic"
            );
            self.drop_parts(&lost);
        }
    }
}
