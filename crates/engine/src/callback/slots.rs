//! Who is told how much at a time. Apps choose receivers, and any number of those may be slow, so what is under way
//! is bounded by endpoint and by app, and no app can take the last slot from another.
//!
//! An app gets another slot as long as it has fewer than are free. One that is alone gets half of them, the next
//! one half of what is left, and there is always something left; who has none gets one in any case.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interline_ledger::{DueEndpoint, Underway};

use super::Courier;

/// Attempts under way to one endpoint; one that fails gets one at a time.
const OF_ENDPOINT: usize = 8;
/// Attempts under way in all, but for the first of each app.
const ALL: usize = 256;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<Board>);

#[derive(Debug, Default)]
struct Board {
    endpoints: HashMap<i64, Flight>,
    apps: HashMap<String, usize>,
}

/// What an endpoint has under way.
#[derive(Debug)]
struct Flight {
    app: String,
    /// Events that are being told.
    events: Vec<i64>,
    /// Slots for which events are being taken.
    open: usize,
}

impl Flight {
    const fn slots(&self) -> usize {
        self.events.len() + self.open
    }
}

impl Board {
    /// Whether an app may have another slot. For endpoints that have none half of what it may have is kept.
    fn may(&self, app: &str, first: bool) -> bool {
        let all: usize = self.apps.values().sum();
        let own = self.apps.get(app).copied().unwrap_or(0);
        own == 0 || own * if first { 1 } else { 2 } < ALL.saturating_sub(all)
    }

    fn give(&mut self, endpoint: &DueEndpoint) {
        let new = || Flight { app: endpoint.app.clone(), events: Vec::new(), open: 0 };
        self.endpoints.entry(endpoint.id).or_insert_with(new).open += 1;
        *self.apps.entry(endpoint.app.clone()).or_default() += 1;
    }

    fn take_back(&mut self, endpoint: i64, of: impl FnOnce(&mut Flight)) {
        let Some(flight) = self.endpoints.get_mut(&endpoint) else { return };
        let before = flight.slots();
        of(flight);
        let after = flight.slots();
        if let Some(own) = self.apps.get_mut(&flight.app) {
            *own = own.saturating_sub(before.saturating_sub(after));
            if *own == 0 {
                self.apps.remove(&flight.app);
            }
        }
        if after == 0 {
            self.endpoints.remove(&endpoint);
        }
    }
}

impl Slots {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is under way.
    pub(super) fn are_free(&self) -> bool {
        self.board().endpoints.is_empty()
    }

    /// What is under way, and who therefore gets no more.
    pub(super) fn underway(&self) -> Underway {
        let board = self.board();
        let mut underway = Underway {
            apps: board.apps.keys().filter(|app| !board.may(app, true)).cloned().collect(),
            ..Underway::default()
        };
        for (id, flight) in &board.endpoints {
            if flight.open > 0 || flight.events.len() >= OF_ENDPOINT {
                underway.endpoints.push(*id);
            } else {
                underway.events.extend(flight.events.iter().map(|event| (*id, *event)));
            }
        }
        underway
    }

    /// Gives slots to endpoints that are due, in this order and to those with the fewest first.
    pub(super) fn allot(courier: &Arc<Courier>, due: &[DueEndpoint]) -> Vec<Turn> {
        let mut board = courier.slots.board();
        let mut turns = Vec::new();
        for level in 0..OF_ENDPOINT {
            for endpoint in due {
                let has = board.endpoints.get(&endpoint.id).map_or(0, Flight::slots);
                if has == level && board.may(&endpoint.app, level == 0) {
                    board.give(endpoint);
                }
            }
        }
        for endpoint in due {
            let Some(flight) = board.endpoints.get(&endpoint.id).filter(|flight| flight.open > 0) else {
                continue;
            };
            let (slots, busy) = (flight.open, flight.events.clone());
            turns.push(Turn { courier: Arc::clone(courier), endpoint: endpoint.id, slots, busy });
        }
        turns
    }
}

