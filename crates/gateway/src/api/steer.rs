//! What people do to work that is under way: batches are cancelled, paused and resumed by the app that
//! handed them over, or by an `admin`; providers by an `admin` alone.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use interline_engine::{Errors, Steer};

use super::query::Query;
use super::read::{Batch, readable};
use super::{Gateway, Named, Shared, json};
use crate::body::whole;
use crate::config::Scope;
use crate::keys::Known;
use crate::problem::Problem;

/// Who may steer batches: an app its own, an `admin` all.
pub(super) fn authorise(gateway: &Gateway, headers: &HeaderMap) -> Result<Arc<Known>, Problem> {
    let refused = match gateway.authorise(headers, Scope::Send) {
        Ok(app) => return Ok(app),
        Err(refused) => refused,
    };
    gateway.authorise(headers, Scope::Admin).map_err(|_| refused)
}

/// A request that steers something: who asks, headers and body.
pub(super) fn asked(gateway: &Gateway, request: Request) -> Result<(Arc<Known>, HeaderMap, Body), Problem> {
    let (parts, body) = request.into_parts();
    let app = authorise(gateway, &parts.headers)?;
    Query::of(parts.uri.query(), &[])?;
    Ok((app, parts.headers, body))
}

/// These requests say everything by their paths.
pub(super) async fn nothing(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<(), Problem> {
    let body = whole(body, headers, gateway.limits()).await?;
    let body = body.trim_ascii();
    if body.is_empty() || body == b"{}" {
        return Ok(());
    }
    let detail = "this request takes no body";
    Err(Problem::invalid(detail, Errors::one("", detail)))
}

async fn steer(gateway: &Gateway, id: &str, request: Request, steer: Steer) -> Result<Response, Problem> {
    let (app, headers, body) = asked(gateway, request)?;
    nothing(gateway, &headers, body).await?;
    readable(gateway, &app, id).await?;
    // A task of its own: what was begun is brought to an end also when the caller goes away.
    let (engine, id) = (gateway.engine.clone(), id.to_owned());
    let steered = tokio::spawn(async move { engine.steer(&id, steer).await });
    let batch = steered.await.map_err(|_| Problem::internal())??;
    json(StatusCode::OK, &Batch::of(batch))
}

pub(super) async fn cancel(
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Result<Response, Problem> {
    steer(&gateway, &id, request, Steer::Cancel).await
}

pub(super) async fn pause(
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Result<Response, Problem> {
    steer(&gateway, &id, request, Steer::Pause).await
}

pub(super) async fn resume(
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Result<Response, Problem> {
    steer(&gateway, &id, request, Steer::Resume).await
}

async fn by_admin(gateway: &Gateway, request: Request) -> Result<(), Problem> {
    let (parts, body) = request.into_parts();
    gateway.authorise(&parts.headers, Scope::Admin)?;
    Query::of(parts.uri.query(), &[])?;
    nothing(gateway, &parts.headers, body).await
}

async fn pause_or_resume(
    gateway: Arc<Gateway>,
    name: String,
    request: Request,
    pause: bool,
) -> Result<Response, Problem> {
    by_admin(&gateway, request).await?;
    let task = tokio::spawn(async move { gateway.engine.pause_provider(&name, pause).await });
    json(StatusCode::OK, &task.await.map_err(|_| Problem::internal())??)
}

pub(super) async fn pause_provider(
    State(gateway): Shared,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    pause_or_resume(gateway, name, request, true).await
}

pub(super) async fn resume_provider(
    State(gateway): Shared,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    pause_or_resume(gateway, name, request, false).await
}

pub(super) async fn probe_provider(
    State(gateway): Shared,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    by_admin(&gateway, request).await?;
    json(StatusCode::OK, &gateway.engine.ask_provider(&name).await?)
}
