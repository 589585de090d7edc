//! Schemas from a registry that is away, refuses, hangs, lies or has gone; and from files.
//!
//! The registry is a few lines of sockets, so that it can misbehave in ways that a real one shows
//! on bad days alone.

mod registry_support;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use registry_support::{Fake, Reply, Request, error, logged, record_logs, schema, until};
use serde_json::{Value, json};
use synfinance::base::config::{SchemaRegistry, Secret};
use synfinance::core::codec::{
    ALERT_SCHEMA, Framing, LABEL_SCHEMA, TRANSACTION_SCHEMA, fingerprint,
};
use synfinance::edges::registry::{Error, Lookup, Pace, Schemas, Standing};

const FAR: Duration = Duration::from_secs(3_600);

/// Retries at once, probes never.
const HASTY: Pace = Pace {
    first_retry: Duration::from_millis(1),
    longest_retry: Duration::from_millis(5),
    unknown_for: FAR,
    probe: FAR,
    probe_in_trouble: FAR,
};

fn settings(url: &str) -> SchemaRegistry {
    SchemaRegistry {
        url: Some(Secret::new(url)),
        basic_auth: None,
        fixed: BTreeMap::new(),
        auto_register: true,
        timeout: Duration::from_secs(20),
    }
}

struct Asked {
    schemas: Schemas,
    told: Told,
}

/// What was told last of how the registry stands.
type Told = Arc<Mutex<Option<Standing>>>;

fn ask_at(settings: &SchemaRegistry, pace: Pace) -> Asked {
    record_logs();
    let told = Told::default();
    let last = Arc::clone(&told);
    let tell = Arc::new(move |standing| *last.lock().unwrap() = Some(standing));
    let schemas = Schemas::start_with(settings, tell, pace).unwrap();
    Asked { schemas, told }
}

fn ask(fake: &Fake) -> Asked {
    ask_at(&settings(&fake.url()), HASTY)
}

impl Asked {
    fn standing(&self) -> Option<Standing> {
        self.told.lock().unwrap().clone()
    }

    /// What a look-up says once it is not pending.
    fn settled(&self, id: u32) -> Lookup {
        until(|| Some(self.schemas.lookup(id)).filter(|found| *found != Lookup::Pending))
    }

    fn trouble(&self) -> String {
        until(|| self.schemas.trouble())
    }
}

fn known(text: &str) -> Lookup {
    Lookup::Known(text.into())
}

