//! The API: what all of its paths share. Which there are stands in `table`.

mod batches;
mod callbacks;
mod causes;
mod events;
mod export;
mod health;
mod migrations;
mod overview;
mod plan;
mod query;
mod read;
mod reload;
mod send;
mod session;
mod steer;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use interline_engine::Engine;
use serde::Serialize;
use tokio::sync::{Mutex, watch};

use crate::body::Limits;
use crate::config::{Config, Scope};
use crate::console::board::Board;
use crate::keys::Known;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::session::Sessions;
use crate::standing::{Stand, Standing};

pub(crate) use read::{FORMATS, STATES, capabilities};
pub(crate) use table::{TABLE, endpoint, router};

/// What every answer may need.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) engine: Engine,
    pub(crate) metrics: Metrics,
    /// True once the server is to stop.
    pub(crate) closing: watch::Receiver<bool>,
    /// The configuration in force; whoever holds it is changing it.
    pub(crate) config: Mutex<Config>,
    /// The last minutes.
    pub(crate) board: Board,
    /// Who is signed in.
    pub(crate) sessions: Sessions,
    standing: Stand,
}

impl Gateway {
    pub(crate) fn new(config: Config, engine: Engine, closing: watch::Receiver<bool>) -> Self {
        let standing = Stand::new(Standing::of(&config, None));
        let sessions = Sessions::default();
        let (metrics, board) = (Metrics::new(), Board::default());
        Self { engine, metrics, closing, config: Mutex::new(config), board, sessions, standing }
    }

    /// What the configuration in force means: one snapshot.
    pub(crate) fn standing(&self) -> Arc<Standing> {
        self.standing.now()
    }

    /// Puts something else in force.
    pub(crate) fn put(&self, standing: Standing) {
        self.standing.put(standing);
    }

    /// Who asks, if they may do what `scope` says.
    pub(crate) fn authorise(&self, headers: &HeaderMap, scope: Scope) -> Result<Arc<Known>, Problem> {
        let standing = self.standing();
        let session = || {
            let session = self.sessions.of(headers, self.now_ms()).filter(|_| standing.console.enabled);
            session.map(|(key, _)| key)
        };
        standing.keys.authorise(headers, session, scope)
    }

    /// Unix milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
    }

    /// How large bodies may be.
    pub(crate) fn limits(&self) -> Limits {
        self.standing().limits
    }
}

type Shared = State<Arc<Gateway>>;

/// The `{id}` or `{name}` of a path. One that is no text names nothing.
struct Named(String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| Problem::no_path(&parts.method, parts.uri.path()))
    }
}

async fn no_method(method: Method, uri: Uri) -> Problem {
    Problem::no_method(&method, uri.path())
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn answer(status: StatusCode, kind: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// An answer in JSON.
fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "cannot write an answer");
        Problem::internal()
    })?;
    Ok(answer(status, JSON, body))
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Problem::parameter("Idempotency-Key", "stands twice"));
    }
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= 255);
    let detail = "allowed are 1 to 255 visible ASCII characters";
    key.map(|key| Some(key.to_owned())).ok_or_else(|| Problem::parameter("Idempotency-Key", detail))
}

/// Counts the messages of a body against the app's rate, where it has one.
fn admit(app: &Known, text: &str) -> Result<u64, Problem> {
    let Some(admission) = &app.admission else { return Ok(0) };
    // A body that cannot be read costs as one message; the engine says what is wrong with it.
    let messages = interline_core::read::read_document(text).ok().and_then(|document| document.messages);
    let count = messages.map_or(1, |messages| u64::try_from(messages.len()).unwrap_or(u64::MAX)).max(1);
    let taken = admission.take(count, tokio::time::Instant::now());
    taken.map_err(|wait| Problem::over_rate(&app.caller.app, wait)).map(|()| count)
}

fn give_back(app: &Known, count: u64) {
    if let Some(admission) = &app.admission {
        admission.give_back(count);
    }
}
