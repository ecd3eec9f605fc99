//! Faults on demand: what may go wrong between a caller and a vendor, and when it does.
//!
//! A fault hits sending routes only, never the control endpoints. The rack decides for each call
//! which fault strikes; carrying it out is the server's work.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Dice;
use crate::vendor::Vendor;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The port is closed for `value` milliseconds (default 1000), idle connections are dropped.
    Refuse,
    /// The request is read and never answered.
    Hang,
    /// The request is read, then the connection is closed without an answer.
    CloseAfterRead,
    /// The HTTP status `value` (default 503) with the vendor's error body; nothing is delivered.
    Status,
    /// The vendor's own body code `value`; nothing is delivered.
    Code,
    /// Every second message fails in the vendor's own way.
    Partial,
    /// The answer comes `value` milliseconds late (default 1000).
    Slow,
    /// Delivered, but only half of the answer's body is written before the connection closes.
    Torn,
}

/// One fault, as `POST /_twin/faults` takes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// How many calls it hits; every one until a reset when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The chance that a call is hit, 0.0 to 1.0; certain when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// A status, a body code or milliseconds, as the kind says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// Only calls whose path contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many matching calls pass before it begins.
    #[serde(default)]
    pub after: u64,
    /// Whether the message still arrives (`hang` and `close_after_read`).
    #[serde(default = "yes")]
    pub deliver: bool,
    /// A `Retry-After` in seconds on the answer (`status`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

fn yes() -> bool {
    true
}

impl Fault {
    /// A fault that hits every sending call.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            count: None,
            probability: None,
            value: None,
            path: None,
            after: 0,
            deliver: true,
            retry_after: None,
        }
    }

    /// Hits this many calls only.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Sets the status, the code or the milliseconds.
    #[must_use]
    pub fn value(mut self, value: i64) -> Self {
        self.value = Some(value);
        self
    }

    /// Hits calls whose path contains this only.
    #[must_use]
    pub fn on(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// Lets this many matching calls pass first.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.after = calls;
        self
    }

    /// Makes the message not arrive (`hang` and `close_after_read`).
    #[must_use]
    pub fn undelivered(mut self) -> Self {
        self.deliver = false;
        self
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.value.and_then(|value| u64::try_from(value).ok()).unwrap_or(1000))
    }

    fn matches(&self, path: &str) -> bool {
        self.path.as_deref().is_none_or(|part| path.contains(part))
    }
}

/// Faults by vendor, as a faults file holds them: `{"wukongim":[{"kind":"hang","count":1}]}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Faults of the WuKongIM twin.
    pub wukongim: Vec<Fault>,
    /// Faults of the OpenIM twin.
    pub openim: Vec<Fault>,
    /// Faults of the IMKit twin.
    pub imkit: Vec<Fault>,
    /// Faults of the NetEase twin.
    pub netease: Vec<Fault>,
}

impl Faults {
    /// The faults of one vendor.
    pub fn of(&self, vendor: Vendor) -> &[Fault] {
        match vendor {
            Vendor::WuKongIm => &self.wukongim,
            Vendor::OpenIm => &self.openim,
            Vendor::ImKit => &self.imkit,
            Vendor::NetEase => &self.netease,
        }
    }
}

/// Decides which messages of a call fail under [`FaultKind::Partial`]: every second one, counted
/// over all calls that the fault hits, so that single sends alternate too.
#[derive(Debug, Default)]
pub(crate) struct Spoil(AtomicU64);

impl Spoil {
    pub(crate) fn next_fails(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) % 2 == 1
    }
}

/// A fault that strikes one call.
#[derive(Debug, Clone)]
pub(crate) struct Strike {
    pub(crate) fault: Arc<Fault>,
    pub(crate) spoil: Arc<Spoil>,
}

#[derive(Debug)]
struct Armed {
    fault: Arc<Fault>,
    spoil: Arc<Spoil>,
    seen: u64,
    fired: u64,
}

impl Armed {
    fn spent(&self) -> bool {
        self.fault.count.is_some_and(|count| self.fired >= count)
    }
}

/// The faults that are armed at a twin.
#[derive(Debug)]
pub(crate) struct Rack {
    armed: Mutex<Vec<Armed>>,
    any: AtomicBool,
    dice: Dice,
}

