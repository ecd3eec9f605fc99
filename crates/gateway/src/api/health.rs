//! What load balancers and Prometheus ask. Open to everybody: it names providers and counts, nothing else.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode};

use super::{Shared, answer};
use crate::problem::Problem;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The process runs.
pub(super) async fn live() -> Response {
    answer(StatusCode::OK, TEXT, "ok\n")
}

/// Batches can be taken now.
pub(super) async fn ready(State(gateway): Shared) -> Result<Response, Problem> {
    if *gateway.closing.borrow() {
        return Err(Problem::unavailable("the server is stopping"));
    }
    gateway.engine.ready().await.map_err(Problem::unavailable)?;
    Ok(answer(StatusCode::OK, TEXT, "ready\n"))
}

pub(super) async fn metrics(State(gateway): Shared) -> Response {
    answer(StatusCode::OK, METRICS, gateway.metrics.exposition(&gateway.engine.metrics().await))
}
