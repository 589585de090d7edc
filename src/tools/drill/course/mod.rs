//! One failure after the other.
//!
//! Every failure has the same frame: the load begins, the service keeps up with it, the failure
//! strikes, the load goes on until the service keeps up again, the load rests, and everything
//! produced is committed. Only then does the next one begin, so every record belongs to one
//! failure. Whether the service keeps up is taken from the group's committed offsets, and only
//! decides how long the load goes on; the measures come from the alerts received.

mod waits;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::brokers::{self, Restart};
use super::child::Child;
use super::feed::Feed;
use super::oracle::Oracle;
use super::relay::{Door, Relay};
use super::verdict::{Limits, Report, Row, measure};
use super::watch::{Ledger, Watch, open};
use super::{Error, Failure, PARTITIONS, Settings};
use crate::base::clock::{Stopwatch, millis, now_millis};
use crate::edges::database::Location;
use crate::edges::kafka::broker_ids;

/// Time between two looks at everything.
const LOOK: Duration = Duration::from_millis(20);

/// Time between two looks at the committed offsets, and how long to wait for their answer.
const COMMITTED: Duration = Duration::from_millis(250);
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// An alert within this time of its record is on time.
const ON_TIME: Duration = Duration::from_secs(1);

/// How far behind the service may be and still keep up, in addition to its commit interval.
const GRACE: Duration = Duration::from_millis(500);

/// How long the service must have kept up before that counts.
const STEADY: Duration = Duration::from_secs(1);

/// How long to wait for surplus deliveries after everything has arrived.
const QUIET: Duration = Duration::from_secs(1);

/// How many wrong alerts are explained.
const EXPLAINED: usize = 3;

/// How long the service may take to end.
const END: Duration = Duration::from_secs(60);

/// A failure that has struck.
struct Phase {
    began_ms: i64,
    /// The times from which recovery is counted.
    moments: Vec<i64>,
    transactions: u64,
    /// Whether everything was committed and all alerts arrived.
    is_settled: bool,
}

/// How much was acknowledged at which time, to tell how far behind the committed offsets are.
#[derive(Default)]
struct Pulse {
    acknowledged: VecDeque<(i64, u64)>,
    steady_since: Option<i64>,
    looked: Option<Stopwatch>,
}

/// A drill in progress.
pub(super) struct Course<'a> {
    settings: &'a Settings,
    directory: &'a Path,
    feed: &'a Feed,
    watch: &'a Watch,
    oracle: Oracle<'a>,
    ledger: Ledger,
    database: Option<Relay>,
    registry: Option<Relay>,
    children: Vec<Child>,
    /// The ids of the cluster's brokers.
    brokers: Vec<i32>,
    pulse: Pulse,
    /// When the current failure's load began, while the oracle does not know its alerts yet.
    open_since: Option<i64>,
}

/// The signals to end: from outside, and from the drill's other threads.
#[derive(Clone, Copy)]
struct Signals<'a> {
    stop: &'a AtomicBool,
    is_broken: &'a dyn Fn() -> bool,
}

impl<'a> Course<'a> {
    /// A course with running relays; the service is not started yet.
    pub(super) fn new(
        settings: &'a Settings,
        directory: &'a Path,
        (feed, watch): (&'a Feed, &'a Watch),
        oracle: Oracle<'a>,
    ) -> Result<Self, Error> {
        let relay = |address: &Result<_, _>| address.clone().ok().map(Relay::start).transpose();
        Ok(Self {
            database: relay(&settings.database)?,
            registry: relay(&settings.registry)?,
            settings,
            directory,
            feed,
            watch,
            oracle,
            ledger: Ledger::default(),
            children: Vec::new(),
            brokers: broker_ids(&settings.connection, brokers::ANSWER_TIME)?,
            pulse: Pulse::default(),
            open_since: None,
        })
    }

