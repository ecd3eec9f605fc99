//! The pace of each recipient of a class: a window for everyone who got something within the period.

use hashbrown::HashMap;

use super::window::Window;

/// Windows are swept when there are so many; those that stay were all used within the period.
const SWEPT_AT: usize = 10_000;

/// So many messages for each recipient within any period.
#[derive(Debug)]
pub(super) struct Recipients {
    most: u64,
    period: u64,
    windows: HashMap<u64, Window>,
    sweep_at: usize,
}

impl Recipients {
    /// A pace that nobody has used.
    pub(super) fn new(most: u64, period: u64) -> Self {
        Self { most: most.max(1), period: period.max(1), windows: HashMap::new(), sweep_at: SWEPT_AT }
    }

    /// Another pace, with what is known of the one before.
    pub(super) fn following(before: Option<Self>, most: u64, period: u64, now: u64) -> Self {
        let mut next = Self::new(most, period);
        for (recipient, window) in before.into_iter().flat_map(|before| before.windows) {
            next.windows.insert(recipient, Window::following(Some(window), next.most, next.period, now));
        }
        next
    }

    /// From when on a recipient may get so many; what is more than its whole pace waits for the next period.
    pub(super) fn opening(&mut self, recipient: u64, count: u64, now: u64) -> u64 {
        if count > self.most {
            return now.saturating_add(self.period);
        }
        self.windows.get_mut(&recipient).map_or(0, |window| {
            window.forget(now);
            window.opening(count)
        })
    }

    /// Counts messages at a time.
    pub(super) fn add(&mut self, recipient: u64, at: u64, count: u64, now: u64) {
        if self.windows.len() >= self.sweep_at {
            self.windows.retain(|_, window| {
                window.forget(now);
                !window.is_empty()
            });
            self.sweep_at = SWEPT_AT.max(self.windows.len() * 2);
        }
        let fresh = || Window::new(self.most, self.period);
        self.windows.entry(recipient).or_insert_with(fresh).add(at, count);
    }

    /// Takes back what was counted at a time.
    pub(super) fn remove(&mut self, recipient: u64, at: u64, count: u64) {
        if let Some(window) = self.windows.get_mut(&recipient) {
            window.remove(at, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_got_nothing_for_a_period_is_forgotten() {
        let mut recipients = Recipients::new(1, 1_000);
        for number in 0..100_000 {
            recipients.add(number, number, 1, number);
        }
        assert!(recipients.windows.len() <= 2 * SWEPT_AT, "{}", recipients.windows.len());
        assert_eq!(recipients.opening(99_999, 1, 100_000), 100_999);
    }
}
