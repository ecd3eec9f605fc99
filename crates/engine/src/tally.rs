//! What each provider was asked and answered since the start: calls and messages by quota class, outcomes, and
//! how long calls took. Beside the metrics, because who draws a curve wants numbers and no exposition.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use interline_core::outcome::Status;
use serde::Serialize;

use crate::denied::Denied;
use crate::engine::Engine;

/// Upper ends of the buckets of durations, in milliseconds; one more bucket holds what is longer.
const ENDS: [u32; 28] = [
    1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000,
    7_000, 10_000, 11_000, 13_000, 20_000, 30_000,
];

/// How long calls took, in buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations([u64; ENDS.len() + 1]);

impl Durations {
    fn add(&mut self, took_ms: u32) {
        let place = ENDS.iter().position(|end| took_ms <= *end).unwrap_or(ENDS.len());
        if let Some(bucket) = self.0.get_mut(place) {
            *bucket += 1;
        }
    }

    /// Those since an earlier look.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = *self;
        since.0.iter_mut().zip(before.0).for_each(|(now, before)| *now = now.saturating_sub(before));
        since
    }

    /// The duration that such a share of the calls did not exceed, in milliseconds, as near as the buckets
    /// tell; none without calls.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let all: u64 = self.0.iter().sum();
        if all == 0 {
            return None;
        }
        let wanted = share * all as f64;
        let (mut seen, mut start) = (0.0, 0.0);
        for (place, count) in self.0.iter().enumerate().map(|(place, count)| (place, *count as f64)) {
            let end = ENDS.get(place).map_or(start, |end| f64::from(*end));
            if seen + count >= wanted && count > 0.0 {
                return Some(start + (end - start) * ((wanted - seen) / count).clamp(0.0, 1.0));
            }
            seen += count;
            start = end;
        }
        Some(start)
    }
}

/// What was asked in one quota class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ClassTally {
    /// Vendor calls.
    pub calls: u64,
    /// Messages in them.
    pub messages: u64,
}

/// What one provider was asked and answered since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By quota class.
    pub classes: BTreeMap<&'static str, ClassTally>,
    /// Messages that were settled, by status.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// How long calls took.
    pub durations: Durations,
}

/// What waits in the ledger for one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The provider.
    pub provider: String,
    /// Messages that are not settled and whose time has come, also those of batches that are paused.
    pub messages: u64,
    /// When the oldest batch among them was handed over, in Unix milliseconds.
    pub oldest_ms: Option<i64>,
    /// Messages of batches that are to be sent later.
    pub scheduled: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Tallies(Mutex<BTreeMap<Arc<str>, Tally>>);

impl Tallies {
    fn change(&self, provider: &Arc<str>, change: impl FnOnce(&mut Tally)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(Arc::clone(provider)).or_default());
    }

    /// Counts a call.
    pub(crate) fn call(&self, provider: &Arc<str>, class: &'static str, took_ms: u32, messages: usize) {
        self.change(provider, |tally| {
            let class = tally.classes.entry(class).or_default();
            class.calls += 1;
            class.messages += messages as u64;
            tally.durations.add(took_ms);
        });
    }

    /// Counts messages that were settled.
    pub(crate) fn settled(&self, provider: &Arc<str>, status: Status, messages: u64) {
        self.change(provider, |tally| *tally.outcomes.entry(status.as_str()).or_default() += messages);
    }
}

impl Engine {
    /// What each provider was asked and answered since the start; one that was not asked yet is not there.
    #[must_use]
    pub fn tallies(&self) -> BTreeMap<Arc<str>, Tally> {
        self.inner.metrics.tallies.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What waits in the ledger, by provider.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn queued(&self) -> Result<Vec<Queued>, Denied> {
        let queues = self.inner.ledger.status().await?.queues;
        let queued = queues.into_iter().map(|queue| Queued {
            provider: queue.provider,
            messages: queue.messages.saturating_sub(queue.scheduled),
            oldest_ms: queue.oldest_unscheduled_ms,
            scheduled: queue.scheduled,
        });
        Ok(queued.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_in_the_bucket_of_their_call() {
        let mut durations = Durations::default();
        assert_eq!(durations.quantile(0.5), None);
        (0..90).for_each(|_| durations.add(12));
        (0..10).for_each(|_| durations.add(400));
        let (half, most) = (durations.quantile(0.5).unwrap(), durations.quantile(0.95).unwrap());
        assert!((10.0..=15.0).contains(&half), "{half}");
        assert!((300.0..=500.0).contains(&most), "{most}");
        durations.add(3_600_000);
        assert!(durations.quantile(1.0).unwrap() >= 30_000.0);
    }

    #[test]
    fn what_came_since_counts_alone() {
        let mut durations = Durations::default();
        durations.add(1);
        let before = durations;
        durations.add(9_000);
        assert!(durations.since(&before).quantile(0.5).unwrap() > 5_000.0);
        assert_eq!(before.since(&before).quantile(0.5), None);
    }

    #[test]
    fn counts_are_kept_by_provider_class_and_status() {
        let tallies = Tallies::default();
        let name: Arc<str> = "wk".into();
        tallies.call(&name, "send", 5, 1);
        tallies.call(&name, "batch", 5, 99);
        tallies.settled(&name, Status::Accepted, 100);
        let tally = tallies.0.lock().unwrap()[&name].clone();
        assert_eq!(tally.classes["batch"], ClassTally { calls: 1, messages: 99 });
        assert_eq!(tally.outcomes["accepted"], 100);
    }
}
