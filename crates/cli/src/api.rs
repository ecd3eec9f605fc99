//! The API's answers as the client commands read them. Unknown fields are ignored, so that an older
//! client can ask a newer server.

use interline_core::error::Failure;
use interline_core::outcome::{Counts, Status};
use serde::Deserialize;

/// A batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BatchAnswer {
    pub(crate) id: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) app: Option<String>,
    pub(crate) counts: Counts,
    #[serde(default)]
    pub(crate) created_at: Option<String>,
    #[serde(default)]
    pub(crate) send_at: Option<String>,
    #[serde(default)]
    pub(crate) settled_at: Option<String>,
    #[serde(default)]
    pub(crate) labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) results: Vec<ResultAnswer>,
}

impl BatchAnswer {
    /// Whether nothing more happens by itself.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "settled" | "cancelled") && self.counts.settled()
    }
}

/// A page of batches.
#[derive(Debug, Deserialize)]
pub(crate) struct BatchPage {
    pub(crate) batches: Vec<BatchAnswer>,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// A page of results.
#[derive(Debug, Deserialize)]
pub(crate) struct ResultPage {
    pub(crate) messages: Vec<ResultAnswer>,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// A message's result.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ResultAnswer {
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) provider: Option<String>,
    #[serde(default)]
    pub(crate) vendor: Option<String>,
    #[serde(default)]
    pub(crate) vendor_message_id: Option<String>,
    #[serde(default)]
    pub(crate) losses: Vec<String>,
    #[serde(default)]
    pub(crate) error: Option<Failure>,
    #[serde(default)]
    pub(crate) attempts: Vec<AttemptAnswer>,
}

impl ResultAnswer {
    /// How long the last attempt took, in milliseconds.
    pub(crate) fn took_ms(&self) -> Option<u64> {
        self.attempts.last().map(|attempt| attempt.duration_ms)
    }
}

/// One try.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AttemptAnswer {
    pub(crate) duration_ms: u64,
}

/// A wrong field.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Field {
    #[serde(default)]
    pub(crate) path: String,
    pub(crate) detail: String,
}

/// An error (RFC 9457).
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Problem {
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) detail: Option<String>,
    #[serde(default)]
    pub(crate) errors: Vec<Field>,
    #[serde(default)]
    pub(crate) total: Option<u64>,
}