impl Rack {
    pub(crate) fn new() -> Self {
        Self { armed: Mutex::default(), any: AtomicBool::new(false), dice: Dice::seeded(0x1417) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn arm(&self, fault: Fault) {
        let armed = Armed { fault: Arc::new(fault), spoil: Arc::default(), seen: 0, fired: 0 };
        self.lock().push(armed);
        self.any.store(true, Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
        self.any.store(false, Ordering::Release);
    }

    /// The first armed fault that hits this call; faults further down do not see a call that was hit.
    pub(crate) fn strike(&self, path: &str) -> Option<Strike> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut armed = self.lock();
        let mut struck = None;
        for candidate in armed.iter_mut() {
            if candidate.fault.kind == FaultKind::Refuse || !candidate.fault.matches(path) {
                continue;
            }
            candidate.seen += 1;
            if candidate.seen <= candidate.fault.after || candidate.spent() {
                continue;
            }
            if candidate.fault.probability.is_some_and(|chance| !self.dice.falls_within(chance)) {
                continue;
            }
            candidate.fired += 1;
            struck =
                Some(Strike { fault: Arc::clone(&candidate.fault), spoil: Arc::clone(&candidate.spoil) });
            break;
        }
        armed.retain(|candidate| !candidate.spent());
        self.any.store(!armed.is_empty(), Ordering::Release);
        struck
    }

    /// Called when a fault was armed (`path` is none) and after each call: how long the port must now
    /// be closed, if a `refuse` is due. A closed port cannot count callers, so it is due once.
    pub(crate) fn due_refusal(&self, path: Option<&str>) -> Option<Duration> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut armed = self.lock();
        for candidate in armed.iter_mut().filter(|candidate| candidate.fault.kind == FaultKind::Refuse) {
            if path.is_some_and(|path| candidate.fault.matches(path)) {
                candidate.seen += 1;
            }
        }
        let due = armed
            .iter()
            .position(|armed| armed.fault.kind == FaultKind::Refuse && armed.seen >= armed.fault.after)?;
        let refusal = armed.remove(due);
        self.any.store(!armed.is_empty(), Ordering::Release);
        Some(refusal.fault.delay())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_fault_hits_that_many_calls() {
        let rack = Rack::new();
        rack.arm(Fault::new(FaultKind::Hang).times(2));
        let hits = (0..5).filter(|_| rack.strike("/message/send").is_some()).count();
        assert_eq!(hits, 2);
    }

    #[test]
    fn a_fault_waits_for_its_path_and_its_turn() {
        let rack = Rack::new();
        rack.arm(Fault::new(FaultKind::Torn).on("batch").after(1));
        assert!(rack.strike("/message/send").is_none());
        assert!(rack.strike("/message/sendbatch").is_none());
        assert!(rack.strike("/message/sendbatch").is_some());
    }

    #[test]
    fn refusal_is_due_once_after_its_calls() {
        let rack = Rack::new();
        rack.arm(Fault::new(FaultKind::Refuse).after(2).value(50));
        assert_eq!(rack.due_refusal(None), None);
        assert_eq!(rack.due_refusal(Some("/x")), None);
        assert_eq!(rack.due_refusal(Some("/x")), Some(Duration::from_millis(50)));
        assert_eq!(rack.due_refusal(Some("/x")), None);
    }

    #[test]
    fn a_probable_fault_hits_about_its_share() {
        let rack = Rack::new();
        let mut fault = Fault::new(FaultKind::Slow);
        fault.probability = Some(0.25);
        rack.arm(fault);
        let hits = (0..4000).filter(|_| rack.strike("/x").is_some()).count();
        assert!((800..1200).contains(&hits), "{hits} of 4000");
    }

    #[test]
    fn a_misspelt_fault_field_is_refused() {
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"hang","cuont":1}"#).is_err());
        let faults: Faults = serde_json::from_str(r#"{"netease":[{"kind":"code","value":416}]}"#).unwrap();
        assert_eq!(faults.of(Vendor::NetEase), [Fault::new(FaultKind::Code).value(416)]);
    }
}
