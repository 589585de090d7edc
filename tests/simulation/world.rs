//! The log, the store, the processes, and what happens to them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, LazyLock};

use synfinance::codec::{encode_transaction, frame_confluent};
use synfinance::database::{Holder, SavedCustomer};
use synfinance::generate::{self, Generator};
use synfinance::snapshots::{Batch, Place, Saving};
use synfinance::state::customers::Customers;
use synfinance::state::hash::hash64;
use synfinance::state::snapshot::{decode, encode};
use synfinance::worker::Step;
use synfinance::worker::tasks::Task;

use crate::draw::Draw;
use crate::process::{Alert, Out, Page, Part, Process, Record, Row, Scan, settings};

const PARTITIONS: i32 = 2;
const PROCESSES: usize = 2;
const RECORDS: usize = 400;

/// A mistake that the world makes on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// Rows are stored before their records are committed.
    SavesUncommitted,
    /// Offsets are committed before their alerts are acknowledged.
    CommitsUnacknowledged,
    /// The saved offset moves before all that changed is stored.
    PromisesEarly,
    /// Who is stored and not in memory is scored as if nothing were known.
    ForgetsStored,
    /// What was read ahead is taken for what is stored, whatever has happened since.
    TrustsOldPages,
    /// Who lost a partition and does not know reads what the next owner has stored.
    TrustsNextOwner,
    /// Who was handed over is taken for stored.
    TakesHandedOverForStored,
}

impl Bug {
    pub const PLANTED: [Self; 7] = [
        Self::SavesUncommitted,
        Self::CommitsUnacknowledged,
        Self::PromisesEarly,
        Self::ForgetsStored,
        Self::TrustsOldPages,
        Self::TrustsNextOwner,
        Self::TakesHandedOverForStored,
    ];
}

/// A partition in the store.
#[derive(Default)]
struct Stored {
    epoch: i64,
    saved_offset: Option<i64>,
    highest_offset: i64,
    rows: BTreeMap<String, (i64, Vec<u8>)>,
    /// Up to where, and who has changed since the saved offset.
    handed_over: Option<(i64, Vec<Row>)>,
}

/// The log by partition, and what an undisturbed engine makes of it.
struct Truth {
    log: Vec<Vec<Record>>,
    alerts: BTreeSet<Alert>,
    states: BTreeMap<(i32, String), Vec<u8>>,
}

static TRUTH: LazyLock<Truth> = LazyLock::new(|| {
    let settings = generate::Settings {
        transactions: RECORDS as u64,
        customers: 12,
        ..generate::Settings::default()
    };
    let mut payments: Vec<_> = Generator::new(&settings).unwrap().collect();
    for index in (20..payments.len()).step_by(31) {
        payments.swap(index - 9, index);
    }
    for index in (50..payments.len()).step_by(61) {
        payments[index] = payments[index - 3].clone();
    }
    let mut log = vec![Vec::new(); PARTITIONS as usize];
    for payment in &payments {
        let raw = payment.raw();
        let mut value = Vec::new();
        frame_confluent(1, &mut value);
        encode_transaction(&raw, &mut value);
        let partition = (hash64(raw.customer_id) % PARTITIONS as u64) as usize;
        let offset = log[partition].len() as i64;
        let record = Record { partition: partition as i32, offset, value: Arc::from(value) };
        log[partition].push(record);
    }
    let mut process = Process::new();
    let all: Vec<Record> = log.iter().flatten().cloned().collect();
    (0..PARTITIONS).for_each(|partition| process.tasks.assign(partition, 0, 0));
    let (_, missing) = step(&mut process, &all);
    assert!(missing.is_empty());
    let alerts = process.sent.iter().map(|(_, alert)| alert.clone()).collect();
    let mut states = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let customers = process.engine.customers(partition).into_iter().flat_map(Customers::iter);
        states.extend(customers.map(|customer| {
            let mut bytes = Vec::new();
            encode(&customer.state, &mut bytes);
            ((partition, customer.id().to_owned()), bytes)
        }));
    }
    Truth { log, alerts, states }
});

