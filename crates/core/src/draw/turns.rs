//! Whose turn it is: apps in turn, an app's flows (batches) in turn, a flow's groups (call keys) in turn.
//! However many flows or keys one of them has waiting, it delays another by one call a round.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::shared::Digest;

/// Who is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) app: u64,
    pub(super) flow: u64,
    pub(super) key: Digest,
}

/// The turns within one class and priority. Each (app, flow, key) stands in it at most once; who lists it
/// sees to that.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: VecDeque<u64>,
    apps: HashMap<u64, Flows>,
}

#[derive(Debug, Default)]
struct Flows {
    order: VecDeque<u64>,
    keys: HashMap<u64, VecDeque<Digest>>,
}

impl Turns {
    /// Whether the flow has a turn, with whatever key.
    pub(super) fn has(&self, app: u64, flow: u64) -> bool {
        self.apps.get(&app).is_some_and(|flows| flows.keys.contains_key(&flow))
    }

    /// Adds a turn behind the app's others.
    pub(super) fn list(&mut self, turn: Turn) {
        let flows = self.apps.entry(turn.app).or_insert_with(|| {
            self.order.push_back(turn.app);
            Flows::default()
        });
        let keys = flows.keys.entry(turn.flow).or_insert_with(|| {
            flows.order.push_back(turn.flow);
            VecDeque::new()
        });
        keys.push_back(turn.key);
    }

    /// Who is next. [`Self::taken`] or [`Self::dropped`] must follow.
    pub(super) fn next(&self) -> Option<Turn> {
        let app = *self.order.front()?;
        let flows = self.apps.get(&app)?;
        let flow = *flows.order.front()?;
        let key = *flows.keys.get(&flow)?.front()?;
        Some(Turn { app, flow, key })
    }

    /// The turn was taken: its app and flow go to the back, and it as well if there is more to take.
    pub(super) fn taken(&mut self, turn: Turn, more: bool) {
        self.end(turn, true, more);
    }

    /// There was nothing to take: the turn goes, its app and flow keep their places.
    pub(super) fn dropped(&mut self, turn: Turn) {
        self.end(turn, false, false);
    }

    fn end(&mut self, turn: Turn, taken: bool, more: bool) {
        let Some(flows) = self.apps.get_mut(&turn.app) else { return };
        if let Some(keys) = flows.keys.get_mut(&turn.flow) {
            keys.pop_front();
            if more {
                keys.push_back(turn.key);
            }
            if keys.is_empty() {
                flows.keys.remove(&turn.flow);
                flows.order.pop_front();
            } else if taken {
                flows.order.rotate_left(1);
            }
        }
        if flows.order.is_empty() {
            self.apps.remove(&turn.app);
            self.order.pop_front();
        } else if taken {
            self.order.rotate_left(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(app: u64, flow: u64, key: u128) -> Turn {
        Turn { app, flow, key: Digest(key) }
    }

    fn take(turns: &mut Turns, more: bool) -> (u64, u64, u128) {
        let turn = turns.next().unwrap();
        turns.taken(turn, more);
        (turn.app, turn.flow, turn.key.0)
    }

    #[test]
    fn apps_then_flows_then_keys_take_turns() {
        let mut turns = Turns::default();
        for listed in [turn(1, 1, 1), turn(1, 1, 2), turn(1, 2, 1), turn(2, 3, 1)] {
            turns.list(listed);
        }
        let order: Vec<_> = (0..8).map(|_| take(&mut turns, true)).collect();
        let of_two = (2, 3, 1);
        let expected = [(1, 1, 1), of_two, (1, 2, 1), of_two, (1, 1, 2), of_two, (1, 2, 1), of_two];
        assert_eq!(order, expected);
    }

    #[test]
    fn what_was_taken_whole_leaves_nothing() {
        let mut turns = Turns::default();
        turns.list(turn(1, 1, 1));
        turns.list(turn(2, 2, 1));
        assert!(turns.has(1, 1) && !turns.has(1, 2));
        take(&mut turns, false);
        take(&mut turns, false);
        assert!(turns.next().is_none() && turns.apps.is_empty() && turns.order.is_empty());
    }

    #[test]
    fn a_turn_without_anything_to_take_costs_nobody_a_place() {
        let mut turns = Turns::default();
        for listed in [turn(1, 1, 1), turn(1, 1, 2), turn(2, 2, 1)] {
            turns.list(listed);
        }
        turns.dropped(turns.next().unwrap());
        assert_eq!(take(&mut turns, true), (1, 1, 2));
    }
}
