//! What callbacks count. No URL and no app stands in a label: there may be any number of them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// What callbacks count.
#[derive(Debug)]
pub(crate) struct CallbackMetrics {
    attempts: Family<ResultLabels, Counter>,
    seconds: Histogram,
    given_up: Counter,
    pub(super) waiting: Gauge,
    pub(super) disabled: Gauge,
}

impl CallbackMetrics {
    /// The metrics, shown with the others.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let found = Self {
            attempts: Family::default(),
            seconds: Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0]),
            given_up: Counter::default(),
            waiting: Gauge::default(),
            disabled: Gauge::default(),
        };
        let Self { attempts, seconds, given_up, waiting, disabled } = &found;
        registry.register("callback_attempts", "Attempts to deliver a callback, by result", attempts.clone());
        registry.register(
            "callback_attempt_seconds",
            "Duration of attempts to deliver a callback",
            seconds.clone(),
        );
        registry.register(
            "callback_events_given_up",
            "Events that were not delivered in time",
            given_up.clone(),
        );
        registry.register("callback_events_waiting", "Events that wait to be delivered", waiting.clone());
        registry.register(
            "callback_endpoints_disabled",
            "Receivers that are told nothing more",
            disabled.clone(),
        );
        found
    }

    pub(super) fn attempted(&self, result: &'static str, seconds: f64) {
        self.attempts.get_or_create(&ResultLabels { result }).inc();
        self.seconds.observe(seconds);
    }

    pub(super) fn gave_up(&self) {
        self.given_up.inc();
    }
}
