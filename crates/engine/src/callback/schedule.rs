//! When to try again, and when to stop: pure.

use std::time::Duration;

/// Longest wait that a receiver is granted.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// Longest time that a failing endpoint as a whole is left alone between two attempts.
const LONGEST_HOLD: Duration = Duration::from_secs(5 * 60);

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    /// The pause before the event is tried again; none gives it up.
    pub(super) retry: Option<Duration>,
    /// How long, at least and at most, an endpoint is left alone that fails again and again: as long as it fails
    /// already.
    pub(super) hold: (Duration, Duration),
    /// How long it asked to be left alone.
    pub(super) wait: Option<Duration>,
}

/// What follows the failure of an event that failed `step` times before. `chance` is 0 to 1.
pub(super) fn next(retries: &[Duration], step: u32, wait: Option<Duration>, chance: f64) -> Next {
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    let wait = wait.map(|wait| wait.min(LONGEST_WAIT));
    let pause = retries.get(step).map(|pause| pause.mul_f64(0.9 + 0.2 * chance.clamp(0.0, 1.0)));
    let retry = pause.map(|pause| pause.max(wait.unwrap_or_default()));
    let hold = (retries.first().map_or(LONGEST_HOLD, |first| LONGEST_HOLD.min(*first)), LONGEST_HOLD);
    Next { retry, hold, wait }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::callback::CallbackSettings;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_attempts_of_an_event_spread_over_a_day_and_then_end() {
        let retries = CallbackSettings::default().retries;
        for chance in [0.0, 0.5, 1.0] {
            let pauses: Vec<Duration> =
                (0..).map_while(|step| next(&retries, step, None, chance).retry).collect();
            assert_eq!(pauses.len(), retries.len());
            let all: Duration = pauses.iter().sum();
            assert!(all > 20 * 3600 * SECOND && all < 27 * 3600 * SECOND, "{all:?}");
        }
    }

    proptest! {
        #[test]
        fn pauses_are_as_configured_give_or_take_a_tenth(step in 0u32..9, chance in 0.0..=1.0) {
            let retries = [SECOND, 60 * SECOND, 3600 * SECOND];
            let found = next(&retries, step, None, chance).retry;
            match retries.get(step as usize) {
                Some(pause) => {
                    let found = found.unwrap();
                    prop_assert!(found >= pause.mul_f64(0.899) && found <= pause.mul_f64(1.101));
                }
                None => prop_assert_eq!(found, None),
            }
        }

        #[test]
        fn who_asks_to_be_left_alone_is_but_not_for_ever(seconds: u64) {
            let asked = Duration::from_secs(seconds);
            let found = next(&[SECOND], 0, Some(asked), 0.5);
            prop_assert_eq!(found.wait, Some(asked.min(LONGEST_WAIT)));
            prop_assert!(found.retry.unwrap() >= asked.min(LONGEST_WAIT));
            prop_assert_eq!(found.hold, (SECOND, LONGEST_HOLD));
        }
    }
}
