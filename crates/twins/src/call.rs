//! What a vendor's emulation sees of a request, and what it hands back.
//!
//! Emulations are synchronous and do no I/O: the server reads the request, applies faults and writes
//! the answer. `Call` carries the twin's log, so that an emulation writes down what arrived.

use std::fmt;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Serialize;

use crate::fault::{Fault, Spoil};
use crate::received::{Log, Page};

/// One request that was read in full.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) dialect: &'static str,
    /// From 1; 0 for requests that send nothing.
    pub(crate) number: u64,
    pub(crate) now_ms: u64,
    /// When it was read in full, by a clock that never goes back.
    pub(crate) arrived_us: u64,
    pub(crate) log: &'a Log,
    pub(crate) spoil: Option<&'a Spoil>,
}

impl<'a> Call<'a> {
    /// Opens the log for this call's messages.
    pub(crate) fn page(&self) -> Page<'a> {
        self.log.page(self.number, self.now_ms)
    }

    /// Asks, once per message, whether a partial fault makes it fail.
    pub(crate) fn spoiled(&self) -> bool {
        self.spoil.is_some_and(Spoil::next_fails)
    }

    /// A header's value; empty when it is missing or not text.
    pub(crate) fn header(&self, name: &str) -> &'a str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn is_post(&self) -> bool {
        self.method == Method::POST
    }
}

/// An answer, ready to be written.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

pub(crate) const JSON: &str = "application/json; charset=utf-8";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

impl Answer {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = (hyper::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status, headers: vec![content_type], body: body.into() }
    }

    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        Self::new(status, JSON, serde_json::to_vec(body).unwrap_or_default())
    }

    pub(crate) fn text(status: u16, body: &'static str) -> Self {
        Self::new(status, TEXT, body)
    }

    /// An answer without body and without content type.
    pub(crate) fn empty(status: u16) -> Self {
        let mut answer = Self::new(status, TEXT, Bytes::new());
        answer.headers.clear();
        answer
    }

    /// What gin-style routers say to a path that they do not know.
    pub(crate) fn no_such_page() -> Self {
        Self::text(404, "404 page not found")
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }
}

/// One vendor's server, as far as it is emulated.
pub(crate) trait Emulation: Send + Sync + fmt::Debug {
    /// Whether a POST to this path sends messages: it is counted and can be hit by a fault.
    fn sends(&self, path: &str) -> bool;
    /// Answers a request as the real server would.
    fn answer(&self, call: &Call<'_>) -> Answer;
    /// The vendor's error body under an HTTP status.
    fn status_fault(&self, call: &Call<'_>, status: u16, fault: &Fault) -> Answer;
    /// The vendor's own error code in a body.
    fn code_fault(&self, call: &Call<'_>, code: Option<i64>) -> Answer;
    /// Drops all state, as a fresh installation.
    fn forget(&self);
}
