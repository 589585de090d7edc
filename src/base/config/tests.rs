//! The whole way from layers to settings, through [`load`] alone.

use std::time::Duration;

use super::*;

/// An environment with these variables, whose working directory has these files.
fn environment(
    variables: &[(&str, &str)],
    files: &[(&str, &str)],
) -> (Environment, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    (Environment::new(variables, directory.path()), directory)
}

fn loaded(variables: &[(&str, &str)], file: &str) -> Result<Loaded, ConfigError> {
    let (environment, _directory) = environment(variables, &[("x.yaml", file)]);
    load(environment, &["x.yaml".into()])
}

/// The lines of the complaint about `file`.
fn complaint(variables: &[(&str, &str)], file: &str) -> String {
    match loaded(variables, file) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_defaults_are_what_the_contract_says() {
    let settings = loaded(&[], "").unwrap().settings;
    assert_eq!(settings.stream.brokers, ["localhost:9092"]);
    assert_eq!(settings.stream.group_id, "synfinance");
    assert_eq!(settings.stream.topics.dead_letters, "transactions-dlq");
    assert_eq!(settings.stream.topics.scored, None);
    assert_eq!(settings.stream.delivery, Delivery::AtLeastOnce);
    assert_eq!(settings.state.max_transactions_per_customer, 1_024);
    assert_eq!(settings.state.dedup_horizon, Duration::from_secs(86_400));
    let points: Vec<_> =
        settings.state.save.iter().map(|p| (p.interval.as_secs(), p.changes)).collect();
    assert_eq!(points, [(60, 10_000), (300, 1)]);
    assert_eq!(settings.features.timezone, "Asia/Kolkata");
    assert_eq!(settings.decision.threshold, None);
    assert_eq!((settings.http.address.as_str(), settings.http.port), ("0.0.0.0", 8_000));
}

#[test]
fn default_yaml_has_every_key_and_no_other() {
    let text = include_str!("../../../config/default.yaml");
    for key in keys::KEYS {
        let name = key.path.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("{name}:")), "{} is not in default.yaml", key.path);
    }
    let (environment, _directory) = environment(&[], &[]);
    let shown = load(environment, &[]).unwrap().to_json();
    let sources = shown["sources"].as_object().unwrap();
    assert_eq!(sources.len(), keys::KEYS.len());
    assert!(sources.values().all(|origin| origin == COMPILED_IN));
}

