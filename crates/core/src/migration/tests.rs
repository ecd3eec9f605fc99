use proptest::prelude::*;

use super::*;

fn user(id: &str) -> Recipient {
    Recipient::new(RecipientKind::User, id)
}

fn at(phase: Phase, percent: u8) -> State {
    State { phase, percent, since_ms: 1, history: Vec::new() }
}

fn orders() -> impl Strategy<Value = Order> {
    prop_oneof![
        any::<bool>().prop_map(|both| Order::Start { both }),
        (0u8..=110).prop_map(Order::Ramp),
        Just(Order::Both),
        Just(Order::Finish),
        Just(Order::Rollback),
    ]
}

proptest! {
    #[test]
    fn a_growing_percent_never_moves_anybody_back(
        id in "[a-z0-9]{1,12}", name in "[a-z]{1,8}", less in 0u8..=100, more in 0u8..=100
    ) {
        let (less, more) = (less.min(more), less.max(more));
        let of = |percent| side((Phase::Ramp, percent), seed(&name), &user(&id), None);
        prop_assert!(of(less) == Side::From || of(more) == Side::To);
    }

    #[test]
    fn the_ends_of_the_ramp_are_nobody_and_everybody(id in "[a-z0-9]{1,12}") {
        let of = |percent| side((Phase::Ramp, percent), seed("m"), &user(&id), None);
        prop_assert_eq!((of(0), of(100)), (Side::From, Side::To));
    }

    #[test]
    fn whatever_is_ordered_the_percent_fits_the_phase(orders in proptest::collection::vec(orders(), 0..80)) {
        let mut state = State::default();
        for (now_ms, order) in (1i64..).zip(orders) {
            let Ok(next) = state.after(order, None, now_ms) else { continue };
            state = next;
            let fits = match state.phase {
                Phase::Off | Phase::Shadow | Phase::Both | Phase::RolledBack => state.percent == 0,
                Phase::Ramp => state.percent <= 100,
                Phase::Done => state.percent == 100,
            };
            prop_assert!(fits, "{state:?}");
            prop_assert!(state.history.len() <= 50);
            let last = state.history.last().map(|step| (step.at_ms, step.phase, step.percent));
            let begun = state.phase != Phase::Off;
            prop_assert_eq!(last.filter(|_| begun), begun.then_some((state.since_ms, state.phase, state.percent)));
        }
    }
}

#[test]
fn a_ramp_moves_about_its_share() {
    for percent in [1u8, 25, 50, 90] {
        let moved = (0..20_000).filter(|number| {
            let to = user(&format!("u{number}"));
            side((Phase::Ramp, percent), seed("wk-to-oim"), &to, None) == Side::To
        });
        let share = moved.count() as f64 / 200.0;
        assert!((share - f64::from(percent)).abs() < 1.0, "{percent} %: {share}");
    }
}

#[test]
fn migrations_spread_recipients_differently() {
    let of = |name: &str| {
        let of = |number: i32| point(seed(name), user(&format!("u{number}")).fingerprint());
        (0..50).map(of).collect::<Vec<_>>()
    };
    assert_ne!(of("a"), of("b"));
}

#[test]
fn a_migration_goes_through_its_phases_one_by_one() {
    let mut state = State::default();
    for (order, phase, percent) in [
        (Order::Start { both: false }, Phase::Shadow, 0),
        (Order::Ramp(25), Phase::Ramp, 25),
        (Order::Ramp(100), Phase::Ramp, 100),
        (Order::Finish, Phase::Done, 100),
        (Order::Rollback, Phase::RolledBack, 0),
        (Order::Start { both: true }, Phase::Both, 0),
        (Order::Ramp(10), Phase::Ramp, 10),
        (Order::Rollback, Phase::RolledBack, 0),
    ] {
        state = state.after(order, None, 7).unwrap();
        assert_eq!((state.phase, state.percent), (phase, percent), "{order:?}");
    }
    assert_eq!(state.history.len(), 8);
}

