//! `POST /v1/batches`: stores a batch durably, from JSON or from NDJSON, and with `Prefer: wait=N` waits
//! for its results. `redrive` does the same with messages of an earlier batch.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use interline_core::error::FieldError;
use interline_core::outcome::Counts;
use interline_engine::trace::carried;
use interline_engine::{Accepted, BatchView, MessageQuery};
use serde::Serialize;

use super::export::{Export, Form};
use super::query::Query;
use super::read::readable;
use super::{Gateway, JSON, Named, REPLAYED, Shared, admit, answer, give_back, idempotency_key, json};
use crate::body::{text, whole};
use crate::config::Scope;
use crate::ndjson;
use crate::problem::Problem;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Where to read on.
#[derive(Debug, Serialize)]
pub(super) struct Links {
    #[serde(rename = "self")]
    batch: String,
    messages: String,
    events: String,
}

impl Links {
    pub(super) fn of(id: &str) -> Self {
        let batch = format!("/v1/batches/{id}");
        Self { messages: format!("{batch}/messages"), events: format!("{batch}/events"), batch }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    state: &'a str,
    counts: Counts,
    links: Links,
    /// What was refused of a batch that is taken permissively.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

impl<'a> Answer<'a> {
    fn of(batch: &'a BatchView, errors: &'a [FieldError]) -> Self {
        Self { id: &batch.id, state: batch.state, counts: batch.counts, links: Links::of(&batch.id), errors }
    }
}

pub(super) async fn accept(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let app = gateway.authorise(&parts.headers, Scope::Send)?;
    Query::of(parts.uri.query(), &[])?;
    let key = idempotency_key(&parts.headers)?;
    let wait = wait(&parts.headers)?;
    // Tasks of their own: what was begun is brought to an end also when the caller goes away.
    let task = if is_ndjson(&parts.headers) {
        if let Some(admission) = &app.admission {
            let taken = admission.take(0, tokio::time::Instant::now());
            taken.map_err(|wait| Problem::over_rate(&app.caller.app, wait))?;
        }
        tokio::spawn(carried(ndjson::take(gateway.engine.clone(), app, (body, gateway.limits()), key)))
    } else {
        let body = whole(body, &parts.headers, gateway.limits()).await?;
        let engine = gateway.engine.clone();
        tokio::spawn(carried(async move {
            let text = text(&body)?;
            let taken = admit(&app, text)?;
            let accepted = engine.accept(&app.caller, text, key.as_deref()).await;
            if accepted.as_ref().map_or(true, |accepted| accepted.replayed) {
                give_back(&app, taken);
            }
            Ok(accepted?)
        }))
    };
    let accepted = task.await.map_err(|_| Problem::internal())??;
    respond(&gateway, accepted, wait).await
}

/// Sends messages of a batch again, as a new one. It may say something else than the old one did, so an
/// `admin` alone must not; another app's batch takes both scopes.
pub(super) async fn redrive(
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let app = gateway.authorise(&parts.headers, Scope::Send)?;
    Query::of(parts.uri.query(), &[])?;
    let key = idempotency_key(&parts.headers)?;
    let wait = wait(&parts.headers)?;
    let body = whole(body, &parts.headers, gateway.limits()).await?;
    readable(&gateway, &app, &id).await?;
    if let Some(admission) = &app.admission {
        let taken = admission.take(0, tokio::time::Instant::now());
        taken.map_err(|wait| Problem::over_rate(&app.caller.app, wait))?;
    }
    let engine = gateway.engine.clone();
    let task = tokio::spawn(carried(async move {
        let accepted = engine.redrive(&app.caller, &id, text(&body)?, key.as_deref()).await?;
        // How many there are is known afterwards only.
        if let (false, Some(admission)) = (accepted.replayed, &app.admission) {
            admission.charge(accepted.batch.counts.total);
        }
        Ok::<_, Problem>(accepted)
    }));
    let accepted = task.await.map_err(|_| Problem::internal())??;
    respond(&gateway, accepted, wait).await
}

async fn respond(gateway: &Arc<Gateway>, accepted: Accepted, wait: Option<u64>) -> Result<Response, Problem> {
    let Accepted { mut batch, refused, replayed } = accepted;
    let mut settled = false;
    if let Some(seconds) = wait {
        settled = gateway.engine.settled(&batch.id, Duration::from_secs(seconds)).await?;
        if let Some(now) = gateway.engine.batch(&batch.id).await? {
            batch = now;
        }
    }
    let mut response = if settled {
        with_results(gateway, &batch, &refused)?
    } else {
        json(StatusCode::ACCEPTED, &Answer::of(&batch, &refused))?
    };
    let headers = response.headers_mut();
    if let Some(Ok(applied)) = wait.map(|seconds| HeaderValue::try_from(format!("wait={seconds}"))) {
        headers.insert(PREFERENCE_APPLIED, applied);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The answer and, as its last member, the results, read from the ledger page by page.
fn with_results(gateway: &Gateway, batch: &BatchView, refused: &[FieldError]) -> Result<Response, Problem> {
    let mut head = serde_json::to_string(&Answer::of(batch, refused)).map_err(|_| Problem::internal())?;
    head.pop();
    head.push_str(",\"results\":[");
    let export = Export::new(gateway.engine.clone(), batch.id.clone(), MessageQuery::default());
    Ok(answer(StatusCode::OK, JSON, export.body(Form::Json { head, tail: "]}" })))
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "application/x-ndjson" | "application/ndjson" | "application/jsonl")
}

/// The seconds of `Prefer: wait=N`. Other preferences are not ours, and a preference never is an error
/// unless it is this one and cannot be read.
fn wait(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let texts = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = texts.flat_map(|text| text.split([',', ';'])).map(str::trim);
    let wait = preferences.find_map(|text| text.split_once('=').filter(|(name, _)| name.trim() == "wait"));
    let Some((_, seconds)) = wait else { return Ok(None) };
    let seconds = seconds.trim().trim_matches('"').parse().ok().filter(|seconds| *seconds <= 60);
    let detail = "wait takes a whole number of seconds from 0 to 60";
    seconds.map(Some).ok_or_else(|| Problem::parameter("Prefer", detail))
}