    /// Runs all failures and reports on those that have struck, however the course ended.
    pub(super) fn run(
        mut self,
        stop: &AtomicBool,
        is_broken: &dyn Fn() -> bool,
        report: &mut Report,
    ) -> Result<(), Error> {
        let signals = Signals { stop, is_broken };
        let mut phases = Vec::new();
        let outcome = self.strike_all(signals, &mut phases);
        self.feed.set(false);
        for child in &mut self.children {
            if !child.terminate(END) {
                tracing::warn!("the service did not end in order after the drill");
            }
        }
        self.report(&phases, report);
        outcome.and_then(|()| {
            report.dead_letters = self.dead_letters()?;
            Ok(())
        })
    }

    fn strike_all(
        &mut self,
        signals: Signals<'_>,
        phases: &mut Vec<(Option<Failure>, Result<Phase, String>)>,
    ) -> Result<(), Error> {
        let all = [None].into_iter().chain(self.settings.failures.iter().copied().map(Some));
        phases.extend(all.map(|failure| {
            let hindrance = failure.and_then(|failure| self.hindrance(failure));
            let why = hindrance.unwrap_or("the drill ended early");
            (failure, Err(why.to_owned()))
        }));
        let child = self.start(0)?;
        self.children.push(child);
        let has_all = |course: &mut Self| course.children[0].partitions() == PARTITIONS as u32;
        self.expect(signals, "the service's assignment", "", has_all)?;
        let mut number = 0;
        for (failure, outcome) in phases {
            if failure.is_some_and(|failure| self.hindrance(failure).is_some()) {
                number += 1;
                continue;
            }
            let what = failure.map_or("none", Failure::title);
            tracing::info!(failure = what, "the load begins");
            let phase = self.phase(*failure, number, signals)?;
            let is_settled = phase.is_settled;
            *outcome = Ok(phase);
            number += 1;
            if !is_settled {
                tracing::error!(failure = what, "the service has not recovered, the drill ends");
                break;
            }
        }
        Ok(())
    }

