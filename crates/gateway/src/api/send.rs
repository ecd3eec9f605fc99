//! `POST /v1/send`: sends at once and waits for the results. This is the hot path: the body is parsed
//! where it lies and the answer is written once.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode};
use interline_engine::Sent;
use interline_engine::trace::carried;

use super::query::Query;
use super::{JSON, REPLAYED, Shared, admit, answer, give_back, idempotency_key};
use crate::body::{text, whole};
use crate::config::Scope;
use crate::problem::Problem;

/// The providers that were used.
const PROVIDERS: HeaderName = HeaderName::from_static("interline-provider");

/// What one result takes in JSON, roughly.
const RESULT_BYTES: usize = 448;

pub(super) async fn send(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let app = gateway.authorise(&parts.headers, Scope::Send)?;
    let query = Query::of(parts.uri.query(), &["timeout"])?;
    let timeout = Duration::from_secs(query.whole("timeout", 1..=60)?.unwrap_or(15));
    let key = idempotency_key(&parts.headers)?;
    let body = whole(body, &parts.headers, gateway.limits()).await?;
    // A caller that goes away must not tear down a call under way: it would be neither sent nor recorded.
    let sending = Arc::clone(&gateway);
    let task = tokio::spawn(carried(async move {
        let text = text(&body)?;
        let taken = admit(&app, text)?;
        let sent = sending.engine.send(&app.caller, text, timeout, key.as_deref()).await;
        if sent.as_ref().map_or(true, |sent| sent.replayed) {
            give_back(&app, taken);
        }
        Ok(sent?)
    }));
    task.await.map_err(|_| Problem::internal())?.and_then(|sent: Sent| render(&sent))
}

fn render(sent: &Sent) -> Result<Response, Problem> {
    let mut body = Vec::with_capacity(256 + sent.len() * RESULT_BYTES);
    sent.write(&mut body);
    let mut response = answer(StatusCode::OK, JSON, body);
    let names = sent.providers.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
    if let (false, Ok(names)) = (names.is_empty(), HeaderValue::try_from(names)) {
        response.headers_mut().insert(PROVIDERS, names);
    }
    if sent.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
