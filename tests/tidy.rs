//! The repository's own rules, as tests.
//!
//! What a page says about the code is true until somebody is in a hurry. So what can be checked is
//! checked here: which module may name which crate, what the scoring path must not do, how long
//! files and functions get, whether samples parse and links lead somewhere. Most rules are one pure
//! function over a path and a text, [`check`]; each has violations planted that it must catch.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most lines of a file without its tests.
const MAX_FILE_LINES: usize = 400;

/// Most lines of a function.
const MAX_FUNCTION_LINES: usize = 70;

/// Most characters of a line.
const MAX_COLUMNS: usize = 100;

/// Outside crates and the one place of `src` each may be named in.
const CRATE_HOMES: [(&str, &[&str]); 29] = [
    ("anyhow", &["src/commands/", "src/main.rs"]),
    ("apache_avro", &["src/core/codec/"]),
    ("arrow_array", &["src/files/"]),
    ("arrow_avro", &["src/files/"]),
    ("arrow_cast", &["src/files/"]),
    ("arrow_csv", &["src/files/"]),
    ("arrow_json", &["src/files/"]),
    ("arrow_schema", &["src/files/"]),
    ("arrow_select", &["src/files/"]),
    ("axum", &["src/api/http/"]),
    ("axum_server", &["src/api/http/"]),
    ("backoff", &["src/base/retry.rs"]),
    ("clap", &["src/commands/", "src/main.rs"]),
    ("indicatif", &["src/commands/"]),
    ("moka", &["src/core/state/"]),
    ("opentelemetry", &["src/edges/telemetry/"]),
    ("opentelemetry_otlp", &["src/edges/telemetry/"]),
    ("opentelemetry_sdk", &["src/edges/telemetry/"]),
    ("parquet", &["src/files/"]),
    ("prometheus", &["src/edges/telemetry/"]),
    ("rdkafka", &["src/edges/kafka/"]),
    ("schema_registry_converter", &["src/edges/registry/"]),
    ("signal_hook", &["src/commands/"]),
    ("sqlx", &["src/edges/database/"]),
    ("tracing_appender", &["src/edges/telemetry/"]),
    ("tracing_opentelemetry", &["src/edges/telemetry/"]),
    ("tracing_subscriber", &["src/edges/telemetry/"]),
    ("tract_onnx", &["src/core/model/"]),
    ("ureq", &[]),
];

/// The wings of `src`, lowest first, and the wings each may use besides itself. ARCHITECTURE.md has
/// the same table.
const WINGS: [(&str, &[&str]); 9] = [
    ("base", &[]),
    ("core", &["base"]),
    ("edges", &["base", "core"]),
    ("stream", &["base", "core", "edges"]),
    ("files", &["base", "core"]),
    ("api", &["base", "core", "edges", "stream", "files"]),
    ("service", &["base", "core", "edges", "stream", "files", "api"]),
    ("tools", &["base", "core", "edges", "stream", "files", "api", "service"]),
    ("commands", &["base", "core", "edges", "stream", "files", "api", "service", "tools"]),
];

/// The scoring path.
const PURE: &str = "src/core/";

/// What the scoring path does not do.
const IMPURE: [(&str, &str); 13] = [
    ("std::fs", "touch files"),
    ("std::net", "touch the network"),
    ("std::thread", "know of threads"),
    ("std::env", "read the environment"),
    ("Instant", "read a clock"),
    ("SystemTime", "read a clock"),
    ("crate::base::clock", "read a clock"),
    ("tracing::", "log"),
    ("println!", "print"),
    ("rand::", "draw random numbers"),
    ("async fn", "wait"),
    (".await", "wait"),
    ("serde::", "serialise domain types"),
];

/// Files of the scoring path that may do one of [`IMPURE`], once, before anything is scored.
const EXCEPTIONS: [(&str, &str); 2] =
    [("src/core/model/load.rs", "std::fs"), ("src/core/model/manifest.rs", "serde::")];

/// What is not left behind, anywhere. Written in two parts, so that this file may be checked as
/// well.
const LEFTOVERS: [&str; 9] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("#[ig", "nore"),
    concat!("allow(dead", "_code"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
];

/// One breach of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Breach {
    /// Counted from 1.
    line: usize,
    rule: &'static str,
    what: String,
}

