//! Draws calls from waiting messages. The same code plans and sends: messages with equal slots share
//! a call, up to the limits of count and bytes; a recipient's messages keep their order; who results
//! are told apart by recipient for never stands in a call twice. Pure: a queue with rules, no clock.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::{HashMap, HashSet};

use crate::adapter::Slot;
use crate::options::Priority;
use crate::shared::Digest;

/// A message that waits for its call. `T` is the owner's handle for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<T> {
    /// The owner's handle.
    pub ticket: T,
    /// Which calls it may stand in.
    pub slot: Slot,
    /// [`crate::recipient::Recipient::fingerprint`].
    pub recipient: u64,
    /// Whose turn it is: calls are shared out fairly between flows (batches).
    pub flow: u64,
    /// Whether it waits for earlier messages of its flow to the same recipient.
    pub ordered: bool,
    /// Higher goes first.
    pub priority: Priority,
    /// Its place among all messages of the drawer; set when it is pushed.
    pub order: u64,
}

/// How large a call may be, beside what each slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Most messages.
    pub messages: usize,
    /// Most bytes, by the slots' own estimates; a single message may exceed it.
    pub bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct GroupKey {
    class: &'static str,
    priority: Priority,
    key: Digest,
}

/// Messages that may share a call, by flow.
#[derive(Debug)]
struct Group<T> {
    flows: VecDeque<(u64, VecDeque<Waiting<T>>)>,
}

/// A recipient's messages of one flow: how many are drawable or under way, and who waits for them.
#[derive(Debug)]
struct Chain<T> {
    ahead: usize,
    behind: VecDeque<Waiting<T>>,
}

/// The waiting messages of one lane.
#[derive(Debug)]
pub struct Drawer<T> {
    groups: HashMap<GroupKey, Group<T>>,
    /// Groups with something to draw, in turn, by class and priority.
    turns: BTreeMap<(&'static str, Priority), VecDeque<Digest>>,
    chains: HashMap<(u64, u64), Chain<T>>,
    drawable: BTreeMap<&'static str, usize>,
    waiting: usize,
    next_order: u64,
}

impl<T> Default for Drawer<T> {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
            turns: BTreeMap::new(),
            chains: HashMap::new(),
            drawable: BTreeMap::new(),
            waiting: 0,
            next_order: 0,
        }
    }
}

impl<T> Drawer<T> {
    /// Adds a message behind all earlier ones.
    pub fn push(&mut self, mut waiting: Waiting<T>) {
        waiting.order = self.next_order;
        self.next_order += 1;
        self.waiting += 1;
        if waiting.ordered {
            match self.chains.get_mut(&(waiting.flow, waiting.recipient)) {
                Some(chain) => {
                    chain.behind.push_back(waiting);
                    return;
                }
                None => {
                    let chain = Chain { ahead: 1, behind: VecDeque::new() };
                    self.chains.insert((waiting.flow, waiting.recipient), chain);
                }
            }
        }
        self.enqueue(waiting, false);
    }

    /// Adds a message that must not go yet, behind all earlier ones. It comes back to be put back when its
    /// time has come, as if it had been drawn; none when an earlier one for its recipient goes first.
    pub fn push_later(&mut self, mut waiting: Waiting<T>) -> Option<Waiting<T>> {
        if waiting.ordered && self.chains.contains_key(&(waiting.flow, waiting.recipient)) {
            self.push(waiting);
            return None;
        }
        waiting.order = self.next_order;
        self.next_order += 1;
        if waiting.ordered {
            let chain = Chain { ahead: 1, behind: VecDeque::new() };
            self.chains.insert((waiting.flow, waiting.recipient), chain);
        }
        Some(waiting)
    }

