//! Real servers: Kafka, a schema registry, PostgreSQL, as child processes on free ports.
//!
//! They come from the cache that `.ci/setup servers` fills. Kafka and the registry are started once
//! for all tests of the binary; a test that stops its broker has one of its own. A variable
//! (`SYNFINANCE_TEST_KAFKA`, `_REGISTRY`, `_POSTGRES`) names a running server to use instead. What
//! cannot be started fails the test that needs it and says what to do; nothing is skipped.

use std::fs::write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, eventually, free_port};
use crate::{cluster, service};

/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(120);

/// What small servers for tests are started with: quick to start, no more threads than needed.
const SMALL_JAVA: [&str; 3] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

/// The memory of a broker that is alone.
const HEAP: &str = "-Xmx768m";

/// User and password of the secured listener.
pub const USER: (&str, &str) = ("svc", "open-sesame");

/// The brokers shared by all tests, `host:port`.
pub fn kafka() -> &'static str {
    static SHARED: OnceLock<(String, Option<Kafka>)> = OnceLock::new();
    let (brokers, _) = SHARED.get_or_init(|| match named("SYNFINANCE_TEST_KAFKA") {
        Some(brokers) => (brokers, None),
        None => {
            let kafka = Kafka::start();
            (kafka.brokers(), Some(kafka))
        }
    });
    brokers
}

/// The address of the registry shared by all tests, where the Confluent API is.
pub fn registry() -> &'static str {
    static SHARED: OnceLock<(String, Option<Registry>)> = OnceLock::new();
    let (address, _) = SHARED.get_or_init(|| match named("SYNFINANCE_TEST_REGISTRY") {
        Some(address) => (address.trim_end_matches('/').to_owned(), None),
        None => {
            let registry = Registry::start();
            (registry.address(), Some(registry))
        }
    });
    address
}

fn named(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// The newest directory of the cache whose name begins with `prefix`.
pub fn cached(prefix: &str) -> PathBuf {
    let of = |variable| named(variable).map(PathBuf::from);
    let cache = of("SYNFINANCE_CACHE")
        .or_else(|| Some(of("XDG_CACHE_HOME")?.join("synfinance")))
        .or_else(|| Some(of("HOME")?.join(".cache/synfinance")))
        .expect("SYNFINANCE_CACHE, XDG_CACHE_HOME or HOME");
    let entries = std::fs::read_dir(&cache).into_iter().flatten().flatten();
    let is_wanted = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    entries.map(|entry| entry.path()).filter(is_wanted).max().unwrap_or_else(|| {
        panic!("no {prefix}* in {}: run make test, or .ci/setup servers", cache.display())
    })
}

fn java() -> Command {
    let mut java = Command::new("java");
    java.args(SMALL_JAVA).stdin(Stdio::null());
    java
}

/// One broker that is its own controller.
pub struct Kafka {
    // Before the directory: it must be gone first.
    process: Process,
    directory: TempDir,
    libraries: PathBuf,
    port: u16,
    secure_port: u16,
}

impl Kafka {
    /// A new and empty broker.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let libraries = cached("kafka-").join("libs/*");
        let (port, secure_port, controller) = (free_port(), free_port(), free_port());
        let root = directory.path();
        certify(root);
        let properties = properties(root, port, secure_port, controller);
        write(root.join("server.properties"), properties).expect("a writable directory");
        let format = ["kafka.tools.StorageTool", "format", "-t", "c3luZmluYW5jZS10ZXN0cw", "-c"];
        let mut command = kafka_java(&libraries, root, HEAP);
        let output = command.args(format).arg("server.properties").output();
        let output = output.expect("java: run make test, or .ci/setup servers");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kafka's storage cannot be formatted: {said}");
        let process = start_broker(&libraries, root, port, HEAP);
        Self { process, directory, libraries, port, secure_port }
    }

    /// Its plain listener, `host:port`.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its listener with TLS and passwords, `host:port`, and the certificate to trust.
    pub fn secure(&self) -> (String, PathBuf) {
        (format!("127.0.0.1:{}", self.secure_port), self.directory.path().join("certificate.pem"))
    }

    /// Ends it at once, as a crash does. What it has acknowledged it has.
    pub fn crash(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was, with what it had.
    pub fn start_again(&mut self) {
        self.process = start_broker(&self.libraries, self.directory.path(), self.port, HEAP);
    }
}

/// A java with Kafka's classes in a directory.
pub fn kafka_java(libraries: &Path, directory: &Path, heap: &str) -> Command {
    let mut java = java();
    java.arg(heap).arg("-cp").arg(libraries).current_dir(directory);
    java
}

fn start_broker(libraries: &Path, directory: &Path, port: u16, heap: &str) -> Process {
    let mut process = spawn_broker(libraries, directory, heap);
    let brokers = format!("127.0.0.1:{port}");
    eventually("kafka answers", START, || {
        assert!(process.ended().is_none(), "kafka ends while it starts: {}", process.report());
        cluster::answers(&brokers).map_err(|error| format!("{error}, {}", process.report()))
    });
    process
}

/// Starts what a directory's properties say, and does not wait for it.
pub fn spawn_broker(libraries: &Path, directory: &Path, heap: &str) -> Process {
    let mut command = kafka_java(libraries, directory, heap);
    command.args(["kafka.Kafka", "server.properties"]);
    Process::spawn("kafka", &mut command, directory)
}

/// A key and its certificate for 127.0.0.1, for a server and for who trusts it.
pub fn certify(directory: &Path) {
    let arguments = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 \
        -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem";
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .expect("openssl: run make test, or .ci/setup servers");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).expect("a file");
    let both = read("key.pem") + &read("certificate.pem");
    write(directory.join("broker.pem"), both).expect("a writable directory");
}

