//! What can be read: batches and their results, providers, vendors, routes, the configuration. An app
//! sees its own batches; one with the scope `admin` sees all. What belongs to others is not there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_DISPOSITION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use interline_core::adapter::{Settings, Vendor};
use interline_core::outcome::Status;
use interline_core::profile::Profile;
use interline_core::recipient::Recipient;
use interline_core::record::MessageResult;
use interline_engine::{BatchView, MessageQuery};
use serde::Serialize;
use serde_json::{Value, json};

use super::batches::Links;
use super::export::{Export, Form};
use super::query::Query;
use super::{JSON, Named, Shared, answer, json};
use crate::config::{Config, Scope};
use crate::keys::Known;
use crate::problem::Problem;

/// States that a batch may be asked for by.
pub(crate) const STATES: [&str; 7] =
    ["receiving", "scheduled", "queued", "sending", "paused", "settled", "cancelled"];

#[derive(Serialize)]
struct Batches {
    batches: Vec<BatchView>,
    next_cursor: Option<String>,
}

/// A batch with its links.
#[derive(Serialize)]
pub(super) struct Batch {
    #[serde(flatten)]
    batch: BatchView,
    links: Links,
}

impl Batch {
    pub(super) fn of(batch: BatchView) -> Self {
        Self { links: Links::of(&batch.id), batch }
    }
}

#[derive(Serialize)]
struct Messages {
    messages: Vec<MessageResult>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct FoundMessages {
    messages: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    batch_id: String,
    #[serde(flatten)]
    result: MessageResult,
}

pub(super) async fn batches(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    let app = gateway.authorise(request.headers(), Scope::Read)?;
    let query = Query::of(request.uri().query(), &["state", "app", "label", "cursor", "limit"])?;
    let state = query.get("state");
    if let Some(state) = state.filter(|state| !STATES.contains(state)) {
        let detail = format!("{state:?} is no state; allowed: {}", STATES.join(", "));
        return Err(Problem::parameter("state", detail));
    }
    let of = match query.get("app") {
        Some(other) if !app.may_read(other) => {
            return Err(Problem::forbidden(format!(
                "the app {} may read its own batches only",
                app.caller.app
            )));
        }
        Some(other) => Some(other),
        None if app.reads_all() => None,
        None => Some(&*app.caller.app),
    };
    let place = (query.get("cursor"), query.limit()?);
    let page = gateway.engine.batches(state, of, query.get("label"), place).await?;
    json(StatusCode::OK, &Batches { batches: page.items, next_cursor: page.next_cursor })
}

pub(super) async fn readable(gateway: &super::Gateway, app: &Known, id: &str) -> Result<BatchView, Problem> {
    let batch = gateway.engine.batch(id).await?.filter(|batch| app.may_read(&batch.app));
    batch.ok_or_else(|| Problem::no_batch(id))
}

/// The batch of a request that says everything by its path; its caller may read it.
pub(super) async fn asked(gateway: &super::Gateway, parts: &Parts, id: &str) -> Result<BatchView, Problem> {
    let app = gateway.authorise(&parts.headers, Scope::Read)?;
    Query::of(parts.uri.query(), &[])?;
    readable(gateway, &app, id).await
}

pub(super) async fn batch(
    State(gateway): Shared,
    Named(id): Named,
    parts: Parts,
) -> Result<Response, Problem> {
    json(StatusCode::OK, &Batch::of(asked(&gateway, &parts, &id).await?))
}

const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const ROWS: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");

/// The words of `format`, for whoever cannot say `Accept`, as a link cannot.
pub(crate) const FORMATS: [&str; 3] = ["json", "ndjson", "csv"];

/// The form that the query asks for, else the headers; none is a page of JSON.
fn form(query: &Query<'_>, headers: &HeaderMap) -> Result<Option<(Form, HeaderValue)>, Problem> {
    match query.get("format") {
        None => Ok(accepted(headers)),
        Some("json") => Ok(None),
        Some("ndjson") => Ok(Some((Form::Lines, LINES))),
        Some("csv") => Ok(Some((Form::Csv, ROWS))),
        Some(word) => {
            let detail = format!("{word:?} is no format; allowed: {}", FORMATS.join(", "));
            Err(Problem::parameter("format", detail))
        }
    }
}

/// A file's name for a browser to keep it under.
fn attachment(batch: &str, form: &Form) -> Option<HeaderValue> {
    let ending = if matches!(form, Form::Csv) { "csv" } else { "ndjson" };
    let safe = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name: String = batch.chars().filter(|c| safe(*c)).collect();
    HeaderValue::try_from(format!("attachment; filename=\"{name}.{ending}\"")).ok()
}

fn accepted(headers: &HeaderMap) -> Option<(Form, HeaderValue)> {
    let accept = headers.get(ACCEPT)?.to_str().ok()?;
    accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim()).find_map(
        |kind| match kind {
            "application/x-ndjson" => Some((Form::Lines, LINES)),
            "text/csv" => Some((Form::Csv, ROWS)),
            _ => None,
        },
    )
}

