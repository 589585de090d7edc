//! `synfinance run` as its users run it: a process, a configuration file, signals, HTTP.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, eventually, free_port};

/// How long a service may take until it is ready, on a busy machine and after a crash: a dead
/// member's partitions are free after its session, and its transaction after its time-out.
const READY: Duration = Duration::from_secs(90);

/// How long an orderly end may take.
const END: Duration = Duration::from_secs(40);

/// A running service.
pub struct Service {
    process: Process,
    port: u16,
    _directory: TempDir,
}

impl Service {
    /// Starts one with a configuration (see [`merge`]) and waits until it is ready.
    pub fn start(config: &Value) -> Self {
        let mut service = Self::spawn(config);
        service.wait_ready();
        service
    }

    /// Starts one.
    pub fn spawn(config: &Value) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        let own = json!({"http": {"address": "127.0.0.1", "port": port}});
        let config = merge(own, config).to_string();
        // Every JSON text is YAML.
        let file = directory.path().join("config.yaml");
        std::fs::write(&file, config).expect("a writable directory");
        let mut command = Command::new(binary());
        command
            .arg("--config")
            .arg(&file)
            .arg("run")
            .current_dir(directory.path())
            .env_remove("SYNFINANCE_ENV")
            .stdin(Stdio::null());
        let process = Process::spawn("synfinance", &mut command, directory.path());
        Self { process, port, _directory: directory }
    }

    /// Waits until it says that it is ready.
    pub fn wait_ready(&mut self) {
        eventually("the service is ready", READY, || match self.readyz() {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}, {}", self.process.report())),
        });
    }

    /// Status and text of `/readyz`.
    ///
    /// # Panics
    /// The process has ended.
    pub fn readyz(&mut self) -> Result<(u16, String), String> {
        let ended = self.process.ended();
        assert!(ended.is_none(), "the service ended, {ended:?}: {}", self.process.report());
        self.get("/readyz")
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// Status and text of an endpoint.
    pub fn get(&self, path: &str) -> Result<(u16, String), String> {
        get(&format!("http://127.0.0.1:{}{path}", self.port))
    }

    /// All metrics.
    pub fn metrics(&self) -> Metrics {
        let (status, text) = self.get("/metrics").unwrap_or_else(|error| {
            panic!("no metrics, {error}: {}", self.process.report());
        });
        assert_eq!(status, 200, "{text}");
        Metrics::new(&text)
    }

    /// Waits until a metric, its series added up, is at least `least`.
    pub fn wait_metric(&mut self, limit: Duration, name: &str, labels: &str, least: f64) {
        eventually(&format!("{name}{{{labels}}} reaches {least}"), limit, || {
            self.readyz()?;
            let value = self.metrics().sum(name, labels);
            if value >= least { Ok(()) } else { Err(format!("{value}, {}", self.process.report())) }
        });
    }

    /// Ends it at once, as a crash does.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Asks it to end and waits until it has; how it ended and what it wrote to stderr.
    pub fn terminate(mut self) -> (ExitStatus, String) {
        self.process.signal("TERM");
        (self.process.wait(END), self.process.stderr())
    }

    /// Asks it to end and waits until it has, in order.
    pub fn stop(self) {
        let (status, stderr) = self.terminate();
        assert!(status.success(), "the service ended with {status}: {stderr}");
    }

    /// Waits until it ends by itself; how it ended and what it wrote to stderr.
    pub fn wait_end(mut self, limit: Duration) -> (ExitStatus, String) {
        (self.process.wait(limit), self.process.stderr())
    }
}

/// Runs another command of the binary with a configuration to its end.
pub fn command(config: &Value, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("config.yaml");
    std::fs::write(&file, config.to_string()).expect("a configuration file");
    let mut command = Command::new(binary());
    command.arg("--config").arg(&file).args(arguments).current_dir(directory.path());
    command.output().expect("the binary starts")
}

/// The binary that cargo built, or the one that its variable names when the tests run.
fn binary() -> OsString {
    let named = std::env::var_os("CARGO_BIN_EXE_synfinance");
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_synfinance").into())
}

/// `over` over `base`, object by object.
pub fn merge(base: Value, over: &Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let old = base.remove(key).unwrap_or(Value::Null);
                base.insert(key.clone(), merge(old, value));
            }
            Value::Object(base)
        }
        (_, over) => over.clone(),
    }
}

/// Status and text of an address.
pub fn get(address: &str) -> Result<(u16, String), String> {
    static AGENT: OnceLock<ureq::Agent> = OnceLock::new();
    let agent = AGENT.get_or_init(|| {
        let config = ureq::Agent::config_builder();
        let limit = Some(Duration::from_secs(10));
        config.http_status_as_error(false).timeout_global(limit).build().into()
    });
    let mut answer = agent.get(address).call().map_err(|error| error.to_string())?;
    let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    Ok((answer.status().as_u16(), text))
}

/// Metrics by series, as Prometheus writes them: `name{label="value"}`.
#[derive(Debug)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn new(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let series = lines.map(|line| {
            let (name, value) =
                line.rsplit_once(' ').unwrap_or_else(|| panic!("no metric: {line}"));
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
        });
        Self(series.collect())
    }

    /// The sum of all series of a name that have `labels` (`a="b"`, or nothing: all of them).
    pub fn sum(&self, name: &str, labels: &str) -> f64 {
        let is_wanted = |series: &str| {
            series.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
                && series.contains(labels)
        };
        self.0.iter().filter(|(series, _)| is_wanted(series)).map(|(_, value)| value).sum()
    }
}
