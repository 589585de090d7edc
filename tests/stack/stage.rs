//! What one test works with: topics and a group of its own on real servers, and clients in Python
//! that share no code with the service.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, eventually};
use crate::service::Service;
use crate::{cluster, servers};

/// Partitions of a stage's topics.
pub const PARTITIONS: i32 = 4;

/// How long a client may take.
const CLIENT: Duration = Duration::from_secs(240);

/// How long the service may take until everything sent is committed.
const DONE: Duration = Duration::from_secs(180);

/// Topics, a group, and how to reach them.
pub struct Stage {
    /// Brokers, `host:port`.
    pub brokers: String,
    /// Address of the registry as clients use it.
    pub registry: String,
    /// Topic of transactions.
    pub transactions: String,
    /// Topic of alerts.
    pub alerts: String,
    /// Topic of verdicts.
    pub labels: String,
    /// Topic of what cannot be scored.
    pub dead_letters: String,
    /// The group.
    pub group: String,
}

impl Stage {
    /// A stage on the shared servers, its topics created.
    pub fn new(name: &str) -> Self {
        Self::on(name, servers::kafka())
    }

    /// A stage on other brokers, its topics created.
    pub fn on(name: &str, brokers: &str) -> Self {
        let stage = Self::bare(name, brokers);
        let topics = [&stage.transactions, &stage.alerts, &stage.labels, &stage.dead_letters];
        topics.iter().for_each(|topic| cluster::create_topic(brokers, topic, PARTITIONS));
        stage
    }

    /// Names alone; no topic is created.
    pub fn bare(name: &str, brokers: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", since.as_millis());
        Self {
            brokers: brokers.to_owned(),
            registry: servers::registry().to_owned(),
            transactions: format!("{name}-transactions"),
            alerts: format!("{name}-fraud-alerts"),
            labels: format!("{name}-fraud-labels"),
            dead_letters: format!("{name}-dlq"),
            group: format!("{name}-group"),
        }
    }

    /// The configuration of a service on this stage: the model of `tests/fixtures/stack`, two
    /// workers, customers saved to PostgreSQL every second.
    pub fn config(&self) -> Value {
        let model =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stack/detector.onnx");
        json!({
            "stream": {
                "brokers": self.brokers.split(',').collect::<Vec<_>>(),
                "group_id": self.group,
                "topics": {
                    "transactions": self.transactions,
                    "alerts": self.alerts,
                    "labels": self.labels,
                    "dead_letters": self.dead_letters,
                },
                "workers": 2,
                "kafka": {
                    "session.timeout.ms": "6000",
                    "reconnect.backoff.max.ms": "1000",
                },
            },
            "schema_registry": {"url": self.registry, "timeout": "1s"},
            "state": {"database_url": servers::postgres(), "save": [[1, 1]]},
            "features": {"timezone": "UTC"},
            "models": {"active": model},
            "telemetry": {"level": "info"},
        })
    }

    /// Registers a schema file under a subject; its id.
    pub fn register(&self, subject: &str, file: &str) -> u64 {
        let arguments = ["register", "--brokers", &self.brokers, "--registry", &self.registry];
        let all = [&arguments[..], &["--topic", subject, "--schema-file", file]].concat();
        parse(&run_python("produce.py", &all)).remove(0)["schema"].as_u64().expect("an id")
    }

    /// Runs `produce.py` on the topic of transactions.
    pub fn produce(&self, what: &str, arguments: &[&str]) -> Value {
        self.produce_to(&self.transactions, what, arguments)
    }

    /// Runs `produce.py` on a topic.
    pub fn produce_to(&self, topic: &str, what: &str, arguments: &[&str]) -> Value {
        let mut all = vec![what, "--brokers", &self.brokers, "--registry", &self.registry];
        all.extend(["--topic", topic]);
        all.extend(arguments);
        parse(&run_python("produce.py", &all)).remove(0)
    }

    /// Runs `produce.py payments` until told to end.
    pub fn produce_on(&self, seed: u64, rate: u32) -> Producing {
        self.produce_on_with(seed, rate, &[])
    }

