//! How many messages a call may hold where a server works them off one after the other
//! ([`crate::profile::QuotaClass::serial`]): so many that it should be done in a third of its timeout. A
//! call that nears its timeout would leave all of its messages unknown.

use std::time::Duration;

/// The share of the timeout that a call should take: one in so many.
const SHARE: f64 = 3.0;
/// How much a new call weighs against the ones before: what got slower is believed at once, what got
/// faster by and by.
const SLOWER: f64 = 0.5;
const FASTER: f64 = 0.1;

/// How long a server takes for a message, from the calls so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tempo {
    per_message_ms: Option<f64>,
}

impl Tempo {
    /// Takes in a call that ended, by a timeout as well: it would have taken longer still.
    pub fn heard(&mut self, messages: usize, took_ms: u32) {
        let Ok(messages) = u32::try_from(messages) else { return };
        if messages == 0 {
            return;
        }
        let now = f64::from(took_ms) / f64::from(messages);
        self.per_message_ms = Some(match self.per_message_ms {
            None => now,
            Some(before) if now > before => before + (now - before) * SLOWER,
            Some(before) => before + (now - before) * FASTER,
        });
    }

    /// Milliseconds for a message; none before the first call.
    #[must_use]
    pub const fn per_message_ms(&self) -> Option<f64> {
        self.per_message_ms
    }

    /// The most messages for a call with this timeout: at least 1, and any number before the first call.
    #[must_use]
    pub fn most_messages(&self, timeout: Duration) -> usize {
        self.per_message_ms.map_or(usize::MAX, |per_message_ms| most_messages(per_message_ms, timeout))
    }
}

/// The most messages that should be worked off within a third of the timeout; at least 1.
#[must_use]
pub fn most_messages(per_message_ms: f64, timeout: Duration) -> usize {
    let within_ms = timeout.as_secs_f64() * 1_000.0 / SHARE;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float that no integer holds becomes the nearest one, and no number 0"
    )]
    let most = (within_ms / per_message_ms) as usize;
    most.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    #[test]
    fn a_call_should_take_a_third_of_its_timeout_at_most() {
        assert_eq!(most_messages(50.0, TIMEOUT), 200);
        assert_eq!(most_messages(100.0, TIMEOUT), 100);
        assert_eq!(most_messages(60_000.0, TIMEOUT), 1);
        assert_eq!(most_messages(0.0, TIMEOUT), usize::MAX);
        assert_eq!(most_messages(0.0, Duration::ZERO), 1);
    }

    #[test]
    fn before_the_first_call_nothing_is_known() {
        assert_eq!(Tempo::default().most_messages(TIMEOUT), usize::MAX);
        let mut tempo = Tempo::default();
        tempo.heard(0, 1_000);
        assert_eq!(tempo.per_message_ms(), None);
    }

    #[test]
    fn a_server_that_gets_slower_is_believed_at_once_and_a_faster_one_by_and_by() {
        let mut tempo = Tempo::default();
        tempo.heard(100, 1_000);
        tempo.heard(100, 10_000);
        assert_eq!(tempo.per_message_ms(), Some(55.0));
        tempo.heard(100, 500);
        assert_eq!(tempo.per_message_ms(), Some(50.0));
    }

    #[test]
    fn a_call_that_times_out_halves_the_next_ones_at_least() {
        let mut tempo = Tempo::default();
        tempo.heard(200, 2_000);
        tempo.heard(200, 30_000);
        assert!(tempo.most_messages(TIMEOUT) <= 125);
    }

    proptest! {
        #[test]
        fn it_settles_at_the_servers_tempo(start in 1u32..1_000, then in 1u32..1_000) {
            let mut tempo = Tempo::default();
            tempo.heard(10, start * 10);
            (0..100).for_each(|_| tempo.heard(10, then * 10));
            let per_message_ms = tempo.per_message_ms().unwrap();
            prop_assert!((per_message_ms - f64::from(then)).abs() < 1.0);
            let expected_ms = per_message_ms * tempo.most_messages(TIMEOUT) as f64;
            prop_assert!(expected_ms <= 10_000.0);
        }
    }
}