/// All breaches of the rules that concern one file alone. `path` is relative to the repository.
fn check(path: &str, text: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    leftovers(text, &mut found);
    if path.ends_with(".rs") {
        columns(text, &mut found);
        header(text, &mut found);
        dead_code(text, &mut found);
    }
    if path.starts_with("src/") && path.ends_with(".rs") && !is_test_file(path) {
        let production = production(text);
        let code: Vec<&str> = production.iter().map(|line| without_comment(line)).collect();
        lengths(&production, &mut found);
        unwraps(&code, &mut found);
        crates(path, &code, &mut found);
        wings(path, &code, &mut found);
        purity(path, &code, &mut found);
    }
    found
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.ends_with("_tests.rs")
}

/// The lines before the file's test module.
fn production(text: &str) -> Vec<&str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").collect()
}

/// The line up to its comment. Addresses in texts (`http://`) are no comments.
fn without_comment(line: &str) -> &str {
    let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
    comment.map_or(line, |(at, _)| &line[..at])
}

fn push(found: &mut Vec<Breach>, index: usize, rule: &'static str, what: impl Into<String>) {
    found.push(Breach { line: index + 1, rule, what: what.into() });
}

fn leftovers(text: &str, found: &mut Vec<Breach>) {
    for (index, line) in text.lines().enumerate() {
        for word in LEFTOVERS.iter().filter(|word| line.contains(**word)) {
            push(found, index, "leftover", format!("{word} does not belong here"));
        }
    }
}

fn columns(text: &str, found: &mut Vec<Breach>) {
    for (index, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > MAX_COLUMNS && !has_long_text(line) {
            push(found, index, "columns", format!("{columns} columns, at most {MAX_COLUMNS}"));
        }
    }
}

/// Whether a text stands in the line that rustfmt cannot break and nobody reads better broken.
fn has_long_text(line: &str) -> bool {
    !line.trim_start().starts_with("//") && line.split('"').skip(1).any(|text| text.len() >= 40)
}

fn header(text: &str, found: &mut Vec<Breach>) {
    if !text.starts_with("//! ") {
        push(found, 0, "header", "a file starts with //! and says what it is for");
    }
}

/// Code in comments: a statement's word at the start and a statement's end at the end.
fn dead_code(text: &str, found: &mut Vec<Breach>) {
    let starts = ["let ", "fn ", "pub ", "use ", "return ", "if ", "for ", "match ", "assert"];
    for (index, line) in text.lines().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("// ") else { continue };
        let ends_like_code = comment.ends_with(';') || comment.ends_with('{');
        if ends_like_code && starts.iter().any(|start| comment.starts_with(start)) {
            push(found, index, "dead code", "code in a comment; the history remembers it");
        }
    }
}

fn lengths(production: &[&str], found: &mut Vec<Breach>) {
    if production.len() > MAX_FILE_LINES {
        let what = format!("{} lines without tests, at most {MAX_FILE_LINES}", production.len());
        push(found, MAX_FILE_LINES, "file length", what);
    }
    for (index, line) in production.iter().enumerate().filter(|(_, line)| starts_function(line)) {
        let length = function_length(&production[index..]);
        if length > MAX_FUNCTION_LINES {
            let what = format!("{length} lines, at most {MAX_FUNCTION_LINES}: {}", line.trim());
            push(found, index, "function length", what);
        }
    }
}

fn starts_function(line: &str) -> bool {
    let line = line.trim_start();
    !line.starts_with("//")
        && (line.starts_with("fn ") || line.contains(" fn "))
        && line.contains('(')
}

/// Lines from a function's first to its closing brace, which rustfmt puts under its first column.
fn function_length(lines: &[&str]) -> usize {
    let indent = lines[0].len() - lines[0].trim_start().len();
    let close = format!("{}}}", " ".repeat(indent));
    let is_end = |line: &&str| **line == close || line.trim_end().ends_with(';');
    let signature = lines.iter().position(|line| {
        let line = without_comment(line).trim_end();
        line.ends_with('{') || line.ends_with('}') || line.ends_with(';')
    });
    let Some(signature) = signature else { return lines.len() };
    if !lines[signature].trim_end().ends_with('{') {
        return signature + 1;
    }
    let body = lines[signature + 1..].iter().position(|line| is_end(line) && *line == close);
    signature + 2 + body.unwrap_or(lines.len())
}

