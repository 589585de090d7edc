//! The thread that follows the verdicts' topic.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::inbox::{Inbox, Letter, Outbox, inbox};
use super::reading::{Reading, Translator};
use super::{BATCH_LABELS, Error, Event, Lookup, Observer, OwnedLabel, Settings};
use crate::base::clock::{Stopwatch, now_millis, pause};
use crate::base::error::with_causes;
use crate::core::codec::Rejected;
use crate::edges::kafka::{Error as KafkaError, Reader, Record};
use crate::stream::health::Health;

/// The name of this part of the process in its health.
const PART: &str = "labels";

/// How long to wait for a record, and so how soon an order to stop is noticed.
const WAIT: Duration = Duration::from_millis(100);

/// Pause between two looks at a full inbox, or at a thread that is to end.
const PAUSE: Duration = Duration::from_millis(2);

/// Pause before a schema is asked for again.
const SCHEMA_PAUSE: Duration = Duration::from_millis(20);

/// How long the thread may take to end; it holds nothing that could be lost.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// Time between warnings about records that are no verdicts.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// Follows the verdicts' topic until it is stopped or dropped. It owns the thread, not the inboxes.
pub struct Follower {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Follower {
    /// Follows the topic on its own thread and hands every verdict to each of `workers` inboxes.
    /// All must be emptied: a full one holds up the others. `health` has the obstacle `labels`
    /// until the initial verdicts are handed out, and during trouble.
    ///
    /// # Errors
    /// [`Error::Kafka`] if librdkafka refuses the properties; brokers that are away and a missing
    /// topic are waited for. [`Error::Thread`].
    pub fn start(
        settings: Settings,
        lookup: Lookup,
        workers: usize,
        health: Arc<Health>,
        on_event: Observer,
    ) -> Result<(Self, Vec<Inbox>), Error> {
        let Settings { connection, group_id, topic, start, .. } = &settings;
        let reader = Reader::new(connection, group_id, topic, start.clone())?;
        let (outboxes, inboxes) = (0..workers).map(|_| inbox()).unzip();
        let stop = Arc::new(AtomicBool::new(false));
        health.obstruct(PART, "waiting for the brokers");
        let mut job = Job {
            settings,
            translator: Translator::new(lookup),
            outboxes,
            obstacle: Obstacle(health),
            on_event,
            stop: Arc::clone(&stop),
            bad: Bad::default(),
        };
        let thread = Builder::new().name(PART.to_owned()).spawn(move || job.run(reader));
        let thread = Some(thread.map_err(Error::Thread)?);
        Ok((Self { thread, stop }, inboxes))
    }

