//! `/livez`, `/readyz`, `/health` and `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::State;
use crate::base::clock::{now_millis, rfc3339};
use crate::stream::health::{Check, Finding, Overall, Stuck};

/// The content type of Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Shared = extract::State<Arc<State>>;

/// 200 while every worker makes progress; 503 if the process should be restarted.
pub(super) async fn alive(state: Shared) -> Response {
    let stuck = state.health.stuck(state.liveness_limit);
    if stuck.is_empty() {
        return Json(json!({"status": "alive"})).into_response();
    }
    let workers: Vec<Value> = stuck.iter().map(worker).collect();
    let body = json!({"status": "stuck", "workers": workers});
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

fn worker(stuck: &Stuck) -> Value {
    json!({"worker": stuck.worker, "silent_seconds": stuck.silent_for.as_secs_f64()})
}

/// 200 if the process does its work; 503 with the reasons if it does not.
pub(super) async fn ready(state: Shared) -> Response {
    let obstacles = state.health.obstacles();
    if obstacles.is_empty() {
        return Json(json!({"status": "ready"})).into_response();
    }
    let body = json!({"status": "not ready", "reasons": reasons(obstacles)});
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

fn reasons(obstacles: Vec<(String, String)>) -> Vec<Value> {
    let reason = |(part, reason)| json!({"part": part, "reason": reason});
    obstacles.into_iter().map(reason).collect()
}

/// The result of every check, and what stands in the way; 503 if work stands still.
pub(super) async fn health(state: Shared) -> Response {
    let overall = state.health.overall();
    let (status, word) = match overall {
        Overall::Healthy => (StatusCode::OK, "healthy"),
        Overall::Degraded => (StatusCode::OK, "degraded"),
        Overall::Unhealthy => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
    };
    let checks: Map<String, Value> = Check::ALL
        .into_iter()
        .map(|check| (check.name().to_owned(), finding(state.health.finding(check))))
        .collect();
    let body = json!({
        "status": word,
        "version": state.version,
        "timestamp": rfc3339(now_millis()),
        "model": {"name": state.model.name, "version": state.model.version},
        "checks": checks,
        "reasons": reasons(state.health.obstacles()),
    });
    (status, Json(body)).into_response()
}

fn finding(finding: Finding) -> Value {
    match finding {
        Finding::Unknown => json!({"status": "unknown"}),
        Finding::Ok => json!({"status": "ok"}),
        Finding::Unused => json!({"status": "unused"}),
        Finding::Degraded(reason) => json!({"status": "degraded", "reason": reason}),
        Finding::Down(reason) => json!({"status": "down", "reason": reason}),
    }
}

/// All metrics in Prometheus' text format.
pub(super) async fn metrics(state: Shared) -> Response {
    state.metrics.ready(state.health.obstacles().is_empty());
    let text = state.metrics.encode(now_millis());
    ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response()
}