fn unwraps(code: &[&str], found: &mut Vec<Breach>) {
    for (index, line) in code.iter().enumerate() {
        if line.contains(".unwrap()") {
            push(found, index, "unwrap", "return an error, or expect(\"invariant: ...\")");
        }
    }
}

fn crates(path: &str, code: &[&str], found: &mut Vec<Breach>) {
    for (index, line) in code.iter().enumerate() {
        for (name, homes) in CRATE_HOMES {
            let is_home = homes.iter().any(|home| path.starts_with(home));
            if !is_home && names_crate(line, name) {
                let what = format!("{name} is named in {} alone", homes.join(" and "));
                push(found, index, "layers", what);
            }
        }
    }
}

/// Whether a line of code has a path that begins with the crate's name, or uses the crate.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let is_start = !line[..at]
            .ends_with(|c: char| c.is_alphanumeric() || "_:\"/.-".contains(c))
            || line[..at].ends_with(" ::");
        let after = &line[at + name.len()..];
        let uses =
            line.trim_start().starts_with("use ") || line.trim_start().starts_with("pub use ");
        is_start && (after.starts_with("::") || uses && after.starts_with([';', ' ', ',']))
    })
}

/// The wing of a file of `src`; `None` for the crate's own root.
fn wing_of(path: &str) -> Option<&str> {
    path.strip_prefix("src/")?.split_once('/').map(|(wing, _)| wing)
}

/// What a file uses of other wings, and whether every file lies in one.
fn wings(path: &str, code: &[&str], found: &mut Vec<Breach>) {
    let Some(own) = wing_of(path) else {
        if !["src/lib.rs", "src/main.rs"].contains(&path) {
            push(found, 0, "wings", "a file of src lies in a wing");
        }
        return;
    };
    let Some((_, may_use)) = WINGS.iter().find(|(wing, _)| *wing == own) else {
        return push(found, 0, "wings", format!("there is no wing {own}"));
    };
    for (index, line) in code.iter().enumerate() {
        for used in used_wings(line) {
            if used == "{" {
                push(found, index, "wings", "one wing a use, so that it can be seen");
            } else if used != own && !may_use.contains(&used) {
                push(found, index, "wings", format!("{own} must not use {used}"));
            }
        }
    }
}

/// What follows `crate::` in a line of code: a wing, or `{`.
fn used_wings(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::").filter_map(|(at, word)| {
        let in_name = |c: char| c.is_alphanumeric() || c == '_';
        let is_start = !line[..at].ends_with(|c: char| in_name(c) || c == '$');
        let rest = &line[at + word.len()..];
        let end = rest.find(|c: char| !in_name(c)).unwrap_or(rest.len());
        let used = if end == 0 { rest.get(..1)? } else { &rest[..end] };
        let is_module = end == 0 || used.starts_with(|c: char| c.is_lowercase());
        (is_start && is_module).then_some(used)
    })
}

fn purity(path: &str, code: &[&str], found: &mut Vec<Breach>) {
    if !path.starts_with(PURE) {
        return;
    }
    for (index, line) in code.iter().enumerate() {
        for (word, deed) in IMPURE {
            let is_allowed = EXCEPTIONS.contains(&(path, word));
            if !is_allowed && has_word(line, word) {
                push(found, index, "purity", format!("the scoring path does not {deed}: {word}"));
            }
        }
    }
}

/// Whether `word` stands in the line and is not the end or the beginning of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let starts = !before.is_some_and(in_name) || word.starts_with('.');
        starts && !(word.ends_with(in_name) && after.is_some_and(in_name))
    })
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files of the repository, by path relative to it, without what is built or downloaded.
fn files() -> Vec<PathBuf> {
    let skipped = [".git", "target", ".cache", "data", "__pycache__", "node_modules", ".venv"];
    let mut files = Vec::new();
    let mut open = vec![root().to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if skipped.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                files.push(path.strip_prefix(root()).expect("below the root").to_owned());
            }
        }
    }
    files.sort();
    assert!(files.iter().any(|path| path == Path::new("src/main.rs")), "this is no repository");
    files
}

