//! What a lane counts of itself, with handles that it holds: a call looks nothing up.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Outcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::ProviderLabels;

/// Different codes that one provider may show; the others are `other`.
const MOST_CODES: usize = 24;
/// Longest code that is shown.
const LONGEST_CODE: usize = 24;
/// Most digits of a code that is a number: telephone numbers have more.
const LONGEST_NUMBER: usize = 6;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabels {
    provider: Arc<str>,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    provider: Arc<str>,
    vendor: &'static str,
    vendor_code: Arc<str>,
}

/// All that lanes count.
#[derive(Debug, Clone)]
pub(crate) struct LaneMetrics {
    overhead: Family<ProviderLabels, Histogram, fn() -> Histogram>,
    wait: Family<ProviderLabels, Histogram, fn() -> Histogram>,
    messages: Family<ClassLabels, Counter>,
    openings: Family<ProviderLabels, Counter>,
    expiries: Family<ProviderLabels, Counter>,
    pauses: Family<ClassLabels, Counter>,
    codes: Family<CodeLabels, Counter>,
    known: Arc<Mutex<KnownCodes>>,
}

/// The vendors' codes that have a label of their own, by provider.
type KnownCodes = HashMap<Arc<str>, BTreeSet<Arc<str>>>;

/// From 10 µs to 1 s: what Interline itself may take.
pub(crate) fn fine() -> Histogram {
    Histogram::new([
        0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05,
        0.1, 0.25, 1.0,
    ])
}

/// From 1 ms to an hour: what waits for its contract may wait long.
fn coarse() -> Histogram {
    Histogram::new([0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0])
}

impl LaneMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let overhead = Family::new_with_constructor(fine as fn() -> Histogram);
        let wait = Family::new_with_constructor(coarse as fn() -> Histogram);
        let (messages, openings) = (Family::default(), Family::default());
        let (expiries, pauses, codes) = (Family::default(), Family::default(), Family::default());
        registry.register(
            "call_overhead_seconds",
            "What Interline adds to a vendor call, its waits and the vendor's time apart",
            overhead.clone(),
        );
        registry.register(
            "lane_wait_seconds",
            "How long the oldest message of a call waited before it was drawn",
            wait.clone(),
        );
        registry.register("vendor_call_messages", "Messages in vendor calls", messages.clone());
        registry.register("breaker_openings", "How often the breaker opened", openings.clone());
        registry.register("lease_expiries", "Leases on parcels that ran out", expiries.clone());
        registry.register(
            "vendor_pauses",
            "How often the vendor asked for a pause of a quota class",
            pauses.clone(),
        );
        registry.register(
            "unknown_vendor_codes",
            "Answers with a code of the vendor's that has no meaning of its own here",
            codes.clone(),
        );
        Self { overhead, wait, messages, openings, expiries, pauses, codes, known: Arc::default() }
    }

    /// The handles of one lane.
    pub(crate) fn of(&self, provider: &Arc<str>) -> LaneMeter {
        let labels = ProviderLabels { provider: Arc::clone(provider) };
        LaneMeter {
            overhead: self.overhead.get_or_create(&labels).clone(),
            wait: self.wait.get_or_create(&labels).clone(),
            openings: self.openings.get_or_create(&labels).clone(),
            expiries: self.expiries.get_or_create(&labels).clone(),
            messages: Vec::new(),
            provider: labels.provider,
            all: self.clone(),
        }
    }

    /// A code as it may stand in a label.
    fn label(&self, provider: &Arc<str>, code: &str) -> Arc<str> {
        if !is_code(code) {
            return "other".into();
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(Arc::clone(provider)).or_default();
        if let Some(code) = known.get(code) {
            return Arc::clone(code);
        }
        if known.len() >= MOST_CODES {
            return "other".into();
        }
        let code: Arc<str> = code.into();
        known.insert(Arc::clone(&code));
        code
    }
}

/// Whether it is a code for sure: a short number or a word in capitals. Anything else may be words of a vendor's,
/// with a recipient in them.
fn is_code(code: &str) -> bool {
    let number = code.strip_prefix('-').unwrap_or(code);
    let is_number =
        (1..=LONGEST_NUMBER).contains(&number.len()) && number.bytes().all(|c| c.is_ascii_digit());
    let capital = |c: u8| c.is_ascii_uppercase() || c == b'_';
    is_number
        || (code.len() <= LONGEST_CODE
            && code.starts_with(|c: char| c.is_ascii_uppercase())
            && code.bytes().all(capital))
}

/// What one lane counts.
#[derive(Debug)]
pub(crate) struct LaneMeter {
    provider: Arc<str>,
    overhead: Histogram,
    wait: Histogram,
    pub(crate) openings: Counter,
    pub(crate) expiries: Counter,
    messages: Vec<(&'static str, Counter)>,
    all: LaneMetrics,
}

impl LaneMeter {
    /// Counts a call that is drawn and whose oldest message waited so long.
    pub(crate) fn drawn(&self, waited_ms: i64) {
        self.wait.observe(Duration::from_millis(u64::try_from(waited_ms).unwrap_or_default()).as_secs_f64());
    }

    /// Counts a call that is over, and what of its time was Interline's own.
    pub(crate) fn over(&mut self, class: &'static str, own: Duration, messages: usize) {
        self.overhead.observe(own.as_secs_f64());
        let counter = match self.messages.iter().find(|(name, _)| *name == class) {
            Some((_, counter)) => counter,
            None => {
                let labels = ClassLabels { provider: Arc::clone(&self.provider), class };
                let counter = self.all.messages.get_or_create(&labels).clone();
                &self.messages.push_mut((class, counter)).1
            }
        };
        counter.inc_by(messages as u64);
    }

    /// Counts a pause that the vendor asked for.
    pub(crate) fn paused(&self, class: &'static str) {
        let provider = Arc::clone(&self.provider);
        self.all.pauses.get_or_create(&ClassLabels { provider, class }).inc();
    }

    /// Counts codes of the vendor's that mean nothing more exact than that it failed.
    pub(crate) fn codes(&self, vendor: &'static str, outcomes: &[Outcome]) {
        for failure in outcomes.iter().filter_map(Outcome::failure) {
            let Failure { code: ErrorCode::VendorError | ErrorCode::BadVendorReply, vendor_code, .. } =
                failure
            else {
                continue;
            };
            let Some(code) = vendor_code else { continue };
            let provider = Arc::clone(&self.provider);
            let vendor_code = self.all.label(&provider, code);
            self.all.codes.get_or_create(&CodeLabels { provider, vendor, vendor_code }).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_codes_are_few_and_plain() {
        let metrics = LaneMetrics::register(&mut Registry::default());
        let provider: Arc<str> = "p".into();
        for odd in ["", "Hi Alice, your order", "价格", "x\"} 1", "alice", "13800138000"] {
            assert_eq!(&*metrics.label(&provider, odd), "other");
        }
        assert_eq!(&*metrics.label(&"named".into(), "INVALID_PARAM"), "INVALID_PARAM");
        let labels = (0..100).map(|code| metrics.label(&provider, &code.to_string()));
        let labels: BTreeSet<Arc<str>> = labels.collect();
        assert_eq!(labels.len(), MOST_CODES + 1);
        assert!(labels.contains("other") && &*metrics.label(&provider, "3") == "3");
        assert_eq!(&*metrics.label(&"another".into(), "99"), "99");
    }
}
