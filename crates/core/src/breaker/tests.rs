//! Each rule of the breaker, and the laws that hold over any sequence of calls.

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
fn a_server_on_which_calls_hang_is_asked_as_often_as_calls_end() {
    let mut breaker = opened(0);
    let (mut now_ms, mut probes) = (500, 0);
    while probes < 5 {
        assert_eq!(breaker.allowance(now_ms, LIMIT), 1);
        breaker.departed(now_ms);
        now_ms += 10_000;
        breaker.ended(now_ms, Health::NoAnswer, 0.0);
        probes += 1;
        let State::Open { until_ms } = breaker.state(now_ms) else { panic!("it is not open") };
        now_ms = until_ms;
    }
    assert_eq!(now_ms, 500 + 5 * (10_000 + 500), "no pause on top of a pause");
    // One that is quickly told waits for what is left.
    breaker.departed(now_ms);
    breaker.ended(now_ms + 1_500, Health::NoAnswer, 0.0);
    assert_eq!(breaker.state(now_ms + 1_500), State::Open { until_ms: now_ms + 5_000 });
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
