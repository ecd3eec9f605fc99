//! Paths of a vendor that are not served: passed on to a provider under its own credentials, where the façade
//! names one. Whose path it is says the request; that its caller may, the façade.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, COOKIE, SET_COOKIE, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Endpoint, Incoming};
use interline_engine::{Passed, Passing};
use serde_json::Value;

use super::exchange::{self, name_providers};
use super::{Clock, Facades, Front, admitted, no_path};
use crate::api::Gateway;
use crate::body;
use crate::keys::asks_this_machine;
use crate::problem::Problem;
use crate::session;

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

/// Methods that are for proxies and for those who look for them.
const NOT_PASSED_ON: [&str; 2] = ["TRACE", "CONNECT"];

/// Answers a path that no façade of the address serves to who asks.
pub(super) async fn other(
    gateway: &Gateway,
    on: Option<SocketAddr>,
    (parts, body): (Parts, Body),
    clock: &Clock,
) -> Response {
    let path = parts.uri.path();
    let mut incoming = exchange::incoming(&parts, Bytes::new());
    let standing = gateway.standing();
    let fronts = owners(&standing.facades, on, (&mut incoming, path));
    let Some(first) = fronts.first() else { return no_path(&parts) };
    // Where nothing is passed on, nobody has to say who he is to hear so.
    if fronts.iter().all(|front| front.facade.passthrough.is_none()) {
        return not_served(first, &parts);
    }
    let from_here = asks_this_machine(&parts.headers);
    let known = admitted(&fronts, (&mut incoming, path), clock, from_here);
    let body = match known {
        Ok(front) => body::whole(body, &parts.headers, standing.limits)
            .await
            .map_err(|problem| exchange::response(front.fail(&exchange::unread(&problem)), &front.label)),
        Err(refused) => exchange::little(body)
            .await
            .ok_or_else(|| refused.map_or_else(|| no_path(&parts), |refused| *refused)),
    };
    let bytes = match body {
        Ok(bytes) => bytes,
        Err(answer) => return answer,
    };
    incoming.body = bytes.to_vec();
    let standing = gateway.standing();
    let fronts = owners(&standing.facades, on, (&mut incoming, path));
    match admitted(&fronts, (&mut incoming, path), clock, from_here) {
        Ok(front) => forward(gateway, front, &parts, bytes).await,
        Err(refused) => refused.map_or_else(|| no_path(&parts), |refused| *refused),
    }
}

/// The façades whose request it is. One that has its address for itself owns all of it.
fn owners(
    facades: &Facades,
    on: Option<SocketAddr>,
    (incoming, path): (&mut Incoming, &str),
) -> Vec<Arc<Front>> {
    let mut fronts: Vec<Arc<Front>> = facades.on(on).map(Arc::clone).collect();
    if on.is_none() || fronts.len() > 1 {
        fronts.retain(|front| front.owns(incoming, path));
    }
    fronts
}

/// A path as any server may read it, in lower case: percent signs and parameters undone, empty segments left
/// out. None where it leads up or says nothing plainly.
fn plain(path: &str) -> Option<String> {
    let decoded = percent_decoded(path.strip_prefix('/')?)?;
    let mut plain = String::with_capacity(decoded.len() + 1);
    for segment in decoded.split(['/', '\\']) {
        let segment = segment.split_once(';').map_or(segment, |(segment, _)| segment);
        match segment {
            "" => {}
            "." | ".." => return None,
            segment => {
                plain.push('/');
                plain.push_str(&segment.to_ascii_lowercase());
            }
        }
    }
    (!decoded.contains(char::is_control)).then_some(plain)
}

/// None where a percent sign stands for no byte, or where it takes more than one turn to get rid of all.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let decoded = u8::try_from(digit()? * 16 + digit()?).ok()?;
        if decoded == b'%' {
            return None;
        }
        bytes.push(decoded);
    }
    String::from_utf8(bytes).ok()
}

