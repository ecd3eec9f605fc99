//! Waiting for a condition. The one place where tests pause.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(5);

/// What `look` finds, as soon as it finds something.
///
/// # Panics
/// When nothing was found `within` the time.
#[track_caller]
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited {within:?} in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Whether a condition comes true within a time; for waiting in bounds where both answers are fine.
pub fn holds_within(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + within;
    while Instant::now() < until {
        if condition() {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
    condition()
}

/// A moment so many seconds from now, as the API takes it.
pub fn in_seconds(seconds: i64) -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)).to_string()
}
