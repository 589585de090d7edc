//! Reads dead letters.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Error, Letter, Place, Selection, Topic};
use crate::base::clock::Stopwatch;
use crate::edges::kafka::{Reader, Record};

/// Letters taken at once.
const BATCH: usize = 512;

/// How long to wait for a letter before looking at `stop`.
const WAIT: Duration = Duration::from_millis(100);

/// The result of [`list`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The newest selected letters, newest last.
    pub letters: Vec<Letter>,
    /// The number of selected letters.
    pub selected: u64,
}

/// Lists the newest `limit` of the selected letters that were there at the call.
///
/// # Errors
/// [`Error`].
pub fn list(topic: &Topic<'_>, selection: &Selection, limit: usize) -> Result<Listing, Error> {
    let mut newest: BTreeMap<(Option<i64>, Place), Letter> = BTreeMap::new();
    let mut selected = 0;
    visit(topic, selection, &mut |record| {
        let letter = Letter::of(record);
        if selection.has(&letter) {
            selected += 1;
            newest.insert((letter.timestamp_ms, letter.place), letter);
            if newest.len() > limit {
                newest.pop_first();
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Listing { letters: newest.into_values().collect(), selected })
}

/// A letter and its value, if it has one.
pub type Found = (Letter, Option<Vec<u8>>);

/// Finds the letter at a place, with its value; `None` if there is none.
///
/// # Errors
/// [`Error`].
pub fn find(topic: &Topic<'_>, place: Place) -> Result<Option<Found>, Error> {
    let selection = Selection { places: vec![place], ..Selection::default() };
    let mut found = None;
    visit(topic, &selection, &mut |record| {
        let letter = Letter::of(record);
        if selection.has(&letter) {
            found = Some((letter, record.value().map(<[u8]>::to_vec)));
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Handles a record of the topic; `Break` ends the visit.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&mut Record<'_>) -> Result<ControlFlow<()>, Error>;

/// Passes every record that may be selected to `each`, in partition order, until it breaks off.
/// Letters that come later are left alone: a replay would otherwise chase those that fail again.
pub(super) fn visit(
    topic: &Topic<'_>,
    selection: &Selection,
    each: Visit<'_>,
) -> Result<(), Error> {
    let Topic { connection, group_id, name, patience, .. } = topic;
    let reader = Reader::open(connection, group_id, name, selection.start(), *patience)?;
    let mut ends = Ends::new(selection);
    let mut since_record = Stopwatch::start();
    while !reader.caught_up() && !ends.are_reached() {
        if topic.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let mut records = Vec::new();
        reader.take(BATCH, WAIT, &mut records)?;
        if !records.is_empty() {
            since_record = Stopwatch::start();
        }
        for mut record in records {
            let place = Place { partition: record.partition(), offset: record.offset() };
            ends.pass(selection, place);
            if reader.was_there(&record) && each(&mut record)?.is_break() {
                return Ok(());
            }
        }
        if since_record.elapsed() > *patience && !reader.caught_up() {
            let (read, all) = reader.progress();
            let (topic, left) = (topic.name.to_owned(), all - read);
            return Err(Error::Stalled { topic, seconds: patience.as_secs(), left });
        }
    }
    Ok(())
}

/// Partitions where a letter named by its place may still come; empty from the start if none is
/// named.
struct Ends {
    open: Vec<i32>,
    is_bounded: bool,
}

impl Ends {
    fn new(selection: &Selection) -> Self {
        let mut open: Vec<i32> = selection.places.iter().map(|place| place.partition).collect();
        open.sort_unstable();
        open.dedup();
        Self { is_bounded: !open.is_empty(), open }
    }

    /// Notes that a record was seen.
    fn pass(&mut self, selection: &Selection, place: Place) {
        let next = Place { offset: place.offset.saturating_add(1), ..place };
        if self.is_bounded && selection.is_past(next) {
            self.open.retain(|partition| *partition != place.partition);
        }
    }

    /// Whether every named letter has been passed; `false` if none is named.
    fn are_reached(&self) -> bool {
        self.is_bounded && self.open.is_empty()
    }
}
