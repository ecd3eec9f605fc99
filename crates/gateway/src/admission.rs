//! How many messages an app may hand over: a rate with one second of credit. A batch larger than the
//! credit is taken whole and paid off afterwards, so that the average holds for any size.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// The credit that gathers while nothing comes.
const CREDIT: Duration = Duration::from_secs(1);

/// The rate of one app.
#[derive(Debug)]
pub(crate) struct Admission {
    per_second: u32,
    /// When everything taken so far is paid for.
    paid_at: Mutex<Instant>,
}

impl Admission {
    pub(crate) fn per_second(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), paid_at: Mutex::new(Instant::now()) }
    }

    /// Another rate for an app. What it owes is owed on, in messages.
    pub(crate) fn following(before: Option<&Self>, per_second: u32) -> Self {
        let next = Self::per_second(per_second);
        if let Some(before) = before {
            let now = Instant::now();
            let debt = before.change(|paid_at| paid_at.saturating_duration_since(now));
            let debt = debt.mul_f64(f64::from(before.per_second) / f64::from(next.per_second));
            next.change(|paid_at| *paid_at = now.checked_add(debt).unwrap_or(now));
        }
        next
    }

    /// Whether this is the rate.
    pub(crate) const fn is_per_second(&self, per_second: u32) -> bool {
        self.per_second == per_second
    }

    fn cost(&self, messages: u64) -> Duration {
        let nanos = u128::from(messages) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Instant) -> T) -> T {
        let mut paid_at = self.paid_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut paid_at)
    }

    /// Takes `messages`, or says how long to wait.
    pub(crate) fn take(&self, messages: u64, now: Instant) -> Result<(), Duration> {
        let cost = self.cost(messages);
        self.change(|paid_at| {
            let debt = paid_at.saturating_duration_since(now);
            if debt > CREDIT {
                return Err(debt.saturating_sub(CREDIT).max(Duration::from_millis(1)));
            }
            let from = (*paid_at).max(now);
            *paid_at = from.checked_add(cost).unwrap_or(from);
            Ok(())
        })
    }

    /// Counts messages that are taken whatever the debt is.
    pub(crate) fn charge(&self, messages: u64) {
        let (cost, now) = (self.cost(messages), Instant::now());
        self.change(|paid_at| *paid_at = (*paid_at).max(now) + cost);
    }

    /// Gives back what was taken for messages that were not handed over after all.
    pub(crate) fn give_back(&self, messages: u64) {
        let cost = self.cost(messages);
        self.change(|paid_at| *paid_at = paid_at.checked_sub(cost).unwrap_or(*paid_at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_holds_whatever_the_size_of_batches() {
        let start = Instant::now();
        for size in [1_u64, 7, 100, 5_000] {
            let admission = Admission::per_second(100);
            let mut taken = 0;
            for step in 0..60_000_u64 {
                let now = start + Duration::from_millis(step);
                if admission.take(size, now).is_ok() {
                    taken += size;
                }
            }
            assert!((6_000..=6_100 + size).contains(&taken), "{size} a batch: {taken} in a minute");
        }
    }

    #[test]
    fn the_wait_that_is_told_is_enough() {
        let now = Instant::now();
        let admission = Admission::per_second(10);
        admission.take(50, now).unwrap();
        let wait = admission.take(1, now).unwrap_err();
        assert!(admission.take(1, now + wait / 2).is_err());
        assert!(admission.take(1, now + wait).is_ok());
    }

    #[test]
    fn another_rate_forgives_no_debt() {
        let slow = Admission::per_second(10);
        slow.take(2_000, Instant::now()).unwrap();
        let fast = Admission::following(Some(&slow), 100);
        let wait = fast.take(1, Instant::now()).unwrap_err();
        assert!((15..=19).contains(&wait.as_secs()), "twenty seconds of debt, less one of credit: {wait:?}");
    }

    #[test]
    fn what_was_given_back_can_be_taken_again() {
        let now = Instant::now();
        let admission = Admission::per_second(1);
        admission.take(100, now).unwrap();
        admission.give_back(100);
        assert!(admission.take(1, now).is_ok());
    }
}
