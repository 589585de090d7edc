//! Which topics there are, and making those that are missing.
//!
//! A consumer of a topic that does not exist waits for it without a word, and a producer may have
//! the brokers create it, with whatever number of partitions they default to. Both end as a stream
//! that is silently wrong, so topics are asked for once on start. The question itself must not
//! create them: clients here say so with every request.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;

use super::calls::{GRACE, once};
use super::{Connection, Error, log};
use crate::base::clock::{Stopwatch, pause};

/// Time between two looks at what changes soon.
const PAUSE: Duration = Duration::from_millis(20);

/// Most complaints of a client that are taken in at once.
const MAX_COMPLAINTS: usize = 32;

/// The brokers' own default, in requests.
const BROKER_DEFAULT: i32 = -1;

/// How topics are created; the replication factor is the brokers' default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NewTopics {
    /// Partitions of each; `None`: the brokers' default.
    pub partitions: Option<i32>,
}

/// Makes sure that all `topics` are there: one that is missing is created as `create` says, and
/// waited for. Another process may create it at the same time.
///
/// # Errors
/// [`Error::MissingTopics`] where nothing is to be created, [`Error::CreateTopic`] where it cannot
/// be, [`Error::Topic`] for a topic that may not be seen, [`Error::Unreachable`] if it takes longer
/// than `patience`, [`Error::Hangs`], [`Error::Thread`].
pub fn ensure_topics(
    connection: &Connection,
    topics: &[&str],
    create: Option<NewTopics>,
    patience: Duration,
) -> Result<(), Error> {
    let (connection, topics) = (connection.clone(), owned(topics));
    let brokers = connection.brokers().to_owned();
    // Creating topics has its own way to wait, up to twice as long.
    once("look for topics", &brokers, patience * 2 + GRACE, move || {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        look_for_topics(&connection, &topics, create, patience)
    })?
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn look_for_topics(
    connection: &Connection,
    topics: &[&str],
    create: Option<NewTopics>,
    patience: Duration,
) -> Result<(), Error> {
    let asker = Asker::new(connection)?;
    let deadline = Deadline::new(patience);
    let mut missing = Vec::new();
    for topic in topics {
        if asker.partitions(topic, &deadline)?.is_none() && !missing.contains(topic) {
            missing.push(*topic);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let brokers = connection.brokers();
    let Some(new) = create else {
        return Err(Error::MissingTopics {
            topics: missing.join(", "),
            brokers: brokers.to_owned(),
        });
    };
    create_topics(connection, &missing, new, &deadline)?;
    for topic in missing {
        while asker.partitions(topic, &deadline)?.is_none() {
            deadline.wait(brokers, None)?;
        }
        tracing::info!(topic, "topic created");
    }
    Ok(())
}

/// The partitions of a topic, ascending.
///
/// # Errors
/// [`Error::MissingTopics`], [`Error::Topic`], or [`Error::Unreachable`] if the brokers do not
/// answer within `patience`.
pub fn partitions_of(
    connection: &Connection,
    topic: &str,
    patience: Duration,
) -> Result<Vec<i32>, Error> {
    let (asked, name) = (connection.clone(), topic.to_owned());
    let found = once("ask for partitions", connection.brokers(), patience + GRACE, move || {
        Asker::new(&asked)?.partitions(&name, &Deadline::new(patience))
    })??;
    found.ok_or_else(|| missing(topic, connection.brokers()))
}

/// Deletes topics and the offsets of a group without members. All are tried; what is not there
/// counts as deleted.
///
/// # Errors
/// The first [`Error::Delete`], or [`Error::Unreachable`] if it takes longer than `patience`.
pub fn delete(
    connection: &Connection,
    topics: &[&str],
    group_id: &str,
    patience: Duration,
) -> Result<(), Error> {
    use RDKafkaErrorCode as Code;
    let (admin, deadline) = (administrator(connection)?, Deadline::new(patience));
    let options = AdminOptions::new()
        .request_timeout(Some(deadline.left()))
        .operation_timeout(Some(deadline.left()));
    let brokers = connection.brokers();
    let unreachable = |source| deadline.unreachable(brokers, source);
    let topics = wait(admin.delete_topics(topics, &options), &deadline);
    let groups = wait(admin.delete_groups(&[group_id], &options), &deadline);
    let topics = topics.ok_or_else(|| unreachable(None))?.map_err(|e| unreachable(Some(e)))?;
    let groups = groups.ok_or_else(|| unreachable(None))?.map_err(|e| unreachable(Some(e)))?;
    for result in topics.into_iter().chain(groups) {
        match result {
            Ok(_) | Err((_, Code::UnknownTopicOrPartition | Code::GroupIdNotFound)) => {}
            Err((name, code)) => {
                let (brokers, source) = (brokers.to_owned(), KafkaError::AdminOp(code).into());
                return Err(Error::Delete { name, brokers, source });
            }
        }
    }
    Ok(())
}

pub(super) fn missing(topic: &str, brokers: &str) -> Error {
    Error::MissingTopics { topics: topic.to_owned(), brokers: brokers.to_owned() }
}

/// A client whose only business is its log, and what it complained about last.
#[derive(Default)]
pub(super) struct Logged(Mutex<Option<String>>);

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log::line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::passing(&error, reason);
        // That all brokers are down follows from what was said before it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Logged {}

/// A point in time after which waiting is an error.
pub(super) struct Deadline {
    started: Stopwatch,
    patience: Duration,
}

impl Deadline {
    pub(super) fn new(patience: Duration) -> Self {
        Self { started: Stopwatch::start(), patience }
    }

    /// What is left, at least enough for an answer that is there already.
    pub(super) fn left(&self) -> Duration {
        self.patience.saturating_sub(self.started.elapsed()).max(PAUSE)
    }

    /// Pauses, or says that it has been long enough.
    fn wait(&self, brokers: &str, source: Option<KafkaError>) -> Result<(), Error> {
        if self.started.elapsed() > self.patience {
            return Err(self.unreachable(brokers, source));
        }
        pause(PAUSE);
        Ok(())
    }

    pub(super) fn unreachable(&self, brokers: &str, source: Option<KafkaError>) -> Error {
        Error::Unreachable {
            brokers: brokers.to_owned(),
            seconds: self.patience.as_secs_f64(),
            said: None,
            source: source.map(Box::new),
        }
    }
}

/// Asks for metadata.
pub(super) struct Asker {
    pub(super) inner: BaseConsumer<Logged>,
    brokers: String,
}

impl Asker {
    pub(super) fn new(connection: &Connection) -> Result<Self, Error> {
        let brokers = connection.brokers().to_owned();
        let client = connection.client(&[], &[("allow.auto.create.topics", "false")]);
        match client.create_with_context(Logged::default()) {
            Ok(inner) => Ok(Self { inner, brokers }),
            Err(source) => Err(Error::Create { role: "consumer", brokers, source: source.into() }),
        }
    }

    fn partitions(&self, topic: &str, deadline: &Deadline) -> Result<Option<Vec<i32>>, Error> {
        partitions(&self.inner, topic, &self.brokers, deadline).map_err(|error| match error {
            Error::Unreachable { brokers, seconds, source, .. } => {
                Error::Unreachable { brokers, seconds, said: self.complaint(), source }
            }
            other => other,
        })
    }

    /// Why there is no connection, as far as librdkafka has said so: a time-out alone does not tell
    /// a wrong password from a broker that is away.
    fn complaint(&self) -> Option<String> {
        for _ in 0..MAX_COMPLAINTS {
            self.inner.poll(Duration::ZERO);
        }
        self.inner.context().0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A topic's partitions, ascending; `None` if there is no such topic. Waits for brokers that are
/// away and for a topic that is being created, until the deadline.
pub(super) fn partitions(
    client: &BaseConsumer<Logged>,
    topic: &str,
    brokers: &str,
    deadline: &Deadline,
) -> Result<Option<Vec<i32>>, Error> {
    loop {
        let metadata = client
            .fetch_metadata(Some(topic), deadline.left())
            .map_err(|source| deadline.unreachable(brokers, Some(source)))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let why = match found.map(state) {
            Some(State::There(partitions)) => return Ok(Some(partitions)),
            Some(State::Missing) => return Ok(None),
            Some(State::Refused(code)) => {
                let source = Box::new(KafkaError::MetadataFetch(code));
                let (topic, brokers) = (topic.to_owned(), brokers.to_owned());
                return Err(Error::Topic { topic, brokers, source });
            }
            Some(State::Unsettled(code)) => code.map(KafkaError::MetadataFetch),
            None => None,
        };
        deadline.wait(brokers, why)?;
    }
}

/// What the brokers say of a topic.
enum State {
    There(Vec<i32>),
    Missing,
    /// Asking again will not help.
    Refused(RDKafkaErrorCode),
    /// Asking again will.
    Unsettled(Option<RDKafkaErrorCode>),
}

fn state(topic: &MetadataTopic) -> State {
    use RDKafkaErrorCode as Code;
    match topic.error().map(Code::from) {
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => State::Missing,
        Some(code @ (Code::TopicAuthorizationFailed | Code::InvalidTopic)) => State::Refused(code),
        Some(code) => State::Unsettled(Some(code)),
        None if topic.partitions().is_empty() => State::Unsettled(None),
        None => {
            let mut ids: Vec<i32> = topic.partitions().iter().map(|found| found.id()).collect();
            ids.sort_unstable();
            State::There(ids)
        }
    }
}

fn create_topics(
    connection: &Connection,
    topics: &[&str],
    new: NewTopics,
    deadline: &Deadline,
) -> Result<(), Error> {
    let brokers = connection.brokers();
    let admin = administrator(connection)?;
    let partitions = new.partitions.unwrap_or(BROKER_DEFAULT);
    let replication = || TopicReplication::Fixed(BROKER_DEFAULT);
    let wanted: Vec<NewTopic<'_>> =
        topics.iter().map(|topic| NewTopic::new(topic, partitions, replication())).collect();
    let options = AdminOptions::new()
        .request_timeout(Some(deadline.left()))
        .operation_timeout(Some(deadline.left()));
    let refused = |topic: &str, source: KafkaError| Error::CreateTopic {
        topic: topic.to_owned(),
        brokers: brokers.to_owned(),
        source: source.into(),
    };
    let results = wait(admin.create_topics(&wanted, &options), deadline)
        .ok_or_else(|| deadline.unreachable(brokers, None))?
        .map_err(|source| refused(&topics.join(", "), source))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(refused(&topic, KafkaError::AdminOp(code))),
        }
    }
    Ok(())
}

fn administrator(connection: &Connection) -> Result<AdminClient<Logged>, Error> {
    let client = connection.client(&[], &[("allow.auto.create.topics", "false")]);
    client.create_with_context(Logged::default()).map_err(|source| Error::Create {
        role: "administrator",
        brokers: connection.brokers().to_owned(),
        source: source.into(),
    })
}

/// What a future comes to, or `None` when the deadline is over.
fn wait<T>(future: impl Future<Output = T>, deadline: &Deadline) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    // librdkafka's own time-out answers first; this one is for its not answering at all.
    while deadline.started.elapsed() <= deadline.patience.saturating_mul(2) {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        pause(PAUSE);
    }
    None
}
