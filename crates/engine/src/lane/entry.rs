//! One message while a lane holds it: what was tried, what may have arrived, and who may try next.

use std::sync::Arc;

use interline_core::adapter::{Adapter, Loss, Seal, Sent, Slot};
use interline_core::decide::Repeat;
use interline_core::error::{ErrorCode, Failure};
use interline_core::message::Message;
use interline_core::options::{Guarantee, Results};
use interline_core::outcome::Status;

use super::divert::{self, ELSEWHERE};
use super::parcel::Judgement;
use crate::intake::{Fallback, Terms};
use crate::migration::Migration;

/// One message of a held parcel.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) message: Arc<Message>,
    /// The same by the ids that the lane's provider knows, where they are others.
    pub(crate) mapped: Option<Arc<Message>>,
    pub(crate) results: Results,
    pub(crate) losses: Vec<Loss>,
    pub(crate) terms: Terms,
    /// Who stands in for the home lane's provider.
    pub(crate) fallback: Fallback,
    /// The migration that hears what becomes of it.
    pub(crate) migration: Option<Arc<Migration>>,
    /// Which of them has it: 0 is the home lane's provider.
    pub(crate) hop: usize,
    /// Who is to have it since it was routed again; none is the lane that holds it.
    pub(crate) target: Option<Arc<str>>,
    /// Whether it has to be routed again before it is tried again: the routes changed while it was on its way.
    pub(crate) stale: bool,
    /// The provider that may have got it already; no other one gets it then.
    pub(crate) pinned: Option<Arc<str>>,
    /// Attempts that count against the budget.
    pub(crate) attempts: u32,
    /// All attempts: the pauses between them grow with each.
    pub(crate) tries: u32,
    pub(crate) first_sent_ms: i64,
    pub(crate) sent_ms: i64,
    /// Since when it waits after an attempt, Unix milliseconds; 0 before the first one.
    pub(crate) since_ms: i64,
    pub(crate) prior_unknown: bool,
    pub(crate) may_be_duplicate: bool,
    pub(crate) state: Status,
}

impl Entry {
    pub(crate) fn new(message: Arc<Message>, results: Results, terms: Terms) -> Self {
        Self {
            message,
            mapped: None,
            results,
            losses: Vec::new(),
            terms,
            fallback: None,
            migration: None,
            hop: 0,
            target: None,
            stale: false,
            pinned: None,
            attempts: 0,
            tries: 0,
            first_sent_ms: 0,
            sent_ms: 0,
            since_ms: 0,
            prior_unknown: false,
            may_be_duplicate: false,
            state: Status::Queued,
        }
    }

    /// The message as the lane's provider knows it.
    pub(crate) fn there(&self) -> &Arc<Message> {
        self.mapped.as_ref().unwrap_or(&self.message)
    }

    /// Which calls it may stand in; none of this lane's where it goes to another one.
    pub(crate) fn slot(&self, adapter: &dyn Adapter) -> Slot {
        if self.target.is_some() && self.state == Status::Queued {
            return divert::slot(ELSEWHERE);
        }
        adapter.slot(self.there(), self.results)
    }

    /// How the vendor would be asked for it.
    pub(crate) fn sent(&self, class: &'static str) -> Sent<'_> {
        Sent { message: self.there(), recipient_id: self.there().to.id(), class }
    }

    /// Whether the vendor can be asked what became of it.
    pub(crate) fn askable(&self, judge: Judgement<'_>) -> bool {
        let Some((adapter, class)) = judge.ask else { return false };
        let seal = Seal { now_ms: judge.now_ms, nonce: "", token: Some("") };
        adapter.profile().lookup && adapter.lookup(&self.sent(class), &seal).is_some()
    }

    /// When it must have left, or be judged again, Unix milliseconds.
    pub(crate) fn leave_by_ms(&self, dedupe_window_ms: u64) -> i64 {
        let window = i64::try_from(dedupe_window_ms).unwrap_or(i64::MAX);
        let repeat = self.prior_unknown && self.terms.guarantee == Guarantee::AtMostOnce;
        let recognised = if repeat { self.first_sent_ms.saturating_add(window) } else { i64::MAX };
        recognised.min(self.message.expires_at_ms.unwrap_or(i64::MAX))
    }

    /// Not sent after this, Unix milliseconds.
    pub(crate) fn expires_ms(&self, deadline_ms: i64) -> i64 {
        self.message.expires_at_ms.unwrap_or(i64::MAX).min(deadline_ms)
    }

    /// Whether the message may leave now, or what it settles as instead.
    pub(crate) fn before_leaving(
        &mut self,
        now_ms: i64,
        deadline_ms: i64,
        dedupe_window_ms: u64,
    ) -> Result<(), (Status, Failure)> {
        if self.expires_ms(deadline_ms) <= now_ms {
            return Err((Status::Expired, too_late()));
        }
        let repeat = Repeat::within(dedupe_window_ms, self.first_sent_ms, now_ms);
        match (self.prior_unknown, repeat, self.terms.guarantee) {
            (false, _, _) | (true, Repeat::Recognised, _) => Ok(()),
            (true, Repeat::Doubles, Guarantee::AtLeastOnce) => {
                self.may_be_duplicate = true;
                Ok(())
            }
            (true, Repeat::Doubles, Guarantee::AtMostOnce) => {
                let detail = "the time is over in which the vendor would recognise a repeat";
                Err((Status::Unknown, Failure::unknown(ErrorCode::Timeout, detail)))
            }
        }
    }
}

/// Why a message that came too late was not sent.
pub(crate) fn too_late() -> Failure {
    Failure::not_sent(ErrorCode::Expired, "it was not sent before it expired").for_good()
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_core::error::Fate;
    use interline_core::options::OnLoss;
    use interline_testkit::build::message;
    use serde_json::json;

    fn repeat(guarantee: Guarantee) -> Entry {
        let message = message(&json!({
            "to": "room:1", "content": {"type": "text", "text": "x"}
        }));
        let terms = Terms { on_loss: OnLoss::Degrade, guarantee };
        let mut entry = Entry::new(message, Results::Each, terms);
        entry.prior_unknown = true;
        entry.first_sent_ms = 1_000;
        entry
    }

    #[test]
    fn a_repeat_leaves_only_inside_the_vendors_window() {
        let mut entry = repeat(Guarantee::AtMostOnce);
        assert!(entry.before_leaving(1_999, i64::MAX, 1_000).is_ok());
        let Err((status, failure)) = entry.before_leaving(2_000, i64::MAX, 1_000) else { panic!("it left") };
        assert_eq!((status, failure.fate), (Status::Unknown, Fate::Unknown));
    }

    #[test]
    fn a_repeat_outside_the_window_says_that_it_may_double_where_that_was_asked_for() {
        let mut entry = repeat(Guarantee::AtLeastOnce);
        assert!(entry.before_leaving(2_000, i64::MAX, 1_000).is_ok() && entry.may_be_duplicate);
    }

    #[test]
    fn what_expired_does_not_leave() {
        let mut entry = repeat(Guarantee::AtMostOnce);
        assert!(matches!(entry.before_leaving(1_500, 1_500, 1_000), Err((Status::Expired, _))));
    }
}
