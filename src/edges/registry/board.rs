//! What is known about the registry and its schemas, shared by those who ask and the thread that
//! fetches.
//!
//! Everything is bounded, because ids come from records and anybody can write a record: schemas by
//! number and bytes, ids being fetched by number, and ids that the registry does not know in a list
//! of their own, so that a flood of made-up ids cannot push out schemas in use.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::recent::Recent;
use super::{Lookup, Pace, Standing, Tell};
use crate::base::clock::{Stopwatch, now_millis};
use crate::core::codec::MAX_SCHEMAS;

/// How many bytes of schemas are kept.
const MAX_BYTES: usize = 64 << 20;

/// How many ids are fetched at a time; further ones stay pending and callers ask again.
const MAX_FETCHES: usize = 64;

/// Shortest time between two log lines about the same trouble.
const LOG_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What the caller does after looking.
pub(super) enum Look {
    /// The answer.
    Answer(Lookup),
    /// Nothing is known and nobody is fetching it: the caller must start a fetch.
    Fetch,
}

/// What is known of schemas, and whether the registry answers.
pub(super) struct Board {
    /// The registry's address, without user and password.
    registry: String,
    tell: Tell,
    pub(super) pace: Pace,
    state: Mutex<State>,
}

struct State {
    known: Recent<Arc<str>>,
    unknown: Recent<Stopwatch>,
    fetching: HashSet<u32>,
    /// How many callers wait for the alerts' schema.
    waiting: usize,
    trouble: Option<Trouble>,
    /// The id to probe with; set once the registry has answered.
    probe_id: Option<u32>,
}

/// Since when and why the registry does not answer.
struct Trouble {
    since: i64,
    why: String,
    logged: Stopwatch,
}

impl Board {
    pub(super) fn new(registry: String, tell: Tell, pace: Pace) -> Self {
        let state = State {
            known: Recent::new(MAX_SCHEMAS, MAX_BYTES),
            unknown: Recent::new(MAX_SCHEMAS, usize::MAX),
            fetching: HashSet::new(),
            waiting: 0,
            trouble: None,
            probe_id: None,
        };
        Self { registry, tell, pace, state: Mutex::new(state) }
    }

    /// What is known of an id. After [`Look::Fetch`] the id counts as being fetched.
    pub(super) fn look(&self, id: u32) -> Look {
        let mut state = self.lock();
        if let Some(schema) = state.known.get(id) {
            return Look::Answer(Lookup::Known(Arc::clone(schema)));
        }
        let is_fresh = |since: &Stopwatch| since.elapsed() < self.pace.unknown_for;
        if state.unknown.get(id).is_some_and(is_fresh) {
            return Look::Answer(Lookup::Unknown);
        }
        if state.fetching.len() >= MAX_FETCHES || !state.fetching.insert(id) {
            return Look::Answer(Lookup::Pending);
        }
        self.report(&state);
        Look::Fetch
    }

    /// Takes back a [`Look::Fetch`]: the id is not being fetched.
    pub(super) fn withdraw(&self, id: u32) {
        let mut state = self.lock();
        state.fetching.remove(&id);
        self.report(&state);
    }

    /// Notes the registry's answer for an id: its schema, or `None` if it has none.
    pub(super) fn learn(&self, id: u32, schema: Option<String>) {
        let mut state = self.lock();
        state.fetching.remove(&id);
        match schema {
            Some(schema) => {
                state.unknown.remove(id);
                state.known.insert(id, schema.len(), schema.into());
                self.recover(&mut state, Some(id));
            }
            None => {
                state.unknown.insert(id, 0, Stopwatch::start());
                self.recover(&mut state, None);
            }
        }
    }

    /// Notes that the registry answered; `id` is one that it has.
    pub(super) fn answered(&self, id: Option<u32>) {
        self.recover(&mut self.lock(), id);
    }

    fn recover(&self, state: &mut State, id: Option<u32>) {
        // Until an id is known, 1 is a fair guess.
        state.probe_id = id.or(state.probe_id).or(Some(1));
        if let Some(trouble) = state.trouble.take() {
            let seconds = now_millis().saturating_sub(trouble.since) / 1_000;
            tracing::info!(registry = self.registry, seconds, "schema registry answers again");
        }
        self.report(state);
    }

    /// Notes that the registry did not answer, and why.
    pub(super) fn silent(&self, why: &str) {
        let mut state = self.lock();
        let log = || {
            tracing::warn!(registry = self.registry, why, "schema registry does not answer");
            Stopwatch::start()
        };
        match &mut state.trouble {
            Some(trouble) => {
                why.clone_into(&mut trouble.why);
                if trouble.logged.elapsed() >= LOG_AGAIN_AFTER {
                    trouble.logged = log();
                }
            }
            None => {
                let trouble = Trouble { since: now_millis(), why: why.to_owned(), logged: log() };
                state.trouble = Some(trouble);
            }
        }
        self.report(&state);
    }

    /// Why the registry does not answer and since when; `None` if it does.
    pub(super) fn trouble(&self) -> Option<String> {
        self.lock().trouble.as_ref().map(|trouble| self.words(trouble))
    }