fn files_with(extensions: &[&str]) -> Vec<(String, String)> {
    let wanted = |path: &PathBuf| {
        path.extension().is_some_and(|end| extensions.iter().any(|wanted| end == *wanted))
    };
    files()
        .into_iter()
        .filter(wanted)
        .filter_map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).ok()?;
            Some((path.to_string_lossy().into_owned(), text))
        })
        .collect()
}

fn assert_none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn the_repository_keeps_its_rules() {
    let extensions = ["rs", "md", "toml", "yaml", "yml", "py", "sh", "avsc", "sql", "example"];
    let breaches = files_with(&extensions).into_iter().flat_map(|(path, text)| {
        let found = check(&path, &text);
        found
            .into_iter()
            .map(move |b| format!("{path}:{}: {}: {}", b.line, b.rule, b.what))
            .collect::<Vec<_>>()
    });
    assert_none(breaches.collect());
}

#[test]
fn samples_parse() {
    let json = files_with(&["json", "avsc"]).into_iter().filter_map(|(path, text)| {
        let error = serde_json::from_str::<serde_json::Value>(&text).err()?;
        Some(format!("{path}: {error}"))
    });
    let yaml = files_with(&["yaml", "yml"]).into_iter().filter_map(|(path, text)| {
        use config::Format;
        let error = config::FileFormat::Yaml.parse(None, &text).err()?;
        Some(format!("{path}: {error}"))
    });
    assert_none(json.chain(yaml).collect());
}

#[test]
fn schemas_are_avro() {
    let schemas: Vec<_> = files_with(&["avsc"])
        .into_iter()
        .filter(|(path, _)| path.starts_with("schemas/"))
        .collect();
    assert!(schemas.len() >= 3, "schemas/ has transaction, alert and label");
    let broken = schemas.into_iter().filter_map(|(path, text)| {
        let error = apache_avro::Schema::parse_str(&text).err()?;
        Some(format!("{path}: {error}"))
    });
    assert_none(broken.collect());
}

/// Targets of a Markdown text's links to files, without anchors.
fn linked_files(text: &str) -> Vec<&str> {
    text.match_indices("](")
        .filter_map(|(at, _)| text[at + 2..].split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with(['#', '<', '`']))
        .filter_map(|target| target.split(['#', ' ']).next())
        .filter(|target| !target.is_empty() && !target.starts_with("mailto:"))
        .collect()
}

#[test]
fn links_lead_to_files() {
    let broken = files_with(&["md"]).into_iter().flat_map(|(path, text)| {
        let directory = root().join(&path).parent().expect("a file has a directory").to_owned();
        linked_files(&text)
            .into_iter()
            .filter(|target| !directory.join(target).exists())
            .map(|target| format!("{path}: there is no {target}"))
            .collect::<Vec<_>>()
    });
    assert_none(broken.collect());
}

/// Paths in backquotes in the first column of a table's rows.
fn mapped_places(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split(" |").next())
        .flat_map(|cell| cell.split('`').step_by(2))
        .filter(|place| place.contains('/'))
        .collect()
}

#[test]
fn the_code_map_names_what_is_there() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let places = mapped_places(&text);
    assert!(places.len() >= 10, "{places:?}");
    let missing = places.into_iter().filter(|place| !root().join(place).exists());
    assert_none(missing.map(|place| format!("ARCHITECTURE.md: there is no {place}")).collect());
}

/// The wings and what each may use, as ARCHITECTURE.md's table has them.
fn tabled_wings(text: &str) -> Vec<(&str, Vec<&str>)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `src/"));
    rows.filter_map(|row| {
        let (wing, rest) = row.split_once("/` |")?;
        let may_use = rest.trim_end_matches(['|', ' ']).rsplit('|').next()?.trim();
        Some((wing, may_use.split(", ").filter(|used| *used != "nothing of ours").collect()))
    })
    .collect()
}

#[test]
fn the_wings_are_as_the_page_says() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let wings: Vec<_> = WINGS.iter().map(|(wing, used)| (*wing, used.to_vec())).collect();
    assert_eq!(tabled_wings(&text), wings);
    for (wing, _) in WINGS {
        let page = root().join("src").join(wing).join("mod.rs");
        let page = std::fs::read_to_string(&page).expect("a wing has a page");
        assert!(page.starts_with("//! "), "src/{wing}/mod.rs says what the wing is for");
    }
}

