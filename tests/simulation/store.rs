//! The database: what it has, what would be left of it after a power cut, and who asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use synfinance::edges::database::{
    Chunk, Claim, Holder, Progress, SavedCustomer, Scan, SnapshotStore, StoreError, StoredCustomer,
};

use crate::bugs::Bug;
use crate::draw::Draw;
use crate::scheduler::Shared;
use crate::truth::PARTITIONS;
use crate::world::{Kind, Stay, World};

/// Applied offset and state of a customer.
pub type Row = (i64, Arc<[u8]>);

/// A partition.
#[derive(Clone, Default)]
pub struct Stored {
    epoch: i64,
    owner: Option<String>,
    saved_offset: Option<i64>,
    highest_offset: i64,
    handed_over: Option<i64>,
    chunks: BTreeMap<i32, Vec<(String, Row)>>,
    /// The rows when the partition was claimed last and the time before.
    claimed: [BTreeMap<String, Row>; 2],
    pub rows: BTreeMap<String, Row>,
}

impl Stored {
    /// Whether the customer was handed over like this.
    fn has_handed_over(&self, id: &str, (applied_offset, _): &Row) -> bool {
        let mut handed_over = self.chunks.values().flatten();
        handed_over.any(|(other, (applied, _))| other == id && applied == applied_offset)
    }

    fn withdraw(&mut self) {
        self.handed_over = None;
        self.chunks.clear();
    }
}

pub struct Store {
    pub partitions: Vec<Stored>,
    /// What is on the disk, and what else would be after each change since.
    durable: Vec<Stored>,
    unflushed: Vec<Vec<Stored>>,
    /// Whose rows are damaged.
    pub damaged: BTreeSet<(usize, String)>,
    pub is_away: bool,
    pub is_slow: bool,
    /// How often it was started.
    starts: u64,
}

impl Store {
    pub fn new() -> Self {
        let partitions = vec![Stored::default(); PARTITIONS];
        let durable = partitions.clone();
        let (unflushed, damaged) = (Vec::new(), BTreeSet::new());
        Self { partitions, durable, unflushed, damaged, is_away: false, is_slow: false, starts: 0 }
    }

    /// It starts again, with what was on the disk: some of what it did not wait for is.
    pub fn restart(&mut self, draw: &mut Draw) {
        let kept = draw.below(self.unflushed.len() + 1);
        let kept = kept.checked_sub(1).map(|last| self.unflushed.swap_remove(last));
        self.partitions = kept.unwrap_or_else(|| std::mem::take(&mut self.durable));
        self.flush();
        self.starts += 1;
    }

    /// Everything is on the disk.
    fn flush(&mut self) {
        self.durable = self.partitions.clone();
        self.unflushed.clear();
    }

    /// A stored state is damaged, on the disk too; whose.
    pub fn damage(&mut self, partition: usize, place: usize) -> Option<String> {
        let Stored { rows, chunks, .. } = &mut self.partitions[partition];
        let handed_over = chunks.values_mut().flatten().map(|(id, row)| (&*id, row));
        let mut all: Vec<(&String, &mut Row)> = rows.iter_mut().chain(handed_over).collect();
        let count = all.len().max(1);
        let (id, (_, state)) = all.get_mut(place % count)?;
        let mut bytes = state.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] = !bytes[middle];
        *state = Arc::from(bytes);
        let id = (*id).clone();
        self.damaged.insert((partition, id.clone()));
        self.flush();
        Some(id)
    }
}

/// A connection.
pub struct Client {
    shared: Arc<Shared>,
    stay: Stay,
    /// Which start of the database it is to.
    start: u64,
}

fn silence() -> StoreError {
    StoreError::Silent { action: "ask", database: "simulated".to_owned(), seconds: 1 }
}

fn rows(customers: &[SavedCustomer<'_>]) -> Vec<(String, Row)> {
    let row = |row: &SavedCustomer<'_>| {
        (row.customer_id.to_owned(), (row.applied_offset, Arc::from(row.state)))
    };
    customers.iter().map(row).collect()
}

fn stored((customer_id, (applied_offset, state)): (&String, &Row)) -> StoredCustomer {
    let (customer_id, state) = (customer_id.clone(), state.to_vec());
    StoredCustomer { customer_id, applied_offset: *applied_offset, state, erased_at_ms: None }
}

impl Client {
    pub fn open(shared: Arc<Shared>, stay: Stay) -> Result<Self, StoreError> {
        shared.pass(stay, Duration::from_millis(5));
        let world = shared.world();
        if world.store.is_away {
            return Err(silence());
        }
        let start = world.store.starts;
        drop(world);
        Ok(Self { shared, stay, start })
    }

    /// Asks something. It may be done and its answer be lost.
    fn ask<T>(
        &self,
        what: impl FnOnce(&mut World) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        ask(&self.shared, self.stay, self.start, what)
    }

