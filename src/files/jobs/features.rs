//! `features`: the training table, each row as of its own time.
//!
//! A model trained on features that the stream would not have had at that moment looks good and is
//! worthless. So rows go through the same engine in the same order as in the stream, and a fraud
//! verdict is learned as one that becomes known a delay after its transaction (`labeled_at`): the
//! engine counts it only for later rows. Merchants' verdicts concern all customers, so every shard
//! gets every verdict, right after the row it is about, and results stay independent of the number
//! of shards. Only fraud is told: the verdict "no fraud" takes back nothing that was never said.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::filter::filter;

use super::job::{Job, Opened, Outcome, Wanted, open};
use super::order::Order;
use super::score::{CHUNK_ROWS, duplicate};
use super::shards::{Division, Prepared, run};
use super::{Scorer, Summary};
use crate::core::engine::{EngineError, Seen};
use crate::core::transaction::{EventTime, Label, Transaction};
use crate::files::Error;
use crate::files::format::Source;
use crate::files::rejection::{INVALID_FIELD, Rejection};
use crate::files::rows::Lookup;

/// What a training table holds beside the ids and the time.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// Names of the engine's features, in its order.
    pub names: &'a [String],
    /// The column with the verdicts, which is passed on; without it no verdict is learned.
    pub label_column: Option<&'a str>,
    /// Milliseconds from a transaction to its verdict.
    pub label_delay_ms: i64,
}

/// Usual time from a transaction to its verdict: seven days, in milliseconds.
pub const DEFAULT_LABEL_DELAY_MS: i64 = 7 * crate::core::transaction::DAY_MS;

/// Writes the features of every row of `input`, from engines that `engine` makes, one per
/// shard: `transaction_id`, `customer_id`, `merchant_id`, `event_time`, the label, then doubles.
///
/// Errors: as [`score`](super::score()); also when the names are not as many as the engine's
/// features.
pub fn features<E: Scorer>(
    input: Source,
    job: Job<'_>,
    table: Table<'_>,
    engine: impl Fn() -> E,
) -> Result<Summary, Error> {
    let began = (job.clock)();
    let wanted = Wanted::Mapped { label: table.label_column };
    let Opened { blocks, resolved, label } = open(input, job.columns, wanted)?;
    let shards = job.shards.max(1);
    let engines: Vec<E> = (0..shards).map(|_| engine()).collect();
    check_width(&table, &engines)?;
    let input = blocks.schema();
    let schema = Arc::new(columns(&table, label.map(|place| input.field(place)))?);
    let mut outcome = Outcome::create(&job, &input, &schema)?;
    let clock = Clock { now: job.now, delay: table.label_delay_ms };
    let workers = engines
        .into_iter()
        .enumerate()
        .map(|(shard, mut engine)| {
            let mut order = Order::default();
            move |prepared: &Prepared| share(&mut engine, prepared, shard, clock, &mut order)
        })
        .collect();
    let division = Division { resolved, label, shards };
    let notes = run(blocks, division, workers, |prepared, shares| {
        let mut shares = shares.into_iter().collect::<Result<Vec<_>, _>>()?;
        let batch = assemble(prepared, &schema, label, &shares)?;
        outcome.summary.late += shares.iter().map(|share| share.late).sum::<u64>();
        outcome.summary.out_of_order += shares.iter().map(|share| share.older).sum::<u64>();
        let rejected = shares.iter_mut().flat_map(|share| share.rejected.drain(..)).collect();
        outcome.block(prepared, &batch, rejected)
    })?;
    outcome.finish(notes, began)
}

#[derive(Debug, Clone, Copy)]
struct Clock {
    now: i64,
    delay: i64,
}

/// What a shard found out about its rows of a block.
struct FeatureShare {
    /// Rows with features.
    rows: Vec<u32>,
    /// Their features, row by row.
    values: Vec<f64>,
    late: u64,
    /// Rows behind a later one of their customer.
    older: u64,
    rejected: Vec<Rejection>,
}

fn check_width<E: Scorer>(table: &Table<'_>, engines: &[E]) -> Result<(), Error> {
    let names = table.names.len();
    match engines.iter().map(Scorer::width).find(|width| *width != names) {
        Some(width) => {
            Err(Error::Usage(format!("{names} feature names were given for {width} features")))
        }
        None => Ok(()),
    }
}

/// The table's columns. A label column with the name of another one is a usage error.
fn columns(table: &Table<'_>, label: Option<&Field>) -> Result<Schema, Error> {
    let id = |name| Field::new(name, DataType::Utf8, false);
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let mut fields = vec![id("transaction_id"), id("customer_id"), id("merchant_id")];
    fields.push(Field::new("event_time", time, false));
    fields.extend(label.cloned());
    fields.extend(table.names.iter().map(|name| Field::new(name, DataType::Float64, false)));
    let schema = Schema::new(fields);
    if let Some(label) = label {
        let same = schema.fields().iter().filter(|field| field.name() == label.name()).count();
        if same > 1 {
            return Err(Error::Usage(format!(
                "the label column {} has the name of another column of the table; rename it",
                label.name()
            )));
        }
    }
    Ok(schema)
}

