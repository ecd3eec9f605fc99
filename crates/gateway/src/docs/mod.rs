//! `/docs`: the OpenAPI document as a page for people, written out by the server. It needs no script, loads
//! nothing from anywhere else, and says so in its policy.

mod html;
mod operation;
mod page;
mod schema;

use std::sync::LazyLock;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use crate::openapi;

/// A file and what tells it from others.
type File = (Bytes, String);

fn file(text: impl Into<Bytes>) -> File {
    let text = text.into();
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(&text).split_at(12).0));
    (text, tag)
}

static PAGE: LazyLock<File> = LazyLock::new(|| file(page::written(&openapi::document())));
static STYLE: LazyLock<File> = LazyLock::new(|| file(include_str!("docs.css")));

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The page as text.
#[cfg(test)]
pub(crate) fn written() -> String {
    page::written(&openapi::document())
}

/// `GET /docs`. Open to everybody, as the document is.
pub(crate) async fn page(request: Request) -> Response {
    answer(&request, &PAGE, "text/html; charset=utf-8")
}

/// `GET /docs/docs.css`.
pub(crate) async fn style(request: Request) -> Response {
    answer(&request, &STYLE, "text/css; charset=utf-8")
}

fn answer(request: &Request, (text, tag): &File, kind: &'static str) -> Response {
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = Response::new(if known { Bytes::new().into() } else { text.clone().into() });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.extend(HeaderValue::from_str(tag).ok().map(|tag| (ETAG, tag)));
    response
}