#[test]
fn benches_are_listed() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let listed: BTreeSet<&str> = manifest
        .split("[[bench]]")
        .skip(1)
        .filter_map(|entry| entry.split("name = \"").nth(1)?.split('"').next())
        .collect();
    let there: Vec<String> = files()
        .iter()
        .filter(|path| path.parent() == Some(Path::new("benches")))
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    let unlisted = there.iter().filter(|name| !listed.contains(name.as_str()));
    assert_none(unlisted.map(|name| format!("Cargo.toml has no [[bench]] {name}")).collect());
}

/// A file of the scoring path with this line in it.
fn planted(path: &str, line: &str) -> Vec<(usize, &'static str)> {
    let text = format!("//! About.\n\n{line}\n");
    check(path, &text).into_iter().map(|breach| (breach.line, breach.rule)).collect()
}

#[test]
fn planted_breaches_are_caught() {
    let long_line = format!("const A: &[u8] = &[{}];", "1, ".repeat(30));
    let long_comment = format!("/// \"{}\"", "long ".repeat(20));
    let cases = [
        ("src/core/state/a.rs", "use std::fs::File;", "purity"),
        ("src/core/codec/a.rs", "let socket = std::net::TcpStream::connect(x);", "purity"),
        ("src/core/engine/mod.rs", "std::thread::spawn(f);", "purity"),
        ("src/core/engine/scoring.rs", "let now = Instant::now();", "purity"),
        ("src/core/features/a.rs", "use crate::base::clock::now_millis;", "purity"),
        ("src/core/decision/mod.rs", "tracing::info!(\"x\");", "purity"),
        ("src/core/transaction/mod.rs", "println!(\"x\");", "purity"),
        ("src/core/transaction/mod.rs", "use serde::Serialize;", "purity"),
        ("src/core/model/a.rs", "let x = f().await;", "purity"),
        ("src/core/model/score.rs", "std::fs::read(path)", "purity"),
        ("src/stream/worker/a.rs", "use rdkafka::consumer::Consumer;", "layers"),
        ("src/files/a.rs", "let m = tract_onnx::onnx();", "layers"),
        ("src/core/engine/mod.rs", "use arrow_array::RecordBatch;", "layers"),
        ("src/files/a.rs", "use anyhow::bail;", "layers"),
        ("src/files/a.rs", "fn f() -> anyhow::Result<()> {}", "layers"),
        ("src/base/config/a.rs", "use clap::Parser;", "layers"),
        ("src/edges/kafka/a.rs", "use apache_avro;", "layers"),
        ("src/base/limits.rs", "use crate::core::state::Bounds;", "wings"),
        ("src/core/engine/mod.rs", "let x = crate::edges::kafka::x();", "wings"),
        ("src/edges/registry/mod.rs", "use crate::stream::health::Health;", "wings"),
        ("src/files/mod.rs", "pub(in crate::stream::worker) fn f() {}", "wings"),
        ("src/stream/worker/a.rs", "use crate::files::Format;", "wings"),
        ("src/api/http/a.rs", "use crate::service::run;", "wings"),
        ("src/service/mod.rs", "use crate::tools::demo;", "wings"),
        ("src/tools/demo/a.rs", "use crate::commands::run;", "wings"),
        ("src/stream/health.rs", "use crate::{base::clock, files};", "wings"),
        ("src/files/a.rs", "let x = f().unwrap();", "unwrap"),
        ("src/files/a.rs", "// let x = f();", "dead code"),
        ("tests/a.rs", "    // if x {", "dead code"),
        ("src/files/a.rs", &long_line, "columns"),
        ("src/files/a.rs", &long_comment, "columns"),
        ("tests/a.rs", LEFTOVERS[3], "leftover"),
        ("README.md", LEFTOVERS[7], "leftover"),
        ("Cargo.toml", LEFTOVERS[5], "leftover"),
    ];
    for (path, line, rule) in cases {
        assert_eq!(planted(path, line), [(3, rule)], "{path}: {line}");
    }
    for word in LEFTOVERS {
        assert_eq!(planted("src/base/a.rs", &format!("const A: u8 = {word}")), [(3, "leftover")]);
    }
    for path in ["src/health.rs", "src/misc/a.rs"] {
        let rules: Vec<_> = check(path, "//! A.\n").into_iter().map(|breach| breach.rule).collect();
        assert_eq!(rules, ["wings"], "{path}");
    }
    assert_eq!(check("src/base/a.rs", "use a::b;\n")[0].rule, "header");
    assert_eq!(check("src/base/a.rs", "\n//! Late.\n")[0].rule, "header");
}

