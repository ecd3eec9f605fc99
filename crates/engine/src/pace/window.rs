//! How much was sent within a period that slides. What is remembered is exact or errs on the side of
//! too much: near the limit of its memory, what was sent closely together counts until the last of it
//! has left the period.

use std::collections::BTreeMap;

/// A period is remembered in so many steps: more detail than any vendor counts by, in bounded memory.
const STEPS: u64 = 4096;
/// Steps in which a use that is not remembered is assumed.
const ASSUMED: u64 = 128;

/// So many within any period; times and the period are nanoseconds.
#[derive(Debug)]
pub(super) struct Window {
    most: u64,
    period: u64,
    step: u64,
    used: u64,
    /// How much counts until a period after when.
    sent: BTreeMap<u64, u64>,
}

impl Window {
    /// A window that nothing was sent in.
    pub(super) fn new(most: u64, period: u64) -> Self {
        let (most, period) = (most.max(1), period.max(1));
        Self { most, period, step: (period / STEPS).max(1), used: 0, sent: BTreeMap::new() }
    }

    /// A window for another contract. What the one before remembers goes on counting; for the time that it
    /// does not reach back to, the new contract counts as used up evenly.
    pub(super) fn following(before: Option<Self>, most: u64, period: u64, now: u64) -> Self {
        let mut window = Self::new(most, period);
        let begins = now.saturating_sub(window.period);
        let known = before.as_ref().map_or(now, |before| now.saturating_sub(before.period)).max(begins);
        let unknown = u128::from(known - begins);
        let assumed = u128::from(window.most) * unknown / u128::from(window.period);
        let assumed = u64::try_from(assumed).unwrap_or(window.most);
        let steps = assumed.min(ASSUMED);
        for number in 0..steps {
            let share = assumed * (number + 1) / steps - assumed * number / steps;
            let at = u128::from(begins) + unknown * u128::from(number + 1) / u128::from(steps);
            window.add(u64::try_from(at).unwrap_or(u64::MAX), share);
        }
        for (at, count) in before.into_iter().flat_map(|before| before.sent) {
            window.add(at, count);
        }
        window.forget(now);
        window
    }

    /// The most within a period.
    pub(super) const fn most(&self) -> u64 {
        self.most
    }

    /// How long it is.
    pub(super) const fn period(&self) -> u64 {
        self.period
    }

    /// Whether nothing counts any more.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    fn remembered_at(&self, at: u64) -> u64 {
        at.div_ceil(self.step).saturating_mul(self.step)
    }

    /// Counts so much at a time.
    pub(super) fn add(&mut self, at: u64, count: u64) {
        if count > 0 {
            *self.sent.entry(self.remembered_at(at)).or_default() += count;
            self.used += count;
        }
    }

    /// Takes back what was counted at a time, if it is remembered.
    pub(super) fn remove(&mut self, at: u64, count: u64) {
        let key = self.remembered_at(at);
        let Some(sent) = self.sent.get_mut(&key) else { return };
        let gone = count.min(*sent);
        *sent -= gone;
        self.used -= gone;
        if *sent == 0 {
            self.sent.remove(&key);
        }
    }

    /// Forgets what has left the period that ends now.
    pub(super) fn forget(&mut self, now: u64) {
        while let Some(first) = self.sent.first_entry() {
            if first.key().saturating_add(self.period) > now {
                return;
            }
            self.used -= first.remove();
        }
    }

    /// How much may be sent at a time.
    pub(super) fn room(&self, at: u64) -> u64 {
        let counts = |from: &u64| from.saturating_add(self.period) > at;
        let left: u64 = self.sent.iter().take_while(|(from, _)| !counts(from)).map(|(_, count)| count).sum();
        (self.most + left).saturating_sub(self.used)
    }

    /// From when on so much may be sent; more than the contract counts as the contract.
    pub(super) fn opening(&self, count: u64) -> u64 {
        let over = (self.used + count.min(self.most)).saturating_sub(self.most);
        let mut left = 0;
        if over == 0 {
            return 0;
        }
        for (from, count) in &self.sent {
            left += count;
            if left >= over {
                return from.saturating_add(self.period);
            }
        }
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_period_old_counts_no_more() {
        let mut window = Window::new(3, 1_000);
        window.add(0, 2);
        window.add(400, 1);
        assert_eq!((window.opening(1), window.opening(2), window.opening(3)), (1_000, 1_000, 1_400));
        assert_eq!((window.room(999), window.room(1_000), window.room(1_400)), (0, 2, 3));
        window.forget(1_000);
        assert_eq!((window.room(1_000), window.opening(2), window.opening(9)), (2, 0, 1_400));
    }

    #[test]
    fn what_is_taken_back_makes_room() {
        let mut window = Window::new(2, 1_000);
        window.add(5, 2);
        window.remove(5, 1);
        window.remove(77, 1);
        assert_eq!(window.room(6), 1);
        window.remove(5, 9);
        assert!(window.is_empty() && window.room(6) == 2);
    }

    #[test]
    fn memory_is_bounded_whatever_the_rate() {
        let mut window = Window::new(u64::from(u32::MAX), 60_000_000_000);
        for at in 0..1_000_000 {
            window.add(at * 60_000, 4_000);
        }
        assert!(window.sent.len() as u64 <= STEPS + 1, "{}", window.sent.len());
        assert_eq!(window.room(60_000_000_000), u64::from(u32::MAX) - 4_000_000_000 + 4_000);
    }

    #[test]
    fn an_unknown_past_counts_as_an_even_one() {
        let window = Window::following(None, 1_000, 1_000_000, 5_000_000);
        assert_eq!(window.room(5_000_000), 0);
        let half = window.room(5_500_000);
        assert!((480..=500).contains(&half), "half the period opens half the contract: {half}");
        assert_eq!(window.room(6_001_000), 1_000);
    }

    #[test]
    fn a_known_past_counts_as_it_was() {
        let mut before = Window::new(100, 1_000_000);
        before.add(4_900_000, 30);
        let shorter = Window::following(Some(before), 50, 500_000, 5_000_000);
        assert_eq!((shorter.room(5_000_000), shorter.room(5_401_000)), (20, 50));
        let longer = Window::following(Some(shorter), 200, 1_000_000, 5_000_000);
        assert_eq!(longer.room(5_000_000), 200 - 30 - 100, "the older half is assumed");
    }
}
