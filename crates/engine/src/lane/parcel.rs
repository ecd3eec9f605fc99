//! A parcel while a lane holds it: where each of its messages stands, and to whom results go.

use std::sync::Arc;

use interline_core::adapter::{Adapter, Loss};
use interline_core::decide::{self, Action, ErrorClass, Repeat, Situation};
use interline_core::draw::Waiting;
use interline_core::error::{ErrorCode, Failure, Fate};
use interline_core::message::{Head, Message};
use interline_core::options::{Guarantee, OnLoss, Results};
use interline_core::outcome::{Outcome, Receipt, Status};
use interline_core::recipient::RecipientKind;
use interline_core::record::{CallRecord, Note};
use interline_ledger::Claim;
use tokio::sync::oneshot;

use super::Ticket;
use crate::intake::forbidding;

/// The batch that a parcel belongs to.
#[derive(Debug)]
pub(crate) struct BatchRef {
    pub(crate) id: String,
    /// The batch's turn in the queue.
    pub(crate) flow: u64,
    pub(crate) head: Head,
    /// Not tried after this, Unix milliseconds.
    pub(crate) deadline_ms: i64,
    pub(crate) attempts_allowed: u32,
}

/// One message of a held parcel.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) message: Arc<Message>,
    pub(crate) results: Results,
    pub(crate) losses: Vec<Loss>,
    pub(crate) on_loss: OnLoss,
    /// Attempts that count against the budget.
    pub(crate) attempts: u32,
    /// All attempts: the pauses between them grow with each.
    pub(crate) tries: u32,
    pub(crate) first_sent_ms: i64,
    pub(crate) sent_ms: i64,
    pub(crate) prior_unknown: bool,
    pub(crate) may_be_duplicate: bool,
    pub(crate) state: Status,
}

impl Entry {
    pub(crate) const fn new(message: Arc<Message>, results: Results, on_loss: OnLoss) -> Self {
        Self {
            message,
            results,
            losses: Vec::new(),
            on_loss,
            attempts: 0,
            tries: 0,
            first_sent_ms: 0,
            sent_ms: 0,
            prior_unknown: false,
            may_be_duplicate: false,
            state: Status::Queued,
        }
    }
}

impl Entry {
    /// When it must have left, or be judged again, Unix milliseconds.
    pub(crate) fn leave_by_ms(&self, dedupe_window_ms: u64) -> i64 {
        let window = i64::try_from(dedupe_window_ms).unwrap_or(i64::MAX);
        let repeat = self.prior_unknown && self.message.guarantee == Guarantee::AtMostOnce;
        let recognised = if repeat { self.first_sent_ms.saturating_add(window) } else { i64::MAX };
        recognised.min(self.message.expires_at_ms.unwrap_or(i64::MAX))
    }

    /// Whether the message may leave now, or what it settles as instead.
    pub(crate) fn before_leaving(
        &mut self,
        now_ms: i64,
        deadline_ms: i64,
        dedupe_window_ms: u64,
    ) -> Result<(), (Status, Failure)> {
        if self.message.expires_at_ms.unwrap_or(i64::MAX).min(deadline_ms) <= now_ms {
            let failure =
                Failure::not_sent(ErrorCode::Expired, "it was not sent before it expired").for_good();
            return Err((Status::Expired, failure));
        }
        let age = u64::try_from(now_ms - self.first_sent_ms).unwrap_or_default();
        if !self.prior_unknown || age < dedupe_window_ms {
            return Ok(());
        }
        match self.message.guarantee {
            Guarantee::AtLeastOnce => {
                self.may_be_duplicate = true;
                Ok(())
            }
            Guarantee::AtMostOnce => {
                let detail = "the time is over in which the vendor would recognise a repeat";
                Err((Status::Unknown, Failure::unknown(ErrorCode::Timeout, detail)))
            }
        }
    }
}

/// Where the results of a parcel go.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A ledger row under a lease.
    Stored(Claim),
    /// A caller who waits.
    Direct(DirectSink),
}

/// The waiting caller's end of a parcel.
#[derive(Debug)]
pub(crate) struct DirectSink {
    /// Names the parcel when the caller stops waiting.
    pub(crate) id: u64,
    pub(crate) records: Vec<CallRecord>,
    pub(crate) calls: u32,
    pub(crate) done: Option<oneshot::Sender<DirectDone>>,
}

/// What became of a direct parcel.
#[derive(Debug)]
pub(crate) struct DirectDone {
    pub(crate) records: Vec<CallRecord>,
    pub(crate) calls: u32,
}

