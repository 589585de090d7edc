//! Stored customers who are not in memory and have paid again.
//!
//! Their records, and those behind them in the partition, wait for the database. Scoring them
//! without the history would be wrong for good: the next save would overwrite the long history with
//! a short one. All missing customers of a batch are asked for at once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Custody;
use super::part::Part;
use crate::base::clock::Stopwatch;
use crate::base::limits::MAX_LOADED_CUSTOMERS;
use crate::core::state::hash::hash64;
use crate::core::state::memory::Memory;
use crate::stream::snapshots::{Answer, Order, Returned};
use crate::stream::worker::tasks::Tasks;

/// Waiting records are looked at again after this time, answer or not.
const NEWS_INTERVAL: Duration = Duration::from_millis(100);

impl Custody {
    /// Takes these customers from the shelves and asks for the others, unless questions are open or
    /// reading ahead brings them soon. Takes in what is answered within `limit`. Returns how many
    /// the database had since the last count; `None` while answers are outstanding or nothing came.
    pub(in crate::stream::worker) fn fetch(
        &mut self,
        missing: &BTreeSet<(i32, String)>,
        memory: &mut Memory,
        tasks: &Tasks,
        limit: Duration,
    ) -> Option<u64> {
        // A question that missed its limit is not waited for again, so that other records go on.
        let is_new = self.awaited_loads == 0;
        let (has_some, missing) = self.take_from_shelves(missing, memory, tasks);
        if is_new {
            self.ask_for(&missing, tasks, memory.counts().evicted);
            if self.awaited_loads == 0 {
                return has_some.then(|| std::mem::take(&mut self.found));
            }
        }
        let limit = if is_new && !self.reader.is_away() { limit } else { Duration::ZERO };
        let waited = Stopwatch::start();
        while self.awaited_loads > 0 {
            let answer = self.reader.wait(limit.saturating_sub(waited.elapsed()))?;
            self.take_in(answer, memory, tasks);
        }
        Some(std::mem::take(&mut self.found))
    }

    /// Admits the customers found on shelves. Returns whether there were any, and the others.
    fn take_from_shelves<'m>(
        &mut self,
        missing: &'m BTreeSet<(i32, String)>,
        memory: &mut Memory,
        tasks: &Tasks,
    ) -> (bool, Vec<&'m (i32, String)>) {
        let (mut has_some, mut others) = (false, Vec::new());
        for missing in missing {
            let (partition, id) = missing;
            let row = self.part(*partition).and_then(|part| {
                let row = part.shelf.take(id)?;
                (!part.is_behind(row.applied_offset, tasks)).then_some((row, part))
            });
            match row {
                Some((row, part)) => {
                    part.admit(vec![row.into()], memory);
                    has_some = true;
                }
                None => others.push(missing),
            }
        }
        self.has_news |= has_some;
        (has_some, others)
    }

    pub(super) fn ask_for(&mut self, missing: &[&(i32, String)], tasks: &Tasks, evicted: u64) {
        for missing in missing.chunk_by(|(one, _), (other, _)| one == other) {
            let partition = missing[0].0;
            let Some(part) = self.part(partition) else { continue };
            if part.phase.is_fenced() || part.brings_soon(missing.len(), tasks) {
                continue;
            }
            // Customers with damaged rows wait for the topic to be read again.
            let is_open = |id: &&&(i32, String)| !part.repair.refused().contains(&id.1);
            let ids: Vec<String> =
                missing.iter().filter(is_open).map(|(_, id)| id.clone()).collect();
            let adoption = part.adoption;
            for ids in ids.chunks(MAX_LOADED_CUSTOMERS) {
                let load = Order::Load { partition, adoption, customer_ids: ids.to_vec() };
                if self.reader.order(load).is_err() {
                    return;
                }
                (self.awaited_loads, self.asked_after) = (self.awaited_loads + 1, evicted);
            }
        }
    }

    /// Whether to look at waiting records again: the database has answered since the last call, or
    /// 100 ms have passed.
    pub(in crate::stream::worker) fn has_news(&mut self) -> bool {
        let has_news = self.has_news || self.since_news.elapsed() > NEWS_INTERVAL;
        if has_news {
            (self.has_news, self.since_news) = (false, Stopwatch::start());
        }
        has_news
    }

    pub(super) fn take_in(&mut self, answer: Answer, memory: &mut Memory, tasks: &Tasks) {
        match answer {
            Answer::Loaded { adoption, customer_ids, customers } => {
                self.awaited_loads = self.awaited_loads.saturating_sub(1);
                self.has_news = true;
                // An eviction since the question makes the answer stale for customers saved in
                // between: their records ask again.
                if self.asked_after != memory.counts().evicted {
                    return;
                }
                let count = customers.len() as u64;
                let Some(part) = self.adopted(adoption) else { return };
                if customers.iter().any(|row| part.is_behind(row.applied_offset, tasks)) {
                    // Their records wait until the group says whose the partition is.
                    (self.is_look_due, self.has_news) = (true, false);
                    return;
                }
                customer_ids.iter().for_each(|id| drop(part.shelf.take(id)));
                part.admit(customers, memory);
                for id in customer_ids.iter().filter(|id| !part.repair.refused().contains(id)) {
                    memory.customers_mut(part.partition).mark_asked(id);
                }
                self.found += count;
            }
            Answer::Page { adoption, page } => {
                self.has_news = true;
                self.take_page(adoption, page, memory);
            }
            _ => {}
        }
    }

    /// The part that an answer is about; `None` if it was adopted anew or is gone.
    pub(super) fn adopted(&mut self, adoption: u64) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.adoption == adoption)
    }
}

impl Part {
    /// Whether a stored customer has records that this worker has not reached: then the partition
    /// has another owner now.
    fn is_behind(&self, applied_offset: i64, tasks: &Tasks) -> bool {
        self.task(tasks).is_some_and(|task| task.is_behind(applied_offset))
    }

    /// Admits customers to memory and notes damaged rows.
    pub(super) fn admit(&mut self, customers: Vec<Returned>, memory: &mut Memory) {
        let mut refused = Vec::new();
        for Returned { customer_id, applied_offset, state } in customers {
            match state {
                Ok(state) => drop(memory.customers_mut(self.partition).admit(
                    &customer_id,
                    state,
                    applied_offset,
                )),
                Err(error) => refused.push((customer_id, error)),
            }
        }
        // A customer in memory has been remembered anew since the row was read.
        let here = memory.customers(self.partition);
        refused.retain(|(id, _)| !here.is_some_and(|here| here.has(id, hash64(id))));
        let Some((_, error)) = refused.first() else { return };
        tracing::error!(
            partition = self.partition,
            customers = refused.len(),
            error = error as &dyn std::error::Error,
            "stored customers cannot be read, they are remembered from the topic"
        );
        let refused = refused.into_iter().map(|(id, _)| id).collect();
        self.refuse(refused, memory.counts().evicted);
    }
}
