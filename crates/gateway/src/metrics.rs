//! Counts of the HTTP surface. What lanes and calls count is the engine's; both stand in one exposition.

use std::borrow::Cow;
use std::fmt;

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
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
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
        let streams = Gauge::default();
        registry.register("interline_event_streams", "Callers that follow events now", streams.clone());
        let build = Family::<Build, Gauge>::default();
        registry.register("interline_build_info", "1 for what runs", build.clone());
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        for result in [DONE, REFUSED] {
            // Counted from the start, so that the first one is a step and no beginning.
            drop(reloads.get_or_create(&Reload { result }));
        }
        Self { registry, streams, requests, reloads }
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