/// What a request to be passed on may not be.
enum Barred {
    /// It is nobody's business there.
    Path,
    /// It reaches everybody, and the app may not.
    Broadcast,
}

/// Whether a request may be passed on: nothing that is served here goes round it, however it is spelt, and
/// nothing that the app may not do.
fn barred(front: &Front, method: &str, path: &str) -> Option<Barred> {
    let Some(plain) = plain(front.below(path)).filter(|_| !NOT_PASSED_ON.contains(&method)) else {
        return Some(Barred::Path);
    };
    let serves = front.facade.serves;
    let below = plain.strip_prefix(serves.prefix).filter(|_| !serves.prefix.is_empty()).unwrap_or(&plain);
    let is_served = |endpoint: &Endpoint| {
        endpoint.method == method
            && [below, &*plain].iter().any(|path| endpoint.path.eq_ignore_ascii_case(path))
    };
    if serves.endpoints.iter().any(is_served) {
        return Some(Barred::Path);
    }
    let reaches_all = |known: &&str| {
        let rest = below.strip_prefix(known.to_ascii_lowercase().as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let broadcast = serves.broadcasts.iter().any(reaches_all) && !front.app.caller.broadcast;
    broadcast.then_some(Barred::Broadcast)
}

fn not_served(front: &Front, parts: &Parts) -> Response {
    let problem = Problem::not_served(&parts.method, parts.uri.path(), &front.facade.name);
    let (_, words) = problem.said();
    exchange::response((front.facade.serves.absent)(words), &front.label)
}

fn not_passed_on(front: &Front, parts: &Parts) -> Response {
    let (method, path) = (&parts.method, parts.uri.path());
    let words = format!("the façade {} does not pass {method} {path} on", front.facade.name);
    exchange::response((front.facade.serves.absent)(&words), &front.label)
}

async fn forward(gateway: &Gateway, front: &Front, parts: &Parts, body: Bytes) -> Response {
    let path = parts.uri.path();
    let Some(provider) = &front.facade.passthrough else { return not_served(front, parts) };
    match barred(front, parts.method.as_str(), path) {
        None => {}
        Some(Barred::Path) => return not_passed_on(front, parts),
        Some(Barred::Broadcast) => {
            let app = &front.app.caller.app;
            let detail = format!("the app {app} may not do this: it needs the scope \"broadcast\"");
            let failure = Failure::not_sent(ErrorCode::Forbidden, detail).for_good();
            return exchange::response(front.fail(&failure), &front.label);
        }
    }
    let mut target = front.below(path).to_owned();
    if let Some(query) = parts.uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let cookies = others_cookies(&parts.headers);
    let headers =
        end_to_end(&parts.headers).filter(|header| header.0 != COOKIE && !is_credential(front, *header));
    let passing = Passing {
        method: parts.method.as_str(),
        path: &target,
        headers: headers.chain(cookies.iter().map(|cookies| (COOKIE.as_str(), &**cookies))).collect(),
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

/// Whether a header holds what a caller is known by here, or is for that: it is nobody else's business.
fn is_credential(front: &Front, (name, value): (&str, &[u8])) -> bool {
    let mut known = front.credentials.values().filter_map(Value::as_str);
    front.facade.serves.credentials.contains(&name) || known.any(|known| known.as_bytes() == value)
}

/// The cookies of the request but that of a session here: a browser sends it to every path.
fn others_cookies(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let named = end_to_end(headers).filter(|(name, _)| *name == COOKIE);
    named.filter_map(|(_, value)| session::cookies_of_others(value)).collect()
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

/// What the vendor answered. It stands at the console's address: a browser that opens it runs nothing of it there,
/// where a session's cookie would go along.
fn answered(passed: Passed) -> Response {
    let mut response = Response::new(Body::from(passed.body));
    *response.status_mut() = StatusCode::from_u16(passed.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in passed.headers {
        if OF_ONE_HOP.contains(&name.as_str()) || (name == SET_COOKIE.as_str() && session::sets_ours(&value))
        {
            continue;
        }
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
