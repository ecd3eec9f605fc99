//! What Interline adds to a request: all of its time, the waiting in lanes and the vendor's time apart.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::lane::fine;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WayLabels {
    way: &'static str,
}

/// By the way that messages came.
#[derive(Debug)]
pub(crate) struct Overheads {
    /// Sent at once, by the API.
    pub(crate) direct: Overhead,
    /// Sent at once, by a façade.
    pub(crate) facade: Overhead,
    /// Stored and sent later.
    pub(crate) stored: Overhead,
}

/// One histogram.
#[derive(Debug)]
pub(crate) struct Overhead(Histogram);

impl Overhead {
    pub(crate) fn add(&self, own: Duration) {
        self.0.observe(own.as_secs_f64());
    }
}

impl Overheads {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let family = Family::<WayLabels, Histogram, fn() -> Histogram>::new_with_constructor(fine);
        registry.register(
            "request_overhead_seconds",
            "What Interline adds to a request that hands messages over, lanes and vendors apart",
            family.clone(),
        );
        let of = |way| Overhead(family.get_or_create(&WayLabels { way }).clone());
        Self { direct: of("direct"), facade: of("facade"), stored: of("stored") }
    }
}
