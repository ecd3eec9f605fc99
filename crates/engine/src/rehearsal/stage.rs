//! The scene under way: who waits where, what is due when, and the clock. It does what lanes do, in the same
//! order, with everything at hand: one list of messages, one clock, calls that end when the scene says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use interline_core::breaker::Departed;
use interline_core::draw::Waiting;
use interline_core::error::{ErrorCode, Failure};
use interline_core::message::Head;
use interline_core::options::Results;
use interline_core::outcome::{Outcome, Status};

use super::desk::Desk;
use super::{Played, PlayedCall, PlayedMessage, Scene};
use crate::intake::Routed;
use crate::lane::{BatchRef, DirectSink, Entry, HeldParcel, Origin, Ticket, deadline};
use crate::pace::{Ending, Permit};
use crate::provider::Book;

/// Where the clock of limits begins, nanoseconds: there is a past to look back into.
pub(super) const BEGIN: u64 = 24 * 60 * 60 * 1_000_000_000;
pub(super) const MILLISECOND: u64 = 1_000_000;
/// A scene that is not over after so many turns is stopped: what is left stays queued.
const MOST_TURNS: u32 = 1_000_000;

/// A part of the batch that one call holds.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) desk: usize,
    pub(super) class: &'static str,
    pub(super) waiting: Vec<Waiting<Ticket>>,
    pub(super) outcome: Outcome,
    pub(super) ending: Ending,
    pub(super) permit: Permit,
    pub(super) known: Departed,
}

/// What is kept of a message beside its entry.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) home: usize,
    /// Its place in the home provider's queue while somebody else has it.
    pub(super) lent: Option<Waiting<Ticket>>,
    pub(super) tried: Vec<Arc<str>>,
    pub(super) failure: Option<Box<Failure>>,
    pub(super) settled_at: u64,
}

/// The scene under way.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) answers_in: Duration,
    pub(super) desks: Vec<Desk>,
    pub(super) parcel: HeldParcel,
    pub(super) parts: Vec<Part>,
    pub(super) now: u64,
    begin_ms: i64,
    later: BTreeMap<(u64, u64), (usize, Waiting<Ticket>)>,
    pub(super) under_way: BTreeMap<(u64, u64), UnderWay>,
    pub(super) number: u64,
    deadlines: BTreeSet<i64>,
    /// Which desks refused when things were last set aside.
    refused: Vec<bool>,
    pub(super) calls: Vec<PlayedCall>,
}

