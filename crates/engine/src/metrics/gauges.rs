//! What is looked at when somebody asks and not counted along the way: lanes, contracts, the ledger.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use interline_ledger::{Beat, Ledger, Waiting};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::ProviderLabels;
use super::lane::fine;
use crate::view::ProviderView;

type Fraction = Gauge<f64, AtomicU64>;

/// What a provider's lane can be doing, as the API names it.
const STATES: [&str; 4] = ["ready", "waiting", "paused", "draining"];
/// What a breaker can be, as the API names it.
const BREAKERS: [&str; 4] = ["closed", "open", "half_open", "restarting"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    provider: Arc<str>,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ContractLabels {
    provider: Arc<str>,
    class: String,
    unit: &'static str,
}

/// The gauges.
#[derive(Debug)]
pub(crate) struct Gauges {
    state: Family<StateLabels, Gauge>,
    breaker: Family<StateLabels, Gauge>,
    limit: Family<ProviderLabels, Gauge>,
    oldest: Family<ProviderLabels, Fraction>,
    due: Family<ProviderLabels, Gauge>,
    contract: Family<ContractLabels, Fraction>,
    queued: Gauge,
    commits: Histogram,
    failed: Counter,
    unreadable: Counter,
}

impl Gauges {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let gauges = Self {
            state: Family::default(),
            breaker: Family::default(),
            limit: Family::default(),
            oldest: Family::default(),
            due: Family::default(),
            contract: Family::default(),
            queued: Gauge::default(),
            commits: fine(),
            failed: Counter::default(),
            unreadable: Counter::default(),
        };
        registry.register("lane_state", "1 for what the lane is doing", gauges.state.clone());
        registry.register("breaker_state", "1 for the state of the breaker", gauges.breaker.clone());
        registry.register("lane_in_flight_limit", "Most vendor calls under way", gauges.limit.clone());
        registry.register(
            "lane_oldest_waiting_seconds",
            "Age of the oldest message that is due and not settled, in the lane or in the ledger",
            gauges.oldest.clone(),
        );
        registry.register(
            "ledger_due_messages",
            "Messages in the ledger that are due and not claimed",
            gauges.due.clone(),
        );
        registry.register(
            "contract_per_second",
            "What the contract with the vendor allows, by unit: calls or messages",
            gauges.contract.clone(),
        );
        registry.register(
            "ledger_queue_commands",
            "Commands that wait for a commit of the ledger",
            gauges.queued.clone(),
        );
        registry.register(
            "ledger_commit_seconds",
            "Duration of the ledger's commits",
            gauges.commits.clone(),
        );
        registry.register("ledger_commit_failures", "Commits that failed", gauges.failed.clone());
        registry.register(
            "ledger_read_failures",
            "Looks into the ledger for these numbers that failed",
            gauges.unreadable.clone(),
        );
        gauges
    }

    /// Hears of the ledger's commits from now on.
    pub(crate) fn follow(&self, ledger: &Ledger) {
        let (commits, failed) = (self.commits.clone(), self.failed.clone());
        ledger.listen(move |Beat { took, committed, .. }| {
            commits.observe(took.as_secs_f64());
            failed.inc_by(u64::from(!committed));
        });
    }

    /// Shows how a lane is doing.
    pub(crate) fn lane(&self, view: &ProviderView) {
        let provider: Arc<str> = view.name.as_str().into();
        let (state, breaker) = (view.state, view.breaker);
        for (family, all, now) in [(&self.state, STATES, state), (&self.breaker, BREAKERS, breaker)] {
            for state in all {
                let labels = StateLabels { provider: Arc::clone(&provider), state };
                family.get_or_create(&labels).set(i64::from(state == now));
            }
        }
        for class in &view.classes {
            for (unit, rate) in [("calls", class.calls), ("messages", class.messages)] {
                let Some(rate) = rate else { continue };
                let per = rate.per.max(Duration::from_millis(1)).as_secs_f64();
                let labels =
                    ContractLabels { provider: Arc::clone(&provider), class: class.name.clone(), unit };
                self.contract.get_or_create(&labels).set(f64::from(rate.count) / per);
            }
        }
        let labels = ProviderLabels { provider };
        self.limit.get_or_create(&labels).set(i64::try_from(view.in_flight_limit).unwrap_or(i64::MAX));
    }

    /// Forgets the providers that it showed before: one that is gone is not to be seen as it was last.
    pub(crate) fn clear(&self) {
        self.state.clear();
        self.breaker.clear();
        self.limit.clear();
        self.oldest.clear();
        self.due.clear();
        self.contract.clear();
    }

    /// Shows what waits for a provider, and since when the oldest of it does.
    pub(crate) fn waiting(
        &self,
        provider: &Arc<str>,
        due: Option<&Waiting>,
        since_ms: Option<i64>,
        now_ms: i64,
    ) {
        let labels = ProviderLabels { provider: Arc::clone(provider) };
        let messages = due.map_or(0, |due| i64::try_from(due.messages).unwrap_or(i64::MAX));
        self.due.get_or_create(&labels).set(messages);
        let since_ms = due.map(|due| due.since_ms).into_iter().chain(since_ms).min();
        let age_ms = since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms).max(0));
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or_default());
        self.oldest.get_or_create(&labels).set(age.as_secs_f64());
    }

    /// Shows how many commands the ledger has before it.
    pub(crate) fn queue(&self, commands: usize) {
        self.queued.set(i64::try_from(commands).unwrap_or(i64::MAX));
    }

    /// Counts a look into the ledger that failed.
    pub(crate) fn unreadable(&self) {
        self.unreadable.inc();
    }
}
