//! Customers who are stored, not in memory, and have paid again.
//!
//! Their records wait, and those behind them in their partition, until the database has answered:
//! scoring them as if they had never paid would be wrong for good, because the next save would put
//! the short memory over the long one. Everybody who is missing in a batch is asked for at once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Custody;
use crate::clock::Stopwatch;
use crate::limits::{CLAIM_TIME, MAX_LOADED_CUSTOMERS};
use crate::snapshots::{Answer, Order};
use crate::worker::score::Score;

impl Custody {
    /// Asks for these customers, unless an earlier question is open, and takes in what is answered
    /// within `limit`. Whether everything that was asked for has come.
    pub(in crate::worker) fn fetch<S: Score>(
        &mut self,
        missing: &BTreeSet<(i32, String)>,
        scorer: &mut S,
        limit: Duration,
    ) -> bool {
        if self.awaited_loads == 0 {
            self.ask_for(missing);
        }
        let limit = if self.reader.is_away() { Duration::ZERO } else { limit };
        let waited = Stopwatch::start();
        while self.awaited_loads > 0 {
            let Some(answer) = self.reader.wait(limit.saturating_sub(waited.elapsed())) else {
                return false;
            };
            self.take_in(answer, scorer);
        }
        true
    }

    fn ask_for(&mut self, missing: &BTreeSet<(i32, String)>) {
        let missing: Vec<&(i32, String)> = missing.iter().collect();
        for missing in missing.chunk_by(|(one, _), (other, _)| one == other) {
            let partition = missing[0].0;
            let Some(part) = self.part(partition) else { continue };
            // Who cannot be read waits for the log to be read again.
            let is_open = |id: &&&(i32, String)| !part.refused.contains(&id.1);
            let ids: Vec<String> =
                missing.iter().filter(is_open).map(|(_, id)| id.clone()).collect();
            let adoption = part.adoption;
            for ids in ids.chunks(MAX_LOADED_CUSTOMERS) {
                let load = Order::Load { partition, adoption, customer_ids: ids.to_vec() };
                if self.reader.order(load).is_err() {
                    return;
                }
                self.awaited_loads += 1;
            }
        }
    }

    fn take_in<S: Score>(&mut self, answer: Answer, scorer: &mut S) {
        let Answer::Loaded { adoption, customer_ids, customers } = answer else { return };
        self.awaited_loads = self.awaited_loads.saturating_sub(1);
        let part = self.parts.iter_mut().find(|part| part.adoption == adoption);
        let Some(part) = part else { return };
        let partition = part.partition;
        let mut refused = Vec::new();
        for customer in &customers {
            if let Err(error) = scorer.admit(partition, customer) {
                refused.push((&customer.customer_id, error));
            }
        }
        if let Some((first, error)) = refused.first() {
            tracing::error!(
                partition,
                customers = refused.len(),
                first,
                error = error as &dyn std::error::Error,
                "stored customers cannot be read, they are remembered from the topic"
            );
        }
        // While the topic is read for them they are met one by one, each before its first record.
        if !part.is_rebuilding {
            part.refused.extend(refused.into_iter().map(|(id, _)| id.clone()));
        }
        for id in customer_ids.iter().filter(|id| !part.refused.contains(id)) {
            scorer.met_in_store(partition, id);
        }
    }

    /// The hashes of all customers that a partition has in the store; `None` if the database does
    /// not answer.
    pub(super) fn list<S: Score>(&mut self, partition: i32, scorer: &mut S) -> Option<Vec<u64>> {
        self.adoptions += 1;
        let adoption = self.adoptions;
        self.part(partition)?.adoption = adoption;
        let (mut after, mut all) = (String::new(), Vec::new());
        loop {
            let mut order = Some(Order::Ids { partition, adoption, after });
            let waited = Stopwatch::start();
            let (hashes, next) = loop {
                order = order.and_then(|order| self.reader.order(order).err());
                match self.reader.wait(super::WAIT) {
                    Some(Answer::Ids { adoption: of, hashes, next }) if of == adoption => {
                        break (hashes, next);
                    }
                    Some(answer) => self.take_in(answer, scorer),
                    None if self.reader.is_away() || waited.elapsed() > CLAIM_TIME => {
                        tracing::warn!(partition, "stored customers are not known in time");
                        return None;
                    }
                    None => {}
                }
            };
            all.extend(hashes);
            let Some(next) = next else { return Some(all) };
            after = next;
        }
    }
}