pub(super) async fn messages(
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Result<Response, Problem> {
    let app = gateway.authorise(request.headers(), Scope::Read)?;
    let query = Query::of(request.uri().query(), &["status", "cursor", "limit", "format"])?;
    let status = query.get("status").map(|word| {
        let words: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
        let detail = format!("{word:?} is no status; allowed: {}", words.join(", "));
        Status::parse(word).ok_or_else(|| Problem::parameter("status", detail))
    });
    let asked = MessageQuery { status: status.transpose()?, limit: query.limit()? };
    let batch = readable(&gateway, &app, &id).await?;
    if let Some((form, kind)) = form(&query, request.headers())? {
        if let Some(paging) = ["cursor", "limit"].into_iter().find(|name| query.get(name).is_some()) {
            return Err(Problem::parameter(
                paging,
                "lines and CSV hold all results; leave it out, or ask for JSON",
            ));
        }
        let export = Export::new(gateway.engine.clone(), batch.id, asked);
        let name = query.get("format").and_then(|_| attachment(&id, &form));
        let mut response = answer(StatusCode::OK, kind, export.body(form));
        response.headers_mut().extend(name.map(|name| (CONTENT_DISPOSITION, name)));
        return Ok(response);
    }
    let page = gateway.engine.messages(&id, asked, query.get("cursor")).await?;
    json(StatusCode::OK, &Messages { messages: page.items, next_cursor: page.next_cursor })
}

pub(super) async fn find(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    let app = gateway.authorise(request.headers(), Scope::Read)?;
    let query = Query::of(request.uri().query(), &["to", "since", "limit"])?;
    let to =
        query.get("to").ok_or_else(|| Problem::parameter("to", "required: user:ID, group:ID or room:ID"))?;
    let to: Recipient = to.parse().map_err(|detail: String| Problem::parameter("to", detail))?;
    let since = query.get("since").map_or(Ok(0), |text| {
        since(text, SystemTime::now()).ok_or_else(|| {
            let detail = "write a time like 2026-12-01T09:00:00Z, or how long ago, like 24h or 7d";
            Problem::parameter("since", detail)
        })
    })?;
    let limit = query.limit()?;
    let own = (!app.reads_all()).then_some(&*app.caller.app);
    let found = gateway.engine.find(&to, since, limit, own).await?;
    let messages: Vec<Found> =
        found.into_iter().map(|(batch_id, result)| Found { batch_id, result }).collect();
    json(StatusCode::OK, &FoundMessages { messages })
}

/// Unix milliseconds of a point in time, or of so long ago.
fn since(text: &str, now: SystemTime) -> Option<i64> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond());
    }
    let ago = humantime::parse_duration(text).ok()?;
    let then = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).saturating_sub(ago);
    i64::try_from(then.as_millis()).ok()
}

pub(super) async fn providers(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    gateway.authorise(request.headers(), Scope::Read)?;
    json(StatusCode::OK, &json!({ "providers": gateway.engine.providers() }))
}

pub(super) async fn vendors(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    gateway.authorise(request.headers(), Scope::Read)?;
    Ok(answer(StatusCode::OK, JSON, gateway.standing().vendors.clone()))
}

pub(super) async fn routes(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    gateway.authorise(request.headers(), Scope::Read)?;
    Ok(answer(StatusCode::OK, JSON, gateway.standing().routes.clone()))
}

pub(super) async fn config(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    gateway.authorise(request.headers(), Scope::Admin)?;
    Ok(answer(StatusCode::OK, JSON, gateway.standing().config.clone()))
}

/// What every vendor can do, dialect by dialect.
pub(crate) fn capabilities(config: &Config) -> Value {
    let vendor = |vendor: &&'static Vendor| {
        let dialects: Vec<Profile> =
            vendor.dialects.iter().filter_map(|dialect| profile(vendor, dialect)).collect();
        json!({ "name": vendor.name, "settings": vendor.settings, "dialects": dialects })
    };
    json!({ "vendors": config.vendors().iter().map(vendor).collect::<Vec<_>>() })
}

/// A dialect's profile without an account: keys that cannot be missing are stood in for.
fn profile(vendor: &Vendor, dialect: &str) -> Option<Profile> {
    let mut settings = Settings::new();
    loop {
        let errors = match (vendor.build)(&settings, dialect) {
            Ok(adapter) => return Some(adapter.profile().clone()),
            Err(errors) => errors,
        };
        let before = settings.len();
        settings.extend(errors.iter().map(|error| {
            (error.path.trim_start_matches('/').to_owned(), Value::from("00000000000000000000000000000000"))
        }));
        if settings.len() == before {
            tracing::error!(vendor = vendor.name, dialect, "cannot tell what it can do");
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        let now = UNIX_EPOCH + Duration::from_secs(100_000);
        assert_eq!(since("1970-01-01T00:00:07Z", now), Some(7_000));
        assert_eq!(since("10s", now), Some(99_990_000));
        assert_eq!(since("yesterday", now), None);
    }

    #[test]
    fn every_dialect_of_every_vendor_shows_its_profile() {
        for vendor in crate::vendors::all() {
            for dialect in vendor.dialects {
                let profile = profile(vendor, dialect).unwrap();
                assert_eq!((profile.vendor, profile.dialect), (vendor.name, *dialect));
            }
        }
    }
}