#[test]
fn what_is_allowed_is_not_caught() {
    let long_text = format!("const A: &str = \"{}\";", "x".repeat(90));
    let cases = [
        ("src/core/model/load.rs", "std::fs::read(path)"),
        ("src/stream/worker/a.rs", "let now = Instant::now();"),
        ("src/edges/kafka/a.rs", "use rdkafka::consumer::Consumer;"),
        ("src/core/state/a.rs", "// Where tract_onnx::onnx() would be slow, std::fs too."),
        ("src/core/state/a.rs", "let instants = InstantList::new();"),
        ("src/core/features/a.rs", "let brand = brand::of(x);"),
        ("src/core/model/a.rs", "use crate::core::features::catalog;"),
        ("src/core/model/a.rs", "use crate::base::limits::MAX_ID_BYTES;"),
        ("src/stream/worker/a.rs", "pub(in crate::stream::worker) fn f(x: &crate::core::X) {}"),
        ("src/files/a.rs", "// As crate::stream::worker does."),
        ("src/commands/a.rs", "use crate::tools::demo;"),
        ("src/files/a.rs", "use crate::core::codec::apache_avro_like;"),
        ("src/files/a.rs", "// See http://example.org/let x; for the format"),
        ("src/files/a.rs", &long_text),
        ("src/files/a.rs", "const URL: &str = \"http://example.org\";"),
        ("tests/a.rs", "let x = f().unwrap();"),
        ("src/core/state/tests.rs", "let x = std::fs::read(p).unwrap();"),
    ];
    for (path, line) in cases {
        assert_eq!(planted(path, line), [], "{path}: {line}");
    }
    let tests = "//! A.\n\n#[cfg(test)]\nmod tests {\n    fn f() { x().unwrap(); }\n}\n";
    assert_eq!(check("src/core/state/a.rs", tests), []);
}

#[test]
fn lengths_are_counted_without_tests() {
    let rules = |text: &str| -> Vec<(usize, &str)> {
        check("src/base/a.rs", text).into_iter().map(|breach| (breach.line, breach.rule)).collect()
    };
    let lines = |count: usize| "const A: u8 = 1;\n".repeat(count);
    assert_eq!(rules(&format!("//! A.\n{}", lines(MAX_FILE_LINES - 1))), []);
    assert_eq!(
        rules(&format!("//! A.\n{}", lines(MAX_FILE_LINES))),
        [(MAX_FILE_LINES + 1, "file length")]
    );
    let tests = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n", lines(MAX_FILE_LINES));
    assert_eq!(rules(&tests), []);
    let function = |body: usize, indent: &str| {
        let statement = format!("{indent}    a();\n").repeat(body);
        format!(
            "//! A.\n{indent}pub(super) fn f(\n{indent}    a: u8,\n{indent}) {{\n{statement}{indent}}}\n"
        )
    };
    for indent in ["", "    "] {
        assert_eq!(rules(&function(MAX_FUNCTION_LINES - 4, indent)), []);
        assert_eq!(rules(&function(MAX_FUNCTION_LINES - 3, indent)), [(2, "function length")]);
    }
    let short =
        format!("//! A.\ntrait T {{\n    fn f(&self);\n    fn g(&self) {{}}\n}}\n{}", lines(90));
    assert_eq!(rules(&short), []);
}

#[test]
fn links_and_places_are_found() {
    let text = "[a](b.md) [c](https://x.y) [d](e/f.md#g) [h](#i) ![j](k.svg \"l\")";
    assert_eq!(linked_files(text), ["b.md", "e/f.md", "k.svg"]);
    let table = "| place | what |\n| `src/a.rs` | b |\n| `x/` `y/` | `z/` |\n";
    assert_eq!(mapped_places(table), ["src/a.rs", "x/", "y/"]);
}