/// Computes one shard's rows of a block, learning every verdict of the block on the way.
fn share(
    engine: &mut impl Scorer,
    prepared: &Prepared,
    shard: usize,
    clock: Clock,
    order: &mut Order,
) -> Result<FeatureShare, EngineError> {
    let mut share = FeatureShare {
        rows: Vec::with_capacity(prepared.shares[shard].len()),
        values: Vec::new(),
        late: 0,
        older: 0,
        rejected: Vec::new(),
    };
    let mut rest = prepared.shares[shard].as_slice();
    for fraud in &prepared.frauds {
        let (before, after) = rest.split_at(rest.partition_point(|row| row <= fraud));
        share.compute(engine, prepared, before, clock.now, order)?;
        learn(engine, prepared, *fraud, clock);
        rest = after;
    }
    share.compute(engine, prepared, rest, clock.now, order)?;
    Ok(share)
}

/// Tells an engine that a row is fraud. A row that is rejected has no verdict.
fn learn(engine: &mut impl Scorer, prepared: &Prepared, row: u32, clock: Clock) {
    let Ok(transaction) = prepared.transaction(row, clock.now) else { return };
    let labeled_at = transaction.event_time.millis().saturating_add(clock.delay.max(0));
    engine.learn(&Label {
        transaction_id: transaction.transaction_id,
        customer_id: transaction.customer_id,
        merchant_id: transaction.merchant_id,
        event_time: transaction.event_time,
        is_fraud: true,
        labeled_at: EventTime::from_trusted_millis(labeled_at),
        fraud_type: None,
    });
}

impl FeatureShare {
    fn compute(
        &mut self,
        engine: &mut impl Scorer,
        prepared: &Prepared,
        rows: &[u32],
        now: i64,
        order: &mut Order,
    ) -> Result<(), EngineError> {
        let mut batch: Vec<Transaction<'_>> = Vec::with_capacity(rows.len().min(CHUNK_ROWS));
        let mut places = Vec::with_capacity(rows.len().min(CHUNK_ROWS));
        let (mut values, mut seen) = (Vec::new(), Vec::new());
        for chunk in rows.chunks(CHUNK_ROWS) {
            batch.clear();
            places.clear();
            for row in chunk {
                match labelled(prepared, *row, now) {
                    Ok(transaction) => {
                        batch.push(transaction);
                        places.push(*row);
                    }
                    Err(rejection) => self.rejected.push(rejection),
                }
            }
            engine.features(&batch, &mut values, &mut seen)?;
            let scored = batch.iter().zip(&seen).filter(|(_, seen)| **seen != Seen::Duplicate);
            self.older +=
                scored.filter(|(transaction, _)| order.is_older(transaction)).count() as u64;
            self.take(prepared, &places, &batch, &values, &seen);
        }
        Ok(())
    }

    fn take(
        &mut self,
        prepared: &Prepared,
        places: &[u32],
        batch: &[Transaction<'_>],
        values: &[f64],
        seen: &[Seen],
    ) {
        let width = values.len().checked_div(batch.len()).unwrap_or(0);
        for (at, (row, seen)) in places.iter().zip(seen).enumerate() {
            if *seen == Seen::Duplicate {
                self.rejected.push(duplicate(prepared, *row, &batch[at]));
                continue;
            }
            self.late += u64::from(*seen == Seen::Late);
            self.rows.push(*row);
            self.values.extend_from_slice(&values[at * width..(at + 1) * width]);
        }
    }
}

/// The transaction of a row whose verdict, if it has one, can be read.
fn labelled(prepared: &Prepared, row: u32, now: i64) -> Result<Transaction<'_>, Rejection> {
    let transaction = prepared.transaction(row, now)?;
    let at = row as usize;
    match &prepared.verdicts {
        Some(verdicts) if verdicts.get(at) == Lookup::Broken => Err(Rejection {
            row: prepared.block.numbers.of(at),
            reason: INVALID_FIELD,
            message: format!("the label is {:?}, it must be true or false", verdicts.shown(at)),
            place: Some(at),
        }),
        _ => Ok(transaction),
    }
}

/// The rows of a block that have features, in input order.
fn assemble(
    prepared: &Prepared,
    schema: &SchemaRef,
    label: Option<usize>,
    shares: &[FeatureShare],
) -> Result<RecordBatch, Error> {
    let rows = prepared.block.batch.num_rows();
    let mut from: Vec<Option<(usize, usize)>> = vec![None; rows];
    for (shard, share) in shares.iter().enumerate() {
        for (at, row) in share.rows.iter().enumerate() {
            from[*row as usize] = Some((shard, at));
        }
    }
    let keep: BooleanArray = from.iter().map(|place| Some(place.is_some())).collect();
    let mut columns = leading(prepared, &keep)?;
    if let Some(place) = label {
        columns.push(filter(prepared.block.batch.column(place), &keep)?);
    }
    let width = schema.fields().len() - columns.len();
    let order: Vec<(usize, usize)> = from.into_iter().flatten().collect();
    columns.extend((0..width).map(|feature| feature_column(shares, &order, feature, width)));
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// Ids and time of the kept rows.
fn leading(prepared: &Prepared, keep: &BooleanArray) -> Result<Vec<ArrayRef>, Error> {
    let mut columns = Vec::with_capacity(4);
    for id in prepared.fields.ids() {
        columns.push(filter(id.values(), keep)?);
    }
    let times = prepared.fields.times().timestamps().with_timezone("UTC");
    columns.push(filter(&times, keep)?);
    Ok(columns)
}

fn feature_column(
    shares: &[FeatureShare],
    order: &[(usize, usize)],
    feature: usize,
    width: usize,
) -> ArrayRef {
    let value = |(shard, at): &(usize, usize)| shares[*shard].values[at * width + feature];
    Arc::new(Float64Array::from_iter_values(order.iter().map(value)))
}
