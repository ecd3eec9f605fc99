//! Which room messages the service has seen: what makes `resendFlag` work. The real window is not
//! documented; here it is between ten and twenty minutes.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

const GENERATION_MS: u64 = 600_000;
const GENERATION_SIZE: usize = 1_000_000;
const HIGH_PRIORITY_PER_SECOND: u32 = 10;

/// Message ids by room, and the rooms' high-priority quotas.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
    since_ms: u64,
    urgent: HashMap<i64, (u64, u32)>,
}

impl Seen {
    /// When the message was taken, if it was.
    pub(crate) fn taken_at(&self, room: i64, message: &str) -> Option<u64> {
        let key = key(room, message);
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    pub(crate) fn remember(&mut self, room: i64, message: &str, now_ms: u64) {
        let full = self.young.len() >= GENERATION_SIZE;
        if full || now_ms.saturating_sub(self.since_ms) > GENERATION_MS {
            self.old = std::mem::take(&mut self.young);
            self.since_ms = now_ms;
        }
        self.young.insert(key(room, message), now_ms);
    }

    /// How many of the room's high-priority places of this second are left.
    pub(crate) fn urgent_places_left(&mut self, room: i64, now_ms: u64) -> u32 {
        let second = now_ms / 1000;
        let (counted, used) = self.urgent.entry(room).or_default();
        if *counted != second {
            (*counted, *used) = (second, 0);
        }
        HIGH_PRIORITY_PER_SECOND.saturating_sub(*used)
    }

    /// Takes one of those places, if there is one.
    pub(crate) fn urgent_place(&mut self, room: i64, now_ms: u64) -> bool {
        let free = self.urgent_places_left(room, now_ms) > 0;
        if let Some((_, used)) = self.urgent.get_mut(&room).filter(|_| free) {
            *used += 1;
        }
        free
    }
}

fn key(room: i64, message: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (room, message).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_in_its_room_only() {
        let mut seen = Seen::default();
        seen.remember(1, "m", 1_000_000);
        assert_eq!(seen.taken_at(1, "m"), Some(1_000_000));
        assert_eq!(seen.taken_at(2, "m"), None);
    }

    #[test]
    fn the_eleventh_urgent_message_of_a_second_has_no_place() {
        let mut seen = Seen::default();
        assert!((0..10).all(|_| seen.urgent_place(1, 5_000)));
        assert!(!seen.urgent_place(1, 5_999));
        assert!(seen.urgent_place(1, 6_000));
    }
}
