//! A provider's circuit breaker: how many calls may be under way, judged by how the ones before ended. A
//! state machine without a clock: each function is told the time in milliseconds.
//!
//! Nothing in it waits for an event that may never come: a call whose end is not told is taken for ended
//! after [`BreakerSettings::call_timeout_ms`], and a clock that goes back ends every pause.

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::error::{ErrorCode, Failure, Fate};
use crate::outcome::Outcome;

/// When it opens and for how long. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Opens after so many calls in a row that found no healthy server …
    pub failures: u32,
    /// … or so many of them without a connection: that is surer than silence.
    pub unreached: u32,
    /// Opens when so many of a hundred calls fail …
    pub failing_percent: u32,
    /// … of at least so many within [`WINDOW_MS`].
    pub least_calls: u32,
    /// The first pause; each further one is twice as long until it is closed again, counted from when its
    /// probe left.
    pub pause_ms: i64,
    /// The longest pause.
    pub longest_pause_ms: i64,
    /// After this a call whose end was not told counts as ended.
    pub call_timeout_ms: i64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            unreached: 3,
            failing_percent: 50,
            least_calls: 20,
            pause_ms: 500,
            longest_pause_ms: 5_000,
            call_timeout_ms: 30_000,
        }
    }
}

/// How far back failures are counted; a restart that lasts longer is over with the next good answer.
pub const WINDOW_MS: i64 = 10_000;
/// The restart is over after so many good answers. The allowance is full as soon as they reach the limit.
const GOOD_ANSWERS: usize = 64;
/// A closed breaker waits so long after the first call without a connection, and this much more after each
/// further one, then lets one call try: a dead server costs a handful of attempts until it opens.
const SUSPICION_MS: (i64, i64) = (200, 100);

/// How a call found the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// It answered, be it with a refusal or a penalty.
    Good,
    /// There was no connection.
    Unreached,
    /// Nothing usable came back: a timeout, a reset, a bare 5xx.
    NoAnswer,
}

impl Health {
    /// What a call's outcomes tell of the server; none when the call never left for reasons of our own. One
    /// message with an answer is an answer.
    #[must_use]
    pub fn of(outcomes: &[Outcome]) -> Option<Self> {
        let heard = |health| outcomes.iter().any(|outcome| Self::of_one(outcome) == Some(health));
        [Self::Good, Self::NoAnswer, Self::Unreached].into_iter().find(|health| heard(*health))
    }

    const fn of_one(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Accepted(_) => Some(Self::Good),
            Outcome::Rejected(failure) | Outcome::Unknown(failure) => Self::of_failure(failure),
        }
    }

    const fn of_failure(failure: &Failure) -> Option<Self> {
        use ErrorCode as Code;
        match (failure.fate, failure.code) {
            (Fate::Refused, _) => Some(Self::Good),
            (Fate::NotSent, Code::VendorUnavailable) => Some(Self::Unreached),
            (Fate::NotSent, _) | (Fate::Unknown, Code::Internal) => None,
            (
                Fate::Unknown,
                Code::Timeout
                | Code::ConnectionLost
                | Code::BadVendorReply
                | Code::VendorUnavailable
                | Code::VendorError,
            ) => Some(Self::NoAnswer),
            // The vendor spoke of this message, only not clearly.
            (Fate::Unknown, _) => Some(Self::Good),
        }
    }
}

/// What the breaker does, for views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Calls go.
    Closed,
    /// No call goes.
    Open {
        /// Until then, Unix milliseconds.
        until_ms: i64,
    },
    /// One call goes, or is on its way, to see whether the server is back.
    HalfOpen,
    /// Calls go, more and more at once.
    Restarting,
}

/// A call as the breaker knows it: from before its last opening, or from after it. What one from before comes
/// to late is no news of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departed {
    /// Openings before it left.
    period: u64,
}

/// The breaker of one provider.
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: BreakerSettings,
    phase: Phase,
    calls: UnderWay,
    /// Openings since it was last closed.
    openings: u32,
}

#[derive(Debug, Clone)]
enum Phase {
    Closed(Watch),
    Open(Pause),
    Restarting { since_ms: i64, good: usize },
}