fn not_found(_: &Request) -> Reply {
    error(404, 40_403, "Schema not found")
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_registry_that_is_away_is_asked_until_it_comes() {
    let address = free_address();
    let asked = ask_at(&settings(&format!("http://{address}/apis/ccompat/v7/")), HASTY);
    assert_eq!((asked.schemas.trouble(), asked.standing()), (None, None));
    assert_eq!(asked.schemas.lookup(7), Lookup::Pending);
    let trouble = asked.trouble();
    let start =
        format!("the schema registry http://{address}/apis/ccompat/v7 does not answer since ");
    assert!(trouble.starts_with(&start) && trouble.contains("Connection refused"), "{trouble}");
    assert!(matches!(asked.standing(), Some(Standing::Missed(why)) if why.starts_with(&start)));

    let fake = Fake::start_at(address, |request| match request.line.as_str() {
        "GET /apis/ccompat/v7/schemas/ids/7?deleted=true" => schema("\"int\""),
        _ => error(500, 1, "a wrong path"),
    });
    assert_eq!(asked.settled(7), known("\"int\""));
    assert_eq!((asked.schemas.trouble(), asked.standing()), (None, Some(Standing::Answers)));
    assert_eq!(fake.requests().len(), 1);
    let (lines, name) = (logged(), address.to_string());
    let count = |words: &str| {
        lines.lines().filter(|line| line.contains(&name) && line.contains(words)).count()
    };
    assert_eq!((count("does not answer"), count("answers again")), (1, 1));
}

#[test]
fn what_is_no_answer_of_a_registry_is_not_the_records_fault() {
    type Misbehaviour = fn() -> Reply;
    let cases: [(Misbehaviour, &str); 9] = [
        (|| error(401, 401, "Unauthorized"), "401 (Unauthorized), check schema_registry.username"),
        (|| Reply::Html(401), "401, check schema_registry.username"),
        (|| error(403, 40_301, "denied"), "403 (denied), the user is not allowed"),
        (|| error(500, 50_001, "store"), "500 (store)"),
        (|| Reply::Html(503), ": 503"),
        (|| Reply::Html(404), "check the path in schema_registry.url"),
        (|| Reply::Html(200), "its answer is no schema registry's"),
        (|| Reply::Json(200, "{}".to_owned()), "its answer is no schema registry's"),
        (|| Reply::Close, "connection"),
    ];
    for (reply, words) in cases {
        let fake = Fake::start(move |_| reply());
        let asked = ask(&fake);
        assert_eq!(asked.schemas.lookup(1), Lookup::Pending, "{words}");
        let trouble = asked.trouble();
        assert!(trouble.contains(words), "{words}: {trouble}");
        until(|| (fake.requests().len() >= 3).then_some(()));
        assert_eq!(asked.schemas.lookup(1), Lookup::Pending, "{words}");
        fake.becomes(|_| schema("\"int\""));
        assert_eq!(asked.settled(1), known("\"int\""), "{words}");
        assert_eq!(asked.schemas.trouble(), None, "{words}");
    }
}

#[test]
fn a_registry_that_hangs_is_given_up_in_time_and_asked_again() {
    let fake = Fake::start(|_| Reply::Silence);
    let settings = SchemaRegistry { timeout: Duration::from_millis(50), ..settings(&fake.url()) };
    let asked = ask_at(&settings, HASTY);
    assert_eq!(asked.schemas.lookup(1), Lookup::Pending);
    let trouble = asked.trouble();
    assert!(trouble.ends_with(": no answer within 50ms"), "{trouble}");
    let refused = asked.schemas.register("s", "\"int\"").unwrap_err();
    assert!(refused.to_string().ends_with("does not answer: no answer within 50ms"), "{refused}");
    fake.becomes(|_| schema("\"int\""));
    assert_eq!(asked.settled(1), known("\"int\""));
}

#[test]
fn that_there_is_no_such_schema_is_believed_and_asked_again_later() {
    let fake = Fake::start(not_found);
    let asked = ask(&fake);
    assert_eq!(asked.settled(3), Lookup::Unknown);
    assert_eq!((asked.schemas.trouble(), asked.standing()), (None, Some(Standing::Answers)));
    assert_eq!(asked.schemas.lookup(3), Lookup::Unknown);
    assert_eq!(fake.requests().len(), 1);

    let asked =
        ask_at(&settings(&fake.url()), Pace { unknown_for: Duration::from_millis(20), ..HASTY });
    assert_eq!(asked.settled(3), Lookup::Unknown);
    fake.becomes(|_| schema("\"int\""));
    until(|| (asked.schemas.lookup(3) == known("\"int\"")).then_some(()));
    fake.becomes(not_found);
    assert_eq!(asked.schemas.lookup(3), known("\"int\""));
}

#[test]
fn many_who_ask_for_one_id_make_one_request() {
    const ASKERS: usize = 8;
    let asking = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asking);
    let fake = Fake::start(move |_| {
        until(|| (counted.load(Ordering::SeqCst) == ASKERS).then_some(()));
        schema("\"int\"")
    });
    let asked = ask(&fake);
    thread::scope(|scope| {
        for _ in 0..ASKERS {
            scope.spawn(|| {
                let schemas = asked.schemas.clone();
                assert_eq!(schemas.lookup(5), Lookup::Pending);
                asking.fetch_add(1, Ordering::SeqCst);
                assert_eq!(asked.settled(5), known("\"int\""));
            });
        }
    });
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn an_id_that_is_hard_to_get_does_not_hold_up_another() {
    let fake = Fake::start(|request| match request.line.contains("/ids/1?") {
        true => Reply::Silence,
        false => schema("\"int\""),
    });
    let asked = ask(&fake);
    assert_eq!(asked.schemas.lookup(1), Lookup::Pending);
    assert_eq!(asked.settled(2), known("\"int\""));
    assert_eq!(asked.schemas.lookup(1), Lookup::Pending);
}

#[test]
fn what_a_schema_refers_to_comes_with_it() {
    let reference =
        |name: &str| json!([{"name": name, "subject": format!("{name}-value"), "version": 3}]);
    let record = |name: &str, kind: Value| {
        let fields = json!([{"name": "f", "type": kind}]);
        json!({"type": "record", "name": name, "fields": fields})
    };
    let (outer, middle) =
        (record("Outer", json!("Middle")), record("Middle", json!(["null", "Inner"])));
    let answer = |schema: &Value, references: Value| {
        let schema = schema.to_string();
        Reply::Json(200, json!({"id": 1, "schema": schema, "references": references}).to_string())
    };
    let has_inner = Arc::new(AtomicBool::new(true));
    let served = Arc::clone(&has_inner);
    let fake = Fake::start(move |request| match request.line.as_str() {
        "GET /schemas/ids/1?deleted=true" | "GET /schemas/ids/2?deleted=true" => {
            answer(&outer, reference("Middle"))
        }
        "GET /subjects/Middle-value/versions/3" => answer(&middle, reference("Inner")),
        "GET /subjects/Inner-value/versions/3" if served.load(Ordering::SeqCst) => {
            answer(&record("Inner", json!("int")), Value::Null)
        }
        _ => error(404, 40_401, "Subject not found"),
    });
    let asked = ask(&fake);
    let Lookup::Known(found) = asked.settled(1) else { panic!("the schema is there") };
    let inner = record("Inner", json!("int"));
    let whole = record("Outer", record("Middle", json!(["null", inner])));
    assert_eq!(fingerprint(&found), fingerprint(&whole.to_string()));
    assert!(fingerprint(&found).is_ok(), "{found}");
    has_inner.store(false, Ordering::SeqCst);
    assert_eq!(asked.settled(2), Lookup::Unknown);
    assert!(logged().contains("refers to version 3 of subject Inner-value, which is not there"));
}

#[test]
fn how_the_registry_is_becomes_known_without_anybody_asking() {
    let fake = Fake::start(not_found);
    let often = Duration::from_millis(2);
    let asked =
        ask_at(&settings(&fake.url()), Pace { probe: often, probe_in_trouble: often, ..HASTY });
    until(|| (asked.standing() == Some(Standing::Answers)).then_some(()));
    fake.becomes(|_| Reply::Html(502));
    until(|| matches!(asked.standing(), Some(Standing::Silent(_))).then_some(()));
    assert!(asked.trouble().ends_with(": 502"));
    fake.becomes(|_| schema("\"int\""));
    until(|| (asked.standing() == Some(Standing::Answers)).then_some(()));
    assert_eq!(asked.schemas.trouble(), None);
}

#[test]
fn the_thread_ends_with_the_last_clone() {
    let fake = Fake::start(|_| Reply::Silence);
    let Asked { schemas, told } = ask(&fake);
    let clone = schemas.clone();
    assert_eq!(schemas.lookup(1), Lookup::Pending);
    until(|| (fake.requests().len() == 1).then_some(()));
    drop(schemas);
    assert_eq!(clone.lookup(1), Lookup::Pending);
    assert!(Arc::strong_count(&told) > 1);
    drop(clone);
    until(|| (Arc::strong_count(&told) == 1).then_some(()));
}

#[test]
fn passwords_stay_out_of_everything_but_the_request() {
    let echo = |request: &Request| {
        error(500, 1, &format!("{} hunter2 hunter%32 at {}", "no", request.line))
    };
    let by_url = |fake: &Fake| settings(&format!("http://reader:hunter%32@{}", fake.address));
    let by_keys = |fake: &Fake| SchemaRegistry {
        basic_auth: Some(("reader".to_owned(), Secret::new("hunter2"))),
        ..settings(&format!("http://ignored:also-hunter2@{}", fake.address))
    };
    for settings in [&by_url as &dyn Fn(&Fake) -> SchemaRegistry, &by_keys] {
        let fake = Fake::start(echo);
        let asked = ask_at(&settings(&fake), HASTY);
        assert_eq!(asked.schemas.lookup(1), Lookup::Pending);
        let trouble = asked.trouble();
        let away = asked.schemas.register("subject", "\"int\"").unwrap_err();
        fake.becomes(|_| error(409, 409, "hunter2 is incompatible"));
        let refused = asked.schemas.register("subject", "\"int\"").unwrap_err();
        let shown = format!(
            "{trouble} {away} {away:?} {refused} {refused:?} {:?} {:?}",
            asked.schemas, asked.told
        );
        assert!(shown.contains("*** is incompatible"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("reader"), "{shown}");
        for request in fake.requests() {
            // base64 of reader:hunter2
            assert_eq!(request.authorization.as_deref(), Some("Basic cmVhZGVyOmh1bnRlcjI="));
        }
    }
    for url in ["http://reader:hunter2@h:x", "http://reader:hunter2@h?x"] {
        let error = Schemas::start(&settings(url), Arc::new(|_| ())).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("schema_registry.url") && !text.contains("hunter2"), "{text}");
    }
    assert!(logged().contains("schema registry does not answer"));
    assert!(!logged().contains("hunter2"));
}

/// A registry that takes schemas: ids from 41 in the order of their subjects.
fn taking() -> impl Fn(&Request) -> Reply {
    let subjects = Mutex::new(Vec::new());
    move |request| {
        let path = request.line.strip_prefix("POST /subjects/");
        let Some(subject) = path.and_then(|path| path.strip_suffix("/versions")) else {
            return not_found(request);
        };
        let mut subjects = subjects.lock().unwrap();
        subjects.push(subject.to_owned());
        Reply::Json(200, json!({"id": 40 + subjects.len()}).to_string())
    }
}

fn posted(request: &Request) -> String {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["schemaType"], "AVRO");
    body["schema"].as_str().unwrap().to_owned()
}