/// Runs a batch through a process; how many records of each partition were taken, and who is
/// missing.
fn step(process: &mut Process, records: &[Record]) -> (usize, BTreeSet<(i32, String)>) {
    if records.is_empty() {
        return (0, BTreeSet::new());
    }
    let settings = settings();
    let mut step = Step::new(&settings, &mut process.engine);
    let mut out = Out { tasks: &mut process.tasks, sent: &mut process.sent };
    step.run(records, &|| i64::MAX / 2, &mut out).unwrap();
    let held: BTreeSet<usize> = step.held.iter().map(|held| held.place).collect();
    let missing = std::mem::take(&mut step.missing);
    for (place, record) in records.iter().enumerate() {
        if !held.contains(&place) {
            process.tasks.receive(record.partition, record.offset, None).unwrap();
            process.positions.insert(record.partition, record.offset + 1);
        }
    }
    (records.len() - held.len(), missing)
}

/// The world of one seed.
pub struct World {
    draw: Draw,
    bug: Bug,
    processes: Vec<Option<Process>>,
    /// Who has a partition, as the group knows it.
    owners: Vec<Option<usize>>,
    committed: Vec<Option<i64>>,
    alerts: Vec<Alert>,
    store: Vec<Stored>,
    is_store_away: bool,
    /// How much of the log has been produced.
    produced: Vec<usize>,
    /// What has happened.
    pub trace: Vec<String>,
}

impl World {
    pub fn new(seed: u64, bug: Bug) -> Self {
        let count = PARTITIONS as usize;
        Self {
            draw: Draw::new(seed),
            bug,
            processes: (0..PROCESSES).map(|_| Some(Process::new())).collect(),
            owners: vec![None; count],
            committed: vec![None; count],
            alerts: Vec::new(),
            store: (0..count).map(|_| Stored::default()).collect(),
            is_store_away: false,
            produced: vec![0; count],
            trace: Vec::new(),
        }
    }

    /// Something happens.
    pub fn act(&mut self) {
        let process = self.draw.below(PROCESSES);
        let partition = self.draw.below(PARTITIONS as usize);
        match self.draw.below(100) {
            0..14 => self.produce(partition),
            14..40 => self.poll(process),
            40..52 => self.deliver(process),
            52..62 => self.commit(process),
            62..76 => self.save(process),
            76..80 => self.read_ahead(process, partition),
            80..84 => self.evict(process),
            84..90 => self.hand_over(partition, process),
            90..94 => self.notice(process),
            94..98 => self.crash(process),
            _ => {
                self.is_store_away = !self.is_store_away;
                self.tell(format!("the store is away: {}", self.is_store_away));
            }
        }
    }

    fn tell(&mut self, what: String) {
        self.trace.push(what);
    }

    fn produce(&mut self, partition: usize) {
        let more = 1 + self.draw.below(40);
        let all = TRUTH.log[partition].len();
        self.produced[partition] = (self.produced[partition] + more).min(all);
        self.tell(format!("partition {partition} has {} records", self.produced[partition]));
    }

    fn poll(&mut self, number: usize) {
        let count = 1 + self.draw.below(48);
        let Some(process) = &mut self.processes[number] else { return };
        let mut records = Vec::new();
        for (&partition, &position) in &process.positions {
            let end = self.produced[partition as usize];
            let start = (position as usize).min(end);
            let log = &TRUTH.log[partition as usize];
            records.extend_from_slice(&log[start..end.min(start + count)]);
        }
        let (mut taken, missing) = step(process, &records);
        if !missing.is_empty() {
            for (partition, id) in &missing {
                let part = process.parts.get_mut(partition);
                let stored = match part.and_then(|part| part.shelf.remove(id)) {
                    None if self.is_store_away => continue,
                    None => self.store[*partition as usize].rows.get(id).cloned(),
                    shelved => shelved,
                };
                let task = process.tasks.iter().find(|task| task.partition == *partition).unwrap();
                let is_ahead = |(applied, _): &(i64, _)| task.is_behind(*applied);
                if self.bug != Bug::TrustsNextOwner && stored.as_ref().is_some_and(is_ahead) {
                    continue;
                }
                if let Some((applied, state)) = stored {
                    process.engine.admit(*partition, id, applied, decode(&state).unwrap());
                }
                process.engine.met_in_store(*partition, id);
            }
            let positions = process.positions.clone();
            records.retain(|record| record.offset >= positions[&record.partition]);
            taken += step(process, &records).0;
        }
        self.tell(format!(
            "process {number} takes {taken} records, {} were missing",
            missing.len()
        ));
    }

