//! Draws calls from waiting messages. The same code plans and sends: messages with equal slots share
//! a call, up to the limits of count and bytes; a recipient's messages keep their order; who results
//! are told apart by recipient for never stands in a call twice. Calls are shared out in turn between
//! apps, then between an app's batches. Pure: a queue with rules, no clock.

mod anew;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeMap, VecDeque};

use hashbrown::{HashMap, HashSet};

use crate::adapter::Slot;
use crate::options::Priority;
use crate::shared::Digest;

use turns::{Turn, Turns};

/// A message that waits for its call. `T` is the owner's handle for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<T> {
    /// The owner's handle.
    pub ticket: T,
    /// Which calls it may stand in.
    pub slot: Slot,
    /// [`crate::recipient::Recipient::fingerprint`].
    pub recipient: u64,
    /// Whose it is: calls are shared out fairly between apps first …
    pub app: u64,
    /// … then between an app's flows (batches). A flow is of one app.
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

/// Messages that may share a call, by flow. A share that others' calls emptied stays until its own turn.
#[derive(Debug)]
struct Group<T> {
    shares: VecDeque<Share<T>>,
}

#[derive(Debug)]
struct Share<T> {
    flow: u64,
    queue: VecDeque<Waiting<T>>,
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
    /// A turn for each share of a group.
    turns: BTreeMap<(&'static str, Priority), Turns>,
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
        let rank = (key.class, key.priority);
        let Group { shares } = self.groups.entry(key).or_insert_with(|| Group { shares: VecDeque::new() });
        let flow = waiting.flow;
        // Messages of one flow come one after the other: the last share is nearly always the right one.
        let place = match shares.back() {
            Some(last) if last.flow == flow => shares.len().checked_sub(1),
            Some(_) if self.turns.get(&rank).is_some_and(|turns| turns.has(waiting.app, flow)) => {
                shares.iter().position(|share| share.flow == flow)
            }
            Some(_) | None => None,
        };
        match place.and_then(|place| shares.get_mut(place)) {
            Some(share) if front => share.queue.push_front(waiting),
            Some(share) => share.queue.push_back(waiting),
            None => {
                let turns = self.turns.entry(rank).or_default();
                turns.list(Turn { app: waiting.app, flow, key: key.key });
                shares.push_back(Share { flow, queue: VecDeque::from([waiting]) });
            }
        }
    }

    /// Draws the next call of a class: highest priority first; apps, their flows and their groups in turn.
    pub fn draw(&mut self, class: &'static str, limits: CallLimits) -> Option<Vec<Waiting<T>>> {
        [Priority::High, Priority::Normal, Priority::Low]
            .into_iter()
            .find_map(|priority| self.draw_at(class, priority, limits))
    }

    fn draw_at(
        &mut self,
        class: &'static str,
        priority: Priority,
        limits: CallLimits,
    ) -> Option<Vec<Waiting<T>>> {
        loop {
            let turn = self.turns.get(&(class, priority))?.next()?;
            let key = GroupKey { class, priority, key: turn.key };
            let mut group = self.groups.remove(&key).unwrap_or_else(|| Group { shares: VecDeque::new() });
            let drawn = self.fill(&mut group, turn.flow, limits);
            let more = group.keep(turn.flow);
            if !group.shares.is_empty() {
                self.groups.insert(key, group);
            }
            let turns = self.turns.get_mut(&(class, priority))?;
            if drawn.messages.is_empty() {
                turns.dropped(turn);
                continue;
            }
            turns.taken(turn, more);
            if let Some(count) = self.drawable.get_mut(class) {
                *count = count.saturating_sub(drawn.from_groups);
            }
            self.waiting = self.waiting.saturating_sub(drawn.messages.len());
            return Some(drawn.messages);
        }
    }

    /// Fills a call for the flow whose turn it is; where it leaves room, others ride along.
    fn fill(&mut self, group: &mut Group<T>, flow: u64, limits: CallLimits) -> Drawn<T> {
        let mut drawn = Drawn { messages: Vec::new(), from_groups: 0, bytes: 0, recipients: HashSet::new() };
        let Some(own) = group.shares.iter_mut().find(|share| share.flow == flow) else { return drawn };
        if own.queue.is_empty() || !self.take_from(&mut own.queue, &mut drawn, limits) {
            return drawn;
        }
        for other in group.shares.iter_mut().filter(|share| share.flow != flow) {
            if !self.take_from(&mut other.queue, &mut drawn, limits) {
                break;
            }
        }
        drawn
    }

    /// Takes what fits from a queue; false when the call has no more room.
    fn take_from(
        &mut self,
        queue: &mut VecDeque<Waiting<T>>,
        drawn: &mut Drawn<T>,
        limits: CallLimits,
    ) -> bool {
        let mut set_aside = VecDeque::new();
        let mut room = true;
        while let Some(waiting) = queue.pop_front() {
            room = drawn.has_room(&waiting.slot, limits);
            if !room {
                queue.push_front(waiting);
                break;
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
                self.follow(flow, recipient, drawn, limits);
            }
        }
        restore(queue, set_aside);
        room
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

impl<T> Group<T> {
    /// Whether the flow whose turn it was has more here; its share goes if it has not.
    fn keep(&mut self, flow: u64) -> bool {
        let Some(place) = self.shares.iter().position(|share| share.flow == flow) else { return false };
        let more = self.shares.get(place).is_some_and(|share| !share.queue.is_empty());
        if !more {
            self.shares.remove(place);
        }
        // Another one rides along first next time.
        if self.shares.len() > 1 {
            self.shares.rotate_left(1);
        }
        more
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
