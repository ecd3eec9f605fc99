//! Counts of the HTTP surface. What lanes and calls count is the engine's; both stand in one exposition.

use std::borrow::Cow;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::process;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    endpoint: Cow<'static, str>,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// Counts a stream as long as it lasts.
#[derive(Debug)]
pub(crate) struct Following(Gauge);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The counts.
pub(crate) struct Metrics {
    registry: Registry,
    streams: Gauge,
    requests: Family<Labels, Counter>,
    reloads: Family<Reload, Counter>,
    /// Since when the configuration in force is that, in Unix seconds.
    loaded: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Unix time in seconds; 0 with a clock before 1970.
fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

const DONE: &str = "done";
const REFUSED: &str = "refused";
const END: &str = "# EOF\n";

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        registry.register(
            "interline_http_requests",
            "Requests answered, by endpoint and status",
            requests.clone(),
        );
        let reloads = Family::default();
        registry.register(
            "interline_config_reloads",
            "Reloads of the configuration, by result",
            reloads.clone(),
        );
        let loaded = Gauge::default();
        registry.register(
            "interline_config_loaded_timestamp_seconds",
            "When the configuration in force was loaded, as Unix time",
            loaded.clone(),
        );
        loaded.set(now_s());
        let streams = Gauge::default();
        registry.register("interline_event_streams", "Callers that follow events now", streams.clone());
        let build = Family::<Build, Gauge>::default();
        registry.register("interline_build_info", "1 for what runs", build.clone());
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        for result in [DONE, REFUSED] {
            // Counted from the start, so that the first one is a step and no beginning.
            drop(reloads.get_or_create(&Reload { result }));
        }
        Self { registry, streams, requests, reloads, loaded }
    }

    /// Counts one answer.
    pub(crate) fn answered(&self, endpoint: impl Into<Cow<'static, str>>, status: u16) {
        let endpoint = endpoint.into();
        self.requests.get_or_create(&Labels { endpoint, status }).inc();
    }

    /// Counts a stream of events until what this gives is dropped.
    pub(crate) fn follow(&self) -> Following {
        self.streams.inc();
        Following(self.streams.clone())
    }

    /// Counts a reload.
    pub(crate) fn reloaded(&self, done: bool) {
        self.reloads.get_or_create(&Reload { result: if done { DONE } else { REFUSED } }).inc();
        if done {
            self.loaded.set(now_s());
        }
    }

    /// One exposition: the engine's text and these counts.
    pub(crate) fn exposition(&self, engine: &str) -> String {
        let mut text = engine.strip_suffix(END).unwrap_or(engine).to_owned();
        process::write(&mut text);
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("cannot write the counts of requests");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reload_that_is_done_changes_since_when_the_configuration_is_in_force() {
        let metrics = Metrics::new();
        assert!(metrics.loaded.get() > 1);
        metrics.loaded.set(1);
        metrics.reloaded(false);
        assert_eq!(metrics.loaded.get(), 1);
        metrics.reloaded(true);
        assert!(metrics.loaded.get() > 1);
    }
}