#[test]
fn what_is_not_allowed_says_what_is() {
    let refused = |phase, percent, order| at(phase, percent).after(order, None, 2).unwrap_err();
    let start = Order::Start { both: false };
    for (phase, order, says) in [
        (Phase::Off, Order::Ramp(5), "start it first"),
        (Phase::Off, Order::Finish, "start it first"),
        (Phase::Off, Order::Rollback, "nothing to roll back"),
        (Phase::RolledBack, Order::Both, "start it first"),
        (Phase::Ramp, start, "under way already"),
        (Phase::Ramp, Order::Ramp(101), "more than 100"),
        (Phase::Ramp, Order::Finish, "25 percent have moved; set 100"),
        (Phase::Shadow, Order::Finish, "nothing has moved yet"),
        (Phase::Done, start, "roll it back"),
        (Phase::Done, Order::Ramp(5), "roll it back"),
    ] {
        let said = refused(phase, 25, order);
        assert!(said.contains(says), "{phase:?} {order:?}: {said}");
    }
}

#[test]
fn what_changes_nothing_leaves_no_trace() {
    let state = at(Phase::Ramp, 25);
    assert_eq!(state.after(Order::Ramp(25), None, 9).unwrap(), state);
    let back = at(Phase::RolledBack, 0);
    assert_eq!(back.after(Order::Rollback, Some("again"), 9).unwrap(), back);
}

#[test]
fn what_was_taken_for_both_is_known_by_its_time() {
    let mut state = State::default();
    for (order, at_ms) in
        [(Order::Start { both: false }, 100_000), (Order::Both, 200_000), (Order::Ramp(100), 300_000)]
    {
        state = state.after(order, None, at_ms).unwrap();
    }
    let both = |at_ms| state.was_both(at_ms);
    assert!(both(200_000) && both(250_000) && both(300_000));
    assert!(both(199_000), "its body was being read when both began");
    assert!(!both(100_000) && !both(300_001));
    let late = state.clone().from_now(300_500);
    assert!(late.was_both(300_500) && late.since_ms == 300_500);
    let again = state.after(Order::Both, None, 400_000).unwrap();
    assert!(again.was_both(i64::MAX - 1) && !again.was_both(320_000));
}

#[test]
fn everyone_stays_until_all_is_done() {
    let everyone = Recipient::new(RecipientKind::Everyone, "");
    let of = |phase, percent| side((phase, percent), seed("m"), &everyone, None);
    assert_eq!((of(Phase::Ramp, 100), of(Phase::Done, 100)), (Side::From, Side::To));
}

#[test]
fn in_a_ramp_only_the_cohort_moves_and_in_the_end_all_do() {
    let cohort = Cohort::read("alice").unwrap();
    let of = |id, phase, percent| side((phase, percent), seed("m"), &user(id), Some(&cohort));
    assert_eq!(of("alice", Phase::Ramp, 100), Side::To);
    assert_eq!(of("alice", Phase::Ramp, 0), Side::From);
    assert_eq!(of("bob", Phase::Ramp, 100), Side::From);
    assert_eq!(of("bob", Phase::Done, 100), Side::To);
}

#[test]
fn a_state_is_read_as_it_was_written() {
    let state = State::default().after(Order::Start { both: false }, None, 5).unwrap();
    let state = state.after(Order::Rollback, Some("too bad"), 6).unwrap();
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
}

mod gates {
    use std::time::Duration;

    use super::*;

    fn seen(accepted: u64, rejected: u64, unknown: u64, took_ms: u32) -> Tally {
        let mut tally = Tally { messages: 0, accepted, rejected, unknown, took: Histogram::default() };
        tally.took.add(took_ms, tally.answers());
        tally
    }

    fn gates() -> Gates {
        Gates {
            rejected_percent: Some(2.0),
            unknown_percent: Some(0.5),
            p95: Some(Duration::from_secs(2)),
            min_messages: 100,
        }
    }

