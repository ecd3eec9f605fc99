//! `POST /v1/send`: sends at once and waits for the results. This is the hot path: the body is parsed
//! where it lies and the answer is written once.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode};
use interline_core::outcome::Counts;
use interline_core::record::MessageResult;
use interline_engine::Sent;
use serde::Serialize;

use super::query::Query;
use super::{REPLAYED, Shared, admit, give_back, idempotency_key, json_of};
use crate::body::{text, whole};
use crate::config::Scope;
use crate::problem::Problem;

/// The providers that were used.
const PROVIDERS: HeaderName = HeaderName::from_static("interline-provider");

/// What one result takes in JSON, roughly.
const RESULT_BYTES: usize = 512;

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    state: &'static str,
    counts: Counts,
    results: &'a [MessageResult],
}

pub(super) async fn send(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let app = gateway.keys.authorise(&parts.headers, Scope::Send)?;
    let query = Query::of(parts.uri.query(), &["timeout"])?;
    let timeout = Duration::from_secs(query.whole("timeout", 1..=60)?.unwrap_or(15));
    let key = idempotency_key(&parts.headers)?;
    let body = whole(body, &parts.headers, gateway.limits).await?;
    // A caller that goes away must not tear down a call under way: it would be neither sent nor recorded.
    let sending = Arc::clone(&gateway);
    let task = tokio::spawn(async move {
        let text = text(&body)?;
        let taken = admit(&app, text)?;
        let sent = sending.engine.send(&app.caller, text, timeout, key.as_deref()).await;
        if sent.as_ref().map_or(true, |sent| sent.replayed) {
            give_back(&app, taken);
        }
        Ok(sent?)
    });
    task.await.map_err(|_| Problem::internal())?.and_then(|sent: Sent| render(&sent))
}

fn render(sent: &Sent) -> Result<Response, Problem> {
    let answer = Answer { id: &sent.id, state: "settled", counts: sent.counts, results: &sent.results };
    let size = 256 + sent.results.len() * RESULT_BYTES;
    let mut response = json_of(StatusCode::OK, &answer, size)?;
    let names = sent.providers.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
    if let (false, Ok(names)) = (names.is_empty(), HeaderValue::try_from(names)) {
        response.headers_mut().insert(PROVIDERS, names);
    }
    if sent.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