    /// The broker takes some alerts, and the process learns of some.
    fn deliver(&mut self, number: usize) {
        let (taken, known) = (self.draw.below(30), self.draw.below(30));
        let Some(process) = &mut self.processes[number] else { return };
        for _ in 0..taken.min(process.sent.len()) {
            let (place, alert) = process.sent.pop_front().unwrap();
            self.alerts.push(alert);
            process.taken.extend(place);
        }
        for _ in 0..known.min(process.taken.len()) {
            let (partition, offset) = process.taken.pop_front().unwrap();
            process.tasks.acknowledge(partition, offset).unwrap();
        }
        let (sent, taken) = (process.sent.len(), process.taken.len());
        self.tell(format!("process {number} has {sent} alerts to deliver, {taken} to be told of"));
    }

    fn commit(&mut self, number: usize) {
        let is_told = self.draw.chance(80);
        let Some(process) = &mut self.processes[number] else { return };
        let mut due = process.tasks.due();
        if self.bug == Bug::CommitsUnacknowledged {
            let judged =
                |task: &Task| (!task.is_restoring()).then_some((task.partition, task.next));
            due = process.tasks.iter().filter_map(judged).collect();
        }
        due.retain(|(partition, _)| self.owners[*partition as usize] == Some(number));
        for &(partition, offset) in &due {
            self.committed[partition as usize] = Some(offset);
        }
        if is_told {
            process.tasks.commit(&due);
        }
        self.tell(format!("process {number} commits {due:?}, told: {is_told}"));
    }

    /// One turn of saving, and one order of the process to the store.
    fn save(&mut self, number: usize) {
        let may_begin = self.draw.chance(50);
        let bug = self.bug;
        let Some(process) = &mut self.processes[number] else { return };
        for task in process.tasks.iter() {
            let partition = task.partition;
            let Some(part) = process.parts.get_mut(&partition) else { continue };
            let Some(holder) = part.holder else { continue };
            if part.saving.is_none() && !part.is_awaited && may_begin {
                part.saving = Some(Saving::begin(holder, task.next, process.engine.cut(partition)));
            }
            let Some(saving) = &mut part.saving else { continue };
            let nobody = Customers::default();
            saving.encode(process.engine.customers(partition).unwrap_or(&nobody));
            let committed =
                if bug == Bug::SavesUncommitted { i64::MAX } else { task.committed_offset() };
            process.orders.extend(saving.ready(committed));
            if saving.is_done() {
                (part.saving, part.is_awaited) = (None, true);
            }
        }
        if self.is_store_away {
            return self.tell(format!("process {number} waits for the store"));
        }
        let Some(batch) = process.orders.pop_front() else { return };
        let (holder, offset) = (batch.holder, batch.saved_offset);
        let is_stored = self.store(&batch);
        self.tell(format!(
            "process {number} stores {} customers of partition {}, saved {offset:?}: {is_stored}",
            batch.len(),
            holder.partition
        ));
        self.answer(number, holder, offset, is_stored);
    }

    /// Whether the store takes a batch.
    fn store(&mut self, batch: &Batch) -> bool {
        let stored = &mut self.store[batch.holder.partition as usize];
        if stored.epoch != batch.holder.epoch {
            return false;
        }
        for row in batch.customers() {
            stored.highest_offset = stored.highest_offset.max(row.applied_offset);
            let old = stored.rows.get(row.customer_id);
            if old.is_none_or(|(applied, _)| *applied <= row.applied_offset) {
                let new = (row.applied_offset, row.state.to_vec());
                stored.rows.insert(row.customer_id.to_owned(), new);
            }
        }
        stored.saved_offset = batch.saved_offset.or(stored.saved_offset);
        stored.handed_over.take_if(|(offset, _)| batch.saved_offset >= Some(*offset));
        if self.bug == Bug::PromisesEarly {
            stored.saved_offset = self.committed[batch.holder.partition as usize];
        }
        true
    }

