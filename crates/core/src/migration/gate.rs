//! What the providers of a migration answered, and when that is too bad to go on: counts and latencies of
//! the last minute, held against the limits that were configured.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far back answers are judged.
pub const WINDOW_SECONDS: i64 = 60;

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answered {
    /// The vendor took it.
    Accepted,
    /// The vendor said no, or could not be reached.
    Rejected,
    /// Nobody can tell.
    Unknown,
}

/// Latencies in steps of an eighth: exact below 16 ms, and no more than an eighth too high above.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram(Vec<u64>);

/// Below this each millisecond has its own step.
const EXACT: u32 = 16;

impl Histogram {
    /// Counts latencies.
    pub fn add(&mut self, took_ms: u32, count: u64) {
        let step = step(took_ms);
        if self.0.len() <= step {
            self.0.resize(step + 1, 0);
        }
        if let Some(counted) = self.0.get_mut(step) {
            *counted = counted.saturating_add(count);
        }
    }

    /// Adds another one to this.
    pub fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (counted, more) in self.0.iter_mut().zip(&other.0) {
            *counted = counted.saturating_add(*more);
        }
    }

    /// The latency in milliseconds that so many percent stay within; none when nothing was counted.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<u32> {
        let total: u64 = self.0.iter().sum();
        let wanted = total.saturating_mul(percent).div_ceil(100).max(1);
        let mut sum = 0;
        let reached = self.0.iter().position(|counted| {
            sum += counted;
            sum >= wanted
        });
        reached.filter(|_| total > 0).map(most)
    }
}

/// The step of a latency.
fn step(took_ms: u32) -> usize {
    if took_ms < EXACT {
        return took_ms as usize;
    }
    let doublings = took_ms.ilog2() - EXACT.ilog2();
    let eighth = (took_ms >> (doublings + 1)) & 7;
    (EXACT + doublings * 8 + eighth) as usize
}

/// The highest latency of a step.
fn most(step: usize) -> u32 {
    let step = u32::try_from(step).unwrap_or(u32::MAX);
    if step < EXACT {
        return step;
    }
    let (doublings, eighth) = ((step - EXACT) / 8, (step - EXACT) % 8);
    let high = u64::from(8 + eighth + 1) << (doublings + 1);
    u32::try_from(high - 1).unwrap_or(u32::MAX)
}

/// Answers, counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Messages that were tried.
    #[serde(default)]
    pub messages: u64,
    /// Attempts that were accepted.
    #[serde(default)]
    pub accepted: u64,
    /// Attempts that were rejected.
    #[serde(default)]
    pub rejected: u64,
    /// Attempts of which nobody can tell.
    #[serde(default)]
    pub unknown: u64,
    /// How long the calls of the attempts took.
    #[serde(default)]
    pub took: Histogram,
}

impl Tally {
    /// Counts the answer to one attempt; `first` is the first of its message here. One that never reached a
    /// server took no time.
    pub fn add(&mut self, answered: Answered, took_ms: Option<u32>, first: bool) {
        self.messages += u64::from(first);
        match answered {
            Answered::Accepted => self.accepted += 1,
            Answered::Rejected => self.rejected += 1,
            Answered::Unknown => self.unknown += 1,
        }
        if let Some(took_ms) = took_ms {
            self.took.add(took_ms, 1);
        }
    }

    /// Adds another one to this.
    pub fn join(&mut self, other: &Self) {
        self.messages += other.messages;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.unknown += other.unknown;
        self.took.join(&other.took);
    }

    /// Attempts that were answered.
    #[must_use]
    pub const fn answers(&self) -> u64 {
        self.accepted + self.rejected + self.unknown
    }

    /// How many percent of the answers so many are.
    #[must_use]
    pub fn percent(&self, count: u64) -> f64 {
        let all = self.answers();
        // Counts stay far below what a float holds exactly.
        if all == 0 { 0.0 } else { count as f64 * 100.0 / all as f64 }
    }
}

/// The answers of the last minute, second by second.
#[derive(Debug, Clone, Default)]
pub struct Window(VecDeque<(i64, Tally)>);

impl Window {
    /// Counts the answer to one attempt.
    pub fn add(&mut self, now_ms: i64, answered: Answered, took_ms: Option<u32>) {
        let second = now_ms.div_euclid(1_000);
        self.forget(second);
        if self.0.back().is_none_or(|(last, _)| *last < second) {
            self.0.push_back((second, Tally::default()));
        }
        // A clock that went back adds to the last second.
        if let Some((_, tally)) = self.0.back_mut() {
            tally.add(answered, took_ms, false);
        }
    }

    /// What was answered within the last minute.
    pub fn sum(&mut self, now_ms: i64) -> Tally {
        self.forget(now_ms.div_euclid(1_000));
        let mut sum = Tally::default();
        self.0.iter().for_each(|(_, tally)| sum.join(tally));
        sum
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn forget(&mut self, second: i64) {
        while self.0.front().is_some_and(|(first, _)| *first <= second - WINDOW_SECONDS) {
            self.0.pop_front();
        }
    }
}

/// When a migration rolls itself back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gates {
    /// More percent of rejected attempts than this.
    pub rejected_percent: Option<f64>,
    /// More percent of unknown ones.
    pub unknown_percent: Option<f64>,
    /// A higher 95th percentile of the latency.
    pub p95: Option<Duration>,
    /// Answers below which nothing is judged.
    pub min_messages: u64,
}

impl Default for Gates {
    fn default() -> Self {
        Self { rejected_percent: None, unknown_percent: None, p95: None, min_messages: 100 }
    }
}

/// Why a migration rolls itself back.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "what was seen, and what is allowed")]
pub enum Tripped {
    Rejected { percent: f64, allowed: f64 },
    Unknown { percent: f64, allowed: f64 },
    Slow { p95: Duration, allowed: Duration },
}

impl Gates {
    /// The first limit that what was answered exceeds.
    #[must_use]
    pub fn tripped(&self, seen: &Tally) -> Option<Tripped> {
        if seen.answers() < self.min_messages.max(1) {
            return None;
        }
        let over = |count: u64, allowed: Option<f64>| {
            allowed
                .map(|allowed| (seen.percent(count), allowed))
                .filter(|(percent, allowed)| percent > allowed)
        };
        let rejected = over(seen.rejected, self.rejected_percent);
        let unknown = over(seen.unknown, self.unknown_percent);
        let p95 = seen.took.percentile(95).map(|ms| Duration::from_millis(u64::from(ms)));
        let slow = self.p95.zip(p95).filter(|(allowed, p95)| p95 > allowed);
        rejected
            .map(|(percent, allowed)| Tripped::Rejected { percent, allowed })
            .or_else(|| unknown.map(|(percent, allowed)| Tripped::Unknown { percent, allowed }))
            .or_else(|| slow.map(|(allowed, p95)| Tripped::Slow { p95, allowed }))
    }
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { percent, allowed } => {
                write!(f, "{percent:.1} % of the last answers were rejected, {allowed} % are allowed")
            }
            Self::Unknown { percent, allowed } => {
                write!(f, "{percent:.1} % of the last answers are unknown, {allowed} % are allowed")
            }
            Self::Slow { p95, allowed } => {
                let (p95, allowed) = (p95.as_millis(), allowed.as_millis());
                write!(f, "of the last answers 5 % took {p95} ms or longer, {allowed} ms are allowed")
            }
        }
    }
}
