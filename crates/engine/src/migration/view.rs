//! A migration as the API shows it.

use std::collections::BTreeMap;

use interline_core::migration::{Cause, Gates, LossCount, Sample, Tally, WINDOW_SECONDS};
use interline_core::record::time_text;
use serde::Serialize;

use super::Migration;
use crate::clock;

/// A migration and where it stands.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct MigrationView {
    pub name: String,
    pub route: String,
    pub from: String,
    pub to: String,
    pub phase: &'static str,
    pub percent: u8,
    /// Since when; none while it was never started.
    pub since: Option<String>,
    pub gates: GatesView,
    /// Who may be moved; none is everybody.
    pub cohort: Option<CohortView>,
}

/// When a migration rolls itself back.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct GatesView {
    pub rejected_percent: Option<f64>,
    pub unknown_percent: Option<f64>,
    pub p95_ms: Option<u64>,
    pub min_messages: u64,
}

/// Who may be moved.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct CohortView {
    pub file: String,
    pub recipients: usize,
}

/// What a migration found, moved and saw since it was started.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct MigrationReport {
    #[serde(flatten)]
    pub migration: MigrationView,
    pub shadow: ShadowView,
    pub sides: SidesView,
    pub window: WindowView,
    /// The last changes, the newest first.
    pub history: Vec<StepView>,
}

/// What the new provider would make of the traffic.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct ShadowView {
    pub messages: u64,
    pub refused: u64,
    pub with_losses: u64,
    pub skipped: u64,
    /// The most frequent first.
    pub causes: Vec<CauseView>,
    /// Messages that would be refused for yet other causes.
    pub other_causes: u64,
    /// By the canonical field.
    pub losses: Vec<LossView>,
}

/// Why messages would be refused.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct CauseView {
    pub code: &'static str,
    pub path: String,
    /// What the sample's app was told, and the sample: for those who may see all apps.
    pub detail: Option<String>,
    pub count: u64,
    pub sample: Option<Sample>,
}

/// Who loses a field, or would.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct LossView {
    pub field: String,
    #[serde(flatten)]
    pub messages: LossCount,
}

/// What both providers answered.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct SidesView {
    pub from: SideView,
    pub to: SideView,
}

/// What one provider answered to messages of the route. A message that was tried twice has two answers.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct SideView {
    pub provider: String,
    pub messages: u64,
    pub accepted: u64,
    pub rejected: u64,
    pub unknown: u64,
    pub p50_ms: Option<u32>,
    pub p95_ms: Option<u32>,
}

/// What the gates are held against: the new provider's answers of the last seconds, since the last change.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct WindowView {
    pub seconds: i64,
    pub answers: u64,
    pub rejected_percent: f64,
    pub unknown_percent: f64,
    pub p95_ms: Option<u32>,
}

/// A change.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct StepView {
    pub at: String,
    pub phase: &'static str,
    pub percent: u8,
    /// Why, where nobody asked for it.
    pub why: Option<String>,
}

impl MigrationView {
    pub(super) fn of(migration: &Migration) -> Self {
        let (settings, state, bounds) = (&migration.settings, migration.state(), migration.bounds.now());
        Self {
            name: settings.name.to_string(),
            route: settings.route.to_string(),
            from: settings.from.to_string(),
            to: settings.to.to_string(),
            phase: state.phase.as_str(),
            percent: state.percent,
            since: (state.since_ms > 0).then(|| time_text(state.since_ms)),
            gates: GatesView::of(&bounds.gates),
            cohort: bounds
                .cohort
                .as_ref()
                .map(|cohort| CohortView { file: cohort.name(), recipients: cohort.now().len() }),
        }
    }
}

impl GatesView {
    fn of(gates: &Gates) -> Self {
        Self {
            rejected_percent: gates.rejected_percent,
            unknown_percent: gates.unknown_percent,
            p95_ms: gates.p95.map(|p95| u64::try_from(p95.as_millis()).unwrap_or(u64::MAX)),
            min_messages: gates.min_messages,
        }
    }
}

impl MigrationReport {
    pub(super) fn of(migration: &Migration) -> Self {
        let (settings, state) = (&migration.settings, migration.state());
        let mut counts = migration.counts();
        let window = counts.window.sum(clock::now_ms());
        let sides = SidesView {
            from: SideView::of(&settings.from, &counts.from),
            to: SideView::of(&settings.to, &counts.to),
        };
        let found = counts.shadow.clone();
        drop(counts);
        let mut causes: Vec<CauseView> = found.causes.into_iter().map(CauseView::of).collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        Self {
            migration: MigrationView::of(migration),
            shadow: ShadowView {
                messages: found.messages,
                refused: found.refused,
                with_losses: found.with_losses,
                skipped: found.skipped,
                causes,
                other_causes: found.other_causes,
                losses: losses(found.losses),
            },
            sides,
            window: WindowView::of(&window),
            history: state.history.iter().rev().map(step).collect(),
        }
    }
}

impl MigrationReport {
    /// The same for those who may not see what other apps send.
    #[must_use]
    pub fn without_samples(mut self) -> Self {
        for cause in &mut self.shadow.causes {
            (cause.detail, cause.sample) = (None, None);
        }
        self
    }
}

impl CauseView {
    fn of(cause: Cause) -> Self {
        let Cause { code, path, detail, count, sample } = cause;
        Self { code: code.as_str(), path, detail: Some(detail), count, sample: Some(sample) }
    }
}

fn losses(losses: BTreeMap<String, LossCount>) -> Vec<LossView> {
    losses.into_iter().map(|(field, messages)| LossView { field, messages }).collect()
}

fn step(step: &interline_core::migration::Step) -> StepView {
    StepView {
        at: time_text(step.at_ms),
        phase: step.phase.as_str(),
        percent: step.percent,
        why: step.why.clone(),
    }
}

impl SideView {
    fn of(provider: &str, tally: &Tally) -> Self {
        Self {
            provider: provider.to_owned(),
            messages: tally.messages,
            accepted: tally.accepted,
            rejected: tally.rejected,
            unknown: tally.unknown,
            p50_ms: tally.took.percentile(50),
            p95_ms: tally.took.percentile(95),
        }
    }
}

impl WindowView {
    fn of(seen: &Tally) -> Self {
        // A hundredth of a percent is more than anybody reads.
        let rounded = |percent: f64| (percent * 100.0).round() / 100.0;
        Self {
            seconds: WINDOW_SECONDS,
            answers: seen.answers(),
            rejected_percent: rounded(seen.percent(seen.rejected)),
            unknown_percent: rounded(seen.percent(seen.unknown)),
            p95_ms: seen.took.percentile(95),
        }
    }
}
