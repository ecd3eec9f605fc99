//! The OpenAPI document: made from the table of paths, once, when it is first asked for.

pub(crate) mod about;
mod operation;

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::api::TABLE;
pub(crate) use operation::Operation;

static TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));

/// `GET /openapi.json`.
pub(crate) async fn answer() -> Response {
    let mut response = TEXT.clone().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The document.
fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Interline", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths(),
    })
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
