//! `POST /v1/plan`: what would happen with a batch. Nothing is sent and nothing is stored.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;

use super::{Shared, json};
use crate::api::query::Query;
use crate::body::{text, whole};
use crate::config::Scope;
use crate::problem::Problem;

pub(super) async fn plan(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let app = gateway.authorise(&parts.headers, Scope::Send)?;
    Query::of(parts.uri.query(), &[])?;
    let body = whole(body, &parts.headers, gateway.limits()).await?;
    let plan = gateway.engine.plan(&app.caller, text(&body)?).await?;
    json(StatusCode::OK, &plan)
}