    /// Nothing is stored or promised that might be judged again: it would count as known then.
    fn expect_committed(
        &self,
        holder: Holder,
        customers: &[SavedCustomer<'_>],
        promise: Option<i64>,
    ) {
        let newest = customers.iter().map(|row| row.applied_offset).max().max(promise);
        let world = &mut *self.shared.world();
        let committed = world.group.partitions[holder.partition as usize].ever_committed;
        if newest > Some(committed) {
            let partition = holder.partition;
            world.complain(
                Kind::Early,
                format!("{newest:?} of partition {partition} is stored, committed is {committed}"),
            );
        }
    }

    /// Changes something of a partition, as its holder.
    fn change(
        &self,
        holder: Holder,
        is_durable: bool,
        what: impl FnOnce(&mut Stored, &mut Vec<String>, Bug),
    ) -> Result<(), StoreError> {
        self.ask(|world| {
            let stored = &mut world.store.partitions[holder.partition as usize];
            if stored.epoch != holder.epoch && world.bug != Bug::IsNotFenced {
                return Err(StoreError::Fenced(holder));
            }
            let mut said = Vec::new();
            what(stored, &mut said, world.bug);
            match is_durable {
                true => world.store.flush(),
                false => world.store.unflushed.push(world.store.partitions.clone()),
            }
            for said in said {
                world.tell(format!("process {} {said} of {}", self.stay.seat, holder.partition));
            }
            Ok(())
        })
    }
}

fn ask<T>(
    shared: &Arc<Shared>,
    stay: Stay,
    start: u64,
    what: impl FnOnce(&mut World) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (way, is_held_up) = {
        let world = &mut *shared.world();
        let slow = if world.store.is_slow { 60 } else { 1 };
        (Duration::from_micros(500 + 100 * world.draw.below(30) as u64) * slow, world.chance(40))
    };
    if is_held_up {
        shared.pass(stay, way);
    }
    let outcome = {
        let world = &mut *shared.world();
        let is_new_start = world.store.starts != start && world.bug != Bug::OverlooksRestarts;
        if world.store.is_away || is_new_start {
            return Err(silence());
        }
        let outcome = what(world);
        if world.chance(3) { Err(silence()) } else { outcome }
    };
    shared.pass(stay, way);
    outcome
}

impl SnapshotStore for Client {
    fn claim(&mut self, partition: i32, owner: &str) -> Result<Claim, StoreError> {
        self.ask(|world| {
            let stored = &mut world.store.partitions[partition as usize];
            stored.epoch += 1;
            let [last, before] = &mut stored.claimed;
            *before = std::mem::replace(last, stored.rows.clone());
            let previous = stored.owner.replace(owner.to_owned());
            let Stored { epoch, saved_offset, highest_offset, handed_over, .. } = *stored;
            world.store.flush();
            world.tell(format!(
                "{owner} claims {partition}, saved {saved_offset:?}, handed over {handed_over:?}"
            ));
            let holder = Holder { partition, epoch };
            let saved_at_ms = saved_offset.map(|_| 1);
            Ok(Claim { holder, saved_offset, highest_offset, handed_over, saved_at_ms, previous })
        })
    }

