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
    at_ms: VecDeque<u64>,
    blocked_until_ms: u64,
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

    /// Counts a call; false if it is over the limit or falls into a block.
    pub(crate) fn admit(&self, now_ms: u64) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms < seen.blocked_until_ms {
            return false;
        }
        while seen.at_ms.front().is_some_and(|first| first + self.allowance.window_ms <= now_ms) {
            seen.at_ms.pop_front();
        }
        if seen.at_ms.len() >= self.allowance.calls {
            seen.blocked_until_ms = now_ms + self.allowance.block_ms;
            return false;
        }
        seen.at_ms.push_back(now_ms);
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

    #[test]
    fn the_call_over_the_limit_blocks_the_class_for_the_penalty() {
        let window = Window::new(PER_SECOND);
        assert!((0..100).all(|_| window.admit(1000)));
        assert!(!window.admit(1999));
        assert!(!window.admit(11_998), "still blocked although the window is empty");
        assert!(window.admit(11_999));
    }

    #[test]
    fn the_window_slides() {
        let window = Window::new(PER_SECOND);
        assert!((0..100).all(|n| window.admit(500 + n * 10)));
        assert!(window.admit(1500), "the first call has left the window");
        assert!(!window.admit(1501));
    }
}
