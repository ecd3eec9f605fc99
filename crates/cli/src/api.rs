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
    /// The batch whose messages these are, sent again.
    #[serde(default)]
    pub(crate) redriven_from: Option<String>,
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

/// All providers.
#[derive(Debug, Deserialize)]
pub(crate) struct ProviderPage {
    pub(crate) providers: Vec<serde_json::Value>,
}

/// A provider.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ProviderAnswer {
    pub(crate) name: String,
    pub(crate) vendor: String,
    #[serde(default)]
    pub(crate) base_url: String,
    #[serde(default)]
    pub(crate) dialect_setting: Option<String>,
    #[serde(default)]
    pub(crate) dialect: Option<String>,
    pub(crate) state: String,
    pub(crate) breaker: String,
    #[serde(default)]
    pub(crate) breaker_until: Option<String>,
    #[serde(default)]
    pub(crate) trouble: Option<String>,
    #[serde(default)]
    pub(crate) waiting: u64,
    #[serde(default)]
    pub(crate) in_flight: u64,
    #[serde(default)]
    pub(crate) in_flight_limit: u64,
    #[serde(default)]
    pub(crate) timeout_ms: u64,
    #[serde(default)]
    pub(crate) classes: Vec<ClassAnswer>,
    #[serde(default)]
    pub(crate) accepted_means: Option<String>,
}

/// A quota class of a provider.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ClassAnswer {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) calls: Option<RateAnswer>,
    #[serde(default)]
    pub(crate) messages: Option<RateAnswer>,
    #[serde(default)]
    pub(crate) messages_per_call: u64,
    #[serde(default)]
    pub(crate) frozen_until: Option<String>,
}

/// So many in so many milliseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct RateAnswer {
    pub(crate) count: u64,
    pub(crate) per_ms: u64,
}

/// What a provider's server said when it was asked.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ProbeAnswer {
    pub(crate) provider: String,
    pub(crate) reachable: bool,
    #[serde(default)]
    pub(crate) dialect: Option<String>,
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