/// Slots of an endpoint for which events are being taken. Those without an event are given back when it ends,
/// however it ends.
#[derive(Debug)]
pub(super) struct Turn {
    courier: Arc<Courier>,
    endpoint: i64,
    slots: usize,
    busy: Vec<i64>,
}

impl Turn {
    /// Whose it is.
    pub(super) const fn endpoint(&self) -> i64 {
        self.endpoint
    }

    /// How many there are.
    pub(super) const fn slots(&self) -> usize {
        self.slots
    }

    /// Events of the endpoint that are under way.
    pub(super) fn busy(&self) -> &[i64] {
        &self.busy
    }

    /// One of them for an event.
    pub(super) fn slot(&mut self, event: i64) -> Slot {
        self.slots = self.slots.saturating_sub(1);
        if let Some(flight) = self.courier.slots.board().endpoints.get_mut(&self.endpoint) {
            flight.open = flight.open.saturating_sub(1);
            flight.events.push(event);
        }
        Slot { courier: Arc::clone(&self.courier), endpoint: self.endpoint, event }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.courier.slots.board().take_back(self.endpoint, |flight| flight.open = 0);
        self.courier.wake();
    }
}

/// What an event needs to be told; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    courier: Arc<Courier>,
    endpoint: i64,
    event: i64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.courier
            .slots
            .board()
            .take_back(self.endpoint, |flight| flight.events.retain(|id| *id != self.event));
        self.courier.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(app: &str, ids: std::ops::Range<i64>) -> Vec<DueEndpoint> {
        ids.map(|id| DueEndpoint { id, app: app.to_owned() }).collect()
    }

    /// The slots of all of these, each with an event.
    fn told(courier: &Arc<Courier>, due: &[DueEndpoint]) -> Vec<Slot> {
        let mut slots = Vec::new();
        for mut turn in Slots::allot(courier, due) {
            for _ in 0..turn.slots() {
                slots.push(turn.slot(i64::try_from(slots.len()).unwrap()));
            }
        }
        slots
    }

    #[test]
    fn one_endpoint_gets_eight_slots_and_many_get_half_of_all() {
        let courier = Arc::default();
        let one = told(&courier, &due("a", 0..1));
        assert_eq!(one.len(), OF_ENDPOINT);
        assert_eq!(courier.slots.underway().endpoints, [0]);
        drop(one);
        assert!(courier.slots.are_free());
        let many = told(&courier, &due("a", 0..200));
        assert_eq!(many.len(), ALL / 2);
        assert_eq!(courier.slots.underway().apps, ["a"]);
    }

    #[test]
    fn whatever_others_have_each_app_gets_a_slot() {
        let courier = Arc::default();
        let mut all = Vec::new();
        for app in 0..400 {
            let own = told(&courier, &due(&app.to_string(), app * 1_000..app * 1_000 + 999));
            assert!(!own.is_empty(), "{app}");
            all.extend(own);
        }
        assert!(all.len() <= ALL + 400, "{}", all.len());
    }

    #[test]
    fn what_slow_endpoints_have_leaves_room_for_others_of_their_app() {
        let courier = Arc::default();
        let slow = told(&courier, &due("a", 0..40));
        assert!(slow.len() >= 80, "{}", slow.len());
        assert_eq!(told(&courier, &due("a", 40..50)).len(), 10);
    }

    #[test]
    fn who_ends_early_gives_back_what_it_had() {
        let courier: Arc<Courier> = Arc::default();
        let mut turn = Slots::allot(&courier, &due("a", 0..1)).pop().unwrap();
        let panicked = std::thread::spawn(move || {
            let _slot = turn.slot(7);
            panic!("as a test");
        });
        panicked.join().unwrap_err();
        assert!(courier.slots.are_free());
        assert_eq!(courier.slots.underway(), Underway::default());
    }
}
