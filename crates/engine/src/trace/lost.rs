//! Counts the spans that no collector gets. They are the process's and not an engine's, as what makes them is.

use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Why a span is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// So many waited for the collector that there was no room.
    Queue,
    /// The collector did not take it.
    Collector,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: &'static str,
}

static LOST: LazyLock<Family<Labels, Counter>> = LazyLock::new(Family::default);

impl Lost {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue_full",
            Self::Collector => "not_taken",
        }
    }

    /// Counts so many.
    pub fn count(self, spans: usize) {
        LOST.get_or_create(&Labels { reason: self.as_str() }).inc_by(spans as u64);
    }
}

/// Shows the counts, from 0 on.
pub(crate) fn register(registry: &mut Registry) {
    [Lost::Queue, Lost::Collector].into_iter().for_each(|lost| lost.count(0));
    let help = "Spans that no collector got: the queue was full, or it did not take them";
    registry.register("trace_spans_lost", help, LOST.clone());
}
