//! Paths of a vendor that are not served: passed on to a provider under its own credentials, where the façade
//! names one. Whose path it is says the request; that its caller may, the façade.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use interline_engine::{Passed, Passing};
use serde_json::Value;

use super::exchange::{self, name_providers};
use super::{Clock, Front};
use crate::api::Gateway;
use crate::body;
use crate::keys::asks_this_machine;
use crate::problem::Problem;

/// Headers that concern one connection, and those that the transport writes itself.
const OF_ONE_HOP: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Answers a path that no façade of the address serves.
pub(super) async fn other(
    gateway: &Gateway,
    on: Option<SocketAddr>,
    (parts, body): (Parts, Body),
    clock: &Clock,
) -> Response {
    let path = parts.uri.path();
    let standing = gateway.standing();
    let mut fronts: Vec<&Arc<Front>> = standing.facades.on(on).collect();
    let mut incoming = exchange::incoming(&parts, Bytes::new());
    // A façade that has its address for itself owns all of it.
    if on.is_none() || fronts.len() > 1 {
        fronts.retain(|front| {
            front.below(path).clone_into(&mut incoming.path);
            (front.facade.serves.is_ours)(&incoming)
        });
    }
    let Some(first) = fronts.first() else {
        return Problem::no_path(&parts.method, path).into_response();
    };
    // Where nothing is passed on, nobody has to say who he is to hear so.
    if fronts.iter().all(|front| front.facade.passthrough.is_none()) {
        return not_served(first, &parts);
    }
    let bytes = match body::whole(body, &parts.headers, standing.limits).await {
        Ok(bytes) => bytes,
        Err(problem) => return problem.into_response(),
    };
    incoming.body = bytes.to_vec();
    let from_here = asks_this_machine(&parts.headers);
    let mut refused = None;
    for front in &fronts {
        front.below(path).clone_into(&mut incoming.path);
        match front.admit(&incoming, clock, from_here) {
            Ok(()) => return forward(gateway, front, &parts, bytes).await,
            Err(why) => drop(refused.get_or_insert(why)),
        }
    }
    match refused {
        Some(refused) => refused.answer(first),
        None => Problem::no_path(&parts.method, path).into_response(),
    }
}

fn not_served(front: &Front, parts: &Parts) -> Response {
    let problem = Problem::not_served(&parts.method, parts.uri.path(), &front.facade.name);
    let (_, words) = problem.said();
    exchange::response((front.facade.serves.absent)(words), &front.label)
}

async fn forward(gateway: &Gateway, front: &Front, parts: &Parts, body: Bytes) -> Response {
    let path = parts.uri.path();
    let Some(provider) = &front.facade.passthrough else { return not_served(front, parts) };
    let mut target = front.below(path).to_owned();
    if let Some(query) = parts.uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let passing = Passing {
        method: parts.method.as_str(),
        path: &target,
        headers: end_to_end(&parts.headers).filter(|(_, value)| !is_credential(front, value)).collect(),
        body,
    };
    match gateway.engine.pass(provider, passing).await {
        Ok(passed) => {
            let mut response = answered(passed);
            response.extensions_mut().insert(front.label.clone());
            name_providers(&mut response, std::iter::once(&**provider));
            response
        }
        Err(failure) => {
            tracing::warn!(facade = %front.facade.name, %provider, why = failure.message, "a request was not passed on, or its answer did not come back");
            exchange::response(front.fail(&failure), &front.label)
        }
    }
}

/// Whether a header holds what a caller is known by here: that is nobody else's business.
fn is_credential(front: &Front, value: &[u8]) -> bool {
    let known = front.credentials.values().filter_map(Value::as_str);
    known.into_iter().any(|known| known.as_bytes() == value)
}

fn end_to_end(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    let named: Vec<&str> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(',').map(str::trim))
        .collect();
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).filter(move |(name, _)| {
        !OF_ONE_HOP.contains(name) && !named.iter().any(|other| other.eq_ignore_ascii_case(name))
    })
}

fn answered(passed: Passed) -> Response {
    let mut response = Response::new(Body::from(passed.body));
    *response.status_mut() = StatusCode::from_u16(passed.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in passed.headers {
        if OF_ONE_HOP.contains(&name.as_str()) {
            continue;
        }
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
