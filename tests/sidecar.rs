//! The sidecar as probes, Prometheus and people see it: every endpoint in every state, what is
//! wrong with a request, bounds, TLS.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use synfinance::api::http::{Error, Model, Server, State};
use synfinance::base::config::Http;
use synfinance::base::limits::{MAX_HTTP_BODY_BYTES, MAX_HTTP_CONNECTIONS};
use synfinance::edges::telemetry::{Lag, Metrics, Outcome};
use synfinance::stream::health::{Check, Finding, Health};

const HOUR: Duration = Duration::from_secs(3_600);

fn settings(tls: Option<(PathBuf, PathBuf)>) -> Http {
    Http { address: "127.0.0.1".to_owned(), port: 0, tls }
}

/// A sidecar and what it tells about.
struct Sidecar {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    server: Server,
    agent: ureq::Agent,
}

/// A response, read.
#[derive(Debug)]
struct Answer {
    status: u16,
    kind: String,
    allow: Option<String>,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }
}

impl Sidecar {
    fn start(liveness_limit: Duration) -> Self {
        let (health, metrics) = (Arc::new(Health::new(2)), Arc::new(Metrics::new(2)));
        let server = Server::start(&settings(None), state(&health, &metrics, liveness_limit));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { health, metrics, server: server.unwrap(), agent }
    }

    fn ask(&self, method: &str, path: &str) -> Answer {
        let url = format!("http://127.0.0.1:{}{path}", self.server.port());
        let request = ureq::http::Request::builder().method(method).uri(url).body(()).unwrap();
        let mut response = self.agent.run(request).unwrap();
        let header = |name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        Answer {
            status: response.status().as_u16(),
            kind: header("content-type").unwrap_or_default(),
            allow: header("allow"),
            text: response.body_mut().read_to_string().unwrap(),
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.server.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }
}

fn state(health: &Arc<Health>, metrics: &Arc<Metrics>, liveness_limit: Duration) -> Arc<State> {
    Arc::new(State {
        health: Arc::clone(health),
        metrics: Arc::clone(metrics),
        model: Model { name: "gbt".to_owned(), version: "1.2".to_owned() },
        version: "0.1.0",
        liveness_limit,
    })
}

fn start_with(settings: &Http) -> Result<Server, Error> {
    Server::start(settings, state(&Arc::new(Health::new(0)), &Arc::new(Metrics::new(0)), HOUR))
}

#[test]
fn livez_names_the_worker_that_fell_silent() {
    let sidecar = Sidecar::start(HOUR);
    sidecar.health.beat(1);
    let answer = sidecar.get("/livez");
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "alive"})));
    // With a limit of nothing every worker that ever beat is too late.
    let sidecar = Sidecar::start(Duration::ZERO);
    sidecar.health.beat(1);
    let answer = sidecar.get("/livez");
    assert_eq!(answer.status, 503);
    let body = answer.json();
    assert_eq!((&body["status"], &body["workers"][0]["worker"]), (&json!("stuck"), &json!(1)));
    assert!(body["workers"][0]["silent_seconds"].is_number(), "{body}");
    assert_eq!(body["workers"].as_array().unwrap().len(), 1);
}

#[test]
fn readyz_says_what_stands_in_the_way() {
    let sidecar = Sidecar::start(HOUR);
    sidecar.health.obstruct("worker 0", "no partitions");
    sidecar.health.obstruct("labels", "10 of 20 read");
    let answer = sidecar.get("/readyz");
    let reasons = json!([
        {"part": "labels", "reason": "10 of 20 read"},
        {"part": "worker 0", "reason": "no partitions"},
    ]);
    let body = json!({"status": "not ready", "reasons": reasons});
    assert_eq!((answer.status, answer.json()), (503, body));
    assert_eq!(answer.kind, "application/json");
    assert_eq!(sidecar.get("/livez").status, 200, "waiting is no reason to restart");
    sidecar.health.clear("worker 0");
    sidecar.health.clear("labels");
    let answer = sidecar.get("/readyz");
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "ready"})));
}