    fn save(
        &mut self,
        holder: Holder,
        customers: &[SavedCustomer<'_>],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError> {
        self.expect_committed(holder, customers, saved_offset);
        let is_durable = saved_offset.is_some();
        self.change(holder, is_durable, |stored, said, bug| {
            said.push(format!("saves {} customers, up to {saved_offset:?},", customers.len()));
            for (id, row) in rows(customers) {
                if bug == Bug::TakesHandedOverForStored && stored.has_handed_over(&id, &row) {
                    continue;
                }
                stored.highest_offset = stored.highest_offset.max(row.0);
                if stored.rows.get(&id).is_none_or(|(applied, _)| *applied <= row.0) {
                    stored.rows.insert(id, row);
                }
            }
            let promised = saved_offset.or_else(|| {
                let newest = customers.iter().map(|row| row.applied_offset).max();
                newest.filter(|_| bug == Bug::PromisesEarly)
            });
            if let Some(offset) = promised {
                if stored.handed_over.unwrap_or(0) <= offset {
                    stored.withdraw();
                }
                stored.saved_offset = Some(offset);
            }
        })
    }

    fn hand_over(
        &mut self,
        holder: Holder,
        chunk: i32,
        customers: &[SavedCustomer<'_>],
        offset: Option<i64>,
    ) -> Result<(), StoreError> {
        self.expect_committed(holder, customers, offset);
        self.change(holder, true, |stored, said, _| {
            let count = customers.len();
            said.push(format!("hands {count} customers over, chunk {chunk}, up to {offset:?},"));
            if chunk == 0 {
                stored.withdraw();
            }
            stored.chunks.insert(chunk, rows(customers));
            stored.handed_over = offset.or(stored.handed_over);
        })
    }

    fn handed_over(&mut self, partition: i32, chunk: i32) -> Result<Chunk, StoreError> {
        self.ask(|world| {
            let chunks = &world.store.partitions[partition as usize].chunks;
            let Some((number, rows)) = chunks.range(chunk..).next() else {
                return Ok(Chunk::default());
            };
            let customers = rows.iter().map(|(id, row)| stored((id, row))).collect();
            Ok(Chunk { customers, next: Some(number + 1) })
        })
    }

    fn release(&mut self, holder: Holder) -> Result<(), StoreError> {
        self.change(holder, true, |stored, _, _| stored.owner = None)
    }

    fn delete_rows(
        &mut self,
        holder: Holder,
        customer_ids: &[&str],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError> {
        self.change(holder, true, |stored, said, _| {
            said.push(format!("forgets {customer_ids:?}, saved {saved_offset:?},"));
            stored.withdraw();
            stored.rows.retain(|id, _| !customer_ids.contains(&id.as_str()));
            if let (Some(saved), Some(offset)) = (&mut stored.saved_offset, saved_offset) {
                *saved = offset.min(*saved);
            }
        })
    }

    fn discard(&mut self, holder: Holder) -> Result<(), StoreError> {
        self.change(holder, true, |stored, said, _| {
            said.push("discards what is stored".to_owned());
            stored.saved_offset = None;
            stored.withdraw();
        })?;
        let mut is_empty = false;
        while !is_empty {
            self.change(holder, true, |stored, _, _| {
                (0..3).for_each(|_| drop(stored.rows.pop_first()));
                is_empty = stored.rows.is_empty();
            })?;
        }
        self.change(holder, true, |stored, _, _| stored.highest_offset = 0)
    }

    fn load(
        &mut self,
        partition: i32,
        customer_ids: &[&str],
    ) -> Result<Vec<StoredCustomer>, StoreError> {
        self.ask(|world| {
            let rows = &world.store.partitions[partition as usize].rows;
            let is_known = |_: &&&str| world.bug != Bug::ForgetsStored;
            let asked = customer_ids.iter().filter(is_known);
            Ok(asked.filter_map(|id| rows.get_key_value(*id)).map(stored).collect())
        })
    }

    fn scan(&mut self, partition: i32) -> Result<Box<dyn Scan>, StoreError> {
        let rows = self.ask(|world| {
            let Stored { rows, claimed: [_, before], .. } =
                &world.store.partitions[partition as usize];
            let rows = if world.bug == Bug::ReadsOldRows { before } else { rows };
            Ok(rows.iter().rev().map(stored).collect())
        })?;
        let (shared, stay, start) = (Arc::clone(&self.shared), self.stay, self.start);
        Ok(Box::new(Rows { shared, stay, start, rows }))
    }

    fn page(&mut self, _: i32, _: &str, _: u32) -> Result<Vec<StoredCustomer>, StoreError> {
        unreachable!("a worker scans")
    }

    fn ids(&mut self, partition: i32, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        self.ask(|world| {
            let rows = &world.store.partitions[partition as usize].rows;
            let behind = rows.keys().filter(|id| id.as_str() > after);
            Ok(behind.take(limit as usize).cloned().collect())
        })
    }

    fn progress(&mut self) -> Result<Vec<Progress>, StoreError> {
        self.ask(|world| {
            let row = |(partition, stored): (usize, &Stored)| Progress {
                partition: partition as i32,
                saved_offset: stored.saved_offset,
                saved_at_ms: stored.saved_offset.map(|_| 1),
                epoch: stored.epoch,
                owner: stored.owner.clone(),
                handed_over: stored.handed_over,
                incomplete_at_ms: None,
            };
            Ok(world.store.partitions.iter().enumerate().map(row).collect())
        })
    }

    fn mark_incomplete(&mut self, _: Holder) -> Result<(), StoreError> {
        unreachable!("nothing leaves the log")
    }

    fn import(
        &mut self,
        _: Holder,
        _: &[StoredCustomer],
        _: Option<i64>,
    ) -> Result<(), StoreError> {
        unreachable!("a worker does not import")
    }

    fn erase(&mut self, _: Holder, _: &[&str], _: i64, _: &[u8]) -> Result<(), StoreError> {
        unreachable!("a worker does not erase")
    }

    fn begin_anew(&mut self, _: bool) -> Result<u64, StoreError> {
        unreachable!("the topic is the same")
    }
}

/// Rows as they were when the scan began.
struct Rows {
    shared: Arc<Shared>,
    stay: Stay,
    start: u64,
    rows: Vec<StoredCustomer>,
}

impl Scan for Rows {
    fn next(&mut self) -> Result<Vec<StoredCustomer>, StoreError> {
        let count = ask(&self.shared, self.stay, self.start, |world| Ok(1 + world.draw.below(3)))?;
        Ok(self.rows.split_off(self.rows.len() - count.min(self.rows.len())))
    }
}
