//! The contract in virtual time: never above it in any window, and nearly all of it used.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;
const BEGIN: u64 = 100 * SECOND;
const TEN_MINUTES: u64 = 600 * SECOND;
/// A run ends after so many calls, however fast they are.
const MOST_CALLS: usize = 70_000;

/// When a call left, and with how many messages.
type Left = (u64, u64);

fn rate(count: u32, seconds: u64) -> Rate {
    Rate { count, per: Duration::from_secs(seconds) }
}

fn limits(calls: Option<Rate>, messages: Option<Rate>) -> Limits {
    Limits { calls, messages, per_recipient: None }
}

fn nanos(rate: Rate) -> u64 {
    u64::try_from(rate.per.as_nanos()).unwrap()
}

/// The most within any half-open window of so long.
fn fullest(left: &[Left], period: u64, weight: impl Fn(u64) -> u64) -> u64 {
    let (mut most, mut inside, mut first) = (0, 0, 0);
    for (at, messages) in left {
        inside += weight(*messages);
        while left[first].0 + period <= *at {
            inside -= weight(left[first].1);
            first += 1;
        }
        most = most.max(inside);
    }
    most
}

fn assert_within(left: &[Left], limits: Limits) {
    if let Some(rate) = limits.calls {
        let most = fullest(left, nanos(rate), |_| 1);
        assert!(most <= u64::from(rate.count), "{most} calls in {rate:?}");
    }
    if let Some(rate) = limits.messages {
        let most = fullest(left, nanos(rate), |messages| messages);
        assert!(most <= u64::from(rate.count), "{most} messages in {rate:?}");
    }
}

/// Which part of each contract was used from the beginning until `end`.
fn used(left: &[Left], limits: Limits, end: u64) -> (f64, f64) {
    let part = |rate: Option<Rate>, sent: u64| {
        rate.map_or(0.0, |rate| {
            sent as f64 * nanos(rate) as f64 / (f64::from(rate.count) * (end - BEGIN) as f64)
        })
    };
    let messages = left.iter().map(|(_, messages)| messages).sum();
    (part(limits.calls, left.len() as u64), part(limits.messages, messages))
}

/// A lane that always has enough to send and wakes exactly when told; each call leaves in its slot.
fn punctual(limits: Limits, per_call: usize) -> (Vec<Left>, u64) {
    let gate = Gate::new(limits);
    let (mut now, mut left) = (BEGIN, Vec::new());
    while now < BEGIN + TEN_MINUTES && left.len() < MOST_CALLS {
        match gate.open(now, per_call, false) {
            Err(wait) => now += u64::try_from(wait.as_nanos()).unwrap(),
            Ok(opening) => {
                let messages = per_call.min(opening.messages);
                assert!(messages > 0, "a slot has room for a message");
                opening.take(messages).leave(now).unwrap();
                left.push((now, messages as u64));
            }
        }
    }
    (left, now.min(BEGIN + TEN_MINUTES))
}

/// A lane that wakes late, whose calls take their time before they leave, miss slots, or never leave.
fn unpunctual(limits: Limits, per_call: usize, delays: &[u16]) -> Vec<Left> {
    let gate = Gate::new(limits);
    let (mut now, mut left) = (BEGIN, Vec::new());
    let mut delays = delays.iter().map(|delay| u64::from(*delay) * MILLI / 100).cycle();
    let mut delay = || delays.next().unwrap_or_default();
    let mut held: BTreeMap<(u64, usize), (Permit, u64)> = BTreeMap::new();
    let mut lane_at = now;
    for number in 0..20_000 {
        let next = held.keys().next().copied();
        if let Some((at, call)) = next.filter(|(at, _)| *at <= lane_at) {
            now = now.max(at);
            let (mut permit, messages) = held.remove(&(at, call)).unwrap();
            match permit.leave(now) {
                Ok(()) => {
                    left.push((now, messages));
                    permit.over(now, Ending::Answered);
                }
                Err(NotYet::Wait(wait)) => {
                    let wait = u64::try_from(wait.as_nanos()).unwrap();
                    held.insert((now + wait + delay() / 20, number), (permit, messages));
                }
                Err(NotYet::Gone) => panic!("nobody paces recipients here"),
            }
            continue;
        }
        now = now.max(lane_at);
        match gate.open(now, per_call, true) {
            Err(wait) => lane_at = now + u64::try_from(wait.as_nanos()).unwrap() + delay() / 10,
            Ok(opening) => {
                let messages = per_call.min(opening.messages);
                let permit = opening.take(messages);
                let ready = delay();
                permit.prepared(Duration::from_nanos(ready));
                // Every eleventh is fenced.
                if number % 11 > 0 {
                    held.insert((now + ready, number), (permit, messages as u64));
                }
            }
        }
        if now > BEGIN + TEN_MINUTES {
            break;
        }
    }
    left
}