#[test]
fn health_is_as_bad_as_the_worst_check() {
    let sidecar = Sidecar::start(HOUR);
    let answer = sidecar.get("/health");
    let body = answer.json();
    assert_eq!((answer.status, &body["status"]), (200, &json!("degraded")));
    assert_eq!(body["version"], "0.1.0");
    assert_eq!(body["model"], json!({"name": "gbt", "version": "1.2"}));
    let timestamp: jiff::Timestamp = body["timestamp"].as_str().unwrap().parse().unwrap();
    assert!(timestamp.as_second() > 1_700_000_000);
    let unknown = json!({"status": "unknown"});
    let checks = json!({
        "kafka": unknown, "database": unknown, "schema_registry": unknown, "model": unknown,
    });
    assert_eq!((&body["checks"], &body["reasons"]), (&checks, &json!([])));

    Check::ALL.into_iter().for_each(|check| sidecar.health.report(check, Finding::Ok));
    sidecar.health.report(Check::Database, Finding::Unused);
    let cases = [
        (Finding::Ok, 200, "healthy", json!({"status": "ok"})),
        (Finding::Unused, 200, "healthy", json!({"status": "unused"})),
        (
            Finding::Degraded("slow".to_owned()),
            200,
            "degraded",
            json!({"status": "degraded", "reason": "slow"}),
        ),
        (
            Finding::Down("away".to_owned()),
            503,
            "unhealthy",
            json!({"status": "down", "reason": "away"}),
        ),
    ];
    for (finding, status, word, check) in cases {
        sidecar.health.report(Check::SchemaRegistry, finding);
        let answer = sidecar.get("/health");
        let body = answer.json();
        assert_eq!((answer.status, body["status"].as_str()), (status, Some(word)));
        assert_eq!(body["checks"]["schema_registry"], check);
        assert_eq!(body["checks"]["database"], json!({"status": "unused"}));
    }
    // Every server may be in order, and work stand still.
    sidecar.health.report(Check::SchemaRegistry, Finding::Ok);
    sidecar.health.stands("progress of worker 0", "no coordinator");
    let answer = sidecar.get("/health");
    let body = answer.json();
    assert_eq!((answer.status, &body["status"]), (503, &json!("unhealthy")));
    let reasons = json!([{"part": "progress of worker 0", "reason": "no coordinator"}]);
    assert_eq!(body["reasons"], reasons);
    assert_eq!(sidecar.get("/readyz").json()["reasons"], reasons);
    assert_eq!(sidecar.get("/livez").status, 200, "standing still is no reason to restart");
}

#[test]
fn metrics_are_text_and_count_the_requests_themselves() {
    let sidecar = Sidecar::start(HOUR);
    sidecar.metrics.transactions(Outcome::Alerted, 5);
    sidecar.metrics.lag(0, "t", 0, Lag { records: 1, oldest_ms: Some(0) });
    sidecar.health.obstruct("worker 0", "no partitions");
    sidecar.ask("DELETE", "/nowhere");
    sidecar.get("/readyz");
    let answer = sidecar.get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.kind, "text/plain; version=0.0.4; charset=utf-8");
    let has = |line: &str| answer.text.lines().any(|found| found == line);
    let lines = [
        "synfinance_transactions_total{outcome=\"alerted\"} 5",
        "synfinance_ready 0",
        "synfinance_requests_total{method=\"DELETE\",route=\"other\",status=\"404\"} 1",
        "synfinance_requests_total{method=\"GET\",route=\"/readyz\",status=\"503\"} 1",
        "synfinance_requests_total{method=\"GET\",route=\"/livez\",status=\"200\"} 0",
        "synfinance_request_duration_seconds_count{route=\"/readyz\"} 1",
    ];
    for line in lines {
        assert!(has(line), "{line}\n{}", answer.text);
    }
    let lag = "synfinance_consumer_lag_seconds{partition=\"0\",topic=\"t\"} ";
    let lag = answer.text.lines().find_map(|line| line.strip_prefix(lag)).unwrap();
    assert!(lag.parse::<f64>().unwrap() > 1.7e9, "the age of a record of 1970 is {lag}");
    sidecar.health.clear("worker 0");
    assert!(sidecar.get("/metrics").text.contains("synfinance_ready 1\n"));
}

#[test]
fn what_is_wrong_with_a_request_is_told_as_rfc_9457_says() {
    let sidecar = Sidecar::start(HOUR);
    let cases = [
        ("GET", "/nowhere", 404, "Not Found", None),
        ("GET", "/livez/", 404, "Not Found", None),
        ("POST", "/livez", 405, "Method Not Allowed", Some("GET,HEAD")),
        ("DELETE", "/metrics", 405, "Method Not Allowed", Some("GET,HEAD")),
    ];
    for (method, path, status, title, allow) in cases {
        let answer = sidecar.ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.kind, "application/problem+json", "{method} {path}");
        assert_eq!(answer.allow.as_deref(), allow, "{method} {path}");
        let body = answer.json();
        assert_eq!(body["type"], "about:blank");
        assert_eq!((&body["title"], &body["status"]), (&json!(title), &json!(status)));
        assert!(body["detail"].is_string(), "{body}");
    }
    let text = sidecar.get("/metrics").text;
    let counted = "synfinance_requests_total{method=\"POST\",route=\"/livez\",status=\"405\"} 1\n";
    assert!(text.contains(counted), "{text}");
}

