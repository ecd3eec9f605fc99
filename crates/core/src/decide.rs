//! What follows from an attempt: one table for every vendor. Nothing is retryable by default, and a
//! message that may have arrived goes again only where the vendor would recognise it or the caller asked
//! for it. [`table()`] writes the table down from [`decide`] itself; `docs/LEDGER.md` holds that text.

mod table;

use crate::error::{Failure, Fate};
use crate::options::Guarantee;
use crate::outcome::{Outcome, Status};

pub use table::table;

/// What an attempt came to, as far as it matters for what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// No error: the vendor took it.
    Accepted,
    /// No byte can have reached the vendor; another time it may.
    NotSent,
    /// No byte has reached the vendor, and none will.
    NotSentForGood,
    /// The vendor's no, for now.
    Refused,
    /// The vendor's no, for good.
    RefusedForGood,
    /// It may have arrived.
    Unknown,
}

impl ErrorClass {
    /// All classes, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::NotSent,
        Self::Refused,
        Self::NotSentForGood,
        Self::RefusedForGood,
        Self::Unknown,
    ];

    /// The class of an outcome.
    #[must_use]
    pub const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted(_) => Self::Accepted,
            Outcome::Rejected(failure) => Self::of_failure(failure),
            Outcome::Unknown(_) => Self::Unknown,
        }
    }

    /// The class of a failure. What is unknown stays so, whether or not it might pass.
    #[must_use]
    pub const fn of_failure(failure: &Failure) -> Self {
        match (failure.fate, failure.retryable) {
            (Fate::NotSent, true) => Self::NotSent,
            (Fate::NotSent, false) => Self::NotSentForGood,
            (Fate::Refused, true) => Self::Refused,
            (Fate::Refused, false) => Self::RefusedForGood,
            (Fate::Unknown, true | false) => Self::Unknown,
        }
    }
}

/// What the vendor would make of a repeat that left now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// A second message.
    Doubles,
    /// The same message again.
    Recognised,
}

impl Repeat {
    /// Recognised while the first attempt is younger than the vendor's window (0 is no window). A clock
    /// that went back tells no age: nothing is recognised by it.
    #[must_use]
    pub fn within(window_ms: u64, first_sent_ms: i64, now_ms: i64) -> Self {
        match u64::try_from(now_ms.saturating_sub(first_sent_ms)) {
            Ok(age_ms) if age_ms < window_ms => Self::Recognised,
            Ok(_) | Err(_) => Self::Doubles,
        }
    }
}

/// What is left for further attempts of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Budget {
    /// An attempt, and time for it.
    Left,
    /// No attempt.
    Spent,
    /// Attempts, and no time.
    Late,
}

impl Budget {
    /// What is left of so many attempts, and of the time until the deadline.
    #[must_use]
    pub const fn of(attempts_left: bool, in_time: bool) -> Self {
        match (attempts_left, in_time) {
            (true, true) => Self::Left,
            (true, false) => Self::Late,
            (false, true | false) => Self::Spent,
        }
    }

    const fn is_left(self) -> bool {
        match self {
            Self::Left => true,
            Self::Spent | Self::Late => false,
        }
    }
}

/// What is known of a message when an attempt of it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Situation {
    /// What the caller asked for.
    pub guarantee: Guarantee,
    /// What the vendor would make of a repeat now.
    pub repeat: Repeat,
    /// Whether the vendor can be asked what became of the message, and was not asked since the attempt.
    pub askable: bool,
    /// Whether an attempt before this one may have arrived. It binds the message to its provider.
    pub prior_unknown: bool,
    /// What is left for another attempt.
    pub budget: Budget,
    /// Whether another provider may take the message.
    pub fallback: bool,
    /// Whether it is for everyone: that is tried once.
    pub everyone: bool,
}

