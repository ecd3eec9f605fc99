//! Messages that a façade's caller asks to send, and questions for earlier ones.

use std::sync::Arc;

use axum::response::Response;
use http::HeaderValue;
use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Asked, Find, Incoming, Report};
use interline_engine::{Forward, Forwarded, RequestKey};
use serde_json::Value;
use tokio::time::Instant;

use super::exchange::{self, REPEATED, name_providers, response};
use super::{Clock, Front, is_durable};
use crate::api::Gateway;

/// Sends what is asked for and answers in the vendor's words.
pub(super) async fn send(
    gateway: &Gateway,
    front: &Arc<Front>,
    asked: Asked,
    (incoming, clock): (&Incoming, &Clock),
) -> Response {
    let Asked { mut batch, marks, request_id, name, answer } = asked;
    let count = batch.get("messages").and_then(Value::as_array).map_or(0, Vec::len);
    let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
    if let Some(route) = &front.facade.route {
        batch.insert("route".to_owned(), route.as_str().into());
    }
    let text = Value::Object(batch).to_string();
    let ask = Forward {
        caller: &front.app.caller,
        scope: &front.scope,
        batch: &text,
        marks: &marks,
        name: name.as_ref(),
        request: RequestKey { id: request_id.as_ref(), path: &incoming.path, body: &incoming.body },
        within: clock.left(front),
        durable: is_durable(front),
    };
    let forwarded = match admit(front, count) {
        Err(failure) => gateway.engine.unless_remembered(ask, failure).await,
        Ok(()) => {
            let forwarded = gateway.engine.forward(ask).await;
            give_back(front, count, &forwarded);
            forwarded
        }
    };
    let mut forwarded = forwarded;
    if let (Err(failure), Some(route)) = (&mut forwarded.told, &front.facade.route)
        && !gateway.engine.has_route(route)
    {
        // A reload took it away between the look at the façade and the one at the routes.
        let detail = "the configuration changed meanwhile; send it again";
        *failure = Failure::not_sent(ErrorCode::VendorUnavailable, detail);
    }
    if let Err(failure) = &forwarded.told {
        tracing::debug!(facade = %front.facade.name, code = failure.code.as_str(), why = failure.message, "nothing was sent");
    }
    let told = forwarded.told.as_deref();
    let report = Report { told, now_ms: exchange::now_ms(), batch_id: &forwarded.batch_id };
    let mut response = response(answer(&report), &front.label);
    name_providers(&mut response, forwarded.providers().iter().map(|name| &**name));
    if forwarded.repeated() {
        response.headers_mut().insert(REPEATED, HeaderValue::from_static("true"));
    }
    response
}

/// Counts the messages against the app's rate, where it has one.
fn admit(front: &Front, count: u64) -> Result<(), Failure> {
    let Some(admission) = &front.app.admission else { return Ok(()) };
    admission.take(count, Instant::now()).map_err(|_| {
        let app = &front.app.caller.app;
        let detail = format!("the app {app} handed over more than its messages_per_second");
        Failure::not_sent(ErrorCode::RateLimited, detail)
    })
}

/// Gives back what was taken for messages that were not handed over.
fn give_back(front: &Front, count: u64, forwarded: &Forwarded) {
    let Some(admission) = &front.app.admission else { return };
    let new = forwarded.told.iter().flatten().filter(|told| !told.repeated).count();
    admission.give_back(count.saturating_sub(u64::try_from(new).unwrap_or(u64::MAX)));
}

/// Answers what became of an earlier message.
pub(super) async fn find(gateway: &Gateway, front: &Arc<Front>, find: Find) -> Response {
    match gateway.engine.find_marked(&front.scope, &find.mark).await {
        Ok(told) => response((find.answer)(told.as_ref()), &front.label),
        Err(denied) => {
            tracing::error!(%denied, facade = %front.facade.name, "cannot look an earlier message up");
            let failure = Failure::not_sent(ErrorCode::VendorUnavailable, "the ledger cannot be read now");
            response(front.fail(&failure), &front.label)
        }
    }
}
