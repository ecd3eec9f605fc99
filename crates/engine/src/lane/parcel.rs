//! A parcel while a lane holds it: where each of its messages stands, and to whom results go.

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::Adapter;
use interline_core::decide::{self, Action, Budget, ErrorClass, Repeat, Situation};
use interline_core::draw::Waiting;
use interline_core::error::{ErrorCode, Failure, Fate, Refusal};
use interline_core::message::Head;
use interline_core::outcome::{Outcome, Receipt, Status};
use interline_core::recipient::RecipientKind;
use interline_core::record::{CallRecord, Note};
use interline_ledger::Claim;
use tokio::sync::oneshot;

use super::Ticket;
use super::entry::Entry;
use super::loan::Home;
use crate::clock;
use crate::intake::forbidding;
use crate::provider::Provider;
use crate::trace;

/// The batch that a parcel belongs to.
#[derive(Debug)]
pub(crate) struct BatchRef {
    pub(crate) id: String,
    /// The app's turn in the queue.
    pub(crate) app: u64,
    /// The batch's turn among the app's.
    pub(crate) flow: u64,
    /// The app, as routes know it.
    pub(crate) app_name: Arc<str>,
    pub(crate) head: Head,
    /// Since when its messages wait, Unix milliseconds.
    pub(crate) begins_ms: i64,
    /// The request that it came with, where that is traced.
    pub(crate) origin: Option<Box<trace::Origin>>,
    /// Not tried after this, Unix milliseconds.
    pub(crate) deadline_ms: i64,
    pub(crate) attempts_allowed: u32,
}

/// Where the results of a parcel go.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A ledger row under a lease.
    Stored(Claim),
    /// A caller who waits.
    Direct(DirectSink),
    /// Another provider's lane.
    Lent(Home),
}

/// Why nothing more of a parcel leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The ledger took no *sending*: the renewal tells why.
    Fenced,
    /// Its batch was paused: it is given back.
    Paused,
    /// Its batch was cancelled.
    Cancelled,
    /// Its home lane wants it back, or its caller stopped waiting.
    Recalled,
    /// Its provider goes away: it is given to the one that takes over.
    Moved,
}

/// The waiting caller's end of a parcel.
#[derive(Debug)]
pub(crate) struct DirectSink {
    /// Names the parcel when the caller stops waiting.
    pub(crate) id: u64,
    pub(crate) records: Vec<CallRecord>,
    pub(crate) calls: u32,
    /// The most that Interline itself added to one of its calls.
    pub(crate) own: Duration,
    pub(crate) done: Option<oneshot::Sender<DirectDone>>,
}

/// What became of a direct parcel.
#[derive(Debug)]
pub(crate) struct DirectDone {
    pub(crate) records: Vec<CallRecord>,
    pub(crate) calls: u32,
    /// The most that Interline itself added to one of its calls.
    pub(crate) own: Duration,
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
    /// Messages that the vendor is asked about.
    pub(crate) asking: u32,
    /// Bytes that the parcel keeps in memory, roughly.
    pub(crate) bytes: usize,
    /// When the lane took it, Unix milliseconds.
    pub(crate) held_ms: i64,
    /// Set when nothing more of it may leave.
    pub(crate) stopped: Option<Stop>,
}

/// What follows for one message.
#[derive(Debug)]
pub(crate) enum After {
    /// It is final.
    Final,
    /// It goes again, not before this, Unix milliseconds.
    Again(i64),
    /// Another provider tries.
    Elsewhere,
    /// The vendor is asked what became of it.
    Ask,
    /// Nobody has it, and its time is over: it expires.
    TooLate,
}

/// How an attempt is to be judged beside its outcome.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judgement<'a> {
    pub(crate) now_ms: i64,
    /// Whom to ask about the messages of the call's quota class, once.
    pub(crate) ask: Option<(&'a dyn Adapter, &'static str)>,
    /// The provider of the attempt.
    pub(crate) provider: &'a Arc<str>,
    /// Whether another provider may try.
    pub(crate) elsewhere: bool,
    pub(crate) dedupe_window_ms: u64,
    /// A penalty of the vendor's: it does not count against the budget.
    pub(crate) free: bool,
    /// Uniform in 0..1.
    pub(crate) chance: f64,
}

/// Why a provider cannot have a message.
pub(crate) fn refused_by(provider: &str, refusal: &Refusal) -> Failure {
    let mut failure = refusal.failure();
    failure.message = format!("{} (provider {provider})", failure.message);
    failure
}