/// A parcel in a lane.
#[derive(Debug)]
pub(crate) struct HeldParcel {
    pub(crate) batch: Arc<BatchRef>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) origin: Origin,
    /// Messages that are not final.
    pub(crate) open: usize,
    /// Calls under way that hold messages of it.
    pub(crate) under_way: u32,
    /// Bytes that the parcel keeps in memory, roughly.
    pub(crate) bytes: usize,
}

/// What follows for one message.
#[derive(Debug)]
pub(crate) enum After {
    /// It is final.
    Final,
    /// It goes again, not before this, Unix milliseconds.
    Again(i64),
}

/// How an attempt is to be judged beside its outcome.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judgement {
    pub(crate) now_ms: i64,
    pub(crate) dedupe_window_ms: u64,
    /// A penalty of the vendor's: it does not count against the budget.
    pub(crate) free: bool,
    /// Uniform in 0..1.
    pub(crate) chance: f64,
}

impl HeldParcel {
    /// How a message waits for its call.
    pub(crate) fn waiting(&self, key: u32, position: u16, adapter: &dyn Adapter) -> Option<Waiting<Ticket>> {
        let entry = self.entries.get(usize::from(position))?;
        Some(Waiting {
            ticket: (key, position),
            slot: adapter.slot(&entry.message, entry.results),
            recipient: entry.message.to.fingerprint(),
            flow: self.batch.flow,
            ordered: self.batch.head.ordered,
            priority: entry.message.options.priority,
            order: 0,
        })
    }

    /// Checks what is not final with the adapter that is spoken: takes over its losses, and returns what
    /// cannot be sent in this dialect.
    pub(crate) fn check(&mut self, adapter: &dyn Adapter, provider: &str) -> Vec<(u16, Failure)> {
        let mut refused = Vec::new();
        for (position, entry) in (0u16..).zip(&mut self.entries) {
            if entry.state != Status::Queued {
                continue;
            }
            match adapter.check(&entry.message, entry.results) {
                Ok(losses) => {
                    entry.losses = losses;
                    if let Some(detail) = forbidding(&entry.losses, entry.on_loss, provider) {
                        refused
                            .push((position, Failure::not_sent(ErrorCode::Unsupported, detail).for_good()));
                    }
                }
                Err(refusal) => refused.push((position, refusal.failure())),
            }
        }
        refused
    }

    /// The recipients that stand more than once in a direct parcel, which holds all of its batch for this
    /// provider; none for a stored one, whose batch has other parcels.
    pub(crate) fn repeated_recipients(&self) -> Option<Vec<u64>> {
        match self.origin {
            Origin::Stored(_) => None,
            Origin::Direct(_) => {
                let mut seen: Vec<u64> =
                    self.entries.iter().map(|entry| entry.message.to.fingerprint()).collect();
                seen.sort_unstable();
                let pairs = seen.iter().zip(seen.iter().skip(1));
                Some(pairs.filter(|(one, next)| one == next).map(|(one, _)| *one).collect())
            }
        }
    }

    /// The states of all messages, as the ledger stores them.
    pub(crate) fn states(&self) -> Vec<Status> {
        self.entries.iter().map(|entry| entry.state).collect()
    }

