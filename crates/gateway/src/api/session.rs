//! `/v1/session`: exchanges a key for a session cookie, says who one is, and ends it. A wrong key and a key
//! that never was are told alike, in the same time.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use interline_core::record::time_text;
use interline_engine::Errors;
use serde::{Deserialize, Serialize};

use tokio::time::timeout;

use super::query::Query;
use super::{Gateway, Shared, answer, json};
use crate::body::text;
use crate::keys::{KeyHash, Known};
use crate::problem::{Code, Problem};
use crate::session;

/// Who one is.
#[derive(Debug, Serialize)]
struct Who {
    auth: &'static str,
    /// None where nobody is signed in.
    app: Option<String>,
    may: Vec<&'static str>,
    /// When the session ends; none where it is no session.
    expires: Option<String>,
}

impl Who {
    fn of(auth: &'static str, known: Option<&Known>, until_ms: Option<i64>) -> Self {
        Self {
            auth,
            app: known.map(|known| known.caller.app.to_string()),
            may: known.map(|known| known.may().words().collect()).unwrap_or_default(),
            expires: until_ms.filter(|_| known.is_some()).map(time_text),
        }
    }

    fn answer(&self) -> Result<Response, Problem> {
        let mut response = json(StatusCode::OK, self)?;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    key: String,
}

const MOST: usize = 4_096;
const SOON: Duration = Duration::from_secs(10);

const OFF: &str = "off";
const KEYS: &str = "keys";

/// There are no sessions where there is no console.
fn open(gateway: &Gateway, request: &Request) -> Result<(), Problem> {
    Query::of(request.uri().query(), &[])?;
    if gateway.standing().console.enabled {
        return Ok(());
    }
    Err(Problem::no_path(request.method(), request.uri().path()))
}

/// A key is short, and who asks is nobody yet.
async fn small(body: Body) -> Result<Bytes, Problem> {
    let read = timeout(SOON, Limited::new(body, MOST).collect()).await;
    let read = read.map_err(|_| Problem::new(Code::IdleBody, "the body did not come in time"))?;
    let most = || Problem::too_large(format!("the body of this request has at most {MOST} bytes"));
    Ok(read.map_err(|_| most())?.to_bytes())
}

fn with_cookie(
    mut response: Response,
    token: Option<&str>,
    seconds: u64,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let cookie = session::cookie(token, seconds, headers).ok_or_else(Problem::internal)?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

pub(super) async fn begin(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    open(&gateway, &request)?;
    let (parts, body) = request.into_parts();
    session::refuse_foreign(&parts.headers)?;
    let body = small(body).await?;
    let Wanted { key } = serde_json::from_str(text(&body)?).map_err(|_| {
        // What was read is a secret: the error must not repeat it.
        let detail = "expected {\"key\": \"il_…\"}";
        Problem::invalid(detail, Errors::one("/key", detail))
    })?;
    let standing = gateway.standing();
    if let Some(open) = standing.keys.open(&parts.headers)? {
        return Who::of(OFF, Some(&open), None).answer();
    }
    let hash = KeyHash::of(key.trim());
    let known = standing.keys.holding(&hash).ok_or_else(|| Problem::unauthorized("the key is not known"))?;
    let lasts = standing.console.session;
    let now_ms = gateway.now_ms();
    let until_ms = now_ms.saturating_add(i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX));
    let token = gateway.sessions.begin(hash, until_ms, now_ms).map_err(|_| Problem::internal())?;
    let response = Who::of(KEYS, Some(&known), Some(until_ms)).answer()?;
    with_cookie(response, Some(&token), lasts.as_secs(), &parts.headers)
}

/// Nobody is an answer too, and no error: a page asks it to know whether to ask for a key.
pub(super) async fn show(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    open(&gateway, &request)?;
    let (headers, standing) = (request.headers(), gateway.standing());
    if let Some(open) = standing.keys.open(headers)? {
        return Who::of(OFF, Some(&open), None).answer();
    }
    if headers.contains_key(http::header::AUTHORIZATION) {
        return Who::of(KEYS, Some(&*standing.keys.bearer(headers)?), None).answer();
    }
    let session = gateway.sessions.of(headers, gateway.now_ms());
    let known = session.and_then(|(key, _)| standing.keys.holding(&key));
    Who::of(KEYS, known.as_deref(), session.map(|(_, until_ms)| until_ms)).answer()
}

pub(super) async fn end(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    open(&gateway, &request)?;
    session::refuse_foreign(request.headers())?;
    gateway.sessions.end(request.headers());
    let response = answer(StatusCode::NO_CONTENT, super::JSON, Body::empty());
    with_cookie(response, None, 0, request.headers())
}
