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

/// Why messages of a batch failed.
#[derive(Debug, Deserialize)]
pub(crate) struct CausesAnswer {
    pub(crate) causes: Vec<BatchCauseAnswer>,
    #[serde(default)]
    pub(crate) others: u64,
}

/// One reason, and how many messages failed for it.
#[derive(Debug, Deserialize)]
pub(crate) struct BatchCauseAnswer {
    pub(crate) count: u64,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) provider: Option<String>,
    #[serde(flatten)]
    pub(crate) failure: Failure,
    #[serde(default)]
    pub(crate) messages: Vec<String>,
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

/// All migrations.
#[derive(Debug, Deserialize)]
pub(crate) struct MigrationPage {
    pub(crate) migrations: Vec<MigrationAnswer>,
}

/// A migration and where it stands.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct MigrationAnswer {
    pub(crate) name: String,
    pub(crate) route: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) phase: String,
    pub(crate) percent: u8,
    #[serde(default)]
    pub(crate) since: Option<String>,
    #[serde(default)]
    pub(crate) gates: GatesAnswer,
    #[serde(default)]
    pub(crate) cohort: Option<CohortAnswer>,
}

/// When a migration goes back by itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct GatesAnswer {
    #[serde(default)]
    pub(crate) rejected_percent: Option<f64>,
    #[serde(default)]
    pub(crate) unknown_percent: Option<f64>,
    #[serde(default)]
    pub(crate) p95_ms: Option<u64>,
    #[serde(default)]
    pub(crate) min_messages: u64,
}

/// Who may be moved.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CohortAnswer {
    pub(crate) file: String,
    pub(crate) recipients: u64,
}

/// What a migration found, moved and saw.
#[derive(Debug, Deserialize)]
pub(crate) struct ReportAnswer {
    #[serde(flatten)]
    pub(crate) migration: MigrationAnswer,
    pub(crate) shadow: ShadowAnswer,
    pub(crate) sides: SidesAnswer,
    pub(crate) window: SeenAnswer,
    #[serde(default)]
    pub(crate) history: Vec<StepAnswer>,
}

/// What the new provider would make of the traffic.
#[derive(Debug, Deserialize)]
pub(crate) struct ShadowAnswer {
    pub(crate) messages: u64,
    pub(crate) refused: u64,
    pub(crate) with_losses: u64,
    pub(crate) skipped: u64,
    #[serde(default)]
    pub(crate) causes: Vec<CauseAnswer>,
    #[serde(default)]
    pub(crate) other_causes: u64,
    #[serde(default)]
    pub(crate) losses: Vec<LossAnswer>,
}

/// Why messages would be refused.
#[derive(Debug, Deserialize)]
pub(crate) struct CauseAnswer {
    pub(crate) code: String,
    pub(crate) path: String,
    /// For those who may see all apps, as the sample.
    pub(crate) detail: Option<String>,
    pub(crate) count: u64,
    pub(crate) sample: Option<SampleAnswer>,
}

/// A message that shows a cause.
#[derive(Debug, Deserialize)]
pub(crate) struct SampleAnswer {
    pub(crate) batch: String,
    pub(crate) message: String,
}

/// Who loses a field, or would.
#[derive(Debug, Deserialize)]
pub(crate) struct LossAnswer {
    pub(crate) field: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) only_to: u64,
    pub(crate) only_from: u64,
}

/// What both providers answered.
#[derive(Debug, Deserialize)]
pub(crate) struct SidesAnswer {
    pub(crate) from: SideAnswer,
    pub(crate) to: SideAnswer,
}

/// What one provider answered.
#[derive(Debug, Deserialize)]
pub(crate) struct SideAnswer {
    pub(crate) provider: String,
    pub(crate) messages: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) unknown: u64,
    #[serde(default)]
    pub(crate) p50_ms: Option<u64>,
    #[serde(default)]
    pub(crate) p95_ms: Option<u64>,
}

/// What gates are held against.
#[derive(Debug, Deserialize)]
pub(crate) struct SeenAnswer {
    pub(crate) seconds: u64,
    pub(crate) answers: u64,
    pub(crate) rejected_percent: f64,
    pub(crate) unknown_percent: f64,
    #[serde(default)]
    pub(crate) p95_ms: Option<u64>,
}

/// A change of a migration.
#[derive(Debug, Deserialize)]
pub(crate) struct StepAnswer {
    pub(crate) at: String,
    pub(crate) phase: String,
    pub(crate) percent: u8,
    #[serde(default)]
    pub(crate) why: Option<String>,
}
