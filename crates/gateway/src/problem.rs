//! Every error that a caller sees, as `application/problem+json` (RFC 9457). What an operator should read
//! is logged where a [`Denied`] becomes a problem; what a caller may read is what stands in here.

mod code;

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use interline_core::error::FieldError;
use interline_engine::{Denied, Errors};
use interline_ledger::ErrorKind;
use serde::Serialize;

use crate::config::ConfigErrors;

pub(crate) use code::Code;

/// An error as a caller sees it.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug, Serialize)]
struct Inner {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    #[serde(serialize_with = "number")]
    status: StatusCode,
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// How many errors there are, where not all are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = code.status();
        Self(Box::new(Inner {
            kind: code.page(),
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            code: code.as_str(),
            detail: detail.into(),
            errors: Vec::new(),
            total: None,
            retry_after: None,
        }))
    }

    fn errors(mut self, errors: Errors) -> Self {
        self.0.total = (errors.total > errors.listed.len()).then_some(errors.total);
        self.0.errors = errors.listed;
        self
    }

    fn after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The body or the query is wrong.
    pub(crate) fn invalid(detail: impl Into<String>, errors: Errors) -> Self {
        Self::new(Code::InvalidBody, detail).errors(errors)
    }

    /// The configuration cannot be used, and what was in force still is.
    pub(crate) fn config(errors: &ConfigErrors) -> Self {
        let listed = errors.0.iter().map(|error| {
            let path = if error.key.is_empty() { &error.origin } else { &error.key };
            FieldError::new(path.clone(), format!("{} ({})", error.detail, error.origin))
        });
        let total = errors.0.len();
        let errors = Errors { listed: listed.take(interline_core::read::MAX_LISTED).collect(), total };
        let detail = "the configuration cannot be used; what was in force still is";
        Self::new(Code::InvalidConfig, detail).errors(errors)
    }

    /// A parameter or a header is wrong.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(Code::InvalidParameter, format!("{name}: {detail}")).errors(Errors::one(name, detail))
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, detail)
    }

    pub(crate) fn foreign_host() -> Self {
        Self::forbidden(
            "server.auth is \"off\": only requests to localhost, 127.0.0.1 or [::1] that come from no \
             other web page are answered; use keys for anything else",
        )
    }

    pub(crate) fn foreign_to(facade: &str) -> Self {
        Self::forbidden(format!(
            "the façade {facade} has no credentials: only requests to localhost, 127.0.0.1 or [::1] that come from \
             no other web page are answered; give it some for anything else"
        ))
    }

    pub(crate) fn no_path(method: &Method, path: &str) -> Self {
        let more = if path == "/" { "; the console is at /console, the API's own page at /docs" } else { "" };
        Self::new(Code::NotFound, format!("there is nothing at {method} {path}{more}"))
    }

    pub(crate) fn not_served(method: &Method, path: &str, facade: &str) -> Self {
        let detail = format!(
            "the façade {facade} does not serve {method} {path}; with a provider in its `passthrough` it would \
             be passed on"
        );
        Self::new(Code::NotFound, detail)
    }

    /// Status and detail, for whoever says it in other words.
    pub(crate) fn said(&self) -> (StatusCode, &str) {
        (self.0.status, &self.0.detail)
    }

    pub(crate) fn no_method(method: &Method, path: &str) -> Self {
        let detail = format!("{path} does not take {method}; the header Allow says what it takes");
        Self::new(Code::MethodNotAllowed, detail)
    }

    pub(crate) fn no_batch(id: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no batch {id:?}"))
    }

    pub(crate) fn no_provider(name: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no provider {name:?}"))
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(Code::TooLarge, detail)
    }

    pub(crate) fn over_rate(app: &str, wait: Duration) -> Self {
        let detail = format!("the app {app} handed over more than its messages_per_second");
        Self::new(Code::RateLimited, detail).after(wait)
    }

    pub(crate) fn internal() -> Self {
        Self::new(Code::Internal, "something went wrong here; the log says what")
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, detail).after(Duration::from_secs(1))
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> u16 {
        self.0.status.as_u16()
    }
}

fn several(what: &str, total: usize) -> String {
    if total == 1 { format!("{what}: 1 error") } else { format!("{what}: {total} errors") }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Invalid(errors) => {
                Self::invalid(several("the batch cannot be taken as it is", errors.total), errors)
            }
            Denied::Cursor => Self::parameter("cursor", "is not a cursor that a page gave"),
            Denied::NotRoutable(errors) => {
                let detail = several("no route takes a message", errors.total);
                Self::new(Code::NotRoutable, detail).errors(errors)
            }
            Denied::Forbidden(errors) => {
                Self::forbidden(several("the app may not send this", errors.total)).errors(errors)
            }
            Denied::TooLarge(detail) => Self::too_large(detail),
            Denied::Mismatch => {
                let detail = "the Idempotency-Key was used with another body within 24 hours";
                Self::new(Code::IdempotencyMismatch, detail)
            }
            Denied::InProgress { retry_after } => {
                let detail = "the first request with this Idempotency-Key is still running";
                Self::new(Code::InProgress, detail).after(retry_after)
            }
            Denied::Busy { retry_after } => {
                let detail = "the queues are full; nothing of this was taken";
                Self::new(Code::Busy, detail).after(retry_after)
            }
            Denied::Conflict(detail) => Self::new(Code::Conflict, detail),
            Denied::NoProvider(name) => Self::no_provider(&name),
            Denied::NoMigration(_) | Denied::NoCallback(_) => Self::new(Code::NotFound, format!("{denied}")),
            Denied::NotFound => Self::new(Code::NotFound, "there is no such batch"),
            Denied::Ledger(error) => ledger(&error),
        }
    }
}

fn ledger(error: &interline_ledger::Error) -> Problem {
    match error.kind() {
        ErrorKind::NotFound => Problem::new(Code::NotFound, "there is no such batch"),
        ErrorKind::Conflict => {
            let detail = "the state of the batch does not allow it";
            Problem::new(Code::Conflict, detail)
        }
        ErrorKind::Full => refused(error, "its disk is full"),
        ErrorKind::ReadOnly => refused(error, "its disk may not be written"),
        ErrorKind::Locked | ErrorKind::Unavailable => refused(error, "it does not answer as it should"),
        _ => {
            tracing::error!(%error, "ledger failed");
            Problem::internal()
        }
    }
}

/// The ledger cannot take anything now, and will when the cause is gone.
fn refused(error: &interline_ledger::Error, why: &str) -> Problem {
    let cause = std::error::Error::source(error);
    tracing::error!(%error, cause, "ledger refuses work");
    Problem::unavailable(format!(
        "the ledger cannot take it now: {why}; nothing of this was stored, try again later"
    ))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_millis().div_ceil(1_000).max(1) as u64));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_where_its_type_leads() {
        let page = crate::docs::written();
        for code in Code::ALL {
            let place = code.page().replace("/docs#", "");
            assert!(page.contains(&format!("<code id=\"{place}\">{}</code>", code.as_str())), "{place}");
        }
        for code in interline_core::error::ErrorCode::ALL {
            assert!(page.contains(&format!("id=\"ErrorCode-{code}\"")), "{code}");
        }
    }

    #[test]
    fn full_queues_are_busy_and_tell_when_to_come_back() {
        let denied = Denied::Busy { retry_after: Duration::from_millis(1_200) };
        let problem = Problem::from(denied);
        assert_eq!(problem.0.code, "busy");
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "2");
    }
}