    fn answer(&mut self, number: usize, holder: Holder, offset: Option<i64>, is_stored: bool) {
        let Some(process) = &mut self.processes[number] else { return };
        let part = process.parts.get_mut(&holder.partition);
        let Some(part) = part.filter(|part| part.holder == Some(holder)) else { return };
        if !is_stored {
            // Somebody else has it. The process stops saving; the group will tell.
            (part.holder, part.saving, part.is_awaited) = (None, None, false);
            process.engine.settle(holder.partition, false);
        } else if offset.is_some() {
            part.is_awaited = false;
            process.engine.settle(holder.partition, true);
        }
    }

    fn evict(&mut self, number: usize) {
        let bytes = self.draw.below(20_000);
        let Some(process) = &mut self.processes[number] else { return };
        let evicted = process.engine.evict(bytes);
        self.tell(format!("process {number} evicts {evicted} customers"));
    }

    /// A process reads a page of who is stored, or takes in the one that it has read.
    fn read_ahead(&mut self, number: usize, partition: usize) {
        let (count, is_crowded) = (1 + self.draw.below(4), self.draw.chance(20));
        let Some(process) = &mut self.processes[number] else { return };
        let Some(part) = process.parts.get_mut(&(partition as i32)) else { return };
        let evicted = process.engine.counts().evicted;
        if let Some(Page { rows, ids, next }) = part.page.take() {
            let at_scan = part.scan.as_ref().map(|scan| scan.evicted);
            let is_fresh = at_scan == Some(evicted) || self.bug == Bug::TrustsOldPages;
            let number = partition as i32;
            match &next {
                Some(Place::Ids(after)) => process.engine.list(number, Some(after)),
                Some(Place::Scan | Place::ScanOn) => {}
                None => process.engine.list(number, None),
            }
            for (id, applied, state) in rows {
                process.engine.expect(number, &id);
                if is_fresh && !is_crowded && process.engine.is_missing(number, &id) {
                    part.shelf.entry(id).or_insert((applied, state));
                }
            }
            ids.iter().for_each(|id| process.engine.expect(number, id));
            part.unlisted = next;
        } else if let Some(from) = part.unlisted.clone().filter(|_| !self.is_store_away) {
            let stored = &self.store[partition].rows;
            let from = match from {
                Place::Scan | Place::ScanOn if is_crowded => Place::Ids(String::new()),
                from => from,
            };
            let (mut rows, mut ids) = (Vec::new(), Vec::new());
            let next = if let Place::Ids(after) = &from {
                let behind = stored.range::<String, _>((Excluded(after), Unbounded));
                ids.extend(behind.take(count).map(|(id, _)| id.clone()));
                ids.last().filter(|_| ids.len() == count).cloned().map(Place::Ids)
            } else {
                let row =
                    |(id, row): (&String, &(i64, Vec<u8>))| (id.clone(), row.0, row.1.clone());
                let all = || Scan { evicted, rows: stored.iter().rev().map(row).collect() };
                let begun = part.scan.take().filter(|_| from == Place::ScanOn);
                let scan = part.scan.insert(begun.unwrap_or_else(all));
                rows.extend(scan.rows.drain(..count.min(scan.rows.len())));
                (!scan.rows.is_empty()).then_some(Place::ScanOn)
            };
            part.page = Some(Page { rows, ids, next });
        }
        self.tell(format!("process {number} reads ahead in partition {partition}"));
    }

    /// The group gives a partition to a process. Who had it may not know for a while.
    fn hand_over(&mut self, partition: usize, to: usize) {
        let is_orderly = self.draw.chance(60);
        if self.owners[partition] == Some(to) || self.processes[to].is_none() {
            return;
        }
        if let Some(from) = self.owners[partition].filter(|_| is_orderly) {
            self.leave(partition as i32, from);
        }
        self.tell(format!("partition {partition} goes to process {to}, orderly: {is_orderly}"));
        self.assign(partition, to);
    }

