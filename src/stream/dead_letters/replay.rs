//! Sends dead letters back to where they came from.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use super::browse::visit;
use super::{Error, Letter, Place, Selection, Topic};
use crate::edges::kafka::{Connection, Copier, Destination, partitions_of};

/// The result of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Selected letters.
    pub selected: u64,
    /// Those that the brokers have acknowledged; 0 for a dry run.
    pub replayed: u64,
    /// Those that cannot be replayed, because their value was too large to be kept.
    pub incomplete: u64,
    /// Letters that went, or would go, to each topic.
    pub by_topic: BTreeMap<String, u64>,
    /// Named places without a selected letter.
    pub not_found: Vec<Place>,
}

/// Produces the selected letters to their source topics and partitions and waits for the brokers'
/// acknowledgements. A letter without a source goes to topic `fallback`; one whose partition does
/// not exist goes where its key leads. A dry run (`is_dry`) produces nothing.
///
/// Order is kept within a partition of the dead-letter topic. Letters stay there: a second replay
/// sends them again.
///
/// # Errors
/// [`Error`]; letters may have been replayed before it came.
pub fn replay(
    topic: &Topic<'_>,
    selection: &Selection,
    fallback: &str,
    is_dry: bool,
) -> Result<Replayed, Error> {
    let Topic { connection, patience, .. } = topic;
    let copier = if is_dry { None } else { Some(Copier::new(connection)?) };
    let mut targets = Targets::default();
    let mut outcome = Replayed { not_found: selection.places.clone(), ..Replayed::default() };
    let visited = visit(topic, selection, &mut |record| {
        let letter = Letter::of(record);
        if !selection.has(&letter) {
            return Ok(ControlFlow::Continue(()));
        }
        outcome.not_found.retain(|place| *place != letter.place);
        outcome.selected += 1;
        if !letter.is_whole() {
            outcome.incomplete += 1;
            return Ok(ControlFlow::Continue(()));
        }
        let source = letter.source();
        let name = source.topic.as_deref().unwrap_or(fallback);
        let partition = targets.partition(connection, name, source.partition, *patience)?;
        *outcome.by_topic.entry(name.to_owned()).or_default() += 1;
        if let Some(copier) = &copier {
            let to = Destination { topic: name, partition };
            copier.send(record, to, &letter.replay_headers(), *patience)?;
        }
        Ok(ControlFlow::Continue(()))
    });
    // What was sent is on its way, even if reading failed.
    if let Some(copier) = copier {
        outcome.replayed = copier.finish(*patience)?;
    }
    visited?;
    Ok(outcome)
}

/// The partitions of each target topic, asked for once.
#[derive(Default)]
struct Targets(BTreeMap<String, Vec<i32>>);

impl Targets {
    /// The wanted partition if the topic has it. A missing topic is an error, and asking does not
    /// create it.
    fn partition(
        &mut self,
        connection: &Connection,
        topic: &str,
        wanted: Option<i32>,
        patience: Duration,
    ) -> Result<Option<i32>, Error> {
        if !self.0.contains_key(topic) {
            self.0.insert(topic.to_owned(), partitions_of(connection, topic, patience)?);
        }
        Ok(wanted.filter(|id| self.0[topic].contains(id)))
    }
}