impl Stage {
    /// Everybody in place: each message waits at its provider.
    pub(super) fn set(
        book: &Book,
        scene: &Scene,
        head: &Head,
        (cast, results): (&[(usize, Routed<'_>)], Results),
    ) -> Self {
        let mut names: Vec<&Arc<str>> = book.providers.keys().collect();
        names.sort_unstable();
        let desk = |name: &&Arc<str>| {
            let provider = book.providers.get(*name)?;
            Some(Desk::new(Arc::clone(provider), scene.faults.get(*name).copied()))
        };
        let desks: Vec<Desk> = names.iter().filter_map(desk).collect();
        let begin_ms = head.send_at_ms.unwrap_or(scene.at_ms).max(scene.at_ms);
        let batch = BatchRef {
            id: super::BATCH_ID.to_owned(),
            app: 0,
            flow: 0,
            app_name: "".into(),
            head: head.clone(),
            begins_ms: begin_ms,
            origin: None,
            deadline_ms: deadline(begin_ms, head, book),
            attempts_allowed: book.delivery.attempts,
        };
        let (mut entries, mut parts) = (Vec::with_capacity(cast.len()), Vec::with_capacity(cast.len()));
        for (_, routed) in cast {
            let own = routed.message.results(results);
            let mut entry = Entry::new(Arc::clone(&routed.message), own, routed.terms);
            entry.mapped.clone_from(&routed.mapped);
            entry.losses.clone_from(&routed.losses);
            entry.fallback.clone_from(&routed.fallback);
            entries.push(entry);
            let home = desks.iter().position(|desk| *desk.name() == routed.provider.settings.name);
            parts.push(Part { home: home.unwrap_or_default(), ..Part::default() });
        }
        let deadlines = entries.iter().map(|entry| entry.expires_ms(batch.deadline_ms)).collect();
        let sink = DirectSink { id: 0, records: Vec::new(), calls: 0, own: Duration::ZERO, done: None };
        let parcel = HeldParcel::new(Arc::new(batch), entries, Origin::Direct(sink));
        let refused = vec![false; desks.len()];
        let mut stage = Self {
            answers_in: scene.answers_in,
            desks,
            parcel,
            parts,
            now: BEGIN,
            begin_ms,
            later: BTreeMap::new(),
            under_way: BTreeMap::new(),
            number: 0,
            deadlines,
            refused,
            calls: Vec::new(),
        };
        for position in (0u16..).take(cast.len()) {
            let home = stage.home(position);
            stage.queue(home, position);
        }
        stage
    }

    /// Plays until every message is settled.
    pub(super) fn run(&mut self) {
        for _ in 0..MOST_TURNS {
            self.expire();
            self.put_back_due();
            self.arrive_due();
            if self.parcel.open == 0 {
                return;
            }
            let now_ms = self.now_ms();
            let refused: Vec<bool> = self.desks.iter().map(|desk| desk.breaker.refuses(now_ms)).collect();
            let news = refused != self.refused;
            self.refused = refused;
            (0..self.desks.len()).for_each(|desk| self.divert(desk, news));
            let waits: Vec<Option<u64>> = (0..self.desks.len()).map(|desk| self.depart(desk)).collect();
            let due = [self.later.first_key_value().map(|((at, _), _)| *at), self.next_end()];
            let deadline = self.deadlines.first().map(|at_ms| self.at(*at_ms));
            let Some(next) = waits.into_iter().chain(due).chain([deadline]).flatten().min() else { return };
            self.now = self.now.max(next);
        }
    }

    fn next_end(&self) -> Option<u64> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// What became of everything.
    pub(super) fn told(self, mut messages: Vec<PlayedMessage>, cast: &[(usize, Routed<'_>)]) -> Played {
        let mut took = 0;
        for ((index, _), (entry, part)) in cast.iter().zip(self.parcel.entries.iter().zip(self.parts)) {
            let Some(message) = messages.get_mut(*index) else { continue };
            took = took.max(part.settled_at.saturating_sub(BEGIN));
            message.status = entry.state;
            message.provider = part.tried.last().map(ToString::to_string);
            message.tried = part.tried.iter().map(ToString::to_string).collect();
            message.losses = entry.losses.iter().map(ToString::to_string).collect();
            message.error = part.failure.filter(|_| entry.state != Status::Accepted).map(|failure| *failure);
            message.settled_after = Duration::from_nanos(part.settled_at.saturating_sub(BEGIN));
        }
        Played { messages, calls: self.calls, took: Duration::from_nanos(took) }
    }

    pub(super) fn now_ms(&self) -> i64 {
        let passed = self.now.saturating_sub(BEGIN) / MILLISECOND;
        self.begin_ms.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    /// The clock of limits at a time of day.
    pub(super) fn at(&self, at_ms: i64) -> u64 {
        let passed = u64::try_from(at_ms.saturating_sub(self.begin_ms)).unwrap_or_default();
        BEGIN.saturating_add(passed.saturating_mul(MILLISECOND))
    }

    pub(super) fn part(&mut self, position: u16) -> Option<&mut Part> {
        self.parts.get_mut(usize::from(position))
    }

    pub(super) fn home(&self, position: u16) -> usize {
        self.parts.get(usize::from(position)).map_or(0, |part| part.home)
    }

    /// Notes that a provider was to have the message.
    pub(super) fn tried(&mut self, position: u16, name: &Arc<str>) {
        if let Some(part) = self.part(position)
            && part.tried.last() != Some(name)
        {
            part.tried.push(Arc::clone(name));
        }
    }

    pub(super) fn entry(&mut self, position: u16) -> Option<&mut Entry> {
        self.parcel.entries.get_mut(usize::from(position))
    }

    /// A message waits at a desk, behind all others there.
    pub(super) fn queue(&mut self, index: usize, position: u16) {
        let Some(desk) = self.desks.get_mut(index) else { return };
        if let Some(waiting) = self.parcel.waiting(0, position, &*desk.adapter) {
            desk.drawer.push(waiting);
        }
    }

    pub(super) fn put_later(&mut self, at: u64, desk: usize, waiting: Waiting<Ticket>) {
        self.number += 1;
        self.later.insert((at.max(self.now + 1), self.number), (desk, waiting));
    }

    /// What is too late is settled, wherever it waits.
    fn expire(&mut self) {
        let now_ms = self.now_ms();
        while let Some(at_ms) = self.deadlines.first().copied().filter(|at_ms| *at_ms <= now_ms) {
            self.deadlines.remove(&at_ms);
            let deadline_ms = self.parcel.batch.deadline_ms;
            let late: Vec<u16> = (0u16..)
                .zip(&self.parcel.entries)
                .filter(|(_, entry)| entry.state == Status::Queued && entry.expires_ms(deadline_ms) <= now_ms)
                .map(|(position, _)| position)
                .collect();
            for position in late {
                let failure =
                    Failure::not_sent(ErrorCode::Expired, "it could not be sent in time").for_good();
                self.settle(position, Status::Expired, failure);
            }
        }
    }

    pub(super) fn settle(&mut self, position: u16, status: Status, failure: Failure) {
        let note = self.parcel.settle(position, status, failure);
        let now = self.now;
        if let Some(part) = self.part(position) {
            part.failure = note.and_then(|note| note.failure);
            part.settled_at = now;
        }
    }

    fn put_back_due(&mut self) {
        while let Some(first) = self.later.first_entry().filter(|first| first.key().0 <= self.now) {
            let (desk, waiting) = first.remove();
            if let Some(desk) = self.desks.get_mut(desk) {
                desk.drawer.put_back(waiting);
            }
        }
    }
}

/// A time in nanoseconds.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
