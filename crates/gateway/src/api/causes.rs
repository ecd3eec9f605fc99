//! `GET /v1/batches/{id}/causes`: why messages of a batch failed, like failures together.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use super::read::asked;
use super::{Named, Shared, json};
use crate::problem::Problem;

pub(super) async fn causes(
    State(gateway): Shared,
    Named(id): Named,
    parts: Parts,
) -> Result<Response, Problem> {
    let batch = asked(&gateway, &parts, &id).await?;
    json(StatusCode::OK, &gateway.engine.causes(&batch.id).await?)
}
