//! Each rule of the breaker, and the laws that hold over any sequence of calls.

use super::*;
use proptest::prelude::*;

const LIMIT: usize = 8;

fn breaker() -> Breaker {
    Breaker::new(BreakerSettings::default())
}

/// A call from its departure to its end.
fn call(breaker: &mut Breaker, now_ms: i64, health: Health) {
    let call = breaker.departed(now_ms);
    breaker.ended(call, now_ms, health, 0.0);
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
    let probe = breaker.departed(200);
    assert_eq!(breaker.allowance(201, LIMIT), 0);
    breaker.ended(probe, 210, Health::Good, 0.0);
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
fn a_server_on_which_calls_hang_is_asked_as_often_as_calls_end() {
    let mut breaker = opened(0);
    let (mut now_ms, mut probes) = (500, 0);
    while probes < 5 {
        assert_eq!(breaker.allowance(now_ms, LIMIT), 1);
        let probe = breaker.departed(now_ms);
        now_ms += 10_000;
        breaker.ended(probe, now_ms, Health::NoAnswer, 0.0);
        probes += 1;
        let State::Open { until_ms } = breaker.state(now_ms) else { panic!("it is not open") };
        now_ms = until_ms;
    }
    assert_eq!(now_ms, 500 + 5 * (10_000 + 500), "no pause on top of a pause");
    // One that is quickly told waits for what is left.
    let probe = breaker.departed(now_ms);
    breaker.ended(probe, now_ms + 1_500, Health::NoAnswer, 0.0);
    assert_eq!(breaker.state(now_ms + 1_500), State::Open { until_ms: now_ms + 5_000 });
}

#[test]
fn chance_shortens_the_pause_by_a_fifth_at_most() {
    let mut breaker = breaker();
    (0..5).for_each(|_| {
        let call = breaker.departed(0);
        breaker.ended(call, 0, Health::NoAnswer, 1.0);
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
        let calls: Vec<Departed> = (0..allowance).map(|_| breaker.departed(500)).collect();
        calls.into_iter().for_each(|call| breaker.ended(call, 500, Health::Good, 0.0));
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
    let hanging = opened_with_hanging(&mut breaker, 3);
    assert!(breaker.refuses(10));
    assert_eq!(breaker.allowance(510, LIMIT), 4, "three hang, one may ask");
    let probe = breaker.departed(510);
    breaker.ended(hanging[0], 520, Health::NoAnswer, 0.0);
    assert_eq!((breaker.state(520), breaker.allowance(520, LIMIT)), (State::HalfOpen, 0));
    breaker.ended(probe, 530, Health::Good, 0.0);
    breaker.ended(hanging[1], 540, Health::NoAnswer, 0.0);
    assert_eq!(
        (breaker.state(540), breaker.allowance(540, LIMIT)),
        (State::Restarting, 2),
        "one hangs still"
    );
}

/// A breaker that opened at 10 ms, with calls from before it under way.
fn opened_with_hanging(breaker: &mut Breaker, hanging: usize) -> Vec<Departed> {
    let mut calls: Vec<Departed> = (0..hanging + 5).map(|_| breaker.departed(0)).collect();
    calls.drain(hanging..).for_each(|call| breaker.ended(call, 10, Health::NoAnswer, 0.0));
    calls
}

#[test]
fn the_probe_counts_also_while_calls_from_before_hang() {
    let mut breaker = breaker();
    opened_with_hanging(&mut breaker, 3);
    let probe = breaker.departed(510);
    breaker.ended(probe, 520, Health::NoAnswer, 0.0);
    assert_eq!(breaker.state(520), State::Open { until_ms: 520 + 990 });
}

#[test]
fn what_hung_from_before_does_not_open_it_again_when_it_is_closed() {
    let mut breaker = breaker();
    let hanging = opened_with_hanging(&mut breaker, 5);
    (0..64).for_each(|_| call(&mut breaker, 510, Health::Good));
    assert_eq!(breaker.state(510), State::Closed);
    hanging.into_iter().for_each(|call| breaker.ended(call, 20_000, Health::NoAnswer, 0.0));
    assert_eq!(breaker.state(20_000), State::Closed);
}

#[test]
fn a_lost_probe_frees_its_place_after_the_timeout() {
    let mut breaker = opened(0);
    let _lost = breaker.departed(500);
    assert_eq!((breaker.allowance(501, LIMIT), breaker.opens_at(501)), (0, Some(30_500)));
    assert_eq!(breaker.allowance(30_500, LIMIT), 1);
    let probe = breaker.departed(30_500);
    breaker.abandoned(probe);
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

#[test]
fn a_call_is_judged_by_the_best_of_its_outcomes() {
    use crate::outcome::Receipt;
    let failed = Outcome::failed;
    let silent = failed(Failure::unknown(ErrorCode::Timeout, ""));
    let dead = failed(Failure::not_sent(ErrorCode::VendorUnavailable, ""));
    let penalty = failed(Failure::refused(ErrorCode::RateLimited, "").for_now());
    let ours = failed(Failure::not_sent(ErrorCode::Internal, "").for_good());
    let taken = Outcome::Accepted(Receipt::default());
    assert_eq!(Health::of(&[silent.clone(), taken]), Some(Health::Good));
    assert_eq!(Health::of(&[penalty]), Some(Health::Good));
    assert_eq!(Health::of(&[ours.clone(), silent]), Some(Health::NoAnswer));
    assert_eq!(Health::of(&[dead]), Some(Health::Unreached));
    assert_eq!(Health::of(&[ours]), None);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Depart,
    /// Of the calls under way, by their age, one ends.
    End(usize, Health),
    Abandon(usize),
    Lose(usize),
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
        6 => (0..100usize, healths()).prop_map(|(which, health)| Step::End(which, health)),
        1 => (0..100usize).prop_map(Step::Abandon),
        1 => (0..100usize).prop_map(Step::Lose),
        3 => (0..1_500i64).prop_map(Step::Wait),
        1 => (-100_000..100_000i64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..200)
}

/// A lane that keeps to the allowance.
struct Lane {
    breaker: Breaker,
    now_ms: i64,
    under_way: Vec<Departed>,
    limit: usize,
}

impl Lane {
    fn new(limit: usize) -> Self {
        Self { breaker: breaker(), now_ms: 0, under_way: Vec::new(), limit }
    }

    fn may_depart(&self) -> bool {
        self.under_way.len() < self.breaker.allowance(self.now_ms, self.limit)
    }

    fn take(&mut self, which: usize) -> Option<Departed> {
        let count = self.under_way.len();
        (count > 0).then(|| self.under_way.remove(which % count))
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Depart if self.may_depart() => self.under_way.push(self.breaker.departed(self.now_ms)),
            Step::Depart => {}
            Step::End(which, health) => {
                self.take(which).into_iter().for_each(|call| {
                    self.breaker.ended(call, self.now_ms, health, 0.5);
                });
            }
            Step::Abandon(which) => {
                self.take(which).into_iter().for_each(|call| self.breaker.abandoned(call));
            }
            // The lane knows of its end, the breaker does not.
            Step::Lose(which) => drop(self.take(which)),
            Step::Wait(ms) => self.now_ms += ms,
        }
    }
}

proptest! {
    #[test]
    fn it_never_wedges_and_recovers_to_the_limit(steps in steps(), limit in 1usize..100) {
        let mut lane = Lane::new(limit);
        steps.into_iter().for_each(|step| lane.step(step));
        // From here on the server is well and each call's end is told.
        while !lane.under_way.is_empty() {
            lane.step(Step::End(0, Health::Good));
        }
        for _ in 0..200 {
            if lane.may_depart() {
                lane.step(Step::Depart);
                lane.step(Step::End(0, Health::Good));
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
        let mut lane = Lane::new(limit);
        for step in steps {
            lane.step(step);
            if lane.breaker.state(lane.now_ms) == State::HalfOpen && lane.may_depart() {
                let mut left = lane.breaker.clone();
                let _probe = left.departed(lane.now_ms);
                prop_assert_eq!(left.allowance(lane.now_ms, limit), 0);
                prop_assert!(left.refuses(lane.now_ms));
            }
        }
    }

    #[test]
    fn a_failure_from_before_an_opening_tells_as_much_as_a_call_that_never_left(
        steps in steps(), limit in 1usize..100, health in prop_oneof![
            Just(Health::Unreached), Just(Health::NoAnswer)
        ]
    ) {
        let mut lane = Lane::new(limit);
        for step in steps {
            lane.step(step);
            let period = lane.breaker.calls.period;
            if let Some(call) = lane.under_way.iter().find(|call| call.period < period) {
                let (mut failed, mut abandoned) = (lane.breaker.clone(), lane.breaker.clone());
                failed.ended(*call, lane.now_ms, health, 0.5);
                abandoned.abandoned(*call);
                prop_assert_eq!(format!("{failed:?}"), format!("{abandoned:?}"));
                prop_assert_eq!(failed.state(lane.now_ms), lane.breaker.state(lane.now_ms));
            }
        }
    }

    #[test]
    fn calls_from_before_an_opening_are_counted_one_by_one(steps in steps(), limit in 1usize..100) {
        let mut lane = Lane::new(limit);
        // Each end is told, and no time passes in which it would be given up.
        let told = |step: &Step| !matches!(step, Step::Lose(_) | Step::Wait(_));
        for step in steps.into_iter().filter(told) {
            lane.step(step);
            lane.step(Step::Wait(100));
            let period = lane.breaker.calls.period;
            let stale = lane.under_way.iter().filter(|call| call.period < period).count();
            let calls = &lane.breaker.calls;
            prop_assert_eq!(calls.stale(lane.now_ms, 30_000), stale);
            prop_assert_eq!(calls.all(lane.now_ms, 30_000), lane.under_way.len());
        }
    }

    #[test]
    fn open_lets_nothing_go_and_says_until_when(steps in steps(), limit in 1usize..100) {
        let mut lane = Lane::new(limit);
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
        let mut lane = Lane::new(LIMIT);
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
