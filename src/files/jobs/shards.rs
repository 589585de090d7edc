//! One reader, some shards, one collector: rows in input order from engines that share nothing.
//!
//! Windows belong to customers, so customers can be divided among engines that never talk to each
//! other: a hash of the customer_id chooses the shard, and every shard meets its customers' rows in
//! file order whatever the other shards do. Hence the same results for any number of shards.
//!
//! Sorting rows into per-shard queues and back would cost more than it brings. Instead a whole
//! block is shared: the reader decodes it, converts its columns and lists each shard's rows; every
//! shard works through its list and hands back its part; the collector puts the parts together. All
//! queues are first in, first out and bounded, so blocks need no numbers and memory no more than
//! the few blocks in flight.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use xxhash_rust::xxh3::xxh3_64;

use crate::core::transaction::Transaction;
use crate::files::block::{Block, Blocks};
use crate::files::rows::{Cells, Fields, Lookup, Resolved, VerdictColumn};
use crate::files::{Error, Rejection};

/// Blocks that may wait between two threads.
const QUEUE_BLOCKS: usize = 2;

/// A block with its columns converted and its rows divided among the shards.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) block: Block,
    pub(super) fields: Fields,
    /// The verdicts on the rows, when there is a label column.
    pub(super) verdicts: Option<VerdictColumn>,
    /// Rows whose verdict is fraud, ascending.
    pub(super) frauds: Vec<u32>,
    /// Each shard's rows, ascending.
    pub(super) shares: Vec<Vec<u32>>,
}

impl Prepared {
    /// The checked transaction of a row, or why there is none.
    #[inline]
    pub(super) fn transaction(&self, row: u32, now: i64) -> Result<Transaction<'_>, Rejection> {
        self.fields.transaction(row as usize, now, self.block.numbers.of(row as usize))
    }
}

/// How blocks are prepared.
pub(super) struct Division {
    pub(super) resolved: Resolved,
    /// The place of the label column.
    pub(super) label: Option<usize>,
    pub(super) shards: usize,
}

impl Division {
    fn prepare(&self, block: Block) -> Result<Prepared, Error> {
        let fields = Fields::new(&block.batch, &self.resolved)?;
        let verdicts = match self.label {
            Some(place) => Some(VerdictColumn::verdict(&Cells::of(&block.batch, place))?),
            None => None,
        };
        let rows = block.batch.num_rows();
        let fraud = |row: &u32| {
            verdicts.as_ref().is_some_and(|v| v.get(*row as usize) == Lookup::Value(true))
        };
        let frauds = (0..rows as u32).filter(fraud).collect();
        let shares = self.divide(&fields, rows);
        Ok(Prepared { block, fields, verdicts, frauds, shares })
    }

    fn divide(&self, fields: &Fields, rows: usize) -> Vec<Vec<u32>> {
        if self.shards == 1 {
            return vec![(0..rows as u32).collect()];
        }
        let mut shares = vec![Vec::with_capacity(rows * 2 / self.shards); self.shards];
        for row in 0..rows {
            let hash = xxh3_64(fields.customer(row).as_bytes());
            shares[(hash % self.shards as u64) as usize].push(row as u32);
        }
        shares
    }
}

/// Runs all blocks through `workers`, one per shard, and hands each block with its parts, in shard
/// order, to `collect`, in input order. Returns what the reader has to say at the end.
pub(super) fn run<P: Send, W: FnMut(&Prepared) -> P + Send>(
    blocks: Box<dyn Blocks>,
    division: Division,
    workers: Vec<W>,
    collect: impl FnMut(&Prepared, Vec<P>) -> Result<(), Error>,
) -> Result<Vec<String>, Error> {
    thread::scope(|scope| {
        let (whole_sender, whole) = sync_channel(QUEUE_BLOCKS);
        let (mut senders, mut parts, mut shards) = (Vec::new(), Vec::new(), Vec::new());
        for worker in workers {
            let (sender, blocks) = sync_channel(QUEUE_BLOCKS);
            let (part_sender, part) = sync_channel(QUEUE_BLOCKS);
            shards.push(scope.spawn(move || work(worker, &blocks, &part_sender)));
            senders.push(sender);
            parts.push(part);
        }
        let reader = scope.spawn(move || read(blocks, &division, &whole_sender, &senders));
        let collected = gather(whole, parts, collect);
        let read = reader.join().unwrap_or(Err(Error::Broken("reader")));
        let broken = shards.into_iter().filter_map(|shard| shard.join().err()).count();
        if broken > 0 {
            return Err(Error::Broken("shard"));
        }
        collected.and(read)
    })
}

/// Reads until the end, an error, or until nobody listens any more.
fn read(
    mut blocks: Box<dyn Blocks>,
    division: &Division,
    whole: &SyncSender<Arc<Prepared>>,
    shards: &[SyncSender<Arc<Prepared>>],
) -> Result<Vec<String>, Error> {
    let mut unknown = 0;
    while let Some(block) = blocks.next()? {
        let prepared = Arc::new(division.prepare(block)?);
        unknown += prepared.fields.unknown_symbols();
        let listeners = std::iter::once(whole).chain(shards);
        for listener in listeners {
            if listener.send(prepared.clone()).is_err() {
                return Ok(Vec::new());
            }
        }
    }
    let mut notes = blocks.notes();
    if unknown > 0 {
        notes.push(format!(
            "the status symbol of {unknown} rows is unknown and counts as APPROVED, the schema's \
             default; synfinance schemas check says what each symbol becomes"
        ));
    }
    Ok(notes)
}

fn work<P>(
    mut worker: impl FnMut(&Prepared) -> P,
    blocks: &Receiver<Arc<Prepared>>,
    parts: &SyncSender<P>,
) {
    for prepared in blocks {
        if parts.send(worker(&prepared)).is_err() {
            return;
        }
    }
}

/// Puts blocks and parts together. Owns its ends of the queues, so that its return ends the others.
fn gather<P>(
    whole: Receiver<Arc<Prepared>>,
    parts: Vec<Receiver<P>>,
    mut collect: impl FnMut(&Prepared, Vec<P>) -> Result<(), Error>,
) -> Result<(), Error> {
    for prepared in whole {
        let mut of_block = Vec::with_capacity(parts.len());
        for part in &parts {
            of_block.push(part.recv().map_err(|_| Error::Broken("shard"))?);
        }
        collect(&prepared, of_block)?;
    }
    Ok(())
}