/// What happens with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is final.
    Settle(Status),
    /// It goes again after a pause, to the same provider.
    Again,
    /// It goes again after a pause, and the vendor may then hold it twice: its result says so.
    AgainMaybeTwice,
    /// It goes to another provider.
    AgainElsewhere,
    /// The vendor is asked what became of it. Decided again, with `askable` false, unless it arrived.
    Ask,
}

/// Decides what follows.
#[must_use]
pub const fn decide(class: ErrorClass, situation: &Situation) -> Action {
    match (class, situation.prior_unknown) {
        (ErrorClass::Accepted, true | false) => Action::Settle(Status::Accepted),
        (ErrorClass::NotSent | ErrorClass::Refused, false) => after_no(situation),
        (ErrorClass::NotSentForGood | ErrorClass::RefusedForGood, false) => Action::Settle(Status::Rejected),
        // A no to a repeat says nothing of the attempt before it.
        (ErrorClass::NotSent | ErrorClass::Refused, true) | (ErrorClass::Unknown, true | false) => {
            in_doubt(situation, situation.budget.is_left())
        }
        (ErrorClass::NotSentForGood | ErrorClass::RefusedForGood, true) => in_doubt(situation, false),
    }
}

/// Nobody has it, and it may still go. Fallbacks and repeats share one budget. Whether the time ended just
/// before the answer came or while it waited for another try makes no difference: it expired.
const fn after_no(situation: &Situation) -> Action {
    match (situation.everyone, situation.budget, situation.fallback) {
        (false, Budget::Left, true) => Action::AgainElsewhere,
        (false, Budget::Left, false) => Action::Again,
        (false, Budget::Late, true | false) => Action::Settle(Status::Expired),
        (false, Budget::Spent, true | false) | (true, Budget::Left | Budget::Spent | Budget::Late, _) => {
            Action::Settle(Status::Rejected)
        }
    }
}