/// What a closed breaker remembers.
#[derive(Debug, Clone, Default)]
struct Watch {
    failed_in_row: u32,
    unreached_in_row: u32,
    window: Window,
    suspicion: Option<Pause>,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, phase: Phase::Closed(Watch::default()), calls: UnderWay::default(), openings: 0 }
    }

    /// How many calls may be under way at once, at most `limit`; a further one may leave while fewer are.
    /// Calls that left before it opened are counted in, so that a hanging one does not stand in the way of
    /// the probe. 0 when none may leave, whatever is under way.
    #[must_use]
    pub fn allowance(&self, now_ms: i64, limit: usize) -> usize {
        let timeout_ms = self.settings.call_timeout_ms;
        match &self.phase {
            Phase::Closed(Watch { suspicion: None, .. }) => limit,
            Phase::Closed(Watch { suspicion: Some(pause), .. }) | Phase::Open(pause) => {
                let may_leave = pause.shut_until(now_ms, timeout_ms).is_none();
                if may_leave { limit.min(self.calls.all(now_ms, timeout_ms) + 1) } else { 0 }
            }
            Phase::Restarting { good, .. } => limit.min(self.calls.stale(now_ms, timeout_ms) + good),
        }
    }

    /// When to look again if no call may leave now and none ends before, Unix milliseconds; none if one may.
    #[must_use]
    pub fn opens_at(&self, now_ms: i64) -> Option<i64> {
        let timeout_ms = self.settings.call_timeout_ms;
        match &self.phase {
            Phase::Closed(watch) => watch.suspicion.as_ref()?.shut_until(now_ms, timeout_ms),
            Phase::Open(pause) => pause.shut_until(now_ms, timeout_ms),
            Phase::Restarting { good, .. } => {
                let calls = &self.calls;
                let full = calls.all(now_ms, timeout_ms) >= calls.stale(now_ms, timeout_ms) + good;
                full.then(|| calls.latest_ms.saturating_add(timeout_ms))
            }
        }
    }

    /// Whether the next call finds out whether the server is back. What it holds may be lost in doubt: it should
    /// hold little.
    #[must_use]
    pub const fn is_probing(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Whether messages that may go elsewhere should: it is open, or its one probe is on its way.
    #[must_use]
    pub fn refuses(&self, now_ms: i64) -> bool {
        match &self.phase {
            Phase::Open(pause) => pause.shut_until(now_ms, self.settings.call_timeout_ms).is_some(),
            Phase::Closed(_) | Phase::Restarting { .. } => false,
        }
    }

    /// What it does now.
    #[must_use]
    pub fn state(&self, now_ms: i64) -> State {
        match &self.phase {
            Phase::Closed(_) => State::Closed,
            Phase::Open(pause) if pause.is_over(now_ms) => State::HalfOpen,
            Phase::Open(pause) => State::Open { until_ms: pause.until_ms },
            Phase::Restarting { .. } => State::Restarting,
        }
    }

    /// A call leaves. What is given is given back when it ends.
    #[must_use]
    pub fn departed(&mut self, now_ms: i64) -> Departed {
        self.calls.departed(now_ms, self.settings.call_timeout_ms);
        if let Some(pause) = self.pause() {
            pause.probe_ms = Some(now_ms);
        }
        Departed { period: self.calls.period }
    }

    /// A call that was said to leave did not, and tells nothing of the server.
    pub fn abandoned(&mut self, call: Departed) {
        self.calls.ended(call);
        if self.calls.is_stale(call) {
            return;
        }
        if let Some(pause) = self.pause() {
            pause.probe_ms = None;
        }
    }

    /// A call ended. `chance` is uniform in 0..=1 and shortens the pause of an opening by up to a fifth.
    pub fn ended(&mut self, call: Departed, now_ms: i64, health: Health, chance: f64) {
        self.calls.ended(call);
        let failed = match health {
            Health::Good => false,
            Health::Unreached | Health::NoAnswer => true,
        };
        // Calls that left before it opened tell what is known already, also when it is closed again.
        if failed && self.calls.is_stale(call) {
            return;
        }
        match (&mut self.phase, failed) {
            (Phase::Closed(watch), false) => watch.good(now_ms),
            (Phase::Closed(watch), true) => {
                if watch.failed(now_ms, health, &self.settings) {
                    self.open(now_ms, 0, chance);
                }
            }
            // Whoever answers by now is back, also if the call is an old one; before that it proves little.
            (Phase::Open(pause), false) => {
                if pause.is_over(now_ms) {
                    self.phase = Phase::Restarting { since_ms: now_ms, good: 1 };
                }
            }
            (Phase::Open(pause), true) => {
                if let Some(probe_ms) = pause.probe_ms {
                    self.open(now_ms, now_ms.saturating_sub(probe_ms), chance);
                }
            }
            (Phase::Restarting { .. }, true) => self.open(now_ms, 0, chance),
            (Phase::Restarting { since_ms, good }, false) => {
                *good += 1;
                if *good >= GOOD_ANSWERS || now_ms.saturating_sub(*since_ms) >= WINDOW_MS {
                    self.openings = 0;
                    self.phase = Phase::Closed(Watch::default());
                }
            }
        }
    }

    const fn pause(&mut self) -> Option<&mut Pause> {
        match &mut self.phase {
            Phase::Closed(watch) => watch.suspicion.as_mut(),
            Phase::Open(pause) => Some(pause),
            Phase::Restarting { .. } => None,
        }
    }

    /// Opens. What a probe hung counts towards the pause after it: nothing else went there meanwhile, and many
    /// that hang one after the other would keep messages waiting for minutes.
    fn open(&mut self, now_ms: i64, hung_ms: i64, chance: f64) {
        let BreakerSettings { pause_ms, longest_pause_ms, .. } = self.settings;
        let doubled = pause_ms.saturating_mul(1 << self.openings.min(20)).min(longest_pause_ms);
        let whole = doubled.saturating_sub(hung_ms.max(0)).max(pause_ms);
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1,000")]
        let permille = (chance.clamp(0.0, 1.0) * 1_000.0) as i64;
        let length_ms = whole - whole / 5 * permille / 1_000;
        self.openings = self.openings.saturating_add(1);
        self.calls.opened(now_ms, self.settings.call_timeout_ms);
        self.phase = Phase::Open(Pause::new(now_ms, length_ms));
    }
}