    /// Why a failure cannot be made here; `None` if it can.
    fn hindrance(&self, failure: Failure) -> Option<&'static str> {
        match failure {
            Failure::Kill | Failure::Move => None,
            Failure::Database => self.settings.database.as_ref().err().copied(),
            Failure::Registry => self.settings.registry.as_ref().err().copied(),
            Failure::Broker | Failure::Coordinator | Failure::Leader => {
                let command = self.settings.restart_broker.as_deref();
                brokers::hindrance(failure, command, &self.brokers)
            }
        }
    }

    fn phase(
        &mut self,
        failure: Option<Failure>,
        number: usize,
        signals: Signals<'_>,
    ) -> Result<Phase, Error> {
        let (began_ms, began, before) =
            (now_millis(), Stopwatch::start(), self.feed.acknowledged());
        let settings = self.settings;
        self.open_since = Some(began_ms);
        self.pulse = Pulse::default();
        self.feed.set(true);
        let hint = "; nothing had failed yet, give a lower --rate";
        self.expect(signals, "that the service keeps up", hint, Self::keeps_up)?;
        self.rest(signals, settings.seconds / 4)?;
        let moments = match failure {
            Some(failure) => self.strike(failure, signals)?,
            None => Vec::new(),
        };
        self.pulse = Pulse::default();
        self.rest(signals, settings.seconds.saturating_sub(began.elapsed()))?;
        let keeps_up = self.wait(signals, settings.patience, Self::keeps_up)?;
        self.feed.set(false);
        let rests = |course: &mut Self| course.feed.is_resting();
        self.expect(signals, "the acknowledgement of all records", "", rests)?;
        let all = self.feed.acknowledged();
        let is_done = |course: &mut Self| course.is_due() && course.committed() == Some(all);
        let is_drained = keeps_up && self.wait(signals, settings.patience, is_done)?;
        self.oracle.advance(all, number, signals.stop)?;
        self.open_since = None;
        let came = |course: &mut Self| course.oracle.is_satisfied(&course.ledger);
        let is_settled = self.wait(signals, settings.patience, came)? && is_drained;
        self.rest(signals, QUIET)?;
        Ok(Phase { began_ms, moments, transactions: all - before, is_settled })
    }

    /// Makes a failure happen; returns the times from which recovery is counted.
    fn strike(&mut self, failure: Failure, signals: Signals<'_>) -> Result<Vec<i64>, Error> {
        tracing::info!(failure = failure.title(), "it strikes");
        match failure {
            Failure::Kill => {
                let killed = now_millis();
                self.children[0].kill();
                self.children[0] = self.start(0)?;
                return Ok(vec![killed]);
            }
            Failure::Move => return self.strike_move(signals),
            Failure::Database => self.strike_relay(signals, |course| course.database.as_ref())?,
            Failure::Registry => {
                self.feed.evolve();
                self.strike_relay(signals, |course| course.registry.as_ref())?;
            }
            Failure::Broker | Failure::Coordinator | Failure::Leader => {
                let broker = brokers::victim(failure, self.settings, &self.brokers)?;
                self.restart_broker(broker, signals)?;
            }
        }
        tracing::info!(failure = failure.title(), "it is over");
        Ok(vec![now_millis()])
    }

    fn strike_move(&mut self, signals: Signals<'_>) -> Result<Vec<i64>, Error> {
        let joins = now_millis();
        let child = self.start(1)?;
        self.children.push(child);
        let has_some = |course: &mut Self| course.children[1].partitions() > 0;
        self.expect(signals, "the second process's share of the partitions", "", has_some)?;
        self.rest(signals, self.settings.outage)?;
        let leaves = now_millis();
        let leaver = self.children.pop();
        if leaver.is_some_and(|mut leaver| !leaver.terminate(END)) {
            return Err(Error::NoOrderlyEnd);
        }
        Ok(vec![joins, leaves])
    }

    /// Makes the server behind a relay hang at first, and then disappear.
    fn strike_relay(
        &mut self,
        signals: Signals<'_>,
        relay: fn(&Self) -> Option<&Relay>,
    ) -> Result<(), Error> {
        for (door, share) in [(Door::Silent, 2), (Door::Shut, 2), (Door::Open, 0)] {
            relay(self).into_iter().for_each(|relay| relay.set(door));
            if share > 0 {
                self.rest(signals, self.settings.outage / share)?;
            }
        }
        Ok(())
    }

    fn restart_broker(&mut self, broker: i32, signals: Signals<'_>) -> Result<(), Error> {
        tracing::info!(broker, "a broker is restarted");
        let mut restart = Restart::of(broker, self.settings)?;
        let mut ended = None;
        let is_over = |_: &mut Self| {
            ended = restart.ended();
            ended.is_some()
        };
        self.wait(signals, self.settings.patience, is_over)?;
        let late = || Error::Restart("did not end in time, let it go to the background".to_owned());
        ended.unwrap_or_else(|| Err(late()))
    }

    /// Starts the service as process number `slot` of the group.
    fn start(&self, slot: usize) -> Result<Child, Error> {
        let (settings, names) = (self.settings, &self.settings.names);
        let text = |text: &str| text.to_owned();
        let mut variables = vec![
            ("SYNFINANCE__STREAM__GROUP_ID", names.group.clone()),
            ("SYNFINANCE__STREAM__TOPICS__TRANSACTIONS", names.transactions.clone()),
            ("SYNFINANCE__STREAM__TOPICS__ALERTS", names.alerts.clone()),
            ("SYNFINANCE__STREAM__TOPICS__LABELS", names.labels.clone()),
            ("SYNFINANCE__STREAM__TOPICS__DEAD_LETTERS", names.dead_letters.clone()),
            ("SYNFINANCE__STREAM__TOPICS__SCORED", String::new()),
            ("SYNFINANCE__STREAM__DELIVERY", text(settings.delivery)),
            ("SYNFINANCE__STREAM__WORKERS", text("2")),
            // Often enough that a save falls into an outage.
            ("SYNFINANCE__STATE__SAVE", text("[[1, 1]]")),
            ("SYNFINANCE__HTTP__ADDRESS", text("127.0.0.1")),
            ("SYNFINANCE__HTTP__TLS__CERTIFICATE", String::new()),
            ("SYNFINANCE__HTTP__TLS__KEY", String::new()),
            ("SYNFINANCE__TELEMETRY__FILE", String::new()),
            ("SYNFINANCE__TELEMETRY__OTLP_ENDPOINT", String::new()),
        ];
        if let Some(id) = settings.connection.instance_id() {
            let id = format!("{}-{id}-{slot}", names.group);
            variables.push(("SYNFINANCE__STREAM__KAFKA__GROUP_INSTANCE_ID", id));
        }
        if let Location::Sqlite(_) = settings.location {
            let file = self.directory.join("drill.db").display().to_string();
            variables.push(("SYNFINANCE__STATE__DATABASE_URL", format!("sqlite:{file}")));
        }
        let urls = [
            ("SYNFINANCE__STATE__DATABASE_URL", &self.database),
            ("SYNFINANCE__SCHEMA_REGISTRY__URL", &self.registry),
        ];
        for (name, relay) in urls {
            variables.extend(relay.as_ref().map(|relay| (name, relay.url())));
        }
        Ok(Child::start(&settings.service, &variables, self.directory)?)
    }

    fn report(&mut self, phases: &[(Option<Failure>, Result<Phase, String>)], report: &mut Report) {
        self.ledger.update(self.watch, self.settings.alerts);
        let known_until = self.open_since.unwrap_or(i64::MAX);
        let strangers = self.oracle.strangers_ms(&self.ledger);
        self.explain(known_until);
        let delay = match self.settings.delivery {
            "exactly_once" => self.settings.commit_interval,
            _ => Duration::ZERO,
        };
        let limits =
            Limits { late_ms: millis(self.settings.late), on_time_ms: millis(ON_TIME + delay) };
        let begins = |phase: &Result<Phase, String>| phase.as_ref().ok().map(|p| p.began_ms);
        for (number, (failure, phase)) in phases.iter().enumerate() {
            let outcome = phase.as_ref().map_err(String::clone).map(|phase| {
                let next = phases[number + 1..].iter().find_map(|(_, later)| begins(later));
                let until = next.unwrap_or(known_until);
                let is_here = |at: &&i64| phase.began_ms <= **at && **at < until;
                let strangers = strangers.iter().filter(is_here).count() as u64;
                let observed = self.oracle.observed(number, &self.ledger);
                let mut figures = measure(&observed, &phase.moments, strangers, limits);
                figures.transactions = phase.transactions;
                figures.recovery = figures.recovery.filter(|_| phase.is_settled);
                figures
            });
            report.rows.push(Row { failure: *failure, outcome });
        }
    }

    /// Logs what is wrong with a few of the alerts, of those that the oracle knows about.
    fn explain(&self, known_until: i64) {
        let all = self.ledger.received.iter();
        let all = all.flat_map(|(id, came)| came.iter().map(move |(at, value)| (id, *at, value)));
        let judged = all.filter(|(_, at, _)| *at < known_until);
        let wrong = judged.filter_map(|(id, _, value)| self.oracle.difference(id, value));
        wrong.take(EXPLAINED).for_each(|why| tracing::error!(why, "an alert is wrong"));
    }

    /// How many records became dead letters.
    fn dead_letters(&self) -> Result<u64, Error> {
        let Settings { connection, names, patience, .. } = self.settings;
        let connection = connection.reading_committed();
        let reader = open(&connection, &names.group, &names.dead_letters, *patience)?;
        let waited = Stopwatch::start();
        let mut found = 0;
        while !reader.caught_up() && waited.elapsed() < *patience {
            let mut records = Vec::new();
            reader.take(1_024, COMMITTED, &mut records)?;
            found += records.len() as u64;
        }
        Ok(found)
    }
}
