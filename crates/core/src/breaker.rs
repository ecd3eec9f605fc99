//! A provider's circuit breaker: how many calls may be under way, judged by how the ones before ended. A
//! state machine without a clock: each function is told the time in milliseconds.
//!
//! Nothing in it waits for an event that may never come: a call whose end is not told is taken for ended
//! after [`BreakerSettings::call_timeout_ms`], and a clock that goes back ends every pause.

use serde::Serialize;

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
    /// The first pause; each further one is twice as long until it is closed again.
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

    /// A call leaves.
    pub fn departed(&mut self, now_ms: i64) {
        self.calls.departed(now_ms, self.settings.call_timeout_ms);
        if let Some(pause) = self.pause() {
            pause.probe_ms = Some(now_ms);
        }
    }

    /// A call that was said to leave did not, and tells nothing of the server.
    pub fn abandoned(&mut self) {
        self.calls.ended();
        if let Some(pause) = self.pause() {
            pause.probe_ms = None;
        }
    }

    /// A call ended. `chance` is uniform in 0..=1 and shortens the pause of an opening by up to a fifth.
    pub fn ended(&mut self, now_ms: i64, health: Health, chance: f64) {
        self.calls.ended();
        let stale = self.calls.stale(now_ms, self.settings.call_timeout_ms) > 0;
        let failed = match health {
            Health::Good => false,
            Health::Unreached | Health::NoAnswer => true,
        };
        match (&mut self.phase, failed) {
            (Phase::Closed(watch), false) => watch.good(now_ms),
            (Phase::Closed(watch), true) => {
                if watch.failed(now_ms, health, &self.settings) {
                    self.open(now_ms, chance);
                }
            }
            // Whoever answers by now is back, also if the call is an old one; before that it proves little.
            (Phase::Open(pause), false) => {
                if pause.is_over(now_ms) {
                    self.phase = Phase::Restarting { since_ms: now_ms, good: 1 };
                }
            }
            // Calls that left before it opened tell what is known already.
            (Phase::Open(_) | Phase::Restarting { .. }, true) if stale => self.calls.stale_ended(),
            (Phase::Open(pause), true) => {
                if pause.probe_ms.is_some() {
                    self.open(now_ms, chance);
                }
            }
            (Phase::Restarting { .. }, true) => self.open(now_ms, chance),
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

    fn open(&mut self, now_ms: i64, chance: f64) {
        let doubled = self.settings.pause_ms.saturating_mul(1 << self.openings.min(20));
        let whole = doubled.min(self.settings.longest_pause_ms);
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

    const fn ended(&mut self) {
        self.count = self.count.saturating_sub(1);
        if self.stale > self.count {
            self.stale = self.count;
        }
    }

    const fn stale_ended(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }

    fn opened(&mut self, now_ms: i64, timeout_ms: i64) {
        self.stale = self.all(now_ms, timeout_ms);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 8;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings::default())
    }

    /// A call from its departure to its end.
    fn call(breaker: &mut Breaker, now_ms: i64, health: Health) {
        breaker.departed(now_ms);
        breaker.ended(now_ms, health, 0.0);
    }

    fn opened(now_ms: i64) -> Breaker {
        let mut breaker = breaker();
        (0..5).for_each(|_| call(&mut breaker, now_ms, Health::NoAnswer));
        breaker
    }

    #[test]
    fn five_calls_without_an_answer_open_it() {
        let mut breaker = breaker();
        (0..4).for_each(|_| call(&mut breaker, 0, Health::NoAnswer));
        assert_eq!((breaker.state(0), breaker.allowance(0, LIMIT)), (State::Closed, LIMIT));
        call(&mut breaker, 0, Health::NoAnswer);
        assert_eq!(breaker.state(0), State::Open { until_ms: 500 });
        assert_eq!((breaker.allowance(499, LIMIT), breaker.opens_at(499)), (0, Some(500)));
        assert!(breaker.refuses(0) && !breaker.refuses(500));
    }

    #[test]
    fn a_good_answer_ends_the_row() {
        let mut breaker = breaker();
        for _ in 0..4 {
            (0..4).for_each(|_| call(&mut breaker, 0, Health::NoAnswer));
            (0..8).for_each(|_| call(&mut breaker, 0, Health::Good));
        }
        assert_eq!(breaker.state(0), State::Closed);
    }

    #[test]
    fn half_of_twenty_failing_opens_it_inside_the_window_alone() {
        let run = |step_ms: i64| {
            let mut breaker = breaker();
            let ends = [Health::Good, Health::NoAnswer].into_iter().cycle().take(20);
            (0..).zip(ends).for_each(|(number, health)| call(&mut breaker, number * step_ms, health));
            breaker.state(20 * step_ms)
        };
        assert!(matches!(run(100), State::Open { .. }));
        assert_eq!(run(1_000), State::Closed);
    }

    #[test]
    fn a_dead_server_costs_three_attempts_and_half_a_second() {
        let mut breaker = breaker();
        let (mut attempts, mut now_ms) = (0, 0);
        while !breaker.refuses(now_ms) {
            if breaker.allowance(now_ms, LIMIT) > 0 {
                attempts += 1;
                call(&mut breaker, now_ms, Health::Unreached);
            }
            now_ms += 10;
        }
        assert!(attempts == 3 && now_ms <= 520, "{attempts} attempts, {now_ms} ms");
    }

    #[test]
    fn a_single_refused_connection_pauses_and_does_not_open() {
        let mut breaker = breaker();
        call(&mut breaker, 0, Health::Unreached);
        assert_eq!((breaker.state(0), breaker.allowance(199, LIMIT)), (State::Closed, 0));
        assert_eq!(breaker.opens_at(0), Some(200));
        assert_eq!(breaker.allowance(200, LIMIT), 1);
        breaker.departed(200);
        assert_eq!(breaker.allowance(201, LIMIT), 0);
        breaker.ended(210, Health::Good, 0.0);
        assert_eq!(breaker.allowance(210, LIMIT), LIMIT);
    }

    #[test]
    fn a_probe_that_fails_doubles_the_pause_up_to_five_seconds() {
        let mut breaker = opened(0);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let State::Open { until_ms } = breaker.state(0) else { panic!("it is not open") };
            pauses.push(until_ms);
            // The clock goes back to 0 with each probe: the pause is what is left of the sum.
            call(&mut breaker, until_ms, Health::NoAnswer);
            let State::Open { until_ms: next } = breaker.state(until_ms) else { panic!("it is not open") };
            breaker.phase = Phase::Open(Pause::new(0, next - until_ms));
        }
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    }

    #[test]
    fn chance_shortens_the_pause_by_a_fifth_at_most() {
        let mut breaker = breaker();
        (0..5).for_each(|_| {
            breaker.departed(0);
            breaker.ended(0, Health::NoAnswer, 1.0);
        });
        assert_eq!(breaker.state(0), State::Open { until_ms: 400 });
    }

    #[test]
    fn the_restart_doubles_with_each_round_of_good_answers() {
        let mut breaker = opened(0);
        call(&mut breaker, 500, Health::Good);
        let mut rounds = Vec::new();
        while breaker.state(500) == State::Restarting {
            let allowance = breaker.allowance(500, 100);
            rounds.push(allowance);
            (0..allowance).for_each(|_| breaker.departed(500));
            (0..allowance).for_each(|_| breaker.ended(500, Health::Good, 0.0));
        }
        assert_eq!(rounds, [1, 2, 4, 8, 16, 32]);
        assert_eq!((breaker.state(500), breaker.allowance(500, 100)), (State::Closed, 100));
    }

    #[test]
    fn a_failure_while_restarting_opens_it_for_longer() {
        let mut breaker = opened(0);
        call(&mut breaker, 500, Health::Good);
        call(&mut breaker, 500, Health::NoAnswer);
        assert_eq!(breaker.state(500), State::Open { until_ms: 1_500 });
    }

    #[test]
    fn calls_that_hang_from_before_neither_block_the_probe_nor_count_against_it() {
        let mut breaker = breaker();
        (0..8).for_each(|_| breaker.departed(0));
        (0..5).for_each(|_| breaker.ended(10, Health::NoAnswer, 0.0));
        assert!(breaker.refuses(10));
        assert_eq!(breaker.allowance(510, LIMIT), 4, "three hang, one may ask");
        breaker.departed(510);
        breaker.ended(520, Health::NoAnswer, 0.0);
        assert_eq!(breaker.state(520), State::HalfOpen);
        breaker.ended(530, Health::Good, 0.0);
        breaker.ended(540, Health::NoAnswer, 0.0);
        assert_eq!(breaker.state(540), State::Restarting);
    }

    #[test]
    fn a_lost_probe_frees_its_place_after_the_timeout() {
        let mut breaker = opened(0);
        breaker.departed(500);
        assert_eq!((breaker.allowance(501, LIMIT), breaker.opens_at(501)), (0, Some(30_500)));
        assert_eq!(breaker.allowance(30_500, LIMIT), 1);
        breaker.departed(30_500);
        breaker.abandoned();
        assert_eq!(breaker.allowance(30_500, LIMIT), 1);
    }

    #[test]
    fn a_clock_that_goes_back_ends_the_pause() {
        let breaker = opened(1_000_000);
        assert_eq!((breaker.state(0), breaker.allowance(0, LIMIT)), (State::HalfOpen, 1));
    }

    #[test]
    fn views_say_it_in_snake_case() {
        let json = |state| serde_json::to_value(state).unwrap();
        assert_eq!(json(State::HalfOpen), serde_json::json!({"state": "half_open"}));
        assert_eq!(json(State::Open { until_ms: 7 }), serde_json::json!({"state": "open", "until_ms": 7}));
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Depart,
        End(Health),
        Abandon,
        Lose,
        Wait(i64),
    }

    fn healths() -> impl Strategy<Value = Health> {
        prop_oneof![
            2 => Just(Health::Good),
            2 => Just(Health::Unreached),
            3 => Just(Health::NoAnswer),
        ]
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => Just(Step::Depart),
            6 => healths().prop_map(Step::End),
            1 => Just(Step::Abandon),
            1 => Just(Step::Lose),
            3 => (0..1_500i64).prop_map(Step::Wait),
            1 => (-100_000..100_000i64).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 0..200)
    }

    /// A lane that keeps to the allowance.
    struct Lane {
        breaker: Breaker,
        now_ms: i64,
        in_flight: usize,
        limit: usize,
    }

    impl Lane {
        fn may_depart(&self) -> bool {
            self.in_flight < self.breaker.allowance(self.now_ms, self.limit)
        }

        fn step(&mut self, step: Step) {
            let busy = self.in_flight > 0;
            match step {
                Step::Depart if self.may_depart() => {
                    self.in_flight += 1;
                    self.breaker.departed(self.now_ms);
                }
                Step::End(health) if busy => {
                    self.in_flight -= 1;
                    self.breaker.ended(self.now_ms, health, 0.5);
                }
                Step::Abandon if busy => {
                    self.in_flight -= 1;
                    self.breaker.abandoned();
                }
                // The lane knows of its end, the breaker does not.
                Step::Lose if busy => self.in_flight -= 1,
                Step::Depart | Step::End(_) | Step::Abandon | Step::Lose => {}
                Step::Wait(ms) => self.now_ms += ms,
            }
        }
    }

    proptest! {
        #[test]
        fn it_never_wedges_and_recovers_to_the_limit(steps in steps(), limit in 1usize..100) {
            let mut lane = Lane { breaker: breaker(), now_ms: 0, in_flight: 0, limit };
            steps.into_iter().for_each(|step| lane.step(step));
            // From here on the server is well and each call's end is told.
            while lane.in_flight > 0 {
                lane.step(Step::End(Health::Good));
            }
            for _ in 0..200 {
                if lane.may_depart() {
                    lane.step(Step::Depart);
                    lane.step(Step::End(Health::Good));
                } else {
                    let at_ms = lane.breaker.opens_at(lane.now_ms);
                    prop_assert!(at_ms.is_some_and(|at_ms| at_ms > lane.now_ms), "wedged: {:?}", lane.breaker);
                    lane.now_ms = at_ms.unwrap();
                }
            }
            prop_assert!(lane.breaker.allowance(lane.now_ms, limit) >= limit);
        }

        #[test]
        fn one_call_at_most_leaves_half_open(steps in steps(), limit in 1usize..100) {
            let mut lane = Lane { breaker: breaker(), now_ms: 0, in_flight: 0, limit };
            for step in steps {
                lane.step(step);
                if lane.breaker.state(lane.now_ms) == State::HalfOpen && lane.may_depart() {
                    let mut left = lane.breaker.clone();
                    left.departed(lane.now_ms);
                    prop_assert_eq!(left.allowance(lane.now_ms, limit), 0);
                    prop_assert!(left.refuses(lane.now_ms));
                }
            }
        }

        #[test]
        fn open_lets_nothing_go_and_says_until_when(steps in steps(), limit in 1usize..100) {
            let mut lane = Lane { breaker: breaker(), now_ms: 0, in_flight: 0, limit };
            for step in steps {
                lane.step(step);
                if let State::Open { until_ms } = lane.breaker.state(lane.now_ms) {
                    prop_assert!(!lane.may_depart() && lane.breaker.refuses(lane.now_ms));
                    prop_assert!(until_ms > lane.now_ms && until_ms - lane.now_ms <= 5_000);
                }
            }
        }

        #[test]
        fn five_failures_in_a_row_always_open_it(
            steps in steps(), ends in proptest::collection::vec(prop_oneof![
                Just(Health::Unreached), Just(Health::NoAnswer)
            ], 5)
        ) {
            let mut lane = Lane { breaker: breaker(), now_ms: 0, in_flight: 0, limit: LIMIT };
            steps.into_iter().for_each(|step| lane.step(step));
            if lane.breaker.state(lane.now_ms) == State::Closed {
                ends.into_iter().for_each(|health| call(&mut lane.breaker, lane.now_ms, health));
                prop_assert!(lane.breaker.refuses(lane.now_ms));
            }
        }

        #[test]
        fn what_answers_is_never_shut_out(count in 0usize..300) {
            let mut breaker = breaker();
            for _ in 0..count {
                prop_assert_eq!(breaker.allowance(0, LIMIT), LIMIT);
                call(&mut breaker, 0, Health::Good);
            }
        }
    }
}