#[test]
fn head_is_get_without_a_body() {
    let sidecar = Sidecar::start(HOUR);
    for path in ["/livez", "/readyz", "/health", "/metrics"] {
        let answer = sidecar.ask("HEAD", path);
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
    }
}

#[test]
fn a_body_that_is_announced_as_too_long_is_not_waited_for() {
    let sidecar = Sidecar::start(HOUR);
    let mut stream = sidecar.connect();
    let length = MAX_HTTP_BODY_BYTES + 1;
    write!(stream, "POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

/// Whether the server closes the connection without a word.
fn is_turned_away(mut stream: TcpStream) -> bool {
    let mut byte = [0];
    !matches!(stream.read(&mut byte), Ok(1))
}

#[test]
fn idle_connections_take_no_more_than_their_share() {
    let sidecar = Sidecar::start(HOUR);
    let mut idle: Vec<TcpStream> = (0..MAX_HTTP_CONNECTIONS).map(|_| sidecar.connect()).collect();
    assert!(is_turned_away(sidecar.connect()));
    let text = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let mut first = idle.swap_remove(0);
    first.write_all(text).unwrap();
    first.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "who is in is answered: {answer}");
    drop((first, idle));
    // The server learns of closed connections one after the other.
    let since = Instant::now();
    let is_answered = || {
        let mut stream = sidecar.connect();
        let mut byte = [0];
        stream.write_all(text).is_ok() && matches!(stream.read(&mut byte), Ok(1))
    };
    while !is_answered() {
        assert!(since.elapsed() < Duration::from_secs(30), "places are not given back");
    }
    let text = sidecar.get("/metrics").text;
    assert!(!text.contains("synfinance_errors_total{kind=\"http\"} 0\n"), "{text}");
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let cases = [("127.0.0.1", port), ("256.0.0.1", 0), ("192.0.2.1", 0)];
    for (address, port) in cases {
        let settings = Http { address: address.to_owned(), port, tls: None };
        let error = start_with(&settings).expect_err(address);
        let text = error.to_string();
        let said = [address, &port.to_string(), "http.port", "http.address"];
        assert!(said.into_iter().all(|word| text.contains(word)), "{text}");
        assert!(!error.is_configuration());
    }
}

#[test]
fn a_stopped_sidecar_is_gone() {
    let sidecar = Sidecar::start(HOUR);
    assert_eq!(sidecar.get("/livez").status, 200);
    let port = sidecar.server.port();
    sidecar.server.stop(Duration::from_secs(30));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// Runs the openssl command in `directory` with these words, and this on its stdin.
fn openssl(directory: &Path, words: &str, input: &str) -> String {
    let mut child = Command::new("openssl")
        .args(words.split(' '))
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the openssl command, which .ci/setup installs");
    child.stdin.as_mut().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {words}");
    String::from_utf8(output.stdout).unwrap()
}

/// A certificate for localhost, its key, another key, and the first key encrypted.
fn certificates(directory: &Path) {
    let new = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost";
    openssl(directory, &format!("{new} -out certificate.pem -keyout key.pem"), "");
    openssl(directory, "genrsa -out other.pem 2048", "");
    openssl(directory, "rsa -in key.pem -aes128 -passout pass:abcd -out encrypted.pem", "");
}

#[test]
fn tls_serves_what_its_files_say_and_names_the_one_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    certificates(directory);
    let start = |certificate: &str, key: &str| {
        start_with(&settings(Some((directory.join(certificate), directory.join(key)))))
    };
    let server = start("certificate.pem", "key.pem").unwrap();
    let client = format!(
        "s_client -connect 127.0.0.1:{} -CAfile certificate.pem -verify_return_error \
         -verify_hostname localhost -quiet",
        server.port()
    );
    let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = openssl(directory, &client, request);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("{\"status\":\"alive\"}"), "{answer}");

    let cases = [
        ("none.pem", "key.pem", "http.tls.certificate", "none.pem"),
        ("key.pem", "key.pem", "http.tls.certificate", "key.pem"),
        ("certificate.pem", "none.pem", "http.tls.key", "none.pem"),
        ("certificate.pem", "certificate.pem", "http.tls.key", "certificate.pem"),
        ("certificate.pem", "encrypted.pem", "http.tls.key", "passphrase"),
        ("certificate.pem", "other.pem", "http.tls.key", "belong together"),
    ];
    for (certificate, key, named, said) in cases {
        let error = start(certificate, key).expect_err(named);
        let text = error.to_string();
        assert!(text.contains(named) && text.contains(said), "{text}");
        assert!(error.is_configuration());
    }
}
