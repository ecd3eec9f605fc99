//! The last minutes of every lane, sampled: who looks at a curve wants to see what was before he came. Kept in
//! memory, of bounded size, each sample written once for everybody who follows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use interline_engine::{ClassTally, Engine, Queued, Tally};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::api::Gateway;

/// How often, and how many are kept: five minutes.
const EVERY: Duration = Duration::from_secs(2);
const KEPT: usize = 150;

/// Counting what waits takes longer the more there is: it is to take a small share of the time only.
const REST: u32 = 20;

/// One lane in one sample: what happened since the sample before.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Lane {
    queued: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    classes: BTreeMap<&'static str, ClassTally>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    outcomes: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p95_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Sample {
    at_ms: i64,
    lanes: BTreeMap<Arc<str>, Lane>,
}

/// A sample as it is sent, and its number.
pub(crate) type Written = (u64, Arc<Value>);

#[derive(Debug, Default)]
struct Kept {
    number: u64,
    samples: VecDeque<Written>,
    queued: Arc<Vec<Queued>>,
}

/// The samples.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<Kept>);

impl Board {
    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, sample: &Sample) {
        let Ok(text) = serde_json::to_value(sample) else { return };
        self.change(|kept| {
            kept.number += 1;
            kept.samples.push_back((kept.number, text.into()));
            if kept.samples.len() > KEPT {
                kept.samples.pop_front();
            }
        });
    }

    /// The samples after one, oldest first.
    pub(crate) fn after(&self, number: u64) -> Vec<Written> {
        self.change(|kept| kept.samples.iter().filter(|(own, _)| *own > number).cloned().collect())
    }

    /// What waited in the ledger when it was last counted.
    pub(crate) fn queued(&self) -> Arc<Vec<Queued>> {
        self.change(|kept| Arc::clone(&kept.queued))
    }

    /// How far samples are from each other, in milliseconds.
    pub(crate) const fn every_ms() -> u64 {
        EVERY.as_millis() as u64
    }
}

/// What happened between two looks at one provider.
fn between(now: &Tally, before: &Tally) -> Lane {
    let durations = now.durations.since(&before.durations);
    let tenth = |ms: f64| (ms * 10.0).round() / 10.0;
    let classes = now.classes.iter().filter_map(|(name, now)| {
        let before = before.classes.get(name).copied().unwrap_or_default();
        let calls = now.calls.saturating_sub(before.calls);
        let messages = now.messages.saturating_sub(before.messages);
        (calls > 0).then_some((*name, ClassTally { calls, messages }))
    });
    let outcomes = now.outcomes.iter().filter_map(|(status, now)| {
        let more = now.saturating_sub(before.outcomes.get(status).copied().unwrap_or_default());
        (more > 0).then_some((*status, more))
    });
    Lane {
        queued: 0,
        classes: classes.collect(),
        outcomes: outcomes.collect(),
        p50_ms: durations.quantile(0.5).map(tenth),
        p95_ms: durations.quantile(0.95).map(tenth),
    }
}

/// By provider.
type Tallies = BTreeMap<Arc<str>, Tally>;

fn sample((now, before): (&Tallies, &Tallies), engine: &Engine, queued: &[Queued], at_ms: i64) -> Sample {
    let none = Tally::default();
    let mut lanes: BTreeMap<Arc<str>, Lane> = BTreeMap::new();
    for (name, now) in now {
        lanes.insert(Arc::clone(name), between(now, before.get(name).unwrap_or(&none)));
    }
    for provider in engine.providers() {
        let stored = queued.iter().find(|queue| queue.provider == provider.name);
        let lane = lanes.entry(provider.name.as_str().into()).or_default();
        lane.queued = provider.waiting.max(stored.map_or(0, |queue| queue.messages));
    }
    lanes.retain(|_, lane| *lane != Lane::default());
    Sample { at_ms, lanes }
}

/// Takes samples until it is aborted.
pub(crate) async fn keep(gateway: Arc<Gateway>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = gateway.engine.tallies();
    let mut count_at = Instant::now();
    loop {
        ticks.tick().await;
        let began = Instant::now();
        if began >= count_at {
            match gateway.engine.queued().await {
                Ok(queued) => gateway.board.change(|kept| kept.queued = Arc::new(queued)),
                Err(error) => tracing::debug!(%error, "what waits in the ledger cannot be counted"),
            }
            count_at = Instant::now() + began.elapsed() * REST;
        }
        let now = gateway.engine.tallies();
        let queued = gateway.board.queued();
        gateway.board.add(&sample((&now, &before), &gateway.engine, &queued, gateway.now_ms()));
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(calls: u64, accepted: u64) -> Tally {
        let classes = BTreeMap::from([("send", ClassTally { calls, messages: calls * 10 })]);
        Tally { classes, outcomes: BTreeMap::from([("accepted", accepted)]), ..Tally::default() }
    }

    #[test]
    fn a_sample_tells_what_came_since_the_one_before() {
        let lane = between(&tally(7, 70), &tally(5, 50));
        assert_eq!(lane.classes["send"], ClassTally { calls: 2, messages: 20 });
        assert_eq!(lane.outcomes["accepted"], 20);
        assert_eq!(between(&tally(7, 70), &tally(7, 70)), Lane::default());
    }

    #[test]
    fn old_samples_go_and_each_is_told_once() {
        let board = Board::default();
        for at_ms in 0..1_000 {
            board.add(&Sample { at_ms, lanes: BTreeMap::new() });
        }
        let all = board.after(0);
        assert_eq!((all.len(), all.last().unwrap().0), (KEPT, 1_000));
        assert_eq!(board.after(998).len(), 2);
        assert!(board.after(1_000).is_empty());
    }
}