    /// Applies an attempt's outcome to a message and notes it.
    pub(crate) fn attempted(
        &mut self,
        position: u16,
        outcome: Outcome,
        judge: Judgement,
    ) -> Option<(Note, After)> {
        let deadline_ms = self.batch.deadline_ms;
        let attempts_allowed = self.batch.attempts_allowed;
        let entry = self.entries.get_mut(usize::from(position))?;
        if entry.state.is_final() {
            return None;
        }
        entry.tries += 1;
        // What never left for want of a server counts against the deadline alone.
        let unreached = outcome.failure().is_some_and(|failure| {
            failure.fate == Fate::NotSent && failure.code == ErrorCode::VendorUnavailable
        });
        let free = judge.free || unreached;
        if !free {
            entry.attempts += 1;
        }
        let deadline_ms = entry.message.expires_at_ms.map_or(deadline_ms, |expires| expires.min(deadline_ms));
        let situation = Situation {
            guarantee: entry.message.guarantee,
            repeat: Repeat::within(judge.dedupe_window_ms, entry.first_sent_ms, judge.now_ms),
            askable: false,
            prior_unknown: entry.prior_unknown,
            budget: entry.attempts < attempts_allowed && judge.now_ms < deadline_ms,
            fallback: false,
            everyone: entry.message.to.kind() == RecipientKind::Everyone,
        };
        let action = decide::decide(ErrorClass::of(&outcome), &situation);
        let result = outcome.status();
        let (receipt, mut failure): (Option<Receipt>, Option<Box<Failure>>) = match outcome {
            Outcome::Accepted(receipt) => (Some(receipt), None),
            Outcome::Rejected(failure) | Outcome::Unknown(failure) => (None, Some(Box::new(failure))),
        };
        let (status, after, not_before_ms) = match action {
            Action::Settle(status) => (status, After::Final, 0),
            Action::Again | Action::AgainMaybeTwice | Action::AgainElsewhere | Action::Ask => {
                entry.may_be_duplicate |= action == Action::AgainMaybeTwice;
                entry.prior_unknown |= result == Status::Unknown;
                let pause = decide::backoff_ms(entry.tries + 1, judge.chance);
                let at = judge.now_ms.saturating_add(i64::try_from(pause).unwrap_or(i64::MAX));
                (Status::Queued, After::Again(at), at)
            }
        };
        if status == Status::Unknown
            && let Some(failure) = &mut failure
        {
            failure.fate = Fate::Unknown;
        }
        entry.state = status;
        if status.is_final() {
            self.open = self.open.saturating_sub(1);
        }
        let note = Note {
            position,
            status,
            result: (result != status).then_some(result),
            receipt,
            failure,
            losses: entry.losses.iter().map(|loss| Arc::from(*loss)).collect(),
            may_be_duplicate: entry.may_be_duplicate,
            free,
            not_before_ms,
        };
        Some((note, after))
    }

    /// Settles a message without an attempt. One that may have arrived before stays unknown, whatever
    /// keeps it from being sent again.
    pub(crate) fn settle(&mut self, position: u16, status: Status, mut failure: Failure) -> Option<Note> {
        let entry = self.entries.get_mut(usize::from(position))?;
        if entry.state.is_final() {
            return None;
        }
        let status = if entry.prior_unknown { Status::Unknown } else { status };
        if status == Status::Unknown && failure.fate != Fate::Unknown {
            failure.fate = Fate::Unknown;
            failure.message = format!("an earlier attempt may have arrived; {}", failure.message);
        }
        entry.state = status;
        self.open = self.open.saturating_sub(1);
        let losses = entry.losses.iter().map(|loss| Arc::from(*loss)).collect();
        let may_be_duplicate = entry.may_be_duplicate;
        Some(Note {
            position,
            status,
            failure: Some(Box::new(failure)),
            losses,
            may_be_duplicate,
            ..Note::default()
        })
    }

    /// Takes over what earlier attempts left in the ledger.
    pub(crate) fn recall(&mut self, records: &[CallRecord]) {
        for record in records.iter().filter(|record| record.attempt) {
            for note in &record.notes {
                let Some(entry) = self.entries.get_mut(usize::from(note.position)) else { continue };
                entry.tries += 1;
                entry.attempts += u32::from(!note.free);
                entry.may_be_duplicate |= note.may_be_duplicate;
                entry.prior_unknown |= note.result.unwrap_or(note.status) == Status::Unknown;
                if entry.first_sent_ms == 0 {
                    entry.first_sent_ms = record.at_ms;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_testkit::build::message;
    use serde_json::json;

    fn repeat(guarantee: &str) -> Entry {
        let message = message(&json!({
            "to": "room:1", "content": {"type": "text", "text": "x"}, "guarantee": guarantee
        }));
        let mut entry = Entry::new(message, Results::Each, OnLoss::Degrade);
        entry.prior_unknown = true;
        entry.first_sent_ms = 1_000;
        entry
    }

    #[test]
    fn a_repeat_leaves_only_inside_the_vendors_window() {
        let mut entry = repeat("at_most_once");
        assert!(entry.before_leaving(1_999, i64::MAX, 1_000).is_ok());
        let Err((status, failure)) = entry.before_leaving(2_000, i64::MAX, 1_000) else { panic!("it left") };
        assert_eq!((status, failure.fate), (Status::Unknown, Fate::Unknown));
    }

    #[test]
    fn a_repeat_outside_the_window_says_that_it_may_double_where_that_was_asked_for() {
        let mut entry = repeat("at_least_once");
        assert!(entry.before_leaving(2_000, i64::MAX, 1_000).is_ok() && entry.may_be_duplicate);
    }

    #[test]
    fn what_expired_does_not_leave() {
        let mut entry = repeat("at_most_once");
        assert!(matches!(entry.before_leaving(1_500, 1_500, 1_000), Err((Status::Expired, _))));
    }
}