    /// Puts a drawn message back for another attempt. It keeps its place: while others for its recipient
    /// are on their way it waits for them, and the earliest goes first.
    pub fn put_back(&mut self, waiting: Waiting<T>) {
        self.waiting += 1;
        if !waiting.ordered {
            self.enqueue(waiting, true);
            return;
        }
        let chain = self
            .chains
            .entry((waiting.flow, waiting.recipient))
            .or_insert_with(|| Chain { ahead: 1, behind: VecDeque::new() });
        chain.ahead = chain.ahead.saturating_sub(1);
        let place = chain.behind.partition_point(|other| other.order < waiting.order);
        chain.behind.insert(place, waiting);
        if chain.ahead == 0
            && let Some(first) = chain.behind.pop_front()
        {
            chain.ahead = 1;
            self.enqueue(first, true);
        }
    }

    /// Tells that a drawn message is final, so that the next one for its recipient may go.
    pub fn settled(&mut self, flow: u64, recipient: u64, ordered: bool) {
        if !ordered {
            return;
        }
        let Some(chain) = self.chains.get_mut(&(flow, recipient)) else { return };
        chain.ahead = chain.ahead.saturating_sub(1);
        if chain.ahead > 0 {
            return;
        }
        match chain.behind.pop_front() {
            Some(next) => {
                chain.ahead = 1;
                self.enqueue(next, false);
            }
            None => {
                self.chains.remove(&(flow, recipient));
            }
        }
    }

    /// Messages that wait, drawable or not.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Messages of a class that could be drawn now.
    #[must_use]
    pub fn drawable(&self, class: &str) -> usize {
        self.drawable.get(class).copied().unwrap_or_default()
    }

    fn enqueue(&mut self, waiting: Waiting<T>, front: bool) {
        let key = GroupKey { class: waiting.slot.class, priority: waiting.priority, key: waiting.slot.key };
        *self.drawable.entry(key.class).or_default() += 1;
        let group = self.groups.entry(key).or_insert_with(|| {
            self.turns.entry((key.class, key.priority)).or_default().push_back(key.key);
            Group { flows: VecDeque::new() }
        });
        // Messages of one flow come one after the other: the last flow is nearly always the right one.
        let flow = match group.flows.back() {
            Some((flow, _)) if *flow == waiting.flow => group.flows.len().checked_sub(1),
            Some(_) | None => group.flows.iter().position(|(flow, _)| *flow == waiting.flow),
        };
        match flow.and_then(|position| group.flows.get_mut(position)) {
            Some((_, queue)) if front => queue.push_front(waiting),
            Some((_, queue)) => queue.push_back(waiting),
            None => group.flows.push_back((waiting.flow, VecDeque::from([waiting]))),
        }
    }

    /// Draws the next call of a class: highest priority first, groups and flows in turn.
    pub fn draw(&mut self, class: &'static str, limits: CallLimits) -> Option<Vec<Waiting<T>>> {
        let (priority, key) =
            [Priority::High, Priority::Normal, Priority::Low].into_iter().find_map(|priority| {
                let turn = self.turns.get_mut(&(class, priority))?.pop_front()?;
                Some((priority, GroupKey { class, priority, key: turn }))
            })?;
        let mut group = self.groups.remove(&key)?;
        let drawn = self.fill(&mut group, limits);
        if let Some(count) = self.drawable.get_mut(class) {
            *count = count.saturating_sub(drawn.from_groups);
        }
        self.waiting = self.waiting.saturating_sub(drawn.messages.len());
        group.flows.retain(|(_, queue)| !queue.is_empty());
        if !group.flows.is_empty() {
            group.flows.rotate_left(1);
            self.groups.insert(key, group);
            self.turns.entry((class, priority)).or_default().push_back(key.key);
        }
        (!drawn.messages.is_empty()).then_some(drawn.messages)
    }

