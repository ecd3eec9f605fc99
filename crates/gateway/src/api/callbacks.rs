//! Who is told of batches, and how that goes: an app sees and steers its own receivers, an `admin` all.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use interline_core::read::{Fields, Path, Problems};
use interline_engine::{CallbackView, Denied, Errors};
use serde::Serialize;

use super::query::Query;
use super::steer::{asked, nothing};
use super::{Gateway, Named, Shared, json};
use crate::body::{text, whole};
use crate::config::Scope;
use crate::keys::Known;
use crate::problem::Problem;

#[derive(Serialize)]
struct Callbacks {
    callbacks: Vec<CallbackView>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Replayed<'a> {
    id: &'a str,
    events: u64,
}

pub(super) async fn list(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    let app = gateway.authorise(request.headers(), Scope::Read)?;
    let query = Query::of(request.uri().query(), &["cursor", "limit"])?;
    let own = (!app.reads_all()).then_some(&*app.caller.app);
    let page = gateway.engine.callbacks(own, query.get("cursor"), query.limit()?).await?;
    json(StatusCode::OK, &Callbacks { callbacks: page.items, next_cursor: page.next_cursor })
}

/// One that is not the app's is not there for it.
async fn visible(gateway: &Gateway, app: &Arc<Known>, id: &str) -> Result<(), Problem> {
    let found = gateway.engine.callback(id).await?;
    if app.may_read(&found.app) { Ok(()) } else { Err(Denied::NoCallback(id.to_owned()).into()) }
}

pub(super) async fn enable(
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Result<Response, Problem> {
    let (app, headers, body) = asked(&gateway, request)?;
    nothing(&gateway, &headers, body).await?;
    visible(&gateway, &app, &id).await?;
    json(StatusCode::OK, &gateway.engine.enable_callback(&id).await?)
}

pub(super) async fn replay(
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Result<Response, Problem> {
    let (app, headers, body) = asked(&gateway, request)?;
    let body = whole(body, &headers, gateway.limits()).await?;
    let span = span(text(&body)?, gateway.now_ms())?;
    visible(&gateway, &app, &id).await?;
    // A task of its own: what was begun is brought to an end also when the caller goes away.
    let (engine, named) = (gateway.engine.clone(), id.clone());
    let task = tokio::spawn(async move { engine.replay_callback(&named, span).await });
    let events = task.await.map_err(|_| Problem::internal())??;
    json(StatusCode::ACCEPTED, &Replayed { id: &id, events })
}

/// Reads `{"since","until"}`.
fn span(body: &str, now_ms: i64) -> Result<(i64, i64), Problem> {
    let mut problems = Problems::default();
    let found = read_span(body, now_ms, &mut problems);
    match found.filter(|_| problems.is_empty()) {
        Some(span) => Ok(span),
        None => {
            let (listed, total) = problems.into_parts();
            Err(Problem::invalid("the body is no span of time", Errors { listed, total }))
        }
    }
}

fn read_span(body: &str, now_ms: i64, problems: &mut Problems) -> Option<(i64, i64)> {
    let root = Path::Root("");
    let value = match serde_json::from_str::<serde_json_borrow::Value<'_>>(body) {
        Ok(value) => value,
        Err(error) => {
            problems.add(&root, format!("expected a JSON object: {error}"));
            return None;
        }
    };
    let mut fields = Fields::of(&value, root, problems)?;
    let since = fields.time("since", problems);
    let since = fields.required("since", since, problems);
    let until = fields.time("until", problems).unwrap_or(now_ms);
    if since.is_some_and(|since| since > until) {
        fields.wrong("until", "is before since", problems);
    }
    fields.done(problems);
    Some((since?, until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_strictly() {
        let read = |body: &str| span(body, 5_000).map_err(|problem| format!("{problem:?}"));
        assert_eq!(read(r#"{"since":"1970-01-01T00:00:01Z"}"#), Ok((1_000, 5_000)));
        let both = r#"{"since":"1970-01-01T00:00:01Z","until":"1970-01-01T00:00:02Z"}"#;
        assert_eq!(read(both), Ok((1_000, 2_000)));
        for (body, said) in [
            ("", "JSON"),
            ("{}", "/since"),
            (r#"{"since":"soon"}"#, "/since"),
            (r#"{"since":"1970-01-01T00:00:09Z"}"#, "/until"),
            (r#"{"since":"1970-01-01T00:00:01Z","all":true}"#, "/all"),
        ] {
            assert!(read(body).unwrap_err().contains(said), "{body}");
        }
    }
}
