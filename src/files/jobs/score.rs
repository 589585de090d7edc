//! `score`: every row of a file with its fraud probability, verdict, severity and reasons.
//!
//! The input's columns pass through untouched, in order, and four follow: `fraud_probability`
//! (double), `is_fraud` (boolean: at or above the model's threshold), `severity` (text, null when
//! it is no alert) and `reasons` (a text that holds a JSON array, `[]` when it is no alert).
//! Reasons are JSON text in all four formats, because CSV has no lists and a column should not
//! change its type with the file's extension. Rows that were rejected are not in the output.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, SchemaRef};
use arrow_select::filter::filter_record_batch;

use super::job::{Job, Opened, Outcome, Wanted, open};
use super::order::Order;
use super::reasons::reasons_json;
use super::shards::{Division, Prepared, run};
use super::{Scorer, Summary};
use crate::core::codec::Reason;
use crate::core::decision::Severity;
use crate::core::engine::{Decision, EngineError};
use crate::core::transaction::Transaction;
use crate::files::Error;
use crate::files::format::Source;
use crate::files::rejection::{DUPLICATE, Rejection};
use crate::files::write::{Naming, extended};

/// Transactions handed to an engine at a time.
pub(super) const CHUNK_ROWS: usize = 512;

/// Scores every row of `input` with engines that `engine` makes, one per shard.
///
/// Errors: usage errors before the first row is scored (columns, types, file names); failures of
/// files while running, after which no output file is left.
pub fn score<E: Scorer>(
    input: Source,
    job: Job<'_>,
    engine: impl Fn() -> E,
) -> Result<Summary, Error> {
    let began = (job.clock)();
    let Opened { blocks, resolved, .. } = open(input, job.columns, Wanted::All)?;
    let Naming { schema, renamed } = extended(&blocks.schema(), added(), job.output.format());
    let mut outcome = Outcome::create(&job, &blocks.schema(), &schema)?;
    outcome.summary.renamed = renamed;
    let division = Division { resolved, label: None, shards: job.shards.max(1) };
    let now = job.now;
    let workers = (0..division.shards)
        .map(|shard| {
            let mut engine = engine();
            let mut decisions = Vec::new();
            let mut order = Order::default();
            move |prepared: &Prepared| {
                score_share(&mut engine, prepared, shard, now, (&mut decisions, &mut order))
            }
        })
        .collect();
    let schema: SchemaRef = Arc::new(schema);
    let notes = run(blocks, division, workers, |prepared, shares| {
        let mut shares = shares.into_iter().collect::<Result<Vec<_>, _>>()?;
        let batch = assemble(prepared, &schema, &shares)?;
        outcome.summary.alerts += shares.iter().map(|share| share.alerts.len() as u64).sum::<u64>();
        outcome.summary.late += shares.iter().map(|share| share.late).sum::<u64>();
        outcome.summary.out_of_order += shares.iter().map(|share| share.older).sum::<u64>();
        let rejected = shares.iter_mut().flat_map(|share| share.rejected.drain(..)).collect();
        outcome.block(prepared, &batch, rejected)
    })?;
    outcome.finish(notes, began)
}

/// What a shard found out about its rows of a block.
pub(super) struct ScoredShare {
    /// Score of each of the shard's rows that has one.
    scores: Vec<(u32, f64)>,
    alerts: Vec<(u32, Severity, String)>,
    rejected: Vec<Rejection>,
    /// Rows of this block that came too late to be remembered.
    late: u64,
    /// Rows of this block behind a later one of their customer.
    older: u64,
}

/// Scores one shard's rows of a block.
fn score_share(
    engine: &mut impl Scorer,
    prepared: &Prepared,
    shard: usize,
    now: i64,
    (decisions, order): (&mut Vec<Option<Decision>>, &mut Order),
) -> Result<ScoredShare, EngineError> {
    let rows = &prepared.shares[shard];
    let mut share = ScoredShare {
        scores: Vec::with_capacity(rows.len()),
        alerts: Vec::new(),
        rejected: Vec::new(),
        late: 0,
        older: 0,
    };
    let late_before = engine.late();
    let mut batch: Vec<Transaction<'_>> = Vec::with_capacity(CHUNK_ROWS);
    let mut places: Vec<u32> = Vec::with_capacity(CHUNK_ROWS);
    for chunk in rows.chunks(CHUNK_ROWS) {
        batch.clear();
        places.clear();
        for row in chunk {
            match prepared.transaction(*row, now) {
                Ok(transaction) => {
                    batch.push(transaction);
                    places.push(*row);
                }
                Err(rejection) => share.rejected.push(rejection),
            }
        }
        engine.score(&batch, decisions)?;
        for ((row, transaction), decision) in places.iter().zip(&batch).zip(decisions.drain(..)) {
            share.older += u64::from(decision.is_some() && order.is_older(transaction));
            share.take(prepared, *row, transaction, decision);
        }
    }
    share.late = engine.late() - late_before;
    Ok(share)
}

