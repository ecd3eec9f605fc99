//! The laws of drawing: nothing lost, nothing doubled, limits and order kept, turns fair.

use super::*;
use proptest::prelude::*;

const LIMITS: CallLimits = CallLimits { messages: 10, bytes: 1_000 };

#[derive(Debug, Clone, Copy)]
struct Draft {
    key: u8,
    recipient: u8,
    flow: u8,
    bytes: u8,
}

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let draft = (0..3u8, 0..6u8, 0..3u8, 0..200u8).prop_map(|(key, recipient, flow, bytes)| Draft {
        key,
        recipient,
        flow,
        bytes,
    });
    proptest::collection::vec(draft, 0..120)
}

fn waiting(ticket: usize, draft: Draft, repeats: bool, ordered: bool) -> Waiting<usize> {
    let slot = Slot {
        class: "send",
        key: Digest(u128::from(draft.key)),
        bytes: usize::from(draft.bytes),
        max: 7,
        repeats,
    };
    let (recipient, flow) = (u64::from(draft.recipient), u64::from(draft.flow));
    Waiting { ticket, slot, recipient, app: flow % 2, flow, ordered, priority: Priority::Normal, order: 0 }
}

/// Draws everything, settling each call before the next; some messages come back once.
fn drain(drawer: &mut Drawer<usize>, again: impl Fn(usize) -> bool) -> Vec<Vec<Waiting<usize>>> {
    let mut calls = Vec::new();
    let mut seen = HashSet::new();
    while let Some(call) = drawer.draw("send", LIMITS) {
        for message in &call {
            if again(message.ticket) && seen.insert(message.ticket) {
                drawer.put_back(message.clone());
            } else {
                drawer.settled(message.flow, message.recipient, message.ordered);
            }
        }
        calls.push(call);
    }
    calls
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_doubled(drafts in drafts(), repeats: bool, ordered: bool) {
        let mut drawer = Drawer::default();
        for (ticket, draft) in drafts.iter().enumerate() {
            drawer.push(waiting(ticket, *draft, repeats, ordered));
        }
        let mut drawn: Vec<usize> =
            drain(&mut drawer, |_| false).into_iter().flatten().map(|message| message.ticket).collect();
        drawn.sort_unstable();
        prop_assert_eq!(drawn, (0..drafts.len()).collect::<Vec<_>>());
        prop_assert!(drawer.is_empty() && drawer.drawable("send") == 0 && drawer.chains.is_empty());
    }

    #[test]
    fn calls_keep_their_limits_and_their_key(drafts in drafts(), repeats: bool, ordered: bool) {
        let mut drawer = Drawer::default();
        for (ticket, draft) in drafts.iter().enumerate() {
            drawer.push(waiting(ticket, *draft, repeats, ordered));
        }
        for call in drain(&mut drawer, |ticket| ticket % 5 == 0) {
            prop_assert!(call.len() <= 7);
            let bytes: usize = call.iter().map(|message| message.slot.bytes).sum();
            prop_assert!(bytes <= LIMITS.bytes || call.len() == 1);
            prop_assert!(call.iter().all(|message| message.slot.key == call[0].slot.key));
            let recipients: HashSet<u64> = call.iter().map(|message| message.recipient).collect();
            prop_assert!(repeats || recipients.len() == call.len());
        }
    }

    #[test]
    fn a_recipients_messages_keep_their_order(drafts in drafts(), repeats: bool) {
        let mut drawer = Drawer::default();
        for (ticket, draft) in drafts.iter().enumerate() {
            drawer.push(waiting(ticket, *draft, repeats, true));
        }
        let mut last: HashMap<(u64, u64), usize> = HashMap::new();
        for message in drain(&mut drawer, |_| false).into_iter().flatten() {
            if let Some(before) = last.insert((message.flow, message.recipient), message.ticket) {
                prop_assert!(before < message.ticket);
            }
        }
    }

    #[test]
    fn what_is_put_back_whole_keeps_its_order(drafts in drafts(), repeats: bool, seed in 0usize..7) {
        let mut drawer = Drawer::default();
        for (ticket, draft) in drafts.iter().enumerate() {
            drawer.push(waiting(ticket, *draft, repeats, true));
        }
        let (mut last, mut rounds) = (HashMap::new(), 0);
        while let Some(mut call) = drawer.draw("send", LIMITS) {
            rounds += 1;
            if rounds < 40 && rounds % 3 == seed % 3 {
                // Nobody was reached: all come back, in any order.
                let middle = seed % call.len();
                call.rotate_left(middle);
                call.into_iter().for_each(|message| drawer.put_back(message));
                continue;
            }
            for message in call {
                drawer.settled(message.flow, message.recipient, true);
                if let Some(before) = last.insert((message.flow, message.recipient), message.ticket) {
                    prop_assert!(before < message.ticket, "{before} before {}", message.ticket);
                }
            }
        }
        prop_assert!(drawer.is_empty() && drawer.chains.is_empty());
    }

    #[test]
    fn full_calls_are_drawn_where_order_does_not_forbid_it(count in 0usize..200) {
        let mut drawer = Drawer::default();
        for ticket in 0..count {
            let draft = Draft { key: 0, recipient: 0, flow: u8::try_from(ticket % 3).unwrap(), bytes: 1 };
            let mut message = waiting(ticket, draft, false, false);
            message.recipient = ticket as u64;
            drawer.push(message);
        }
        prop_assert_eq!(drain(&mut drawer, |_| false).len(), count.div_ceil(7));
    }
}