    /// Stops following and waits for the thread to end, a second at most.
    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return };
        let waited = Stopwatch::start();
        while !thread.is_finished() {
            if waited.elapsed() > END_PATIENCE {
                tracing::warn!("the thread that follows verdicts does not end, it is left behind");
                return;
            }
            pause(PAUSE);
        }
        if thread.join().is_err() {
            tracing::error!("the thread that followed verdicts had panicked");
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// What the thread owns, beside its reader, which is replaced when it fails.
struct Job {
    settings: Settings,
    translator: Translator,
    outboxes: Vec<Outbox>,
    obstacle: Obstacle,
    on_event: Observer,
    stop: Arc<AtomicBool>,
    bad: Bad,
}

/// The follower was told to stop.
struct Stopped;

impl Job {
    fn run(&mut self, reader: Reader) {
        let mut reader = reader;
        while let Err(Trouble::Kafka(error)) = self.work(&reader) {
            match self.complain_and_rest(&error).and_then(|()| self.renew()) {
                Ok(fresh) => reader = fresh,
                Err(Stopped) => return,
            }
        }
    }

    fn work(&mut self, reader: &Reader) -> Result<Infallible, Trouble> {
        self.begin(reader)?;
        self.follow(reader)
    }

    /// Makes a reader that starts over; repeated verdicts change nothing.
    fn renew(&self) -> Result<Reader, Stopped> {
        let Settings { connection, group_id, topic, start, .. } = &self.settings;
        loop {
            match Reader::new(connection, group_id, topic, start.clone()) {
                Ok(reader) => return Ok(reader),
                Err(error) => self.complain_and_rest(&error)?,
            }
        }
    }

    /// Tries until the topic can be read.
    fn begin(&self, reader: &Reader) -> Result<(), Stopped> {
        loop {
            self.check()?;
            match reader.begin(self.settings.patience) {
                Ok(()) => return Ok(()),
                Err(error) => self.complain_and_rest(&error)?,
            }
        }
    }

    /// Reads and hands out until there is trouble.
    fn follow(&mut self, reader: &Reader) -> Result<Infallible, Trouble> {
        let started = Stopwatch::start();
        let mut is_caught_up = false;
        let mut records = Vec::new();
        loop {
            self.check()?;
            if !is_caught_up {
                self.say_progress(reader);
            }
            reader.take(BATCH_LABELS, WAIT, &mut records)?;
            self.hand_out(&records)?;
            records.clear();
            if is_caught_up {
                // A schema that was waited for has come.
                self.obstacle.clear();
            }
            if !is_caught_up && reader.caught_up() {
                is_caught_up = true;
                self.offer(&Letter::CaughtUp)?;
                let (records, seconds) = (reader.progress().1, started.elapsed().as_secs_f64());
                tracing::info!(records, seconds, "verdicts are known, following");
                self.obstacle.clear();
                (self.on_event)(Event::CaughtUp);
            }
        }
    }

    fn hand_out(&mut self, records: &[Record<'_>]) -> Result<(), Stopped> {
        let mut labels: Vec<OwnedLabel> = Vec::with_capacity(records.len());
        for record in records {
            match self.translate(record)? {
                Ok(label) => labels.push(label),
                Err(rejected) => {
                    self.bad.add(record, &rejected);
                    (self.on_event)(Event::Rejected { reason: rejected.reason });
                }
            }
        }
        self.bad.warn(&self.settings.topic);
        if labels.is_empty() {
            return Ok(());
        }
        let frauds = labels.iter().filter(|label| label.is_fraud()).count();
        let honest = labels.len() - frauds;
        self.offer(&Letter::Batch(labels.into()))?;
        (self.on_event)(Event::Learned { frauds, honest });
        Ok(())
    }

    /// Decodes a record to a verdict or a rejection, waiting for its schema.
    fn translate(&mut self, record: &Record<'_>) -> Result<Result<OwnedLabel, Rejected>, Stopped> {
        let value = record.value().unwrap_or_default();
        let mut has_said = false;
        loop {
            match self.translator.read(value, now_millis()) {
                Reading::Label(label) => return Ok(Ok(label)),
                Reading::Rejected(rejected) => return Ok(Err(rejected)),
                Reading::Pending(id) => {
                    if !std::mem::replace(&mut has_said, true) {
                        self.obstacle.say(format!("waiting for schema {id} of the registry"));
                    }
                    self.rest(SCHEMA_PAUSE)?;
                }
            }
        }
    }

    /// Sends a letter to all workers, waiting for full inboxes.
    fn offer(&mut self, letter: &Letter) -> Result<(), Stopped> {
        for outbox in &mut self.outboxes {
            while !outbox.offer(letter) {
                if self.stop.load(Ordering::Acquire) {
                    return Err(Stopped);
                }
                pause(PAUSE);
            }
        }
        Ok(())
    }

    fn say_progress(&self, reader: &Reader) {
        let (read, all) = reader.progress();
        self.obstacle.say(format!("{read} of {all} verdicts read"));
    }

    fn complain_and_rest(&self, error: &KafkaError) -> Result<(), Stopped> {
        self.obstacle.say(with_causes(error));
        let retry_in = match error {
            KafkaError::MissingTopics { .. } => self.settings.missing_interval,
            _ => self.settings.retry_interval,
        };
        let (topic, error) = (&self.settings.topic, error as &dyn std::error::Error);
        tracing::warn!(error, topic, ?retry_in, "verdicts cannot be read, trying again");
        self.rest(retry_in)
    }

    /// Waits for `duration`, unless told to stop.
    fn rest(&self, duration: Duration) -> Result<(), Stopped> {
        let rested = Stopwatch::start();
        loop {
            self.check()?;
            let left = duration.saturating_sub(rested.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            pause(left.min(WAIT));
        }
    }

    fn check(&self) -> Result<(), Stopped> {
        if self.stop.load(Ordering::Acquire) { Err(Stopped) } else { Ok(()) }
    }
}

/// Why following ends.
enum Trouble {
    Stopped,
    Kafka(KafkaError),
}

impl From<Stopped> for Trouble {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<KafkaError> for Trouble {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error)
    }
}

/// What this part tells `health`. A thread that dies tells it too: nobody else would notice that
/// verdicts stand still.
struct Obstacle(Arc<Health>);

impl Obstacle {
    fn say(&self, why: String) {
        self.0.obstruct(PART, why);
    }

    fn clear(&self) {
        self.0.clear(PART);
    }
}

impl Drop for Obstacle {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.say("the thread that follows verdicts has died, see the log; restart".to_owned());
        }
    }
}

/// Rejected records, warned about at most once a minute.
#[derive(Default)]
struct Bad {
    new: u64,
    last: Option<(i32, i64, Rejected)>,
    since: Option<Stopwatch>,
}

impl Bad {
    fn add(&mut self, record: &Record<'_>, rejected: &Rejected) {
        self.new += 1;
        self.last = Some((record.partition(), record.offset(), rejected.clone()));
    }

    fn warn(&mut self, topic: &str) {
        let is_quiet = self.since.is_some_and(|since| since.elapsed() < WARN_INTERVAL);
        if is_quiet {
            return;
        }
        let Some((partition, offset, rejected)) = self.last.take() else { return };
        let new = std::mem::take(&mut self.new);
        self.since = Some(Stopwatch::start());
        tracing::warn!(
            new,
            topic,
            partition,
            offset,
            reason = rejected.reason.word(),
            message = rejected.message,
            "records are no verdicts and were passed over; the last one is named"
        );
    }
}
