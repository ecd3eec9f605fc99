//! The console's files, served as they are: everything they show comes from the public API. What is no file is
//! a page of the console, which finds out by itself what it is to show.

pub(crate) mod board;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::api::Gateway;
use crate::problem::Problem;

/// In a debug build they are read from the folder, so that a page is changed without building anything.
#[derive(RustEmbed)]
#[folder = "console/"]
struct Files;

/// The page that every address of the console begins with.
const SHELL: &str = "index.html";

/// Nothing but our own files runs or is loaded, no page may frame us, and nothing is said to other sites.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 8] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-cache"),
    (HeaderName::from_static("x-frame-options"), "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
];

/// Whether requests for a path are the console's.
pub(crate) fn is_path(path: &str) -> bool {
    path.strip_prefix("/console").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The console's paths.
pub(crate) fn router() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/console", get(door))
        .route("/console/", get(root))
        .route("/console/{*path}", get(below))
}

async fn door(State(gateway): State<Arc<Gateway>>, method: Method, uri: Uri) -> Response {
    if !gateway.standing().console.enabled {
        return Problem::no_path(&method, uri.path()).into_response();
    }
    let to = HeaderValue::from_static("/console/");
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    response.headers_mut().insert(LOCATION, to);
    response
}

async fn root(state: State<Arc<Gateway>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    below(state, Path(SHELL.to_owned()), method, uri, headers).await
}

async fn below(
    State(gateway): State<Arc<Gateway>>,
    Path(path): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let file = if gateway.standing().console.enabled { find(&path) } else { None };
    match file {
        Some((name, file)) => answer(name, &file, &headers),
        None => Problem::no_path(&method, uri.path()).into_response(),
    }
}

/// The file of a path; the shell where the path is a page's. A file that is missing is no page: a script that
/// gets a page instead fails in words that help nobody.
fn find(path: &str) -> Option<(&str, EmbeddedFile)> {
    if let Some(file) = Files::get(path) {
        return Some((path, file));
    }
    if kind(path).is_some() || path.starts_with("pages/") || path.starts_with("vendor/") {
        return None;
    }
    Some((SHELL, Files::get(SHELL)?))
}

/// The type of what the console is made of.
fn kind(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "md" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

fn answer(name: &str, file: &EmbeddedFile, asked: &HeaderMap) -> Response {
    let hash = hex::encode(file.metadata.sha256_hash());
    let tag = format!("\"{}\"", hash.get(..32).unwrap_or(&hash));
    let same = |value: &HeaderValue| {
        value.to_str().is_ok_and(|tags| tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag))
    };
    let mut response = if asked.get_all(IF_NONE_MATCH).iter().any(same) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(file.data.clone().into_owned()))
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind(name).unwrap_or("text/plain; charset=utf-8")));
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    response
}
