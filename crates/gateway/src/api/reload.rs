//! `POST /v1/config/reload`: reads the configuration again. Checked first, swapped whole, kept as it was on
//! error.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use interline_engine::Reloaded;
use serde::Serialize;

use super::query::Query;
use super::{Shared, json};
use crate::config::Scope;
use crate::problem::Problem;

#[derive(Serialize)]
struct Answer {
    reloaded: bool,
    #[serde(flatten)]
    what: Reloaded,
}

pub(super) async fn reload(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    gateway.authorise(request.headers(), Scope::Admin)?;
    Query::of(request.uri().query(), &[])?;
    // A caller that goes away must not leave it half done.
    let task = tokio::spawn(async move { gateway.reload().await });
    let reloaded = task.await.map_err(|_| Problem::internal())?;
    let what = reloaded.map_err(|errors| Problem::config(&errors))?;
    json(StatusCode::OK, &Answer { reloaded: true, what })
}
