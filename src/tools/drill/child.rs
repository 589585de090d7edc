//! The service under test: this program's own `run`, as a process.
//!
//! A child must not outlive the drill, however the drill ends, and must not react to the terminal's
//! Ctrl-C. So it lives in a process group of its own, and a shell that reads from a pipe of this
//! process kills it when the pipe closes.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::Duration;

use super::relay::connect;
use crate::base::clock::{Stopwatch, pause};

/// Kills process `$1` when stdin ends.
const GUARD: &str = "read -r _; kill -KILL \"$1\"";

/// How many lines of a log are shown.
const SHOWN_LINES: usize = 15;

/// How long to wait for an answer over HTTP.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Time between two checks whether a child has ended.
const LOOK: Duration = Duration::from_millis(20);

/// How to start the service.
#[derive(Debug, Clone)]
pub struct Service {
    /// The program.
    pub program: PathBuf,
    /// The arguments before `run`, which name its configuration.
    pub arguments: Vec<OsString>,
}

/// A running service and its guard. Dropping it kills the service.
pub(super) struct Child {
    process: Process,
    guard: Process,
    log: PathBuf,
    port: u16,
}

impl Child {
    /// Starts a service whose environment has `variables` in addition to this process's. Its
    /// sidecar listens on a free port, and its log is in `directory`.
    pub(super) fn start(
        service: &Service,
        variables: &[(&'static str, String)],
        directory: &Path,
    ) -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = directory.join(format!("service-{port}.log"));
        let mut process = Command::new(&service.program)
            .args(&service.arguments)
            .arg("run")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("SYNFINANCE__HTTP__PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().create(true).append(true).open(&log)?)
            .process_group(0)
            .spawn()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &process.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { process, guard, log, port }),
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                Err(error)
            }
        }
    }

    /// How many partitions the service says it has; 0 if it does not answer.
    pub(super) fn partitions(&self) -> u32 {
        const NAME: &str = "synfinance_partitions_assigned";
        let Ok((200, text)) = call(&format!("127.0.0.1:{}", self.port), "GET", "/metrics", "")
        else {
            return 0;
        };
        let values = text.lines().filter(|line| line.starts_with(NAME));
        let values = values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum::<f64>() as u32
    }

    /// How the service ended, with the end of its log; `None` while it runs.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.process.try_wait().ok()??;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let skipped = log.lines().count().saturating_sub(SHOWN_LINES);
        let tail: Vec<&str> = log.lines().skip(skipped).collect();
        Some(format!("{status}; the end of its log:\n{}", tail.join("\n")))
    }

    /// Ends the service at once, like a crash.
    pub(super) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Sends SIGTERM and waits for the end. `false` if the service fails or has to be killed after
    /// `limit`.
    pub(super) fn terminate(&mut self, limit: Duration) -> bool {
        let asked = Stopwatch::start();
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &pid]).stderr(Stdio::null()).status();
        while asked.elapsed() < limit {
            if let Ok(Some(status)) = self.process.try_wait() {
                return status.success();
            }
            pause(LOOK);
        }
        self.kill();
        false
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Stop the guard first: once the child is gone, another process may get its number.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        self.kill();
    }
}

/// Sends a request over plain HTTP; returns the status and the whole answer. Each header in
/// `headers` ends with a line break.
pub(super) fn call(
    target: &str,
    method: &str,
    path: &str,
    headers: &str,
) -> io::Result<(u16, String)> {
    let mut stream = connect(target)?;
    stream.set_read_timeout(Some(ANSWER_TIME))?;
    stream.set_write_timeout(Some(ANSWER_TIME))?;
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.map(|status| (status, text)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