#[test]
fn every_sample_file_is_valid() {
    for name in ["development", "staging", "production"] {
        let (environment, _directory) = environment(&[("SYNFINANCE_ENV", name)], &[]);
        let loaded = load(environment, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        let origin = format!("config/{name}.yaml (compiled in)");
        assert!(loaded.to_yaml().contains(&origin), "{name}");
    }
}

#[test]
fn the_sample_environment_selects_no_profile_and_every_line_of_it_is_valid() {
    let sample = include_str!("../../../.env.example");
    let (as_it_is, _directory) = environment(&[], &[(".env", sample)]);
    let shown = load(as_it_is, &[]).unwrap().to_json();
    assert!(shown["sources"].as_object().unwrap().values().all(|origin| origin == COMPILED_IN));

    let is_setting =
        |line: &&str| line.strip_prefix("# ").is_some_and(|l| l.contains('=') && !l.contains(' '));
    assert_eq!(sample.lines().filter(is_setting).count(), 3);
    let whole: String = sample
        .lines()
        .map(|line| if is_setting(&line) { &line[2..] } else { line })
        .map(|line| format!("{line}\n"))
        .collect();
    let (all_of_it, _directory) = environment(&[], &[(".env", &whole)]);
    let settings = load(all_of_it, &[]).unwrap().settings;
    assert_eq!(settings.stream.workers, Some(4));
    assert_eq!(settings.stream.brokers, ["localhost:9092"]);
}

#[test]
fn later_layers_win_and_the_origin_says_so() {
    let (environment, _directory) = environment(
        &[("SYNFINANCE_ENV", "staging"), ("SYNFINANCE__HTTP__PORT", "9003")],
        &[
            ("config/default.yaml", "stream: {group_id: a, workers: 2, batch_records: 7}\n"),
            ("config/staging.yaml", "stream: {group_id: b, workers: 3}\nhttp: {port: 9001}\n"),
            ("one.yaml", "stream: {group_id: c}\nhttp: {port: 9002}\n"),
            ("two.yaml", "stream: {group_id: d}\n"),
        ],
    );
    let loaded = load(environment, &["one.yaml".into(), "two.yaml".into()]).unwrap();
    let shown = loaded.to_json();
    let value = |path: &str| shown.pointer(path).unwrap().clone();
    let cases = [
        ("stream.group_id", "/values/stream/group_id", serde_json::json!("d"), "two.yaml"),
        ("stream.workers", "/values/stream/workers", 3.into(), "config/staging.yaml"),
        ("stream.batch_records", "/values/stream/batch_records", 7.into(), "config/default.yaml"),
        ("http.port", "/values/http/port", 9_003.into(), "environment SYNFINANCE__HTTP__PORT"),
        ("telemetry.level", "/values/telemetry/level", "info".into(), COMPILED_IN),
    ];
    for (path, pointer, expected, origin) in cases {
        assert_eq!(value(pointer), expected, "{path}");
        assert_eq!(shown["sources"][path], origin, "{path}");
    }
    assert_eq!(loaded.settings.http.port, 9_003);
}

#[test]
fn what_is_shown_reads_back_as_the_same_configuration() {
    let file = "stream:\n  brokers: [a:1, b:2]\n  kafka: {session.timeout.ms: 6000, client.id: '7 #x'}\n\
                schema_registry: {static: {1: a.avsc}}\n\
                state: {dedup_horizon: 90m, max_bytes: 1GB}\n";
    let first = loaded(&[], file).unwrap();
    let second = loaded(&[], &first.to_yaml()).unwrap();
    assert_eq!(first.to_json()["values"], second.to_json()["values"]);
    assert_eq!(first.settings.state.dedup_horizon, Duration::from_secs(5_400));
    assert_eq!(first.settings.stream.kafka["client.id"].expose(), "7 #x");
}

#[test]
fn variables_of_every_kind() {
    let variables = [
        ("SYNFINANCE__STREAM__BROKERS", "a:1, b:2"),
        ("SYNFINANCE__STREAM__KAFKA__SASL_PASSWORD", "p"),
        ("SYNFINANCE__STREAM__KAFKA", "{client.id: x}"),
        ("SYNFINANCE__STREAM__WORKERS", ""),
        ("SYNFINANCE__SCHEMA_REGISTRY__STATIC__7", "t.avsc"),
        ("SYNFINANCE__SCHEMA_REGISTRY__AUTO_REGISTER", "False"),
        ("SYNFINANCE__STATE__SAVE", "[[5, 1]]"),
        ("SYNFINANCE__STATE__MAX_BYTES", "1GiB"),
        ("SYNFINANCE__MODELS__SHADOW", "a.onnx,/b.onnx"),
        ("SYNFINANCE__DECISION__THRESHOLD", "0.25"),
    ];
    let settings = loaded(&variables, "").unwrap().settings;
    assert_eq!(settings.stream.brokers, ["a:1", "b:2"]);
    assert_eq!(settings.stream.kafka["sasl.password"].expose(), "p");
    assert_eq!(settings.stream.kafka["client.id"].expose(), "x");
    assert_eq!(settings.stream.workers, None);
    assert_eq!(settings.schema_registry.fixed[&7], PathBuf::from("t.avsc"));
    assert!(!settings.schema_registry.auto_register);
    let point = SavePoint { interval: Duration::from_secs(5), changes: 1 };
    assert_eq!(settings.state.save, [point]);
    assert_eq!(settings.state.max_bytes, 1 << 30);
    assert_eq!(settings.models.shadow, [PathBuf::from("models/a.onnx"), "/b.onnx".into()]);
    assert_eq!(settings.decision.threshold, Some(0.25));
}

#[test]
fn variables_fill_in_and_the_process_wins_over_dotenv() {
    let (environment, _directory) = environment(
        &[("GROUP", "from-process")],
        &[
            (".env", "GROUP=from-file\nPORT=9100\nSYNFINANCE__TELEMETRY__LEVEL=warn\n"),
            (
                "x.yaml",
                "stream: {group_id: '${GROUP}'}\nhttp: {port: '${PORT}', address: '${A:-::1}'}\n",
            ),
        ],
    );
    let loaded = load(environment, &["x.yaml".into()]).unwrap();
    assert_eq!(loaded.settings.stream.group_id, "from-process");
    assert_eq!(loaded.settings.http.port, 9_100);
    assert_eq!(loaded.settings.http.address, "::1");
    let sources = &loaded.to_json()["sources"];
    assert_eq!(sources["stream.group_id"], "x.yaml, environment GROUP");
    assert_eq!(sources["http.port"], "x.yaml, .env PORT");
    assert_eq!(sources["telemetry.level"], ".env SYNFINANCE__TELEMETRY__LEVEL");
}

#[test]
fn an_empty_section_keeps_its_defaults() {
    assert_eq!(loaded(&[], "http:\nstream:\n  topics:\n").unwrap().settings.http.port, 8_000);
}

#[test]
fn each_mistake_is_named_with_its_place_and_what_is_allowed() {
    let cases = [
        ("http: {prot: 1}", "http.prot is not a known key; did you mean http.port? (x.yaml)"),
        ("wobble: 1", "wobble is not a known key; `synfinance config show` lists them (x.yaml)"),
        ("http: 5", "http is a section and must be a table of keys (x.yaml)"),
        (
            "http: {port: 70000}",
            "http.port is 70000, it must be a whole number from 1 to 65535 (x.yaml)",
        ),
        (
            "http: {port: web}",
            "http.port is \"web\", it must be a whole number from 1 to 65535 (x.yaml)",
        ),
        (
            "http: {port: [1]}",
            "http.port is a list, it must be a whole number from 1 to 65535 (x.yaml)",
        ),
        (
            "http: {port: null}",
            "http.port is null, it must be a whole number from 1 to 65535 (x.yaml)",
        ),
        (
            "stream: {group_id: ' '}",
            "stream.group_id is \" \", it must be a text that is not empty (x.yaml)",
        ),
        (
            "stream: {delivery: exactly_onc}",
            "stream.delivery is \"exactly_onc\", it must be one of at_least_once, exactly_once (x.yaml)",
        ),
        (
            "stream: {brokers: []}",
            "stream.brokers is a list, it must be a list of at least one text (x.yaml)",
        ),
        (
            "stream: {kafka: {a: [1]}}",
            "stream.kafka.a must be a text, a number, true or false (x.yaml)",
        ),
        (
            "schema_registry: {static: {a: b}}",
            "schema_registry.static.a is not a schema id; ids are whole numbers (x.yaml)",
        ),
        (
            "schema_registry: {username: u}",
            "schema_registry.username is set without schema_registry.password; set both or neither (x.yaml)",
        ),
        (
            "http: {tls: {key: k}}",
            "http.tls.key is set without http.tls.certificate; set both or neither (x.yaml)",
        ),
        (
            "state: {max_transactions_per_customer: 31}",
            "it must be a whole number from 32 to 2048 (x.yaml)",
        ),
        (
            "state: {max_transactions_per_customer: 2049}",
            "it must be a whole number from 32 to 2048 (x.yaml)",
        ),
        (
            "state: {max_bytes: 1MiB}",
            "it must be a size from 16MiB to 1024TiB, such as 512MiB (x.yaml)",
        ),
        ("state: {dedup_horizon: 24}", "is 24, it must be a duration from 1m to 31d, such as"),
        ("state: {save: [[60]]}", "it must be a list of [seconds, changed customers]"),
        ("state: {save: [[0, 1]]}", "it must be a list of [seconds, changed customers]"),
        (
            "features: {timezone: Asia/Calcuta}",
            "it must be an IANA time zone such as Asia/Kolkata (x.yaml)",
        ),
        (
            "decision: {threshold: 1.01}",
            "is 1.01, it must be a number from 0 to 1, or null (x.yaml)",
        ),
        ("decision: {threshold: nan}", "it must be a number from 0 to 1, or null (x.yaml)"),
        ("models: {watch: maybe}", "models.watch is \"maybe\", it must be true or false (x.yaml)"),
        (
            "http: {address: '${NOPE}'}",
            "http.address needs the environment variable NOPE, which is not set; set it or write",
        ),
    ];
    for (file, expected) in cases {
        let message = complaint(&[], file);
        assert!(message.contains(expected), "{file}:\n{message}\nlacks\n{expected}");
    }
}

#[test]
fn a_table_where_none_may_be_is_named_with_its_file() {
    let paths = ["schema_registry.password", "stream.group_id", "models.active", "models.shadow"];
    for path in paths {
        let (section, name) = path.split_once('.').unwrap();
        let seen = complaint(&[], &format!("{section}: {{{name}: {{a: {{b: c}}}}}}\n"));
        assert!(seen.contains(path) && seen.trim_end().ends_with("(x.yaml)"), "{seen}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let variables = [("SYNFINANCE__HTP__PORT", "1"), ("SYNFINANCE__TELEMETRY__LEVEL", "loud")];
    let message = complaint(&variables, "http: {port: 0, colour: red}\nstate: {max_bytes: -1}");
    assert_eq!(message.lines().count(), 6, "{message}");
    assert!(message.contains("htp.port is not a known key; did you mean http.port?"), "{message}");
    assert!(message.contains("(environment SYNFINANCE__HTP__PORT)"), "{message}");
}

#[test]
fn limits_are_inside() {
    for file in [
        "state: {max_transactions_per_customer: 32}",
        "state: {max_transactions_per_customer: 2048}",
        "state: {max_bytes: 16MiB, dedup_horizon: 31d}",
        "decision: {threshold: 0}",
        "decision: {threshold: 1.0}",
        "http: {port: 65535}",
    ] {
        assert_eq!(complaint(&[], file), "", "{file}");
    }
}

#[test]
fn files_that_are_not_there_or_no_yaml() {
    let load_file = |name: &str, files: &[(&str, &str)]| {
        let (environment, _directory) = environment(&[], files);
        load(environment, &[name.into()]).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(load_file("no.yaml", &[]), "cannot read the configuration file no.yaml");
    let message = load_file("x.yaml", &[("x.yaml", "a: [1\nb: 2")]);
    assert!(message.starts_with("x.yaml is not valid YAML: "), "{message}");
    let message = load_file("x.yaml", &[(".env", "A=1\nnot an assignment")]);
    assert_eq!(message, ".env line 2 is not NAME=value");
    assert_eq!(
        complaint(&[("SYNFINANCE_ENV", "prod")], ""),
        "SYNFINANCE_ENV is \"prod\", allowed are development, staging and production"
    );
}

#[test]
fn secrets_are_in_the_settings_and_nowhere_else() {
    let secret = "hunter2-hunter2-hunter2-hunter2-hunter2";
    let file = format!(
        "stream: {{kafka: {{sasl.password: {secret}, sasl.username: svc}}}}\n\
         schema_registry: {{url: 'https://u:{secret}@r', username: u, password: {secret}}}\n\
         state: {{database_url: 'postgres://u:{secret}@h/d?sslpassword={secret}'}}\n\
         auth: {{jwt_secret: '${{JWT}}'}}\n"
    );
    let loaded = loaded(&[("JWT", secret)], &file).unwrap();
    assert_eq!(loaded.settings.stream.kafka["sasl.password"].expose(), secret);
    assert_eq!(loaded.settings.auth.jwt_secret.as_ref().unwrap().expose(), secret);
    let seen = format!("{}{}{:?}", loaded.to_yaml(), loaded.to_json(), loaded.settings);
    assert!(!seen.contains("hunter2"), "{seen}");
    assert!(seen.contains("postgres://u:***@h/d?sslpassword=***"), "{seen}");
    assert!(seen.contains("svc"), "{seen}");
}

#[test]
fn secrets_are_not_repeated_in_complaints() {
    for file in [
        "auth: {jwt_secret: hunter2}",
        "auth: {jwt_secret: [hunter2]}",
        "schema_registry: {password: [hunter2]}",
        "schema_registry: {url: 'ftp://u:hunter2@r'}",
        "state: {database_url: 'mysql://u:hunter2@r'}",
        "stream: {kafka: {sasl.password: [hunter2]}}",
        "stream: {kafka: hunter2}",
        "schema_registry: {pasword: hunter2}",
        "schema_registry: {password: '${hunter2'}",
    ] {
        let message = complaint(&[], file);
        assert!(!message.is_empty() && !message.contains("hunter2"), "{file}: {message}");
    }
    for file in ["schema_registry: {password: 0123}", "stream: {kafka: {sasl.password: 0123}}"] {
        let message = complaint(&[], file);
        assert!(message.contains("put it in quotes") && !message.contains("123"), "{message}");
    }
}
