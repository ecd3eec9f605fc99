//! The even spacing of calls: GCRA with burst 1. Slots follow each other by their theoretical times, so
//! that whoever wakes a little late for one does not delay all that come after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// A slot may be taken so long after its time. After a longer pause the next slot is now: what was not
/// used is gone, and nothing leaves in a burst.
const CATCH_UP: u64 = 25_000_000;
/// Ten years: a spacing that is longer would never end either.
const LONGEST: u64 = 10 * 365 * 24 * 3600 * 1_000_000_000;

/// The time that the limiter is asked about, nanoseconds.
#[derive(Debug, Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

/// Slots at an even distance; times are nanoseconds.
#[derive(Debug)]
pub(super) struct Spacing {
    limiter: RateLimiter<NotKeyed, InMemoryState, Hand, NoOpMiddleware<Nanos>>,
    hand: Hand,
    /// When the next slot is due, as the limiter says.
    due: u64,
}

impl Spacing {
    /// Slots `step` apart, the first of them at once.
    pub(super) fn new(step: u64) -> Self {
        let hand = Hand::default();
        let step = Duration::from_nanos(step.clamp(1, LONGEST));
        // A step of no time is none: there the quota is a nanosecond's.
        let quota = Quota::with_period(step).unwrap_or(Quota::per_second(std::num::NonZeroU32::MIN));
        Self { limiter: RateLimiter::direct_with_clock(quota, hand.clone()), hand, due: 0 }
    }

    /// The next slot, if nobody takes one before.
    pub(super) const fn next(&self, now: u64) -> u64 {
        if self.due.saturating_add(CATCH_UP) < now { now } else { self.due }
    }

    /// Takes the slot at that time, or a later one if it is too early.
    pub(super) fn take(&mut self, at: u64) -> u64 {
        let at = at.max(self.due);
        self.hand.0.store(at, Ordering::Relaxed);
        // The first answer takes the slot, the second names the next one and takes none.
        for _ in 0..2 {
            if let Err(early) = self.limiter.check() {
                self.due = early.earliest_possible().as_u64();
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_keep_their_distance_however_late_they_are_taken() {
        let mut spacing = Spacing::new(10_000_000);
        let mut now = 1_000_000_000;
        let mut slots = Vec::new();
        for number in 0..100 {
            now = now.max(spacing.next(now)) + number % 9 * 1_000_000;
            slots.push(spacing.take(spacing.next(now)));
        }
        let first = slots[0];
        let ideal: Vec<u64> = (0..100).map(|number| first + number * 10_000_000).collect();
        assert_eq!(slots, ideal);
    }

    #[test]
    fn what_was_not_used_is_gone() {
        let mut spacing = Spacing::new(10_000_000);
        spacing.take(spacing.next(1_000_000_000));
        let later = 2_000_000_000;
        assert_eq!(spacing.next(later), later);
        assert_eq!(spacing.take(later), later);
        assert_eq!(spacing.next(later), later + 10_000_000, "no burst after a pause");
    }

    #[test]
    fn the_shortest_and_the_longest_spacing_are_spacings() {
        for (step, next) in [(0, 1), (1, 1), (u64::MAX, LONGEST)] {
            let mut spacing = Spacing::new(step);
            spacing.take(0);
            assert_eq!(spacing.next(0), next);
        }
    }
}
