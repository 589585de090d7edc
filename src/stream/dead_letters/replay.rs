//! Dead letters back to where they came from.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use super::browse::visit;
use super::{Error, Letter, Place, Selection, Topic};
use crate::edges::kafka::{Connection, Copier, Destination, partitions_of};

/// What a replay came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters that were meant.
    pub selected: u64,
    /// Of them those that the brokers have acknowledged; 0 for a dry run.
    pub replayed: u64,
    /// Of them those that cannot be replayed, because their value was too large to be kept.
    pub incomplete: u64,
    /// How many went, or would go, to which topic.
    pub by_topic: BTreeMap<String, u64>,
    /// Places that were named and hold no letter.
    pub not_found: Vec<Place>,
}

/// Produces the letters that are meant to the topics and partitions that they came from, and waits
/// until the brokers have them. A letter that does not say where it came from goes to `fallback`;
/// one whose partition is no more goes where its key leads. With `is_dry` nothing is produced.
///
/// The order of a partition of the dead-letter topic is kept. Letters stay where they are: a second
/// replay sends them again.
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
    // What was handed over is on its way, whatever happened to the reading.
    if let Some(copier) = copier {
        outcome.replayed = copier.finish(*patience)?;
    }
    visited?;
    Ok(outcome)
}

/// Topics that letters go to, and the partitions they have.
#[derive(Default)]
struct Targets(BTreeMap<String, Vec<i32>>);

impl Targets {
    /// The wanted partition if the topic has it. A topic that is not there is an error and is not
    /// made by asking.
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