fn rates() -> impl Strategy<Value = Option<Rate>> {
    let count = prop_oneof![Just(1), Just(u32::MAX), 1..20u32, 1..2_000u32, 1..1_000_000u32];
    let seconds = prop_oneof![Just(1), Just(60), 1..61u64];
    prop_oneof![1 => Just(None), 6 => (count, seconds).prop_map(|(count, seconds)| Some(rate(count, seconds)))]
}

fn per_call() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), Just(10), 1..500usize, Just(100_000)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_contract_is_never_exceeded_and_nearly_used_up(calls in rates(), messages in rates(), per_call in per_call()) {
        let limits = limits(calls, messages);
        let (left, end) = punctual(limits, per_call);
        assert_within(&left, limits);
        // No clock tells calls apart that are less than some nanoseconds apart; nobody comes near it.
        if end - BEGIN > 100 * MOST_CALLS as u64 {
            let (calls, messages) = used(&left, limits, end);
            prop_assert!(calls.max(messages) >= 0.98, "used {calls:.4} of the calls, {messages:.4} of the messages");
        }
    }

    #[test]
    fn late_calls_exceed_no_window_either(
        calls in rates(),
        messages in rates(),
        per_call in per_call(),
        delays in proptest::collection::vec(prop_oneof![4 => 0..1_000u16, 1 => 0..20_000u16], 1..200),
    ) {
        let limits = limits(calls, messages);
        assert_within(&unpunctual(limits, per_call, &delays), limits);
    }
}

#[test]
fn a_thousand_messages_a_second_fill_a_hundred_calls() {
    let limits = limits(Some(Rate::per_second(100)), Some(Rate::per_second(1_000)));
    let (left, end) = punctual(limits, 10);
    let (calls, messages) = used(&left, limits, end);
    assert!(calls >= 0.98 && messages >= 0.98, "{calls} of the calls, {messages} of the messages");
    assert!(left.iter().all(|(_, messages)| *messages == 10), "full calls");
}

#[test]
fn calls_shrink_to_the_messages_left() {
    let limits = limits(Some(Rate::per_second(100)), Some(Rate::per_second(15)));
    let (left, end) = punctual(limits, 10);
    assert_within(&left, limits);
    assert!(used(&left, limits, end).1 >= 0.98);
}

#[test]
fn a_lane_that_wakes_late_loses_no_slots() {
    let gate = Gate::new(limits(Some(Rate::per_second(100)), None));
    let (mut now, mut calls) = (BEGIN, 0);
    while now < BEGIN + 60 * SECOND {
        match gate.open(now, 1, false) {
            Err(wait) => now += u64::try_from(wait.as_nanos()).unwrap() + (now % 17) * MILLI / 2,
            Ok(opening) => {
                opening.take(1).leave(now).unwrap();
                calls += 1;
            }
        }
    }
    assert!(calls >= 60 * 98, "{calls} calls in a minute");
}

/// Calls every ten milliseconds; those that are written while the way is blocked arrive together when it
/// opens again, and are answered then.
#[test]
fn what_was_held_up_on_its_way_exceeds_no_window_of_the_vendor() {
    let limits = limits(Some(Rate::per_second(100)), None);
    let gate = Gate::new(limits);
    let (mut now, mut arrived) = (BEGIN, Vec::new());
    let mut open: Vec<(u64, Permit)> = Vec::new();
    while now < BEGIN + 60 * SECOND {
        // Blocked for 300 ms every three seconds.
        let since = now % (3 * SECOND);
        let arrives = if since < 300 * MILLI { now - since + 300 * MILLI } else { now + MILLI };
        open.retain(|(at, permit)| {
            if *at <= now {
                permit.over(*at + MILLI, Ending::Answered);
            }
            *at > now
        });
        match gate.open(now, 1, false) {
            Err(wait) => now += u64::try_from(wait.as_nanos()).unwrap().min(MILLI),
            Ok(opening) => {
                let mut permit = opening.take(1);
                permit.leave(now).unwrap();
                arrived.push((arrives, 1));
                open.push((arrives, permit));
            }
        }
    }
    arrived.sort_unstable();
    assert_within(&arrived, limits);
    // The vendor sees nothing for a tenth of the time, and no window may make up for it.
    assert!(arrived.len() >= 60 * 88, "{} calls in a minute", arrived.len());
}