#[test]
fn the_next_message_waits_until_the_one_before_is_settled() {
    let mut drawer = Drawer::default();
    let draft = Draft { key: 0, recipient: 1, flow: 0, bytes: 1 };
    drawer.push(waiting(0, draft, false, true));
    drawer.push(waiting(1, draft, false, true));
    assert_eq!(drawer.draw("send", LIMITS).unwrap().len(), 1);
    assert!(drawer.draw("send", LIMITS).is_none());
    drawer.settled(0, 1, true);
    assert_eq!(drawer.draw("send", LIMITS).unwrap()[0].ticket, 1);
}

#[test]
fn what_must_wait_for_its_time_is_not_overtaken() {
    let mut drawer = Drawer::default();
    let draft = Draft { key: 0, recipient: 1, flow: 0, bytes: 1 };
    let first = drawer.push_later(waiting(0, draft, true, true)).unwrap();
    drawer.push(waiting(1, draft, true, true));
    assert!(drawer.push_later(waiting(2, draft, true, true)).is_none());
    assert!(drawer.draw("send", LIMITS).is_none());
    drawer.put_back(first);
    let call: Vec<usize> = drawer.draw("send", LIMITS).unwrap().iter().map(|m| m.ticket).collect();
    assert_eq!(call, [0, 1, 2]);
}

#[test]
fn flows_take_turns() {
    let mut drawer = Drawer::default();
    for ticket in 0..30 {
        let mut message = waiting(ticket, Draft { key: 0, recipient: 0, flow: 0, bytes: 1 }, false, false);
        message.recipient = ticket as u64;
        message.flow = u64::from(ticket >= 20);
        drawer.push(message);
    }
    drawer.draw("send", LIMITS).unwrap();
    let second = drawer.draw("send", LIMITS).unwrap();
    assert!(second.iter().any(|message| message.flow == 1), "the second flow waits for the whole first one");
}

/// Two apps with a backlog: one with `batches` of it, each with `keys`, the other with a single one.
fn two_apps(batches: u64, keys: u8, company: usize) -> Drawer<usize> {
    let mut drawer = Drawer::default();
    let mut push = |app: u64, flow: u64, key: u8, count: usize| {
        for ticket in 0..count {
            let mut message = waiting(ticket, Draft { key, recipient: 0, flow: 0, bytes: 1 }, true, false);
            message.slot.max = company;
            drawer.push(Waiting { app, flow, recipient: ticket as u64, ..message });
        }
    };
    for flow in 0..batches {
        (0..keys).for_each(|key| push(1, flow, key, 40 * company));
    }
    push(2, batches, 0, 40 * company);
    drawer
}

proptest! {
    #[test]
    fn apps_get_equal_shares_however_many_batches_and_keys_they_have(
        batches in 1u64..12, keys in 1u8..6, company in 1usize..4, window in 2usize..60
    ) {
        let mut drawer = two_apps(batches, keys, company);
        let (mut first, mut second) = (0usize, 0usize);
        for _ in 0..window {
            let call = drawer.draw("send", LIMITS).unwrap();
            let of_first = call.iter().filter(|message| message.app == 1).count();
            prop_assert!(of_first == 0 || of_first == call.len(), "there is enough of either");
            if of_first > 0 { first += 1 } else { second += 1 }
        }
        prop_assert!(first.abs_diff(second) <= 1, "{first} and {second} calls");
    }

    #[test]
    fn batches_of_an_app_get_equal_shares_however_many_keys_they_have(
        keys in 1u8..8, window in 2usize..60
    ) {
        let mut drawer = two_apps(1, keys, 1);
        (0..window).for_each(|ticket| {
            let message = waiting(ticket, Draft { key: 0, recipient: 0, flow: 0, bytes: 1 }, true, false);
            drawer.push(Waiting { app: 1, flow: 77, ..message });
        });
        let mut calls: HashMap<u64, usize> = HashMap::new();
        for _ in 0..window {
            let call = drawer.draw("send", CallLimits { messages: 1, ..LIMITS }).unwrap();
            *calls.entry(call[0].flow).or_default() += 1;
        }
        let of = |flow: u64| calls.get(&flow).copied().unwrap_or_default();
        prop_assert!(of(0).abs_diff(of(77)) <= 1, "{calls:?}");
    }

    #[test]
    fn priority_is_strict_whoever_asks(
        drafts in proptest::collection::vec((0..3u8, 0..4u8, 0..3usize), 1..80)
    ) {
        let mut drawer = Drawer::default();
        for (ticket, (key, flow, priority)) in drafts.into_iter().enumerate() {
            let message = waiting(ticket, Draft { key, recipient: 0, flow, bytes: 1 }, true, false);
            let priority = [Priority::Low, Priority::Normal, Priority::High][priority];
            drawer.push(Waiting { priority, ..message });
        }
        let order: Vec<Priority> =
            drain(&mut drawer, |_| false).into_iter().flatten().map(|message| message.priority).collect();
        prop_assert!(order.is_sorted_by(|earlier, later| earlier >= later));
    }
}

#[test]
fn higher_priority_goes_first() {
    let mut drawer = Drawer::default();
    for (ticket, priority) in [Priority::Low, Priority::High, Priority::Normal].into_iter().enumerate() {
        let recipient = u8::try_from(ticket).unwrap();
        let message = waiting(ticket, Draft { key: 0, recipient, flow: 0, bytes: 1 }, false, true);
        drawer.push(Waiting { priority, ..message });
    }
    let order: Vec<usize> = drain(&mut drawer, |_| false).into_iter().flatten().map(|m| m.ticket).collect();
    assert_eq!(order, [1, 2, 0]);
}
