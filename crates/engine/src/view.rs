//! What the engine shows: batches, results, plans and providers, in the shapes of the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use interline_core::error::FieldError;
use interline_core::outcome::Counts;
use interline_core::record::{MessageResult, rfc3339};
use serde::Serialize;

use crate::told::Told;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The app's name.
    pub app: Arc<str>,
    /// Whether `everyone` may be addressed.
    pub broadcast: bool,
}

/// A batch as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct BatchView {
    pub id: String,
    pub state: &'static str,
    pub app: String,
    pub counts: Counts,
    pub labels: BTreeMap<String, String>,
    #[serde(rename = "created_at", serialize_with = "rfc3339")]
    pub created_ms: i64,
    #[serde(rename = "send_at", serialize_with = "optional_time")]
    pub send_at_ms: Option<i64>,
    #[serde(rename = "settled_at", serialize_with = "optional_time")]
    pub settled_ms: Option<i64>,
    pub trace_id: Option<String>,
    /// The batch whose messages these were.
    pub redriven_from: Option<String>,
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn optional_time<S: serde::Serializer>(ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    match ms {
        Some(ms) => rfc3339(ms, serializer),
        None => serializer.serialize_none(),
    }
}

/// The answer to an accepted batch.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The batch.
    pub batch: BatchView,
    /// Messages that were refused under `validation = "permissive"`.
    pub refused: Vec<FieldError>,
    /// Whether this is the answer of an earlier request under the same idempotency key.
    pub replayed: bool,
}

/// The answer to a direct send.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The batch's id.
    pub id: String,
    /// Messages by state.
    pub counts: Counts,
    pub(crate) told: Told,
    /// The providers that were used.
    pub providers: Vec<Arc<str>>,
    /// Whether this is the answer of an earlier request under the same idempotency key.
    pub replayed: bool,
}

impl Sent {
    /// How many messages there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.told.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.told.len() == 0
    }

    /// One result a message, in the batch's order.
    #[must_use]
    pub fn results(&self) -> Vec<MessageResult> {
        self.told.results()
    }

    /// Appends the answer as JSON: `{"id","state","counts","results"}`.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail; an id needs no escape.
        out.extend_from_slice(
            format!("{{\"id\":\"{}\",\"state\":\"settled\",\"counts\":", self.id).as_bytes(),
        );
        serde_json::to_writer(&mut *out, &self.counts).unwrap_or_default();
        out.extend_from_slice(b",\"results\":[");
        self.told.write(out);
        out.extend_from_slice(b"]}");
    }
}

/// A page of results.
#[derive(Debug, Clone, Serialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts; none at the end.
    pub next_cursor: Option<String>,
}

/// What would happen with a batch. Nothing was sent.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct Plan {
    pub messages: Vec<PlannedMessage>,
    pub calls: Vec<PlannedCall>,
    pub totals: Totals,
    pub errors: Vec<PlanError>,
}

/// One message of a plan.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct PlannedMessage {
    pub id: String,
    pub to: String,
    pub route: Option<String>,
    pub provider: Option<String>,
    pub dialect: Option<String>,
    pub why: String,
    pub not_taken: Vec<NotTaken>,
    pub losses: Vec<String>,
}

/// A route that a message did not take.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct NotTaken {
    pub route: String,
    pub provider: String,
    pub why: String,
}

/// One vendor call of a plan, secrets masked.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct PlannedCall {
    pub provider: String,
    pub quota_class: String,
    pub messages: Vec<String>,
    pub request: PlannedRequest,
    pub curl: String,
}

/// A request of a plan. The body is JSON where it is JSON, else text.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct PlannedRequest {
    pub method: &'static str,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub body: serde_json::Value,
}

/// What a plan comes to.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct Totals {
    pub messages: u64,
    pub calls: u64,
    /// How long the calls take at the contracts' rates.
    pub seconds_at_contract: f64,
}

/// What is wrong with a planned batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct PlanError {
    pub path: String,
    pub code: &'static str,
    pub detail: String,
}

/// A provider as the API shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct ProviderView {
    pub name: String,
    pub vendor: String,
    pub base_url: String,
    /// What the configuration says: a dialect or `auto`.
    pub dialect_setting: String,
    /// What is spoken; none while `auto` is not resolved.
    pub dialect: Option<String>,
    /// `ready`, `paused`, `waiting` while the dialect is not known, or `draining` where it goes away.
    pub state: &'static str,
    /// Whether calls are let through: `closed`, `open`, `half_open` or `restarting`.
    pub breaker: &'static str,
    /// When an open breaker lets a call try (RFC 3339).
    pub breaker_until: Option<String>,
    /// The last thing that kept the provider from sending.
    pub trouble: Option<String>,
    pub waiting: u64,
    pub in_flight: u64,
    pub in_flight_limit: u64,
    pub timeout_ms: u64,
    pub classes: Vec<ClassView>,
    pub accepted_means: Option<&'static str>,
}

/// What a provider's server said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probed {
    /// The provider.
    pub provider: String,
    /// Whether anything answered.
    pub reachable: bool,
    /// What it speaks; none where nothing answered, or nothing that is known.
    pub dialect: Option<&'static str>,
}

/// A quota class as the API shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct ClassView {
    pub name: String,
    pub calls: Option<interline_core::profile::Rate>,
    pub messages: Option<interline_core::profile::Rate>,
    pub messages_per_call: u64,
    /// Until when the vendor's penalty lasts; none when there is no penalty.
    pub frozen_until: Option<String>,
}