fn class(per_recipient: Option<Rate>) -> QuotaClass {
    QuotaClass {
        name: "room",
        calls: Some(Rate::per_minute(2)),
        messages: None,
        per_recipient,
        messages_per_call: 10,
        serial: false,
    }
}

#[test]
fn the_second_call_waits_its_spacing() {
    let gate = Pace::new(&class(None), ClassLimits::default()).gate;
    gate.open(BEGIN, 10, false).unwrap().take(10).leave(BEGIN).unwrap();
    let wait = gate.open(BEGIN, 10, false).unwrap_err();
    assert!(wait >= Duration::from_secs(30) && wait < Duration::from_secs(31), "{wait:?}");
}

#[test]
fn a_slot_that_was_missed_is_reserved_again() {
    let gate = Gate::new(limits(Some(Rate::per_second(10)), None));
    let mut permit = gate.open(BEGIN, 1, false).unwrap().take(1);
    let next = gate.open(BEGIN + 51 * MILLI, 1, false).unwrap_err();
    assert!(next > Duration::from_millis(50) && next < Duration::from_millis(51), "{next:?}");
    gate.open(BEGIN + 102 * MILLI, 1, false).unwrap().take(1).leave(BEGIN + 102 * MILLI).unwrap();
    let Err(NotYet::Wait(wait)) = permit.leave(BEGIN + 153 * MILLI) else { panic!("it left") };
    assert!(wait > Duration::from_millis(49) && wait < Duration::from_millis(51), "{wait:?}");
    permit.leave(BEGIN + 204 * MILLI).unwrap();
}

#[test]
fn a_slow_disk_starves_no_class_with_few_calls() {
    let gate = Gate::new(limits(Some(Rate::per_minute(10)), None));
    let (mut now, mut left) = (BEGIN, Vec::new());
    while now < BEGIN + TEN_MINUTES {
        match gate.open(now, 1, true) {
            Err(wait) => now += u64::try_from(wait.as_nanos()).unwrap(),
            Ok(opening) => {
                let mut permit = opening.take(1);
                now += 2 * SECOND;
                permit.prepared(Duration::from_secs(2));
                permit.leave(now).unwrap();
                left.push((now, 1));
            }
        }
    }
    assert!(left.len() >= 90, "{} calls in ten minutes", left.len());
    assert_within(&left, limits(Some(Rate::per_minute(10)), None));
}

#[test]
fn what_never_left_is_given_back() {
    let gate = Gate::new(limits(None, Some(Rate::per_second(10))));
    drop(gate.open(BEGIN, 10, false).unwrap().take(10));
    assert_eq!(gate.open(BEGIN, 10, false).unwrap().messages, 10);
}

#[test]
fn a_penalty_stops_the_class_and_the_calls_that_have_a_slot() {
    let mut pace = Pace::new(&class(None), ClassLimits::default());
    let now = clock::ticks();
    let mut permit = pace.gate.open(now, 10, false).unwrap().take(10);
    pace.freeze(1_000, Duration::from_secs(10));
    assert_eq!(pace.frozen_until_ms, 11_000);
    let Err(NotYet::Wait(wait)) = permit.leave(now) else { panic!("it left in the penalty") };
    assert!(wait > Duration::from_millis(9_900), "it waits for the end: {wait:?}");
    assert!(pace.gate.open(now, 10, false).is_err());
}

#[test]
fn a_class_without_limits_is_stopped_by_a_penalty_too() {
    let mut pace = Pace::new(&QuotaClass { calls: None, ..class(None) }, ClassLimits::default());
    pace.freeze(0, Duration::from_secs(10));
    let wait = pace.gate.open(clock::ticks(), 10, false).unwrap_err();
    assert!(wait > Duration::from_secs(9) && wait <= Duration::from_secs(10), "{wait:?}");
}

#[test]
fn a_call_that_is_written_down_first_is_drawn_so_much_earlier() {
    let gate = Gate::new(limits(Some(Rate::per_second(2)), None));
    let permit = gate.open(BEGIN, 1, true).unwrap().take(1);
    for _ in 0..50 {
        permit.prepared(Duration::from_millis(20));
    }
    let (early, late) = (gate.open(BEGIN, 1, true).unwrap_err(), gate.open(BEGIN, 1, false).unwrap_err());
    let ahead = late - early;
    assert!(ahead > Duration::from_millis(15) && ahead < Duration::from_millis(30), "{ahead:?}");
}