    #[test]
    fn each_gate_trips_above_its_limit_and_not_at_it() {
        assert_eq!(gates().tripped(&seen(98, 2, 0, 5)), None);
        assert!(matches!(gates().tripped(&seen(97, 3, 0, 5)), Some(Tripped::Rejected { .. })));
        assert!(matches!(gates().tripped(&seen(199, 0, 2, 5)), Some(Tripped::Unknown { .. })));
        assert!(matches!(gates().tripped(&seen(100, 0, 0, 2_500)), Some(Tripped::Slow { .. })));
        assert_eq!(Gates::default().tripped(&seen(0, 100, 100, 60_000)), None);
    }

    #[test]
    fn too_few_answers_are_not_judged() {
        assert_eq!(gates().tripped(&seen(0, 99, 0, 5)), None);
        let eager = Gates { min_messages: 0, ..gates() };
        assert_eq!(eager.tripped(&Tally::default()), None);
    }

    #[test]
    fn what_is_older_than_a_minute_is_forgotten() {
        let mut window = Window::default();
        window.add(1_000, Answered::Rejected, Some(3));
        window.add(30_000, Answered::Accepted, Some(3));
        assert_eq!(window.sum(60_999).answers(), 2);
        assert_eq!(window.sum(61_000).rejected, 0);
        assert_eq!(window.sum(200_000).answers(), 0);
    }

    #[test]
    fn a_clock_that_goes_back_loses_no_answer() {
        let mut window = Window::default();
        window.add(50_000, Answered::Accepted, None);
        window.add(20_000, Answered::Accepted, None);
        assert_eq!(window.sum(50_000).accepted, 2);
    }

    proptest! {
        #[test]
        fn a_percentile_is_at_most_an_eighth_too_high(mut times in proptest::collection::vec(0u32..200_000, 1..200)) {
            let mut histogram = Histogram::default();
            times.iter().for_each(|time| histogram.add(*time, 1));
            times.sort_unstable();
            for percent in [50, 95, 100] {
                let place = (times.len() * percent).div_ceil(100).max(1) - 1;
                let (exact, told) = (times[place], histogram.percentile(percent as u64).unwrap());
                prop_assert!(told >= exact && f64::from(told) <= f64::from(exact) * 1.126 + 1.0, "{exact} {told}");
            }
        }
    }
}

mod shadow {
    use super::*;
    use crate::error::ErrorCode;

    fn sample(message: &str) -> impl FnOnce() -> Sample {
        let sample = Sample { batch: "b".to_owned(), message: message.to_owned() };
        || sample
    }

    fn refused(path: &str) -> Comparison {
        let refused = Some((ErrorCode::Unsupported, path.to_owned(), "no".to_owned()));
        Comparison { refused, ..Comparison::default() }
    }

    #[test]
    fn causes_are_told_apart_by_code_and_path_with_the_first_message_of_each() {
        let mut finding = Finding::default();
        finding.add(refused("/content"), sample("m1"));
        finding.add(refused("/content"), sample("m2"));
        finding.add(refused("/to"), sample("m3"));
        assert_eq!((finding.messages, finding.refused, finding.causes.len()), (3, 3, 2));
        assert_eq!((finding.causes[0].count, &*finding.causes[0].sample.message), (2, "m1"));
    }

    #[test]
    fn causes_beyond_the_first_fifty_are_only_counted() {
        let mut finding = Finding::default();
        for number in 0..80 {
            finding.add(refused(&format!("/{number}")), sample("m"));
        }
        assert_eq!((finding.causes.len(), finding.other_causes, finding.refused), (50, 30, 80));
    }

    #[test]
    fn losses_are_told_for_both_sides_and_where_they_differ() {
        let mut finding = Finding::default();
        let lost_at_to = vec!["ttl", "push"];
        finding
            .add(Comparison { refused: None, lost_at_to, lost_at_from: vec!["ttl", "badge"] }, sample("m"));
        let counts = |field: &str| {
            let LossCount { from, to, only_to, only_from } = finding.losses[field];
            (from, to, only_to, only_from)
        };
        assert_eq!(finding.with_losses, 1);
        assert_eq!(
            (counts("ttl"), counts("push"), counts("badge")),
            ((1, 1, 0, 0), (0, 1, 1, 0), (1, 0, 0, 1))
        );
    }
}
