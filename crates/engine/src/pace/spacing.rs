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

/// A slot that somebody waited for may be taken so long after its time. What nobody waited for is gone, so
/// that nothing leaves in a burst after a pause.
const CATCH_UP: u64 = 100_000_000;
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
    /// The slot that was taken last.
    last: Option<u64>,
    /// Whether that one was given back.
    returned: bool,
}

impl Spacing {
    /// Slots `step` apart, the first of them at once.
    pub(super) fn new(step: u64) -> Self {
        let hand = Hand::default();
        let step = Duration::from_nanos(step.clamp(1, LONGEST));
        // A step of no time is none: there the quota is a nanosecond's.
        let quota = Quota::with_period(step).unwrap_or(Quota::per_second(std::num::NonZeroU32::MIN));
        Self {
            limiter: RateLimiter::direct_with_clock(quota, hand.clone()),
            hand,
            due: 0,
            last: None,
            returned: false,
        }
    }

    /// The next slot, if nobody takes one before; `awaited` says that somebody waits for it since it was due.
    pub(super) fn next(&self, now: u64, awaited: bool) -> u64 {
        if let Some(last) = self.last.filter(|_| self.returned) {
            return last.max(now);
        }
        let owed = awaited && self.due.saturating_add(CATCH_UP) >= now;
        if owed || self.due > now { self.due } else { now }
    }

    /// Takes the slot at that time, or a later one if it is too early.
    pub(super) fn take(&mut self, at: u64) -> u64 {
        let at = if self.returned { at.max(self.last.unwrap_or_default()) } else { at.max(self.due) };
        (self.last, self.returned) = (Some(at), false);
        self.hand.0.store(at, Ordering::Relaxed);
        // The first answer takes the slot, the second names the next one and takes none.
        for _ in 0..2 {
            if let Err(early) = self.limiter.check() {
                self.due = early.earliest_possible().as_u64();
            }
        }
        at
    }

    /// Gives a slot back. Where slots are rare and nobody has a later one yet, it is not lost.
    pub(super) fn give_back(&mut self, at: u64) {
        self.returned |= self.last == Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_keep_their_distance_however_late_they_are_taken() {
        let mut spacing = Spacing::new(10_000_000);
        let mut now = 1_000_000_000;
        let mut slots = vec![spacing.take(spacing.next(now, false))];
        for number in 1..100 {
            now = now.max(spacing.next(now, true)) + number % 9 * 2_000_000;
            slots.push(spacing.take(spacing.next(now, true)));
        }
        let first = slots[0];
        let ideal: Vec<u64> = (0..100).map(|number| first + number * 10_000_000).collect();
        assert_eq!(slots, ideal);
    }

    #[test]
    fn what_nobody_waited_for_is_gone() {
        let mut spacing = Spacing::new(10_000_000);
        spacing.take(spacing.next(1_000_000_000, false));
        let later = 1_050_000_000;
        assert_eq!(spacing.next(later, true), 1_010_000_000);
        assert_eq!(spacing.next(later, false), later);
        assert_eq!(spacing.take(later), later);
        assert_eq!(spacing.next(later, false), later + 10_000_000, "no burst after a pause");
        let much_later = 2_000_000_000;
        assert_eq!(spacing.next(much_later, true), much_later, "what is long gone is gone");
    }

    #[test]
    fn the_last_slot_can_be_given_back() {
        let mut spacing = Spacing::new(10_000_000);
        let (first, second) = (spacing.take(1_000_000_000), spacing.take(1_010_000_000));
        spacing.give_back(first);
        assert_eq!(spacing.next(second, true), second + 10_000_000, "it is gone: somebody has a later one");
        spacing.give_back(second);
        assert_eq!(spacing.next(second + 3_000_000, false), second + 3_000_000);
        spacing.take(second + 3_000_000);
        assert_eq!(spacing.next(second + 3_000_000, false), second + 10_000_000);
    }

    #[test]
    fn the_shortest_and_the_longest_spacing_are_spacings() {
        for (step, next) in [(0, 1), (1, 1), (u64::MAX, LONGEST)] {
            let mut spacing = Spacing::new(step);
            spacing.take(0);
            assert_eq!(spacing.next(0, false), next);
        }
    }
}