#[test]
fn calls_to_a_serial_server_shrink_to_a_third_of_the_timeout() {
    let pace = Pace::new(&QuotaClass { serial: true, calls: None, ..class(None) }, ClassLimits::default());
    let timeout = Duration::from_secs(6);
    assert_eq!(pace.size(timeout), 10, "nothing is known yet");
    for (took, ending, size) in
        [(5, Ending::Answered, 4), (0, Ending::Lost, 4), (6, Ending::TimedOut, 3), (6, Ending::TimedOut, 3)]
    {
        let mut permit = pace.gate.open(BEGIN, 10, false).unwrap().take(10);
        permit.leave(BEGIN).unwrap();
        permit.over(BEGIN + took * SECOND, ending);
        assert_eq!(pace.size(timeout), size);
    }
    let other = Pace::new(&class(None), ClassLimits::default());
    assert_eq!(other.size(Duration::ZERO), 10);
}

#[test]
fn a_recipient_never_gets_more_than_its_pace_in_any_second() {
    let gate = Gate::new(Limits { per_recipient: Some(Rate::per_second(20)), ..limits(None, None) });
    let mut sent = Vec::new();
    for milli in 0..10_000 {
        let now = BEGIN + milli * MILLI;
        let mut opening = gate.open(now, 10, false).unwrap();
        let messages = (0..10).take_while(|_| opening.recipient(7).is_ok()).count();
        if messages > 0 {
            opening.take(messages).leave(now).unwrap();
            sent.push((now, messages as u64));
        }
    }
    assert!(fullest(&sent, SECOND, |messages| messages) <= 20);
    let total: u64 = sent.iter().map(|(_, messages)| messages).sum();
    assert!(total >= 196, "{total} in ten seconds");
}

#[test]
fn one_call_holds_no_more_than_a_recipients_pace() {
    let gate = Gate::new(Limits { per_recipient: Some(Rate::per_second(3)), ..limits(None, None) });
    let mut opening = gate.open(BEGIN, 10, false).unwrap();
    assert!((0..3).all(|_| opening.recipient(7).is_ok()));
    let wait = opening.recipient(7).unwrap_err();
    assert!(wait >= Duration::from_secs(1) && wait < Duration::from_millis(1_100), "{wait:?}");
}

#[test]
fn a_call_whose_recipient_is_full_by_now_is_drawn_again() {
    let gate = Gate::new(Limits { per_recipient: Some(Rate::per_second(1)), ..limits(None, None) });
    let mut first = gate.open(BEGIN, 1, false).unwrap();
    first.recipient(7).unwrap();
    let mut late = first.take(1);
    let after = BEGIN + 1_100 * MILLI;
    let mut second = gate.open(after, 1, false).unwrap();
    second.recipient(7).unwrap();
    second.take(1).leave(after).unwrap();
    assert_eq!(late.leave(after), Err(NotYet::Gone));
}

#[test]
fn a_limit_outlives_the_dialect() {
    let before = Pace::new(&class(None), ClassLimits::default());
    let now = clock::ticks();
    before.gate.open(now, 10, false).unwrap().take(10).leave(now).unwrap();
    let mut after = Pace::new(&class(None), ClassLimits::default());
    after.adopt(before);
    assert!(after.gate.open(now, 10, false).is_err());
}

#[test]
fn a_changed_quota_starts_drained() {
    let mut before = Pace::new(&class(None), ClassLimits::default());
    before.freeze(0, Duration::from_nanos(1));
    let own = ClassLimits {
        calls: Some(Rate::per_minute(60)),
        messages: Some(Rate::per_minute(600)),
        ..ClassLimits::default()
    };
    let mut after = Pace::new(&class(None), own);
    after.adopt(before);
    let now = clock::ticks();
    let wait = after.gate.open(now, 10, false).unwrap_err();
    assert!(
        wait > Duration::from_millis(900) && wait < Duration::from_millis(1_100),
        "one spacing: {wait:?}"
    );
    let opening = after.gate.open(now + 2 * SECOND, 10, false).unwrap();
    assert!((5..=20).contains(&opening.messages), "room opens evenly: {}", opening.messages);
}