    /// The same with more arguments of `produce.py`.
    pub fn produce_on_with(&self, seed: u64, rate: u32, arguments: &[&str]) -> Producing {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = python("produce.py");
        command
            .args(["payments", "--brokers", &self.brokers, "--registry", &self.registry])
            .args(["--topic", &self.transactions])
            .args(["--seed", &seed.to_string(), "--rate", &rate.to_string()])
            .args(arguments)
            .stdin(Stdio::piped());
        let process = Process::spawn("produce.py", &mut command, directory.path());
        Producing { process, _directory: directory, seed }
    }

    /// All records of a topic, values decoded.
    pub fn consume(&self, topic: &str, isolation: &str) -> Vec<Value> {
        let arguments = ["--brokers", &self.brokers, "--topic", topic, "--isolation", isolation];
        parse(&run_python(
            "consume.py",
            &[&arguments[..], &["--registry", &self.registry]].concat(),
        ))
    }

    /// All records of a topic as bytes.
    pub fn consume_raw(&self, topic: &str, isolation: &str) -> Vec<Value> {
        let arguments = ["--brokers", &self.brokers, "--topic", topic, "--isolation", isolation];
        parse(&run_python("consume.py", &arguments))
    }

    /// What this stage's group has committed, offsets added up, and how many records there are.
    pub fn progress(&self) -> Result<(i64, i64), String> {
        let committed = cluster::committed(&self.brokers, &self.group, &self.transactions)?;
        let ends = cluster::ends(&self.brokers, &self.transactions);
        Ok((committed.values().sum(), ends.values().sum()))
    }

    /// Waits until every record that is there is committed; `service` must stay alive.
    pub fn wait_done(&self, services: &mut [&mut Service]) {
        eventually("every record is committed", DONE, || {
            let states: Vec<_> = services.iter_mut().map(|service| service.readyz()).collect();
            match self.progress()? {
                (committed, end) if committed == end => Ok(()),
                (committed, end) => Err(format!("{committed} of {end}, {states:?}")),
            }
        });
    }
}

/// A producer at work.
pub struct Producing {
    process: Process,
    _directory: TempDir,
    seed: u64,
}

impl Producing {
    /// Ends it; how far in the seed's payments it came.
    pub fn finish(mut self) -> Sent {
        self.process.close_stdin();
        let status = self.process.wait(CLIENT);
        assert!(status.success(), "{status}: {}", self.process.report());
        let told = parse(&self.process.stdout()).remove(0);
        let count = told["until"].as_u64().expect("a count");
        Sent { seed: self.seed, count }
    }
}

/// Which payments were sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Of which seed.
    pub seed: u64,
    /// How many of its first.
    pub count: u64,
}

impl Sent {
    /// The alerts that must follow, by `payments.py`.
    pub fn expected(self) -> Vec<Value> {
        self.expected_with(&[])
    }

    /// The same with more arguments of `expect.py`.
    pub fn expected_with(self, arguments: &[&str]) -> Vec<Value> {
        let (seed, count) = (self.seed.to_string(), self.count.to_string());
        let all = [&["--seed", seed.as_str(), "--count", &count], arguments].concat();
        parse(&run_python("expect.py", &all))
    }
}

fn parse(lines: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    lines.lines().map(parse).collect()
}

fn python(script: &str) -> Command {
    let python = std::env::var("SYNFINANCE_PYTHON").unwrap_or_else(|_| {
        panic!(
            "SYNFINANCE_PYTHON is not set: run make test, or set it to \
             $(.ci/setup python tests/requirements.txt)"
        )
    });
    let mut command = Command::new(python);
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack");
    command.arg(scripts.join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What a script prints.
fn run_python(script: &str, arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = python(script);
    command.args(arguments).stdin(Stdio::null());
    let mut process = Process::spawn(script, &mut command, directory.path());
    let status = process.wait(CLIENT);
    assert!(status.success(), "{script} {arguments:?} ends with {status}: {}", process.report());
    process.stdout()
}