    /// Marks that a caller needs the alerts' schema to go on, until the guard is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.lock().waiting += 1;
        Waiting(self)
    }

    /// The id to probe with; `None` while others ask the registry anyway.
    pub(super) fn probe(&self) -> Option<u32> {
        let state = self.lock();
        (!state.stands_still()).then(|| state.probe_id.unwrap_or(1))
    }

    /// How long until the next probe.
    pub(super) fn probe_wait(&self) -> Duration {
        let state = self.lock();
        let is_well = state.trouble.is_none() && state.probe_id.is_some();
        if is_well { self.pace.probe } else { self.pace.probe_in_trouble }
    }

    fn report(&self, state: &State) {
        let standing = match &state.trouble {
            Some(trouble) if state.stands_still() => Standing::Missed(self.words(trouble)),
            Some(trouble) => Standing::Silent(self.words(trouble)),
            None if state.probe_id.is_some() => Standing::Answers,
            None => return,
        };
        (self.tell)(standing);
    }

    fn words(&self, trouble: &Trouble) -> String {
        let since = jiff::Timestamp::from_millisecond(trouble.since).unwrap_or_default();
        let Self { registry, .. } = self;
        let why = &trouble.why;
        format!("the schema registry {registry} does not answer since {since:.0}: {why}")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether somebody needs an answer to go on.
    fn stands_still(&self) -> bool {
        self.waiting > 0 || !self.fetching.is_empty()
    }
}

/// A caller waits for an answer as long as this lives.
pub(super) struct Waiting<'a>(&'a Board);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.waiting -= 1;
        self.0.report(&state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told = Arc<Mutex<Option<Standing>>>;

    fn board() -> (Board, Told) {
        let told = Told::default();
        let last = Arc::clone(&told);
        let tell: Tell = Arc::new(move |standing| *last.lock().unwrap() = Some(standing));
        (Board::new("http://h".to_owned(), tell, Pace::default()), told)
    }

    fn standing(told: &Told) -> &'static str {
        match &*told.lock().unwrap() {
            None => "untold",
            Some(Standing::Answers) => "answers",
            Some(Standing::Unused) => "unused",
            Some(Standing::Silent(why)) => {
                assert!(why.contains("http://h") && why.contains("away"), "{why}");
                "silent"
            }
            Some(Standing::Missed(_)) => "missed",
        }
    }

    #[test]
    fn a_silent_registry_is_down_only_while_somebody_needs_it() {
        let (board, told) = board();
        assert_eq!(standing(&told), "untold");
        board.silent("away");
        assert_eq!((standing(&told), board.probe()), ("silent", Some(1)));
        assert!(matches!(board.look(7), Look::Fetch));
        assert_eq!((standing(&told), board.probe()), ("missed", None));
        board.learn(7, Some("{}".to_owned()));
        assert_eq!((standing(&told), board.probe(), board.trouble()), ("answers", Some(7), None));
        board.silent("away");
        assert_eq!(standing(&told), "silent");
        let waiting = board.wait();
        board.silent("away");
        assert_eq!((standing(&told), board.probe()), ("missed", None));
        drop(waiting);
        assert_eq!(standing(&told), "silent");
        let trouble = board.trouble().unwrap();
        assert!(
            trouble.starts_with("the schema registry http://h does not answer since 2"),
            "{trouble}"
        );
        assert!(trouble.ends_with("Z: away"), "{trouble}");
        board.answered(None);
        assert_eq!((standing(&told), board.trouble()), ("answers", None));
    }

    #[test]
    fn an_id_is_fetched_once_at_a_time_and_few_at_once() {
        let (board, _told) = board();
        let fetches = |ids: std::ops::Range<u32>| {
            ids.filter(|id| matches!(board.look(*id), Look::Fetch)).count()
        };
        assert_eq!((fetches(0..1), fetches(0..1)), (1, 0));
        assert_eq!(fetches(0..1_000), MAX_FETCHES - 1);
        board.learn(0, None);
        board.withdraw(1);
        assert!(matches!(board.look(0), Look::Answer(Lookup::Unknown)));
        assert_eq!(fetches(0..1_000), 2);
    }

    #[test]
    fn made_up_ids_do_not_push_out_schemas() {
        let (board, _told) = board();
        board.learn(5, Some("{}".to_owned()));
        (1_000..6_000).for_each(|id| board.learn(id, None));
        assert!(matches!(board.look(5), Look::Answer(Lookup::Known(_))));
        assert!(matches!(board.look(1_000), Look::Fetch));
        assert!(matches!(board.look(5_999), Look::Answer(Lookup::Unknown)));
    }

    #[test]
    fn probes_are_more_frequent_while_nothing_is_heard() {
        let (board, _told) = board();
        let Pace { probe, probe_in_trouble, .. } = Pace::default();
        assert_eq!(board.probe_wait(), probe_in_trouble);
        board.answered(None);
        assert_eq!(board.probe_wait(), probe);
        board.silent("away");
        assert_eq!(board.probe_wait(), probe_in_trouble);
    }
}