#[test]
fn the_alerts_schema_is_registered_once_the_registry_is_there() {
    let fake = Fake::start(|_| Reply::Html(503));
    let asked = ask(&fake);
    let stop = AtomicBool::new(false);
    let framing = thread::scope(|scope| {
        let waiting = scope.spawn(|| asked.schemas.alert_framing("fraud-alerts", &stop));
        assert!(asked.trouble().ends_with(": 503"));
        until(|| matches!(asked.standing(), Some(Standing::Missed(_))).then_some(()));
        fake.becomes(taking());
        waiting.join().unwrap()
    });
    assert_eq!(framing.unwrap(), Some(Framing::Confluent(41)));
    assert_eq!((asked.schemas.trouble(), asked.standing()), (None, Some(Standing::Answers)));
    let request = fake.requests().pop().unwrap();
    assert_eq!(request.line, "POST /subjects/fraud-alerts-value/versions");
    assert_eq!(posted(&request), ALERT_SCHEMA);
}

#[test]
fn who_waits_for_the_alerts_schema_can_be_stopped() {
    for behaviour in [|_: &Request| Reply::Html(503), |_: &Request| Reply::Silence] {
        let fake = Fake::start(behaviour);
        let asked = ask(&fake);
        let stop = AtomicBool::new(false);
        let framing = thread::scope(|scope| {
            let waiting = scope.spawn(|| asked.schemas.alert_framing("fraud-alerts", &stop));
            until(|| (!fake.requests().is_empty()).then_some(()));
            stop.store(true, Ordering::Relaxed);
            waiting.join().unwrap()
        });
        assert_eq!(framing.unwrap(), None);
    }
}

