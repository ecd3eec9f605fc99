//! The OpenAPI document: made once from the table of paths, the readers' own tables and the schemas, when it is
//! first asked for. It is the same whatever the configuration says.

pub(crate) mod about;
mod operation;
mod schema;
mod webhooks;

use std::sync::LazyLock;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::api::TABLE;
pub(crate) use operation::Operation;

/// The document as text, and what tells this one from others.
static TEXT: LazyLock<(Bytes, String)> = LazyLock::new(|| {
    let text = document().to_string();
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(&text).split_at(12).0));
    (text.into(), tag)
});

/// `GET /openapi.json`. Open to everybody: it tells of the program and nothing of what it does here.
pub(crate) async fn answer(request: Request) -> Response {
    let (text, tag) = &*TEXT;
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = Response::new(if known { Bytes::new().into() } else { text.clone().into() });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.extend(HeaderValue::from_str(tag).ok().map(|tag| (ETAG, tag)));
    response
}

const DESCRIPTION: &str = "One batch-send API for several vendors of instant messaging. A batch says things once \
    and names its messages; each goes to the account that the routes choose, and has one kind of result whichever \
    vendor delivered it. `accepted`, `rejected` and `unknown` mean what they say: what may have arrived is never \
    sent again by itself.\n\nQuery parameters and members of bodies that are not known are errors, and `null` is the \
    same as leaving a member out. All errors are problems (RFC 9457).";

/// The document.
pub(crate) fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Interline",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "One batch-send API for every IM vendor",
            "description": DESCRIPTION,
            "license": { "name": "Apache License 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The server that this document came from." }],
        "tags": tags(),
        "paths": paths(),
        "webhooks": webhooks::all(),
        "components": {
            "schemas": schema::all(&crate::vendors::all()),
            "securitySchemes": {
                "key": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "il_<id>_<secret>",
                    "description": "The key of an app. With `server.auth = \"off\"` none is needed on this machine.",
                },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "interline_session",
                    "description": "The cookie that `POST /v1/session` gives for a key, for browsers. What changes \
                        something needs the header `Interline-Console: 1` as well.",
                },
            },
        },
    })
}

fn tags() -> Value {
    let tags = [
        ("Sending", "Batches are sent at once, stored and sent afterwards, or only planned."),
        ("Batches and results", "What was taken, and what became of it."),
        ("Steering", "Batches and accounts are held back, go on, or are given up."),
        ("Callbacks", "The app's own servers are told of what became of its messages."),
        ("Migrations", "The traffic of a route moves from one account to another, step by step."),
        ("Accounts and routes", "What is configured, and how it does."),
        ("Session", "A browser's session, in place of a key."),
        ("Service", "Whether the service runs, and what it is."),
    ];
    tags.map(|(name, description)| json!({ "name": name, "description": description })).to_vec().into()
}

fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for row in TABLE {
        let path = paths.entry(row.path.replace("{*", "{")).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(row.method.to_owned(), (row.about)().into_value());
        }
    }
    paths
}
