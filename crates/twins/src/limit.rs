//! Rate limits with a penalty: over the limit, every call is refused until the block is over.
//!
//! A sliding window of call times, so that "100 a second" holds for any second and not only for
//! those that begin on the clock's tick.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many calls a class may make, and what exceeding it costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    pub(crate) calls: usize,
    pub(crate) window_ms: u64,
    pub(crate) block_ms: u64,
}

#[derive(Debug, Default)]
struct Seen {
    at_us: VecDeque<u64>,
    latest_us: u64,
    blocked_until_us: u64,
}

/// The window of one class of calls.
#[derive(Debug)]
pub(crate) struct Window {
    allowance: Allowance,
    seen: Mutex<Seen>,
}

impl Window {
    pub(crate) fn new(allowance: Allowance) -> Self {
        Self { allowance, seen: Mutex::default() }
    }

    /// Counts a call; false if it is over the limit or falls into a block. A call counts for the whole
    /// window, to the microsecond: one that is let in has less than the allowance before it.
    pub(crate) fn admit(&self, arrived_us: u64) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Calls on two connections may get here in another order than they arrived in.
        let now_us = arrived_us.max(seen.latest_us);
        seen.latest_us = now_us;
        if now_us < seen.blocked_until_us {
            return false;
        }
        while seen.at_us.front().is_some_and(|first| first + self.allowance.window_ms * 1_000 <= now_us) {
            seen.at_us.pop_front();
        }
        if seen.at_us.len() >= self.allowance.calls {
            seen.blocked_until_us = now_us + self.allowance.block_ms * 1_000;
            return false;
        }
        seen.at_us.push_back(now_us);
        true
    }

    pub(crate) fn forget(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER_SECOND: Allowance = Allowance { calls: 100, window_ms: 1000, block_ms: 10_000 };

    const MS: u64 = 1_000;

    #[test]
    fn the_call_over_the_limit_blocks_the_class_for_the_penalty() {
        let window = Window::new(PER_SECOND);
        assert!((0..100).all(|_| window.admit(1_000 * MS)));
        assert!(!window.admit(1_999 * MS));
        assert!(!window.admit(11_998 * MS), "still blocked although the window is empty");
        assert!(window.admit(11_999 * MS));
    }

    #[test]
    fn the_window_slides() {
        let window = Window::new(PER_SECOND);
        assert!((0..100).all(|n| window.admit((500 + n * 10) * MS)));
        assert!(window.admit(1_500 * MS), "the first call has left the window");
        assert!(!window.admit(1_501 * MS));
    }

    #[test]
    fn a_second_is_a_second_and_not_a_thousand_ticks_of_the_clock() {
        let window = Window::new(PER_SECOND);
        assert!((0..100).all(|_| window.admit(999)));
        assert!(!window.admit(1_000_998), "a microsecond less than a second");
    }

    #[test]
    fn two_seconds_that_meet_hold_no_double_allowance() {
        let window = Window::new(PER_SECOND);
        assert!((0..100).all(|n| window.admit((900 + n) * MS)), "the end of one second");
        assert!(!window.admit(1_100 * MS), "the beginning of the next");
    }

    #[test]
    fn calls_may_be_counted_out_of_order() {
        let window = Window::new(PER_SECOND);
        assert!((0..50).all(|n| window.admit(1_000 * MS + n)));
        assert!((0..50).all(|n| window.admit(1_000 * MS - n)));
        assert!(!window.admit(1_999 * MS));
    }
}