    fn fill(&mut self, group: &mut Group<T>, limits: CallLimits) -> Drawn<T> {
        let mut drawn = Drawn { messages: Vec::new(), from_groups: 0, bytes: 0, recipients: HashSet::new() };
        'flows: for (_, queue) in &mut group.flows {
            let mut set_aside = VecDeque::new();
            while let Some(waiting) = queue.pop_front() {
                if !drawn.has_room(&waiting.slot, limits) {
                    queue.push_front(waiting);
                    restore(queue, set_aside);
                    break 'flows;
                }
                if !waiting.slot.repeats && drawn.recipients.contains(&waiting.recipient) {
                    set_aside.push_back(waiting);
                    continue;
                }
                let (flow, recipient, ordered) = (waiting.flow, waiting.recipient, waiting.ordered);
                let follows = ordered && waiting.slot.repeats;
                drawn.from_groups += 1;
                drawn.take(waiting);
                if follows {
                    self.follow(flow, recipient, &mut drawn, limits);
                }
            }
            restore(queue, set_aside);
        }
        drawn
    }

    /// Takes the recipient's next messages into the same call, while they may share it.
    fn follow(&mut self, flow: u64, recipient: u64, drawn: &mut Drawn<T>, limits: CallLimits) {
        let Some(chain) = self.chains.get_mut(&(flow, recipient)) else { return };
        // Only the sole drawable message of a chain may be followed: others might still be on their way.
        if chain.ahead > 1 {
            return;
        }
        let Some(first) =
            drawn.messages.last().map(|first| (first.slot.class, first.slot.key, first.priority))
        else {
            return;
        };
        while let Some(next) = chain.behind.front() {
            let alike = (next.slot.class, next.slot.key, next.priority) == first;
            if !alike || !drawn.has_room(&next.slot, limits) {
                return;
            }
            let Some(next) = chain.behind.pop_front() else { return };
            chain.ahead += 1;
            drawn.take(next);
        }
    }
}

fn restore<T>(queue: &mut VecDeque<Waiting<T>>, mut set_aside: VecDeque<Waiting<T>>) {
    while let Some(waiting) = set_aside.pop_back() {
        queue.push_front(waiting);
    }
}

struct Drawn<T> {
    messages: Vec<Waiting<T>>,
    from_groups: usize,
    bytes: usize,
    recipients: HashSet<u64>,
}

impl<T> Drawn<T> {
    fn has_room(&self, slot: &Slot, limits: CallLimits) -> bool {
        self.messages.is_empty()
            || (self.messages.len() < slot.max.min(limits.messages).max(1)
                && self.bytes + slot.bytes <= limits.bytes)
    }

    fn take(&mut self, waiting: Waiting<T>) {
        self.bytes += waiting.slot.bytes;
        if !waiting.slot.repeats {
            self.recipients.insert(waiting.recipient);
        }
        self.messages.push(waiting);
    }
}

#[cfg(test)]
mod tests {
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
        Waiting { ticket, slot, recipient, flow, ordered, priority: Priority::Normal, order: 0 }
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
            let mut message =
                waiting(ticket, Draft { key: 0, recipient: 0, flow: 0, bytes: 1 }, false, false);
            message.recipient = ticket as u64;
            message.flow = u64::from(ticket >= 20);
            drawer.push(message);
        }
        drawer.draw("send", LIMITS).unwrap();
        let second = drawer.draw("send", LIMITS).unwrap();
        assert!(
            second.iter().any(|message| message.flow == 1),
            "the second flow waits for the whole first one"
        );
    }

    #[test]
    fn higher_priority_goes_first() {
        let mut drawer = Drawer::default();
        for (ticket, priority) in [Priority::Low, Priority::High, Priority::Normal].into_iter().enumerate() {
            let recipient = u8::try_from(ticket).unwrap();
            let message = waiting(ticket, Draft { key: 0, recipient, flow: 0, bytes: 1 }, false, true);
            drawer.push(Waiting { priority, ..message });
        }
        let order: Vec<usize> =
            drain(&mut drawer, |_| false).into_iter().flatten().map(|m| m.ticket).collect();
        assert_eq!(order, [1, 2, 0]);
    }
}