    /// A process drains and commits a partition that leaves, saves some of it, and forgets it.
    fn leave(&mut self, partition: i32, number: usize) {
        let Some(process) = &mut self.processes[number] else { return };
        for (place, alert) in process.sent.drain(..) {
            self.alerts.push(alert);
            process.taken.extend(place);
        }
        while let Some((of, offset)) = process.taken.pop_front() {
            process.tasks.acknowledge(of, offset).unwrap();
        }
        let due: Vec<(i32, i64)> = process.tasks.due();
        for &(of, offset) in due.iter().filter(|(of, _)| self.owners[*of as usize] == Some(number))
        {
            self.committed[of as usize] = Some(offset);
            process.tasks.commit(&[(of, offset)]);
        }
        if self.draw.chance(40) {
            self.put_aside(partition, number);
        } else {
            for _ in 0..self.draw.below(4) {
                self.save(number);
            }
        }
        if let Some(process) = &mut self.processes[number] {
            process.forget(partition);
        }
    }

    /// A process hands over what is not saved of a partition.
    fn put_aside(&mut self, partition: i32, number: usize) {
        let Some(process) = &mut self.processes[number] else { return };
        let holder = process.parts.get(&partition).and_then(|part| part.holder);
        let task = process.tasks.iter().find(|task| task.partition == partition);
        let (Some(holder), Some(task)) = (holder, task) else { return };
        process.engine.settle(partition, false);
        let slots = process.engine.cut(partition);
        let nobody = Customers::default();
        let mut saving = Saving::hand_over(holder, task.next, slots, false);
        saving.encode(process.engine.customers(partition).unwrap_or(&nobody));
        let Some(batch) = saving.ready(task.committed_offset()) else { return };
        let stored = &mut self.store[partition as usize];
        if self.is_store_away || stored.epoch != holder.epoch {
            return;
        }
        let row = |row: SavedCustomer<'_>| {
            (row.customer_id.to_owned(), row.applied_offset, row.state.to_vec())
        };
        let rows = batch.customers().into_iter().map(row).collect();
        stored.handed_over = batch.saved_offset.map(|offset| (offset, rows));
        self.tell(format!("process {number} hands {} customers over", batch.len()));
    }

    /// As the worker does: claim, decide where to begin, know who is stored.
    fn assign(&mut self, partition: usize, to: usize) {
        self.owners[partition] = Some(to);
        let (committed, is_away) = (self.committed[partition].unwrap_or(0), self.is_store_away);
        let stored = &mut self.store[partition];
        let Some(process) = &mut self.processes[to] else { return };
        let number = partition as i32;
        process.forget(number);
        let (mut from, mut holder, mut unlisted) = (0, None, None);
        if !is_away {
            stored.epoch += 1;
            let aside = stored.handed_over.as_ref().map(|(offset, _)| *offset);
            let newest = stored.saved_offset.max(aside).unwrap_or(0).max(stored.highest_offset);
            if newest > committed {
                *stored = Stored { epoch: stored.epoch, ..Stored::default() };
            } else if self.bug != Bug::ForgetsStored {
                process.engine.expect_all(number);
                unlisted = Some(Place::Scan);
            }
            from = stored.saved_offset.unwrap_or(0);
            if let Some((offset, rows)) = &stored.handed_over {
                from = *offset;
                for (id, applied, state) in rows {
                    let state = decode(state).unwrap();
                    match self.bug {
                        Bug::TakesHandedOverForStored => {
                            process.engine.admit(number, id, *applied, state)
                        }
                        _ => process.engine.admit_changed(number, id, *applied, state),
                    };
                }
            }
            holder = Some(Holder { partition: number, epoch: stored.epoch });
        }
        let part = Part { holder, saving: None, is_awaited: false, unlisted, ..Part::default() };
        process.parts.insert(number, part);
        process.tasks.assign(number, from, committed);
        process.positions.insert(number, from);
    }

    /// A process learns which partitions it does not have any more.
    fn notice(&mut self, number: usize) {
        let Some(process) = &mut self.processes[number] else { return };
        let gone = |(partition, owner): (usize, &Option<usize>)| {
            (*owner != Some(number)).then_some(partition as i32)
        };
        let gone: Vec<i32> = self.owners.iter().enumerate().filter_map(gone).collect();
        gone.iter().for_each(|&partition| process.forget(partition));
        self.tell(format!("process {number} notices that it has none of {gone:?}"));
    }

    /// A process ends in the middle of everything; another one begins in its place.
    fn crash(&mut self, number: usize) {
        let Some(mut process) = self.processes[number].take() else { return };
        // Some of what was on its way arrives all the same.
        let arrives = self.draw.below(process.sent.len() + 1);
        self.alerts.extend(process.sent.drain(..arrives).map(|(_, alert)| alert));
        if !self.is_store_away && self.draw.chance(50) {
            process.orders.pop_front().map(|batch| self.store(&batch));
        }
        self.processes[number] = Some(Process::new());
        self.tell(format!("process {number} crashes, {arrives} alerts arrive"));
        for partition in 0..PARTITIONS as usize {
            if self.owners[partition] == Some(number) {
                let to = self.draw.below(PROCESSES);
                self.tell(format!("partition {partition} goes to process {to}"));
                self.assign(partition, to);
            }
        }
    }

    /// All faults end, and everything that is there is done.
    pub fn heal(&mut self) {
        self.trace.push("everything heals".to_owned());
        let length = self.trace.len();
        self.is_store_away = false;
        for partition in 0..PARTITIONS as usize {
            self.produced[partition] = TRUTH.log[partition].len();
            if self.owners[partition].is_none() {
                self.assign(partition, 0);
            }
        }
        for number in 0..PROCESSES {
            self.notice(number);
        }
        for _ in 0..1_000 {
            if (0..PARTITIONS as usize).all(|partition| self.is_done(partition)) {
                break;
            }
            for number in 0..PROCESSES {
                self.poll(number);
                (0..PARTITIONS as usize).for_each(|partition| self.read_ahead(number, partition));
                self.deliver(number);
                self.commit(number);
            }
        }
        self.trace.truncate(length);
    }

    fn is_done(&self, partition: usize) -> bool {
        let is_restored = |process: &Process| {
            let position = process.positions.get(&(partition as i32));
            position == Some(&(TRUTH.log[partition].len() as i64))
        };
        let owner = self.owners[partition].and_then(|owner| self.processes[owner].as_ref());
        self.committed[partition] == Some(TRUTH.log[partition].len() as i64)
            && owner.is_some_and(is_restored)
    }

    /// What differs from an undisturbed run.
    pub fn fault(&self) -> Option<String> {
        for (partition, log) in TRUTH.log.iter().enumerate() {
            if self.committed[partition] != Some(log.len() as i64) {
                let committed = self.committed[partition];
                return Some(format!("partition {partition} stands at {committed:?}"));
            }
        }
        let came: BTreeSet<Alert> = self.alerts.iter().cloned().collect();
        if let Some((id, _)) = TRUTH.alerts.difference(&came).next() {
            return Some(format!("the alert of {id} is missing, or says something else"));
        }
        if let Some((id, _)) = came.difference(&TRUTH.alerts).next() {
            return Some(format!("the alert of {id} is not what it had to be"));
        }
        TRUTH.states.iter().find_map(|((partition, id), expected)| {
            let found = self.state(*partition, id);
            let offset = self.owners[*partition as usize];
            (found.as_ref() != Some(expected)).then(|| {
                format!("the state of {id} in partition {partition} of {offset:?} differs")
            })
        })
    }

    /// A customer's state, in its owner's memory or stored.
    fn state(&self, partition: i32, id: &str) -> Option<Vec<u8>> {
        let owner = self.owners[partition as usize]?;
        let process = self.processes[owner].as_ref()?;
        let mut customers = process.engine.customers(partition)?.iter();
        if let Some(customer) = customers.find(|customer| customer.id() == id) {
            let mut bytes = Vec::new();
            encode(&customer.state, &mut bytes);
            return Some(bytes);
        }
        self.store[partition as usize].rows.get(id).map(|(_, state)| state.clone())
    }
}
