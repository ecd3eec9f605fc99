//! What operators watch, as Prometheus metrics with bounded labels: provider, vendor, quota class,
//! status and code. Never a recipient, a key or content.

mod gauges;
mod lane;
mod requests;

use std::sync::{Arc, Mutex};

use interline_core::migration::{Answered, Phase, Side};
use interline_core::outcome::{Outcome, Status};
use interline_core::record::CallRecord;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub(crate) use gauges::Gauges;
pub(crate) use lane::{LaneMeter, LaneMetrics};
use requests::Overheads;

use crate::callback::CallbackMetrics;
use crate::provider::Provider;
use crate::tally::Tallies;
use crate::trace;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    provider: Arc<str>,
    vendor: Arc<str>,
    status: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: Arc<str>,
    vendor: &'static str,
    class: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ProviderLabels {
    pub(crate) provider: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FallbackLabels {
    from: Arc<str>,
    to: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MigrationLabels {
    migration: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    migration: Arc<str>,
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    migration: Arc<str>,
    side: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabels {
    migration: Arc<str>,
    result: &'static str,
}

/// What one migration counts.
#[derive(Debug, Clone)]
pub(crate) struct MigrationCounters {
    name: Arc<str>,
    answers: Family<AnswerLabels, Counter>,
    shadowed: Family<ShadowLabels, Counter>,
}

impl MigrationCounters {
    /// Counts the answer to an attempt.
    pub(crate) fn answered(&self, side: Side, answered: Answered) {
        let side = match side {
            Side::From => "from",
            Side::To => "to",
        };
        let result = match answered {
            Answered::Accepted => "accepted",
            Answered::Rejected => "rejected",
            Answered::Unknown => "unknown",
        };
        let migration = Arc::clone(&self.name);
        self.answers.get_or_create(&AnswerLabels { migration, side, result }).inc();
    }

    /// Counts a message that was only looked at.
    pub(crate) fn shadowed(&self, result: &'static str) {
        let migration = Arc::clone(&self.name);
        self.shadowed.get_or_create(&ShadowLabels { migration, result }).inc();
    }
}

/// All metrics of the engine.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) tallies: Tallies,
    messages: Family<MessageLabels, Counter>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<ProviderLabels, Histogram>,
    fallbacks: Family<FallbackLabels, Counter>,
    pub(crate) waiting: Family<ProviderLabels, Gauge>,
    pub(crate) in_flight: Family<ProviderLabels, Gauge>,
    pub(crate) lanes: Gauge,
    pub(crate) of_lanes: LaneMetrics,
    pub(crate) gauges: Gauges,
    pub(crate) overheads: Overheads,
    /// Held while the gauges are set and read.
    pub(crate) showing: Mutex<()>,
    migration_percent: Family<MigrationLabels, Gauge>,
    migration_phase: Family<PhaseLabels, Gauge>,
    migration_answers: Family<AnswerLabels, Counter>,
    migration_shadowed: Family<ShadowLabels, Counter>,
    pub(crate) callbacks: CallbackMetrics,
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("interline");
        let messages = Family::default();
        let calls = Family::default();
        let fallbacks = Family::default();
        let call_seconds = Family::new_with_constructor(seconds as fn() -> Histogram);
        let (waiting, in_flight) = (Family::default(), Family::default());
        let (migration_percent, migration_phase) = (Family::default(), Family::default());
        let (migration_answers, migration_shadowed) = (Family::default(), Family::default());
        registry.register("messages", "Messages settled, by status and error code", messages.clone());
        registry.register("vendor_calls", "Vendor calls, by result", calls.clone());
        registry.register("vendor_call_seconds", "Duration of vendor calls", call_seconds.clone());
        registry.register("fallback_messages", "Messages that another provider took over", fallbacks.clone());
        registry.register("lane_waiting_messages", "Messages that wait in a lane", waiting.clone());
        registry.register("lane_in_flight_calls", "Vendor calls under way", in_flight.clone());
        let lanes = Gauge::default();
        registry.register("lanes", "Lanes that run, also those of providers that are gone", lanes.clone());
        let (of_lanes, gauges) = (LaneMetrics::register(&mut registry), Gauges::register(&mut registry));
        let overheads = Overheads::register(&mut registry);
        registry.register("migration_percent", "Recipients that have moved", migration_percent.clone());
        registry.register("migration_phase", "1 for the phase of a migration", migration_phase.clone());
        registry.register(
            "migration_answers",
            "Answers of a migration's providers",
            migration_answers.clone(),
        );
        let shadowed = migration_shadowed.clone();
        registry.register("migration_shadowed_messages", "Messages that were only shown", shadowed);
        let callbacks = CallbackMetrics::register(&mut registry);
        trace::register(&mut registry);
        Self {
            callbacks,
            registry,
            tallies: Tallies::default(),
            messages,
            calls,
            call_seconds,
            fallbacks,
            waiting,
            in_flight,
            lanes,
            of_lanes,
            gauges,
            overheads,
            showing: Mutex::default(),
            migration_percent,
            migration_phase,
            migration_answers,
            migration_shadowed,
        }
    }

    /// The counters of one migration.
    pub(crate) fn of_migration(&self, name: &Arc<str>) -> MigrationCounters {
        let (answers, shadowed) = (self.migration_answers.clone(), self.migration_shadowed.clone());
        MigrationCounters { name: Arc::clone(name), answers, shadowed }
    }

    /// Says where a migration stands.
    pub(crate) fn migration(&self, name: &Arc<str>, phase: Phase, percent: u8) {
        let migration = Arc::clone(name);
        self.migration_percent.get_or_create(&MigrationLabels { migration }).set(i64::from(percent));
        for other in Phase::ALL {
            let labels = PhaseLabels { migration: Arc::clone(name), phase: other.as_str() };
            self.migration_phase.get_or_create(&labels).set(i64::from(other == phase));
        }
    }

    /// Counts a call.
    pub(crate) fn call(&self, provider: &Provider, class: &'static str, took_ms: u32, outcomes: &[Outcome]) {
        let worst = outcomes.iter().map(Outcome::status).max_by_key(|status| match status {
            Status::Unknown => 2,
            Status::Rejected => 1,
            Status::Queued | Status::Sending | Status::Accepted | Status::Cancelled | Status::Expired => 0,
        });
        let result = worst.unwrap_or(Status::Accepted).as_str();
        let name = Arc::clone(&provider.settings.name);
        let labels =
            CallLabels { provider: Arc::clone(&name), vendor: provider.settings.vendor.name, class, result };
        self.tallies.call(&name, class, took_ms, outcomes.len());
        self.calls.get_or_create(&labels).inc();
        self.call_seconds
            .get_or_create(&ProviderLabels { provider: name })
            .observe(f64::from(took_ms) / 1000.0);
    }

    /// Counts messages that go from one provider to another.
    pub(crate) fn fallback(&self, from: &Arc<str>, to: &Arc<str>, messages: usize) {
        let labels = FallbackLabels { from: Arc::clone(from), to: Arc::clone(to) };
        self.fallbacks.get_or_create(&labels).inc_by(messages as u64);
    }

    /// Counts the messages that a record settles.
    pub(crate) fn settled(&self, record: &CallRecord) {
        let mut counted: Vec<(Status, &'static str, u64)> = Vec::new();
        for note in record.notes.iter().filter(|note| note.status.is_final()) {
            let code = note.failure.as_ref().map_or("", |failure| failure.code.as_str());
            match counted.iter_mut().find(|(status, other, _)| (*status, *other) == (note.status, code)) {
                Some((_, _, count)) => *count += 1,
                None => counted.push((note.status, code, 1)),
            }
        }
        for (status, code, count) in counted {
            self.tallies.settled(&record.provider, status, count);
            let labels = MessageLabels {
                provider: Arc::clone(&record.provider),
                vendor: Arc::clone(&record.vendor),
                status: status.as_str(),
                code,
            };
            self.messages.get_or_create(&labels).inc_by(count);
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        encode(&mut text, &self.registry).map_or_else(|_| String::new(), |()| text)
    }
}
