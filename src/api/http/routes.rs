//! Which handler answers which path, and what applies to all requests.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State as Shared};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Router, http};

use super::problem::Problem;
use super::{State, probes};
use crate::base::clock::Stopwatch;
use crate::base::limits::{HTTP_REQUEST_TIMEOUT, MAX_HTTP_BODY_BYTES};

/// All endpoints.
pub(super) fn router(state: Arc<State>) -> Router {
    let endpoints: [(&str, MethodRouter<Arc<State>>); 4] = [
        ("/livez", get(probes::alive)),
        ("/readyz", get(probes::ready)),
        ("/health", get(probes::health)),
        ("/metrics", get(probes::metrics)),
    ];
    let mut router = Router::new();
    for (path, endpoint) in endpoints {
        state.metrics.route(Method::GET.as_str(), path);
        router = router.route(path, endpoint);
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_HTTP_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(&state), observe))
        .with_state(state)
}

async fn unknown() -> Problem {
    let there = "there are /livez, /readyz, /health and /metrics";
    Problem::new(StatusCode::NOT_FOUND, format!("there is no such endpoint; {there}"))
}

async fn not_allowed(method: Method) -> Problem {
    let detail = format!("this endpoint does not answer {method}, see the header Allow");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// Answers in time or with a problem, and counts the request.
async fn observe(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = if is_too_large(request.headers()) {
        let detail = format!("the body is longer than {MAX_HTTP_BODY_BYTES} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response()
    } else {
        within(HTTP_REQUEST_TIMEOUT, next.run(request)).await
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    state.metrics.request(
        method.as_str(),
        route.as_ref().map(MatchedPath::as_str),
        response.status().as_u16(),
        watch.elapsed().as_secs_f64(),
    );
    response
}

/// Whether a request announces a body longer than the bound.
fn is_too_large(headers: &http::HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    length.is_some_and(|length| length > MAX_HTTP_BODY_BYTES as u64)
}

async fn within(limit: Duration, response: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(limit, response).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("there was no response within {} s", limit.as_secs());
            Problem::new(StatusCode::GATEWAY_TIMEOUT, detail).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_does_not_end_is_given_up() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let response = runtime.block_on(within(Duration::from_millis(1), std::future::pending()));
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    }
}