#[test]
fn a_refused_schema_is_an_error_that_says_what_to_do() {
    for (status, code, words) in [(409, 409, "incompatible"), (422, 42_201, "invalid")] {
        let fake = Fake::start(move |_| error(status, code, words));
        let asked = ask(&fake);
        let error = asked.schemas.alert_framing("a", &AtomicBool::new(false)).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Refused { .. }) && !error.is_usage());
        for part in ["subject a-value", words, "another subject"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!((asked.schemas.trouble(), asked.standing()), (None, Some(Standing::Answers)));
    }
}

#[test]
fn without_leave_to_register_the_alerts_schema_must_be_there() {
    let stop = AtomicBool::new(false);
    let look_up = "POST /subjects/fraud-alerts-value?deleted=false";
    let newest = "GET /subjects/fraud-alerts-value/versions/latest";
    let framing = |fake: &Fake| {
        let settings = SchemaRegistry { auto_register: false, ..settings(&fake.url()) };
        ask_at(&settings, HASTY).schemas.alert_framing("fraud-alerts", &stop)
    };
    let fake = Fake::start(move |request| {
        assert_eq!((request.line.as_str(), posted(request).as_str()), (look_up, ALERT_SCHEMA));
        Reply::Json(200, json!({"id": 9, "version": 1, "schema": "x"}).to_string())
    });
    assert_eq!(framing(&fake).unwrap(), Some(Framing::Confluent(9)));

    let latest = |text: &str| {
        let body = json!({"id": 8, "version": 2, "schema": text}).to_string();
        Fake::start(move |request| match request.line.as_str() {
            line if line == newest => Reply::Json(200, body.clone()),
            _ => not_found(request),
        })
    };
    let same_bytes = ALERT_SCHEMA.replace("\"doc\"", "\"note\"");
    assert_eq!(framing(&latest(&same_bytes)).unwrap(), Some(Framing::Confluent(8)));

    for fake in [latest(TRANSACTION_SCHEMA), Fake::start(not_found)] {
        let error = framing(&fake).unwrap_err();
        assert!(matches!(error, Error::NotRegistered { .. }));
        let text = error.to_string();
        assert!(text.contains("subject fraud-alerts-value"), "{text}");
        assert!(text.contains("schema_registry.auto_register to true"), "{text}");
    }
}

