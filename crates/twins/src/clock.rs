//! The twin's clock and its source of chance.
//!
//! Both stand apart so that tests can move time (token expiry, rate windows) without sleeping and so
//! that a run with faults of a given probability is the same run every time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall time plus what a test has added to it.
#[derive(Debug)]
pub(crate) struct Clock {
    ahead_ms: AtomicU64,
    began: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { ahead_ms: AtomicU64::new(0), began: Instant::now() }
    }
}

impl Clock {
    pub(crate) fn now_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        millis(since_epoch) + self.ahead_ms.load(Ordering::Relaxed)
    }

    /// Microseconds of a clock that never goes back, for what is counted in windows.
    pub(crate) fn steady_us(&self) -> u64 {
        let ahead = Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        u64::try_from((self.began.elapsed() + ahead).as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(millis(by), Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A small splitmix64 generator: good enough for ids and for dice, and lock free.
#[derive(Debug)]
pub(crate) struct Dice {
    state: AtomicU64,
}

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    pub(crate) fn next(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.state.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True with the given probability, 0.0 to 1.0.
    pub(crate) fn falls_within(&self, probability: f64) -> bool {
        let thousandths = u64::from(u32::MAX) + 1;
        let drawn = u32::try_from(self.next() % thousandths).unwrap_or(u32::MAX);
        f64::from(drawn) < probability * 4_294_967_296.0
    }

    /// 32 lower-case hex digits.
    pub(crate) fn hex_id(&self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}

/// Splits a Unix time into year, month and day (UTC, proleptic Gregorian).
pub(crate) fn civil_date(now_ms: u64) -> (u64, u64, u64) {
    let days = now_ms / 86_400_000 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_time_splits_into_a_civil_date() {
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(951_782_400_000), (2000, 2, 29));
        assert_eq!(civil_date(1_775_779_200_000), (2026, 4, 10));
    }

    #[test]
    fn advancing_moves_the_clock_forward() {
        let clock = Clock::default();
        let before = clock.now_ms();
        clock.advance(Duration::from_secs(300));
        assert!(clock.now_ms() >= before + 300_000);
    }

    #[test]
    fn dice_know_certainty_and_impossibility() {
        let dice = Dice::seeded(7);
        assert!((0..100).all(|_| dice.falls_within(1.0)));
        assert!(!(0..100).any(|_| dice.falls_within(0.0)));
    }
}
