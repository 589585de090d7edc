//! Child processes that never outlive the test.
//!
//! `Drop` stops a child when a test ends or panics, and does nothing when the test process itself
//! is killed or its statics are never dropped; a broker would then run on. So each child has a
//! guard: a shell that reads from a pipe which only this process holds open. However this process
//! ends, the pipe closes, and the guard kills the child and removes its directory. Both live in
//! process groups of their own, so that Ctrl-C ends the tests and not the guard.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Time between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// How much of a log is shown.
const SHOWN_LINES: usize = 60;

/// Kills `$1` and removes `$2` when stdin ends. The directory may be in use until the child is
/// gone.
const GUARD: &str = r#"read -r _
kill -KILL "$1"
for _ in 1 2 3 4 5; do rm -rf "$2" && break; sleep 0.2; done"#;

/// A running child, its log and its guard.
pub struct Process {
    name: String,
    child: Child,
    guard: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Process {
    /// Starts `command` with its output in files `<name>.out` and `<name>.err` of `directory`,
    /// which is removed if this process is killed.
    pub fn spawn(name: &str, command: &mut Command, directory: &Path) -> Self {
        let (out, err) = ["out", "err"].map(|end| directory.join(format!("{name}.{end}"))).into();
        let append = |path: &Path| {
            File::options().create(true).append(true).open(path).expect("a file for a log")
        };
        let child = command
            .stdout(append(&out))
            .stderr(append(&err))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start, {command:?}: {error}"));
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &child.id().to_string()])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell that guards a child");
        Self { name: name.to_owned(), child, guard, out, err }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes the child's stdin, if that is a pipe.
    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.is_ok_and(|status| status.success()), "no {name} to {}", self.name);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < until, "does not end within {limit:?}: {}", self.report());
            std::thread::sleep(LOOK);
        }
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        let status = self.child.wait().expect("a killed child ends");
        let was_running = status.signal() == Some(9);
        assert!(was_running, "{} had ended with {status}: {}", self.name, self.report());
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(&self.out).expect("a readable log")
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.err).expect("a readable log")
    }

    /// The end of its log, for people.
    pub fn report(&self) -> String {
        let (out, err) = (self.stdout(), self.stderr());
        let tail = |text: &str| {
            let skipped = text.lines().count().saturating_sub(SHOWN_LINES);
            text.lines().skip(skipped).fold(String::new(), |all, line| all + line + "\n")
        };
        format!("{}\n--- stdout\n{}--- stderr\n{}---", self.name, tail(&out), tail(&err))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard first: after the child is gone its number may be another's.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until there is an answer.
///
/// # Panics
/// There is none within `limit`; the last thing that `ask` said stands in the message.
pub fn eventually<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + limit;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) if Instant::now() >= until => panic!("{what}: not within {limit:?}: {why}"),
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

/// A port of the loopback interface that nobody has, below those that the kernel gives to clients:
/// a client that calls a stopped server's port must not meet itself there.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = 20_000;
    let many = 12_000;
    let start = std::process::id() * 37 % many;
    for _ in 0..many {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(first + (start + step) % many).expect("a port");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("all ports from {first} are taken");
}
