//! `customers`: shows what is remembered of a customer, and erases it.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::kafka::PATIENCE;
use super::output;
use super::snapshots::open;
use crate::base::clock::rfc3339;
use crate::base::config::Settings;
use crate::core::state::customer::CustomerState;
use crate::core::state::snapshot::decode;
use crate::core::transaction::Amount;
use crate::edges::database::{
    Progress, SnapshotStore, StoreError, StoredCustomer, Stream, each_handed_over,
};
use crate::edges::kafka::{committed_offsets, partitions_of};
use crate::service::connection;
use crate::stream::snapshots::erasure;

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Show what is stored of a customer
    #[command(after_help = "Examples:\n  \
        synfinance --config site.yaml customers show c-1234\n  \
        synfinance customers show c-1234 --json\n\n\
        As of the last save, or as handed over by an owner that let go before it had saved. \
        Windows that reach back beyond incomplete_at lack records. Merchants, categories and \
        cities are remembered as hashes.")]
    Show(Show),
    /// Forget customers: what is stored, in memory, and what the topic would bring back
    #[command(after_help = "Example:\n  \
        synfinance --config site.yaml customers erase c-1234 c-5678\n\n\
        A record remains: that the id was erased, and when. Payments scored later begin a new \
        memory. Records in Kafka are not touched, they go with the topic's retention. A service \
        that runs reads its partitions again from their snapshots, which takes seconds; name all \
        ids in one call. If it fails half-way it says so and can be repeated.")]
    Erase(Erase),
}

/// Arguments of `customers show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The customer_id
    id: String,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `customers erase`.
#[derive(Debug, Args)]
pub(super) struct Erase {
    /// The customer_ids
    #[arg(required = true)]
    ids: Vec<String>,

    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<()> {
    match arguments {
        Arguments::Show(arguments) => show(arguments, settings),
        Arguments::Erase(arguments) => erase(arguments, settings),
    }
}

fn show(arguments: &Show, settings: &Settings) -> anyhow::Result<()> {
    let (mut store, _, location) = open(settings)?;
    let mut found: Vec<Value> = Vec::new();
    for progress in store.progress()? {
        for (customer, is_handed_over) in rows(&mut *store, &progress, &arguments.id)? {
            let state = decode(&customer.state);
            found.push(json!({
                "partition": progress.partition,
                "applied_offset": customer.applied_offset,
                "handed_over": is_handed_over,
                "incomplete_at": progress.incomplete_at_ms.map(rfc3339),
                "erased_at": customer.erased_at_ms.map(rfc3339),
                "bytes": customer.state.len(),
                "state": match &state {
                    Ok(state) => state_json(state),
                    Err(error) => json!({"unreadable": error.to_string()}),
                },
            }));
        }
    }
    if found.is_empty() {
        bail!("{} has nothing of customer {}", location.name(), arguments.id);
    }
    let shown = json!({"customer_id": arguments.id, "stored": found});
    let text = serde_json::to_string_pretty(&shown).context("writing JSON")?;
    output::summary(&text, &shown, arguments.json, false)
}

/// The stored rows of a customer (`false`), and the handed-over ones (`true`), which replace them
/// when the partition is claimed.
fn rows(
    store: &mut dyn SnapshotStore,
    progress: &Progress,
    id: &str,
) -> anyhow::Result<Vec<(StoredCustomer, bool)>> {
    let partition = progress.partition;
    let stored = store.load(partition, &[id])?.into_iter().map(|row| (row, false));
    let mut rows: Vec<_> = stored.collect();
    each_handed_over(store, (partition, progress.handed_over), &mut |row| {
        rows.extend(Some(row).filter(|row| row.customer_id == id).map(|row| (row, true)));
        Ok::<_, StoreError>(())
    })?;
    Ok(rows)
}

fn state_json(state: &CustomerState) -> Value {
    let columns = &state.columns;
    let transactions: Vec<Value> = (0..columns.len())
        .map(|index| {
            let amount = Amount::from_minor(columns.amount(index)).major();
            json!({"event_time": rfc3339(columns.time(index)), "amount": amount})
        })
        .collect();
    json!({"first_seen": state.first_seen().map(rfc3339), "transactions": transactions})
}

fn erase(arguments: &Erase, settings: &Settings) -> anyhow::Result<()> {
    let (mut store, stream, location) = open(settings)?;
    let connection = connection(&settings.stream)?;
    let in_topic = partitions_of(&connection, &stream.topic, PATIENCE)?;
    let ids: Vec<&str> = arguments.ids.iter().map(String::as_str).collect();
    let mut committed = |partition| {
        let Stream { group_id, topic } = &stream;
        let offsets = committed_offsets(&connection, group_id, topic, &[partition], PATIENCE)?;
        Ok(offsets.first().map_or(0, |(_, offset)| *offset))
    };
    let erased = erasure::erase(&mut *store, &ids, &in_topic, &mut committed)?;
    let text = format!(
        "erased {} customers in {} partitions of {}; {} snapshots of them were stored",
        ids.len(),
        erased.partitions,
        location.name(),
        erased.snapshots
    );
    let json = json!({
        "customers": ids.len(), "partitions": erased.partitions, "snapshots": erased.snapshots,
    });
    output::summary(&text, &json, arguments.json, false)
}