/// Somebody may have it: it never goes elsewhere. To ask costs no attempt.
const fn in_doubt(situation: &Situation, may_repeat: bool) -> Action {
    let Situation { guarantee, repeat, askable, everyone, .. } = *situation;
    match (may_repeat && !everyone, repeat, askable, guarantee) {
        (true, Repeat::Recognised, true | false, Guarantee::AtMostOnce | Guarantee::AtLeastOnce) => {
            Action::Again
        }
        (true, Repeat::Doubles, true, Guarantee::AtMostOnce | Guarantee::AtLeastOnce)
        | (
            false,
            Repeat::Doubles | Repeat::Recognised,
            true,
            Guarantee::AtMostOnce | Guarantee::AtLeastOnce,
        ) => Action::Ask,
        (true, Repeat::Doubles, false, Guarantee::AtLeastOnce) => Action::AgainMaybeTwice,
        (true, Repeat::Doubles, false, Guarantee::AtMostOnce)
        | (
            false,
            Repeat::Doubles | Repeat::Recognised,
            false,
            Guarantee::AtMostOnce | Guarantee::AtLeastOnce,
        ) => Action::Settle(Status::Unknown),
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
    use crate::error::ErrorCode;
    use crate::outcome::Receipt;
    use proptest::prelude::*;

    const FRESH: Situation = Situation {
        guarantee: Guarantee::AtMostOnce,
        repeat: Repeat::Doubles,
        askable: false,
        prior_unknown: false,
        budget: Budget::Left,
        fallback: false,
        everyone: false,
    };

    fn situations() -> impl Strategy<Value = Situation> {
        let guarantee = prop_oneof![Just(Guarantee::AtMostOnce), Just(Guarantee::AtLeastOnce)];
        let repeat = prop_oneof![Just(Repeat::Doubles), Just(Repeat::Recognised)];
        (guarantee, repeat, any::<[bool; 6]>()).prop_map(|(guarantee, repeat, flags)| {
            let [askable, prior_unknown, attempts, in_time, fallback, everyone] = flags;
            let budget = Budget::of(attempts, in_time);
            Situation { guarantee, repeat, askable, prior_unknown, budget, fallback, everyone }
        })
    }

    fn classes() -> impl Strategy<Value = ErrorClass> {
        proptest::sample::select(ErrorClass::ALL.as_slice())
    }

    fn leaves(action: Action) -> bool {
        match action {
            Action::Again | Action::AgainElsewhere | Action::AgainMaybeTwice => true,
            Action::Settle(_) | Action::Ask => false,
        }
    }

    proptest! {
        #[test]
        fn at_most_once_never_doubles(class in classes(), s in situations()) {
            let s = Situation { guarantee: Guarantee::AtMostOnce, ..s };
            prop_assert_ne!(decide(class, &s), Action::AgainMaybeTwice);
            let doubtful = class == ErrorClass::Unknown || s.prior_unknown;
            prop_assert!(!doubtful || s.repeat == Repeat::Recognised || !leaves(decide(class, &s)));
        }

        #[test]
        fn what_may_have_arrived_stays_with_its_provider(class in classes(), s in situations()) {
            let doubtful = class == ErrorClass::Unknown || s.prior_unknown;
            prop_assert!(!doubtful || decide(class, &s) != Action::AgainElsewhere);
        }

        #[test]
        fn what_may_have_arrived_never_settles_as_rejected(class in classes(), s in situations()) {
            let doubtful = class == ErrorClass::Unknown || s.prior_unknown;
            prop_assert!(!doubtful || decide(class, &s) != Action::Settle(Status::Rejected));
        }

        #[test]
        fn without_budget_nothing_leaves_and_what_cannot_be_asked_settles(
            class in classes(), s in situations(), late in any::<bool>()
        ) {
            let spent = Situation { budget: Budget::of(late, false), ..s };
            prop_assert!(!leaves(decide(class, &spent)));
            let asked = Situation { askable: false, ..spent };
            prop_assert!(matches!(decide(class, &asked), Action::Settle(_)));
        }

        #[test]
        fn what_nobody_has_expires_by_the_time_and_is_rejected_by_the_attempts(
            s in situations(), class in prop_oneof![Just(ErrorClass::NotSent), Just(ErrorClass::Refused)]
        ) {
            let s = Situation { prior_unknown: false, everyone: false, ..s };
            let late = decide(class, &Situation { budget: Budget::Late, ..s });
            prop_assert_eq!(late, Action::Settle(Status::Expired));
            let spent = decide(class, &Situation { budget: Budget::Spent, ..s });
            prop_assert_eq!(spent, Action::Settle(Status::Rejected));
        }

        #[test]
        fn everyone_is_tried_once(class in classes(), s in situations()) {
            let s = Situation { everyone: true, ..s };
            prop_assert!(!leaves(decide(class, &s)));
        }

        #[test]
        fn only_what_is_in_doubt_is_asked_for_and_only_once(class in classes(), s in situations()) {
            if decide(class, &s) == Action::Ask {
                prop_assert!(s.askable && (class == ErrorClass::Unknown || s.prior_unknown));
                prop_assert_ne!(decide(class, &Situation { askable: false, ..s }), Action::Ask);
            }
        }

        #[test]
        fn accepted_is_final_and_so_is_a_final_no(s in situations()) {
            prop_assert_eq!(decide(ErrorClass::Accepted, &s), Action::Settle(Status::Accepted));
            for class in [ErrorClass::NotSentForGood, ErrorClass::RefusedForGood] {
                prop_assert!(!leaves(decide(class, &s)));
            }
        }

        #[test]
        fn what_settles_is_final(class in classes(), s in situations()) {
            if let Action::Settle(status) = decide(class, &s) {
                prop_assert!(status.is_final());
            }
        }
    }

    #[test]
    fn an_unknown_is_never_resent_by_itself() {
        assert_eq!(decide(ErrorClass::Unknown, &FRESH), Action::Settle(Status::Unknown));
        let elsewhere = Situation { fallback: true, ..FRESH };
        assert_eq!(decide(ErrorClass::Unknown, &elsewhere), Action::Settle(Status::Unknown));
    }

    #[test]
    fn an_unknown_is_resent_where_the_vendor_recognises_it() {
        let inside = Situation { repeat: Repeat::Recognised, askable: true, ..FRESH };
        assert_eq!(decide(ErrorClass::Unknown, &inside), Action::Again);
    }

    #[test]
    fn the_vendor_is_asked_before_anything_is_doubled() {
        let asked = Situation { guarantee: Guarantee::AtLeastOnce, askable: true, ..FRESH };
        assert_eq!(decide(ErrorClass::Unknown, &asked), Action::Ask);
        let absent = Situation { askable: false, ..asked };
        assert_eq!(decide(ErrorClass::Unknown, &absent), Action::AgainMaybeTwice);
    }

    #[test]
    fn what_nobody_has_goes_elsewhere_before_it_goes_again() {
        for class in [ErrorClass::NotSent, ErrorClass::Refused] {
            assert_eq!(decide(class, &FRESH), Action::Again);
            assert_eq!(decide(class, &Situation { fallback: true, ..FRESH }), Action::AgainElsewhere);
            let spent = Situation { fallback: true, budget: Budget::Spent, ..FRESH };
            assert_eq!(decide(class, &spent), Action::Settle(Status::Rejected));
        }
    }

    #[test]
    fn a_no_to_a_repeat_leaves_the_first_attempt_in_doubt() {
        let repeat = Situation { prior_unknown: true, fallback: true, ..FRESH };
        for class in [ErrorClass::NotSent, ErrorClass::Refused, ErrorClass::RefusedForGood] {
            assert_eq!(decide(class, &repeat), Action::Settle(Status::Unknown));
            assert_eq!(decide(class, &Situation { askable: true, ..repeat }), Action::Ask);
        }
        let twice = Situation { guarantee: Guarantee::AtLeastOnce, ..repeat };
        assert_eq!(decide(ErrorClass::NotSent, &twice), Action::AgainMaybeTwice);
        let inside = Situation { repeat: Repeat::Recognised, ..repeat };
        assert_eq!(decide(ErrorClass::NotSent, &inside), Action::Again);
    }

    #[test]
    fn an_outcome_is_classed_by_its_fate_and_whether_it_may_pass() {
        let of = |failure: Failure| ErrorClass::of(&Outcome::failed(failure));
        let code = ErrorCode::VendorError;
        assert_eq!(of(Failure::not_sent(code, "")), ErrorClass::NotSent);
        assert_eq!(of(Failure::not_sent(code, "").for_good()), ErrorClass::NotSentForGood);
        assert_eq!(of(Failure::refused(code, "").for_now()), ErrorClass::Refused);
        assert_eq!(of(Failure::refused(code, "")), ErrorClass::RefusedForGood);
        assert_eq!(of(Failure::unknown(code, "").for_now()), ErrorClass::Unknown);
        assert_eq!(ErrorClass::of(&Outcome::Accepted(Receipt::default())), ErrorClass::Accepted);
    }

    #[test]
    fn a_repeat_is_recognised_inside_the_window_alone() {
        assert_eq!(Repeat::within(1_000, 0, 999), Repeat::Recognised);
        assert_eq!(Repeat::within(1_000, 0, 1_000), Repeat::Doubles);
        assert_eq!(Repeat::within(0, 0, 0), Repeat::Doubles);
        assert_eq!(Repeat::within(1_000, 500, 0), Repeat::Doubles);
    }

    #[test]
    fn backoff_grows_and_is_bounded() {
        assert_eq!(backoff_ms(2, 0.0), 0);
        assert_eq!(backoff_ms(2, 1.0), 400);
        assert_eq!(backoff_ms(3, 1.0), 800);
        assert_eq!(backoff_ms(60, 1.0), 60_000);
    }
}
