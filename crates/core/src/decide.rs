//! What follows from an outcome. One table decides it for every vendor; nothing is retryable by
//! default, and an unknown is never sent again unless the vendor recognises it or the caller asked.

use crate::error::Fate;
use crate::options::Guarantee;
use crate::outcome::{Outcome, Status};

/// What is known when an attempt of a message ended.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// What the caller asked for.
    pub guarantee: Guarantee,
    /// Attempts made, this one included.
    pub attempts: u32,
    /// Most attempts.
    pub attempts_allowed: u32,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Not after, Unix milliseconds.
    pub deadline_ms: i64,
    /// When the first attempt left, Unix milliseconds.
    pub first_sent_ms: i64,
    /// Whether an earlier attempt ended unknown: it may have arrived.
    pub prior_unknown: bool,
    /// How long after it the vendor recognises a repeat, in milliseconds; 0 is never.
    pub dedupe_window_ms: u64,
}

/// What happens with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is final.
    Settle(Status),
    /// It goes again after a pause; `duplicate` tells that the vendor may then hold it twice.
    Again {
        /// Whether the result must say `may_be_duplicate`.
        duplicate: bool,
    },
}

/// Decides what follows.
#[must_use]
pub fn decide(outcome: &Outcome, situation: &Situation) -> Next {
    let in_budget =
        situation.attempts < situation.attempts_allowed && situation.now_ms < situation.deadline_ms;
    let (failure, status) = match outcome {
        Outcome::Accepted(_) => return Next::Settle(Status::Accepted),
        // A no to the repeat says nothing of the attempt before it.
        Outcome::Rejected(failure) if situation.prior_unknown => (failure, Status::Unknown),
        Outcome::Rejected(failure) => (failure, Status::Rejected),
        Outcome::Unknown(failure) => (failure, Status::Unknown),
    };
    let action = match failure.fate {
        Fate::NotSent | Fate::Refused if failure.retryable => Next::Again { duplicate: false },
        Fate::NotSent | Fate::Refused => Next::Settle(status),
        Fate::Unknown => after_unknown(situation),
    };
    match action {
        Next::Again { .. } if !in_budget => Next::Settle(status),
        Next::Again { .. } | Next::Settle(_) => action,
    }
}

fn after_unknown(situation: &Situation) -> Next {
    let age = u64::try_from(situation.now_ms - situation.first_sent_ms).unwrap_or_default();
    let recognised = age < situation.dedupe_window_ms;
    match (recognised, situation.guarantee) {
        (true, Guarantee::AtMostOnce | Guarantee::AtLeastOnce) => Next::Again { duplicate: false },
        (false, Guarantee::AtLeastOnce) => Next::Again { duplicate: true },
        (false, Guarantee::AtMostOnce) => Next::Settle(Status::Unknown),
    }
}

/// The pause before attempt `attempt` (from 2): exponential with full jitter. `chance` is uniform in
/// 0..=1, the result in milliseconds, at most a minute.
#[must_use]
pub fn backoff_ms(attempt: u32, chance: f64) -> u64 {
    let ceiling = 200u64.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(60_000);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "between 0 and 60,000"
    )]
    let pause = (ceiling as f64 * chance.clamp(0.0, 1.0)) as u64;
    pause
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorCode, Failure};
    use crate::outcome::Receipt;

    fn situation() -> Situation {
        Situation {
            guarantee: Guarantee::AtMostOnce,
            attempts: 1,
            attempts_allowed: 6,
            now_ms: 1_000,
            deadline_ms: 100_000,
            first_sent_ms: 0,
            prior_unknown: false,
            dedupe_window_ms: 0,
        }
    }

    fn unknown() -> Outcome {
        Outcome::Unknown(Failure::unknown(ErrorCode::Timeout, "no answer"))
    }

    #[test]
    fn an_unknown_is_never_resent_by_itself() {
        assert_eq!(decide(&unknown(), &situation()), Next::Settle(Status::Unknown));
    }

    #[test]
    fn an_unknown_is_resent_inside_the_vendors_window() {
        let inside = Situation { dedupe_window_ms: 1_001, ..situation() };
        assert_eq!(decide(&unknown(), &inside), Next::Again { duplicate: false });
        let outside = Situation { dedupe_window_ms: 1_000, ..situation() };
        assert_eq!(decide(&unknown(), &outside), Next::Settle(Status::Unknown));
    }

    #[test]
    fn at_least_once_says_that_it_may_double() {
        let asked = Situation { guarantee: Guarantee::AtLeastOnce, ..situation() };
        assert_eq!(decide(&unknown(), &asked), Next::Again { duplicate: true });
    }

    #[test]
    fn what_was_not_sent_goes_again_within_the_budget() {
        let outcome = Outcome::Rejected(Failure::not_sent(ErrorCode::VendorUnavailable, "refused"));
        assert_eq!(decide(&outcome, &situation()), Next::Again { duplicate: false });
        let spent = Situation { attempts: 6, ..situation() };
        assert_eq!(decide(&outcome, &spent), Next::Settle(Status::Rejected));
        let late = Situation { now_ms: 100_000, ..situation() };
        assert_eq!(decide(&outcome, &late), Next::Settle(Status::Rejected));
    }

    #[test]
    fn a_final_no_and_a_yes_settle() {
        let no = Outcome::Rejected(Failure::refused(ErrorCode::RecipientNotFound, "no such user"));
        assert_eq!(decide(&no, &situation()), Next::Settle(Status::Rejected));
        assert_eq!(
            decide(&Outcome::Accepted(Receipt::default()), &situation()),
            Next::Settle(Status::Accepted)
        );
    }

    #[test]
    fn a_no_to_a_repeat_leaves_the_first_attempt_unknown() {
        let no = Outcome::Rejected(Failure::refused(ErrorCode::RecipientNotFound, "no such user"));
        let repeat = Situation { prior_unknown: true, attempts: 2, ..situation() };
        assert_eq!(decide(&no, &repeat), Next::Settle(Status::Unknown));
    }

    #[test]
    fn backoff_grows_and_is_bounded() {
        assert_eq!(backoff_ms(2, 0.0), 0);
        assert_eq!(backoff_ms(2, 1.0), 400);
        assert_eq!(backoff_ms(3, 1.0), 800);
        assert_eq!(backoff_ms(60, 1.0), 60_000);
    }
}