impl HeldParcel {
    /// A parcel with everything in it still to come.
    pub(crate) fn new(batch: Arc<BatchRef>, entries: Vec<Entry>, origin: Origin) -> Self {
        let open = entries.iter().filter(|entry| !entry.state.is_final()).count();
        Self {
            batch,
            entries,
            origin,
            open,
            under_way: 0,
            asking: 0,
            bytes: 0,
            held_ms: clock::now_ms(),
            stopped: None,
        }
    }

    /// Where a borrowed parcel belongs; none for this lane's own.
    pub(crate) const fn home(&self) -> Option<&Home> {
        match &self.origin {
            Origin::Lent(home) => Some(home),
            Origin::Stored(_) | Origin::Direct(_) => None,
        }
    }

    /// What *sending* is committed under; none when only memory holds the messages.
    pub(crate) const fn claim(&self) -> Option<Claim> {
        match &self.origin {
            Origin::Stored(claim) => Some(*claim),
            Origin::Lent(home) => home.claim,
            Origin::Direct(_) => None,
        }
    }

    /// How a message waits for its call.
    pub(crate) fn waiting(&self, key: u32, position: u16, adapter: &dyn Adapter) -> Option<Waiting<Ticket>> {
        let entry = self.entries.get(usize::from(position))?;
        Some(Waiting {
            ticket: (key, position),
            slot: entry.slot(adapter),
            recipient: entry.message.to.fingerprint(),
            app: self.batch.app,
            flow: self.batch.flow,
            ordered: self.batch.head.ordered,
            priority: entry.message.options.priority,
            order: 0,
        })
    }

    /// Checks what is not final with the adapter that is spoken: takes over its losses and the ids there, and
    /// returns what cannot be sent in this dialect.
    pub(crate) fn check(&mut self, adapter: &dyn Adapter, provider: &Provider) -> Vec<(u16, Failure)> {
        let name = &provider.settings.name;
        let mut refused = Vec::new();
        for (position, entry) in (0u16..).zip(&mut self.entries) {
            // What is another provider's is checked by that one.
            if entry.state != Status::Queued || entry.target.is_some() {
                continue;
            }
            match provider.check(adapter, &entry.message, entry.results) {
                Ok(checked) => {
                    (entry.mapped, entry.losses) = checked;
                    if let Some(detail) = forbidding(&entry.losses, entry.terms.on_loss, name) {
                        refused
                            .push((position, Failure::not_sent(ErrorCode::Unsupported, detail).for_good()));
                    }
                }
                Err(refusal) => refused.push((position, refused_by(name, &refusal))),
            }
        }
        refused
    }

