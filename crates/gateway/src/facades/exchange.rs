//! From HTTP to what façades read, and from what they say to HTTP.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Answer, Incoming};
use tokio::time::timeout;

use crate::body::{self, Limits};
use crate::problem::Problem;

/// The providers that were used.
pub(super) const PROVIDERS: HeaderName = HeaderName::from_static("interline-provider");
/// Stands where all of an answer came from memory.
pub(super) const REPEATED: HeaderName = HeaderName::from_static("interline-repeated");

/// The most of a body that is read of whoever has not said who he is: a login fits.
const LITTLE: usize = 8 << 10;
/// And for how long.
const LITTLE_WAIT: Duration = Duration::from_secs(5);

/// What metrics call the endpoint: it travels with the response.
#[derive(Debug, Clone)]
pub(crate) struct Label(pub(crate) Arc<str>);

/// Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// A whole body, or why there is none.
pub(super) async fn whole(body: Body, headers: &HeaderMap, limits: Limits) -> Result<Bytes, Failure> {
    let coded =
        headers.get(CONTENT_ENCODING).filter(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if coded.is_some() {
        body::drain(body).await;
        let detail = "a body in a content coding is not read: send it without Content-Encoding";
        return Err(Failure::not_sent(ErrorCode::InvalidMessage, detail).for_good());
    }
    body::whole(body, headers, limits).await.map_err(|problem| unread(&problem))
}

/// Why there is no whole body, for façades.
pub(super) fn unread(problem: &Problem) -> Failure {
    let (status, detail) = problem.said();
    let code = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
        StatusCode::REQUEST_TIMEOUT => ErrorCode::Timeout,
        _ => ErrorCode::InvalidMessage,
    };
    Failure::not_sent(code, detail).for_good()
}

/// A whole body of a few KiB that came at once; none of any other, which is not kept.
pub(super) async fn little(mut body: Body) -> Option<Bytes> {
    let read = async {
        let mut all = BytesMut::new();
        while let Some(piece) = body::next_piece(&mut body).await.ok()? {
            if all.len() + piece.len() > LITTLE {
                return None;
            }
            all.extend_from_slice(&piece);
        }
        Some(all.freeze())
    };
    let all = timeout(LITTLE_WAIT, read).await.ok().flatten();
    if all.is_none() {
        body::drain(body).await;
    }
    all
}

/// The request as façades read it, its path as it stands.
pub(super) fn incoming(parts: &Parts, body: Bytes) -> Incoming {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = std::str::from_utf8(value.as_bytes()).ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    Incoming {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers.iter().filter_map(text).collect(),
        body: body.into(),
    }
}

/// An answer as HTTP.
pub(super) fn response(answer: Answer, label: &Label) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !answer.content_type.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    }
    for (name, value) in answer.headers {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => drop(headers.append(name, value)),
            _ => tracing::error!(name, "a façade gave a header that no response may have"),
        }
    }
    response.extensions_mut().insert(label.clone());
    response
}

/// Names the providers that were used.
pub(super) fn name_providers<'n>(response: &mut Response, names: impl Iterator<Item = &'n str>) {
    let names = names.collect::<Vec<_>>().join(", ");
    if let (false, Ok(names)) = (names.is_empty(), HeaderValue::try_from(names)) {
        response.headers_mut().insert(PROVIDERS, names);
    }
}