fn properties(directory: &Path, port: u16, secure_port: u16, controller: u16) -> String {
    let (user, password) = USER;
    let directory = directory.display();
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAIN://127.0.0.1:{port},SECURE://127.0.0.1:{secure_port},\
CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{port},SECURE://127.0.0.1:{secure_port}
inter.broker.listener.name=PLAIN
listener.security.protocol.map=PLAIN:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.secure.sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}=\"{password}\";
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={directory}/broker.pem
log.dirs={directory}/data
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
"
    )
}

/// A schema registry, empty, in memory.
pub struct Registry {
    _process: Process,
    _directory: TempDir,
    port: u16,
}

impl Registry {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = cached("registry-");
        let jar = std::fs::read_dir(&place).into_iter().flatten().flatten();
        let mut jars = jar.map(|entry| entry.path());
        let jar = jars.find(|path| path.to_string_lossy().ends_with("-runner.jar"));
        let jar = jar.unwrap_or_else(|| panic!("no runner in {}", place.display()));
        let port = free_port();
        let mut command = java();
        command
            .args(["-Xmx384m", "-Dquarkus.http.host=127.0.0.1"])
            .arg(format!("-Dquarkus.http.port={port}"))
            .arg("-jar")
            .arg(jar)
            .current_dir(directory.path());
        let mut process = Process::spawn("registry", &mut command, directory.path());
        let subjects = format!("{}/subjects", address(port));
        eventually("the schema registry answers", START, || {
            assert!(process.ended().is_none(), "the registry ends: {}", process.report());
            match service::get(&subjects) {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}, {}", process.report())),
            }
        });
        Self { _process: process, _directory: directory, port }
    }

    fn address(&self) -> String {
        address(self.port)
    }
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}/apis/ccompat/v7")
}

/// A database server, empty.
pub struct Postgres {
    _process: Process,
    directory: TempDir,
    port: u16,
}

impl Postgres {
    /// A database of its own.
    pub fn start() -> Self {
        let mut init = postgres_program("initdb");
        init.args(["--no-sync", "-A", "trust", "-U", "postgres"]);
        Self::start_on(init, false)
    }