    /// The recipients that stand more than once in a direct parcel, which holds all of its batch for this
    /// provider; none for a stored one, whose batch has other parcels.
    pub(crate) fn repeated_recipients(&self) -> Option<Vec<u64>> {
        match self.origin {
            Origin::Stored(_) | Origin::Lent(_) => None,
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
        judge: Judgement<'_>,
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
        let deadline_ms = entry.expires_ms(deadline_ms);
        let situation = Situation {
            guarantee: entry.terms.guarantee,
            repeat: Repeat::within(judge.dedupe_window_ms, entry.first_sent_ms, judge.now_ms),
            askable: entry.askable(judge),
            prior_unknown: entry.prior_unknown,
            budget: Budget::of(entry.attempts < attempts_allowed, judge.now_ms < deadline_ms),
            fallback: judge.elsewhere,
            everyone: entry.message.to.kind() == RecipientKind::Everyone,
        };
        let action = decide::decide(ErrorClass::of(&outcome), &situation);
        let result = outcome.status();
        let (receipt, mut failure): (Option<Receipt>, Option<Box<Failure>>) = match outcome {
            Outcome::Accepted(receipt) => (Some(receipt), None),
            Outcome::Rejected(failure) | Outcome::Unknown(failure) => (None, Some(Box::new(failure))),
        };
        let (status, after, not_before_ms) = match action {
            // What the attempt came to is noted first, and then that it is too late for another one.
            Action::Settle(Status::Expired) => (Status::Queued, After::TooLate, judge.now_ms),
            Action::Settle(status) => (status, After::Final, 0),
            Action::Again | Action::AgainMaybeTwice => {
                entry.may_be_duplicate |= action == Action::AgainMaybeTwice;
                let pause = decide::backoff_ms(entry.tries + 1, judge.chance);
                let at = judge.now_ms.saturating_add(i64::try_from(pause).unwrap_or(i64::MAX));
                (Status::Queued, After::Again(at), at)
            }
            Action::AgainElsewhere => (Status::Queued, After::Elsewhere, 0),
            Action::Ask => (Status::Sending, After::Ask, 0),
        };
        if result == Status::Unknown && !status.is_final() {
            entry.prior_unknown = true;
            entry.pinned = Some(Arc::clone(judge.provider));
        }
        if !entry.prior_unknown {
            // A vendor's window begins with the first attempt that may have arrived.
            entry.first_sent_ms = 0;
        }
        if status == Status::Unknown
            && let Some(failure) = &mut failure
        {
            failure.fate = Fate::Unknown;
        }
        entry.state = status;
        entry.since_ms = judge.now_ms;
        self.open = self.open.saturating_sub(usize::from(status.is_final()));
        self.asking += u32::from(matches!(after, After::Ask));
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

    /// Decides what follows when the vendor was asked and does not show the message.
    pub(crate) fn not_found(
        &mut self,
        position: u16,
        failure: Failure,
        judge: Judgement<'_>,
    ) -> Option<(Note, After)> {
        // To ask was no attempt: what the one before it came to is judged again.
        let entry = self.entries.get_mut(usize::from(position))?;
        entry.tries = entry.tries.saturating_sub(1);
        entry.attempts = entry.attempts.saturating_sub(1);
        let (mut note, after) = self.attempted(position, Outcome::Unknown(failure), judge)?;
        note.result = None;
        Some((note, after))
    }

    /// Settles a message that the vendor shows after all.
    pub(crate) fn found(&mut self, position: u16, receipt: Receipt) -> Option<Note> {
        let entry = self.entries.get_mut(usize::from(position))?;
        if entry.state.is_final() {
            return None;
        }
        entry.state = Status::Accepted;
        self.open = self.open.saturating_sub(1);
        Some(Note {
            position,
            status: Status::Accepted,
            receipt: Some(receipt),
            losses: entry.losses.iter().map(|loss| Arc::from(*loss)).collect(),
            may_be_duplicate: entry.may_be_duplicate,
            ..Note::default()
        })
    }

    /// Takes over what a borrowing lane noted.
    pub(crate) fn told(&mut self, note: &Note, record: &CallRecord) {
        let Some(entry) = self.entries.get_mut(usize::from(note.position)) else { return };
        if entry.state.is_final() {
            return;
        }
        entry.tries += u32::from(record.attempt);
        entry.attempts += u32::from(record.attempt && !note.free);
        if note.result.unwrap_or(note.status) == Status::Unknown {
            entry.prior_unknown = true;
            entry.pinned = Some(Arc::clone(&record.provider));
        }
        entry.may_be_duplicate |= note.may_be_duplicate;
        if note.status.is_final() {
            entry.state = note.status;
            self.open = self.open.saturating_sub(1);
        }
    }

    /// The messages of a record that go to another provider: neither final nor with a time to go again.
    pub(crate) fn leaving(&self, record: &CallRecord) -> Vec<u16> {
        let leaves = |note: &&Note| note.status == Status::Queued && note.not_before_ms == 0;
        record.notes.iter().filter(leaves).map(|note| note.position).collect()
    }

    /// Lets a message go that is somebody else's again.
    pub(crate) fn drop_entry(&mut self, position: u16) {
        if let Some(entry) = self.entries.get_mut(usize::from(position))
            && !entry.state.is_final()
        {
            entry.state = Status::Cancelled;
            self.open = self.open.saturating_sub(1);
        }
    }

    /// Takes over what earlier attempts left in the ledger. Returns the messages that the vendor was
    /// being asked about.
    pub(crate) fn recall(&mut self, records: &[CallRecord]) -> Vec<u16> {
        for record in records {
            for note in &record.notes {
                let Some(entry) = self.entries.get_mut(usize::from(note.position)) else { continue };
                if !entry.state.is_final() {
                    entry.state =
                        if note.status == Status::Sending { Status::Sending } else { Status::Queued };
                }
                entry.may_be_duplicate |= note.may_be_duplicate;
                if !record.attempt {
                    continue;
                }
                entry.tries += 1;
                entry.attempts += u32::from(!note.free);
                if note.result.unwrap_or(note.status) == Status::Unknown {
                    entry.prior_unknown = true;
                    entry.pinned = Some(Arc::clone(&record.provider));
                    if entry.first_sent_ms == 0 {
                        entry.first_sent_ms = record.at_ms;
                    }
                }
            }
        }
        let asked = (0u16..).zip(&self.entries).filter(|(_, entry)| entry.state == Status::Sending);
        let asked: Vec<u16> = asked.map(|(position, _)| position).collect();
        self.asking = u32::try_from(asked.len()).unwrap_or(u32::MAX);
        asked
    }
}