#[test]
fn without_a_registry_the_static_table_answers() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let table = |fixed| SchemaRegistry { url: None, fixed, ..settings("") };
    let fixed = BTreeMap::from([
        (1, file("t.avsc", TRANSACTION_SCHEMA)),
        (2, file("a.avsc", ALERT_SCHEMA)),
    ]);
    let asked = ask_at(&table(fixed), HASTY);
    assert_eq!(asked.standing(), Some(Standing::Unused));
    assert_eq!(asked.schemas.lookup(1), known(TRANSACTION_SCHEMA));
    assert_eq!((asked.schemas.lookup(3), asked.schemas.trouble()), (Lookup::Unknown, None));
    let framing = asked.schemas.alert_framing("fraud-alerts", &AtomicBool::new(true)).unwrap();
    assert_eq!(framing, Some(Framing::Confluent(2)));
    assert!(matches!(asked.schemas.register("a", "\"int\""), Err(Error::NoRegistry)));

    let broken = table(BTreeMap::from([(4, file("broken.avsc", "{"))]));
    let error = Schemas::start(&broken, Arc::new(|_| ())).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("schema_registry.static.4") && text.contains("broken.avsc"), "{text}");
}

/// `synfinance schemas` with these arguments in an empty directory.
fn schemas_command(url: Option<&str>, arguments: &[&str], files: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_synfinance"));
    command.arg("schemas").args(arguments).current_dir(directory.path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SYNFINANCE")) {
        command.env_remove(name);
    }
    command.envs(url.map(|url| ("SYNFINANCE__SCHEMA_REGISTRY__URL", url)));
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_command_registers_the_programs_schemas_or_a_file() {
    let fake = Fake::start(taking());
    let url = fake.url();
    let output = schemas_command(Some(&url), &["register"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = "transactions-value 41\nfraud-alerts-value 42\nfraud-labels-value 43\n";
    assert_eq!(text(&output.stdout), lines);
    let own: Vec<String> = fake.requests().iter().map(posted).collect();
    assert_eq!(own, [TRANSACTION_SCHEMA, ALERT_SCHEMA, LABEL_SCHEMA]);

    let arguments = ["register", "mine.avsc", "--subject", "mine-value", "--json"];
    let output = schemas_command(Some(&url), &arguments, &[("mine.avsc", "\"int\"")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, json!({"registered": [{"subject": "mine-value", "id": 44}]}));

    let output = schemas_command(Some(&url), &arguments, &[("mine.avsc", "{}")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("mine.avsc is no schema"), "{}", text(&output.stderr));
    assert_eq!(fake.requests().len(), 4);

    fake.becomes(|_| error(409, 409, "incompatible"));
    let output = schemas_command(Some(&url), &["register"], &[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).contains("409 (incompatible)"), "{}", text(&output.stderr));
}

#[test]
fn the_command_says_field_by_field_what_would_be_read() {
    let payment = TRANSACTION_SCHEMA.replacen("\"double\"", "\"float\"", 1);
    let stranger =
        r#"{"type": "record", "name": "x.Stranger", "fields": [{"name": "a", "type": "int"}]}"#;
    let files = [
        ("p.avsc", payment.as_str()),
        ("l.avsc", LABEL_SCHEMA),
        ("s.avsc", stranger),
        ("n.avsc", "7"),
    ];
    let check = |arguments: &[&str]| {
        let output = schemas_command(None, &[&["check"], arguments].concat(), &files);
        let shown = (text(&output.stdout).to_owned(), text(&output.stderr).to_owned());
        (output.status.code(), shown.0, shown.1)
    };
    let (code, out, _) = check(&["p.avsc"]);
    assert_eq!(code, Some(0));
    assert_eq!(out.lines().count(), 21, "{out}");
    assert!(out.contains("amount: read from float\n") && out.contains("city: read\n"), "{out}");
    assert!(out.ends_with("are read as transaction\n"), "{out}");

    let (code, out, _) = check(&["l.avsc"]);
    assert_eq!((code, out.ends_with("are read as label\n")), (Some(0), true), "{out}");
    let (code, out, err) = check(&["l.avsc", "--as", "transaction"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("amount: missing") && out.contains("is_fraud: skipped"), "{out}");
    assert!(err.contains("cannot be read as transaction"), "{err}");

    let (code, out, _) = check(&["s.avsc", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["readable"]), (Some(1), &false.into()));
    assert_eq!((&report["record"], &report["as"]), (&"x.Stranger".into(), &"transaction".into()));
    assert_eq!(report["ignored"], json!(["a"]));
    let first = json!({"field": "transaction_id", "outcome": "missing",
        "detail": "missing, add it to the producer's schema"});
    assert_eq!(report["fields"][0], first);

    let (code, out, err) = check(&["n.avsc", "--json"]);
    assert_eq!(
        (code, serde_json::from_str::<Value>(&out).unwrap()["readable"].clone()),
        (Some(1), false.into())
    );
    assert!(err.contains("n.avsc is no schema of a record: "), "{err}");
    let (code, _, err) = check(&["gone.avsc"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("cannot read the schema file gone.avsc"), "{err}");
}
