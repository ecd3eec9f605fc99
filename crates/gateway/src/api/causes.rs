//! `GET /v1/batches/{id}/causes`: why messages of a batch failed, like failures together.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;

use super::query::Query;
use super::read::readable;
use super::{Named, Shared, json};
use crate::config::Scope;
use crate::problem::Problem;

pub(super) async fn causes(
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Result<Response, Problem> {
    let app = gateway.authorise(request.headers(), Scope::Read)?;
    Query::of(request.uri().query(), &[])?;
    readable(&gateway, &app, &id).await?;
    json(StatusCode::OK, &gateway.engine.causes(&id).await?)
}