impl ScoredShare {
    fn take(
        &mut self,
        prepared: &Prepared,
        row: u32,
        transaction: &Transaction<'_>,
        decision: Option<Decision>,
    ) {
        let Some(decision) = decision else {
            self.rejected.push(duplicate(prepared, row, transaction));
            return;
        };
        if !decision.is_scored() {
            self.rejected.push(not_scored(prepared, row, transaction));
            return;
        }
        self.scores.push((row, decision.score));
        if let Some(severity) = decision.severity {
            self.alerts.push((row, severity, reasons_json(&decision.reasons)));
        }
    }
}

/// A row whose transaction_id its customer has had before.
pub(super) fn duplicate(prepared: &Prepared, row: u32, transaction: &Transaction<'_>) -> Rejection {
    Rejection {
        row: prepared.block.numbers.of(row as usize),
        reason: DUPLICATE,
        message: format!("transaction_id {} was seen before", transaction.transaction_id),
        place: Some(row as usize),
    }
}

/// A row whose features the model answers with no number from 0 to 1.
fn not_scored(prepared: &Prepared, row: u32, transaction: &Transaction<'_>) -> Rejection {
    Rejection {
        row: prepared.block.numbers.of(row as usize),
        reason: Reason::NotScored.word(),
        message: format!("the model gives {} no score", transaction.transaction_id),
        place: Some(row as usize),
    }
}

/// The columns that scoring adds.
fn added() -> Vec<Field> {
    vec![
        Field::new("fraud_probability", DataType::Float64, false),
        Field::new("is_fraud", DataType::Boolean, false),
        Field::new("severity", DataType::Utf8, true),
        Field::new("reasons", DataType::Utf8, false),
    ]
}

/// The scored rows of a block: input columns, then results.
fn assemble(
    prepared: &Prepared,
    schema: &SchemaRef,
    shares: &[ScoredShare],
) -> Result<RecordBatch, Error> {
    let rows = prepared.block.batch.num_rows();
    let mut scores: Vec<Option<f64>> = vec![None; rows];
    let mut alerts: Vec<Option<(Severity, &str)>> = vec![None; rows];
    for share in shares {
        for (row, score) in &share.scores {
            scores[*row as usize] = Some(*score);
        }
        for (row, severity, reasons) in &share.alerts {
            alerts[*row as usize] = Some((*severity, reasons));
        }
    }
    let kept = filtered(&prepared.block.batch, &scores)?;
    let mut columns = kept.columns().to_vec();
    columns.extend(results(&scores, &alerts));
    let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// The rows that have a score.
fn filtered(batch: &RecordBatch, scores: &[Option<f64>]) -> Result<RecordBatch, Error> {
    if scores.iter().all(Option::is_some) {
        return Ok(batch.clone());
    }
    let keep: BooleanArray = scores.iter().map(|score| Some(score.is_some())).collect();
    Ok(filter_record_batch(batch, &keep)?)
}

fn results(scores: &[Option<f64>], alerts: &[Option<(Severity, &str)>]) -> [ArrayRef; 4] {
    let mut probability = Float64Builder::with_capacity(scores.len());
    let mut is_fraud = BooleanBuilder::with_capacity(scores.len());
    let mut severity = StringBuilder::with_capacity(scores.len(), 256);
    let mut reasons = StringBuilder::with_capacity(scores.len(), scores.len() * 3);
    for (score, alert) in scores.iter().zip(alerts) {
        let Some(score) = score else { continue };
        probability.append_value(*score);
        is_fraud.append_value(alert.is_some());
        severity.append_option(alert.map(|(severity, _)| severity.symbol()));
        reasons.append_value(alert.map_or("[]", |(_, reasons)| reasons));
    }
    [
        Arc::new(probability.finish()),
        Arc::new(is_fraud.finish()),
        Arc::new(severity.finish()),
        Arc::new(reasons.finish()),
    ]
}