    /// A database of its own that speaks TLS, and the certificate to trust.
    pub fn start_secure() -> (Self, PathBuf) {
        let mut init = postgres_program("initdb");
        init.args(["--no-sync", "-A", "trust", "-U", "postgres"]);
        let database = Self::start_on(init, true);
        let certificate = database.directory.path().join("certificate.pem");
        (database, certificate)
    }

    /// A copy that follows this one.
    pub fn follow(&self) -> Self {
        let mut copy = postgres_program("pg_basebackup");
        copy.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"]);
        copy.args(["--checkpoint=fast", "--write-recovery-conf", "--no-sync"]);
        Self::start_on(copy, false)
    }

    /// Its address.
    pub fn url(&self) -> String {
        postgres_url(self.port)
    }

    /// Starts on what a program puts into a directory.
    fn start_on(mut fill: Command, is_secure: bool) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path().join("data");
        own(directory.path());
        fill.arg("-D").arg(&data);
        let output = fill.current_dir(directory.path()).output().expect("a program of PostgreSQL");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "no database can be made: {said}");
        let port = free_port();
        let mut command = postgres_program("postgres");
        command
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-p", &port.to_string()])
            .arg("-k")
            .arg(directory.path())
            .arg("-D")
            .arg(&data)
            .current_dir(directory.path());
        if is_secure {
            certify(directory.path());
            own(&directory.path().join("key.pem"));
            let (key, certificate) = ("../key.pem", "../certificate.pem");
            let files = [("ssl_key_file", key), ("ssl_cert_file", certificate), ("ssl", "on")];
            for (name, value) in files {
                command.args(["-c", &format!("{name}={value}")]);
            }
        }
        let mut process = Process::spawn("postgres", &mut command, directory.path());
        eventually("PostgreSQL answers", START, || {
            assert!(process.ended().is_none(), "PostgreSQL ends: {}", process.report());
            ask_postgres(&postgres_url(port), "select 1").map(drop)
        });
        Self { _process: process, directory, port }
    }
}

fn postgres_url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

/// A program of the newest PostgreSQL, run by its own user where this one is root: the server
/// refuses root.
fn postgres_program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin").join(name));
    let program = programs.filter(|program| program.exists()).max();
    let missing = || panic!("PostgreSQL is missing: run make test, or .ci/setup servers");
    let mut command = Command::new(program.unwrap_or_else(missing));
    if number("id", &["-u"]) == 0 {
        command.uid(number("id", &["-u", "postgres"])).gid(number("id", &["-g", "postgres"]));
    }
    command
}

/// Gives a directory or a file to who runs PostgreSQL.
fn own(directory: &Path) {
    if number("id", &["-u"]) == 0 {
        let status = Command::new("chown").arg("postgres").arg(directory).status();
        assert!(status.is_ok_and(|status| status.success()), "a directory for PostgreSQL");
    }
}

fn number(program: &str, arguments: &[&str]) -> u32 {
    let output = Command::new(program).args(arguments).output().expect("a program");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// What a query says.
pub fn ask_postgres(url: &str, query: &str) -> Result<String, String> {
    let mut psql = Command::new("psql");
    let output = psql.args([url, "-X", "-A", "-t", "-c", query]).output().expect("psql");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The database shared by all tests, as a URL.
pub fn postgres() -> &'static str {
    static SHARED: OnceLock<(String, Option<Postgres>)> = OnceLock::new();
    let (url, _) = SHARED.get_or_init(|| match named("SYNFINANCE_TEST_POSTGRES") {
        Some(url) => (url, None),
        None => {
            let postgres = Postgres::start();
            (postgres_url(postgres.port), Some(postgres))
        }
    });
    url
}

#[test]
fn the_database_is_there() {
    assert_eq!(ask_postgres(postgres(), "select 40 + 2"), Ok("42".to_owned()));
}
