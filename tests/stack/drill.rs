//! `synfinance drill`, as its users run it: the counts of a drill, and what it leaves behind.

use serde_json::{Value, json};

use crate::cluster;
use crate::service::{command, merge};
use crate::stage::Stage;

/// A small drill of these failures; its exit code, its JSON and what it said.
fn drill(stage: &Stage, arguments: &[&str]) -> (Option<i32>, Value, String) {
    // A registry that has just started is slow to register first, and the drill asks once.
    let over = json!({
        "stream": {"commit_interval": "200ms"},
        "schema_registry": {"timeout": "5s"},
        "telemetry": {"level": "warn"},
    });
    let config = merge(stage.config(), &over);
    let small = ["drill", "--json", "--rate", "500", "--seconds", "4", "--outage", "2s"];
    let few = ["--customers", "100", "--patience", "60s"];
    let output = command(&config, &[&small[..], &few, arguments].concat());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), json, stderr)
}

#[test]
fn a_drill_counts_and_cleans_up() {
    let stage = Stage::bare("drill", crate::servers::kafka());
    let restart = ["--restart-broker", "echo $SYNFINANCE_BROKER"];
    let failures =
        ["--only", "kill,move,database,registry,coordinator,leader", restart[0], restart[1]];
    let (code, report, stderr) = drill(&stage, &[&failures[..], &["--seed", "7"]].concat());
    assert_eq!(code, Some(0), "{report:#}\n{stderr}");
    let rows = report["failures"].as_array().expect("rows");
    let words: Vec<&str> = rows.iter().filter_map(|row| row["failure"].as_str()).collect();
    let struck = ["none", "kill", "move", "database", "registry"];
    assert_eq!(words, [&struck[..], &["coordinator", "leader"]].concat());
    for row in &rows[..5] {
        let count = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("no {name}: {row}"));
        assert!(count("alerts") > 10 && count("transactions") > 1_000, "too little: {row}");
        assert_eq!((count("missed"), count("wrong")), (0, 0), "{row}");
        assert!(row["longest_delay_seconds"].is_f64(), "{row}");
        assert_eq!(row["recovery_seconds"].is_f64(), row["failure"] != "none", "{row}");
    }
    let recovery = |row: usize| rows[row]["recovery_seconds"].as_f64().expect("seconds");
    // A dead member's partitions are free after its session; a new schema waits for the registry.
    assert!(recovery(1) > 1.0, "a kill without a trace has not happened: {}", rows[1]);
    assert!(rows[4]["longest_delay_seconds"].as_f64() > Some(1.5), "{}", rows[4]);
    let alone = json!("the cluster has one broker, so nobody takes over from it");
    assert!(rows[5..].iter().all(|row| row["not_run"] == alone), "{report:#}");
    assert_eq!(report["dead_letters"], 0);

    let left = cluster::topics(&stage.brokers, "synfinance-drill-");
    assert_eq!(left, Vec::<String>::new(), "topics are left");
    let (_, subjects) = crate::service::get(&format!("{}/subjects", stage.registry)).unwrap();
    assert!(!subjects.contains("synfinance-drill-"), "{subjects}");
}