impl Watch {
    fn good(&mut self, now_ms: i64) {
        self.window.count(now_ms, false);
        self.failed_in_row = 0;
        self.unreached_in_row = 0;
        self.suspicion = None;
    }

    /// Counts a failure; true when the breaker is to open.
    fn failed(&mut self, now_ms: i64, health: Health, settings: &BreakerSettings) -> bool {
        self.window.count(now_ms, true);
        self.failed_in_row += 1;
        match health {
            Health::Good | Health::NoAnswer => {}
            Health::Unreached => {
                let (first, more) = SUSPICION_MS;
                let length_ms = first + more * i64::from(self.unreached_in_row);
                self.unreached_in_row += 1;
                self.suspicion = Some(Pause::new(now_ms, length_ms));
            }
        }
        if let Some(pause) = &mut self.suspicion {
            pause.probe_ms = None;
        }
        let (failed, calls) = self.window.sums(now_ms);
        self.failed_in_row >= settings.failures
            || self.unreached_in_row >= settings.unreached
            || calls >= settings.least_calls && failed * 100 >= calls * settings.failing_percent
    }
}

/// A time without calls, and the one call after it.
#[derive(Debug, Clone)]
struct Pause {
    since_ms: i64,
    until_ms: i64,
    probe_ms: Option<i64>,
}

impl Pause {
    const fn new(now_ms: i64, length_ms: i64) -> Self {
        Self { since_ms: now_ms, until_ms: now_ms.saturating_add(length_ms), probe_ms: None }
    }

    const fn is_over(&self, now_ms: i64) -> bool {
        now_ms >= self.until_ms || now_ms < self.since_ms
    }

    /// Until when no call may leave; none if one may.
    fn shut_until(&self, now_ms: i64, timeout_ms: i64) -> Option<i64> {
        if !self.is_over(now_ms) {
            return Some(self.until_ms);
        }
        let probe_ms = self.probe_ms?;
        recent(probe_ms, now_ms, timeout_ms).then(|| probe_ms.saturating_add(timeout_ms))
    }
}

/// Counts the calls under way, as far as their ends are told in time.
#[derive(Debug, Clone, Default)]
struct UnderWay {
    count: usize,
    latest_ms: i64,
    /// Those that left before the breaker last opened.
    stale: usize,
    opened_ms: i64,
    /// Openings so far.
    period: u64,
}

impl UnderWay {
    fn all(&self, now_ms: i64, timeout_ms: i64) -> usize {
        if recent(self.latest_ms, now_ms, timeout_ms) { self.count } else { 0 }
    }

    fn stale(&self, now_ms: i64, timeout_ms: i64) -> usize {
        if recent(self.opened_ms, now_ms, timeout_ms) { self.stale } else { 0 }
    }

    fn departed(&mut self, now_ms: i64, timeout_ms: i64) {
        self.count = self.all(now_ms, timeout_ms) + 1;
        self.latest_ms = now_ms;
    }

    const fn is_stale(&self, call: Departed) -> bool {
        call.period != self.period
    }

    fn ended(&mut self, call: Departed) {
        self.count = self.count.saturating_sub(1);
        let stale = self.stale.saturating_sub(usize::from(self.is_stale(call)));
        // Those whose ends were never told are given up when fewer are under way.
        self.stale = stale.min(self.count);
    }

    fn opened(&mut self, now_ms: i64, timeout_ms: i64) {
        self.stale = self.all(now_ms, timeout_ms);
        self.period = self.period.wrapping_add(1);
        self.opened_ms = now_ms;
    }
}

const fn recent(then_ms: i64, now_ms: i64, timeout_ms: i64) -> bool {
    now_ms >= then_ms && now_ms.saturating_sub(then_ms) < timeout_ms
}

const SLICES: usize = 10;
const SLICE_MS: i64 = WINDOW_MS / 10;

/// How the calls of the last [`WINDOW_MS`] ended, to a tenth of it.
#[derive(Debug, Clone, Default)]
struct Window {
    /// By time modulo the window: which slice of time it is, failed calls, all calls.
    slices: [(i64, u32, u32); SLICES],
}

impl Window {
    fn count(&mut self, now_ms: i64, failed: bool) {
        let slice = now_ms.div_euclid(SLICE_MS);
        let place = usize::try_from(slice.rem_euclid(10)).unwrap_or_default();
        let Some(counts) = self.slices.get_mut(place) else { return };
        if counts.0 != slice {
            *counts = (slice, 0, 0);
        }
        counts.1 += u32::from(failed);
        counts.2 += 1;
    }

    fn sums(&self, now_ms: i64) -> (u32, u32) {
        let newest = now_ms.div_euclid(SLICE_MS);
        let recent = self.slices.iter().filter(|(slice, ..)| (newest - 9..=newest).contains(slice));
        recent.fold((0, 0), |(failed, all), (_, f, a)| (failed + f, all + a))
    }
}
