//! What becomes of messages when their call comes back: judged, noted, written, settled.

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::Signal;
use interline_core::decide::backoff_ms;
use interline_core::draw::Waiting;
use interline_core::error::{ErrorCode, Failure, Fate};
use interline_core::outcome::{Outcome, Status};
use interline_core::record::{CallRecord, Note};
use interline_core::shared::Digest;
use interline_ledger::Settled;

use super::call::{Arrival, End};
use super::claim::ledger_states;
use super::parcel::{After, DirectDone, Judgement, Origin};
use super::settler::Write;
use super::{Lane, Ticket};
use crate::clock;

/// The longest freeze that a reply can ask for.
const LONGEST_FREEZE: Duration = Duration::from_secs(60 * 60);
/// The longest pause between two calls to a server that cannot be reached.
const LONGEST_PAUSE_MS: u64 = 5_000;
/// The pause after which a call goes again that the ledger could not take.
const LEDGER_PAUSE_MS: i64 = 250;

impl Lane {
    /// Takes a call back and decides what follows for each of its messages.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        let written_down = !arrival.sending.is_empty();
        self.conclude(arrival);
        if written_down {
            // The settler outlives the lane.
            drop(self.settler.send(Write::Over));
        } else {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
    }

    fn conclude(&mut self, arrival: Arrival) {
        let Arrival { class, waiting, end, sending, at_ms, took_ms } = arrival;
        let mut touched: Vec<u32> = waiting.iter().map(|waiting| waiting.ticket.0).collect();
        touched.dedup();
        touched.sort_unstable();
        touched.dedup();
        for key in touched {
            if let Some(parcel) = self.parcels.get_mut(&key) {
                parcel.under_way = parcel.under_way.saturating_sub(1);
            }
        }
        let verdict = match end {
            End::Verdict(verdict) => verdict,
            End::Held(failure) => {
                self.trouble = Some(failure.message);
                let at = clock::now_ms() + LEDGER_PAUSE_MS;
                waiting.into_iter().for_each(|waiting| self.requeue(waiting, at));
                return;
            }
            End::Late => {
                let at = clock::now_ms();
                waiting.into_iter().for_each(|waiting| self.requeue(waiting, at));
                self.close_rows(&sending);
                return;
            }
            End::Fenced(keys) => {
                let at = clock::now_ms();
                let (lost, kept): (Vec<_>, Vec<_>) =
                    waiting.into_iter().partition(|w| keys.contains(&w.ticket.0));
                for waiting in lost {
                    self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
                }
                keys.into_iter().for_each(|key| self.forget(key));
                kept.into_iter().for_each(|waiting| self.requeue(waiting, at));
                // Rows that were committed for the others are closed by their next settlement.
                self.close_rows(&sending);
                return;
            }
        };
        self.count_unreached(&verdict.outcomes);
        let free = self.heed(&verdict.signal, class);
        let halves =
            (verdict.signal == Signal::Bisect && waiting.len() > 1).then(|| waiting.len().div_ceil(2));
        self.around.metrics.call(&self.provider, class, took_ms, &verdict.outcomes);
        let dedupe_window_ms = self.provider.assumed().profile().dedupe.window_ms(class);
        let mut notes: Vec<(u32, Vec<Note>)> = Vec::new();
        // One throw for the whole call: what goes again may share a call again.
        let judge = Judgement { now_ms: clock::now_ms(), dedupe_window_ms, free, chance: clock::chance() };
        for (number, (mut waiting, mut outcome)) in waiting.into_iter().zip(verdict.outcomes).enumerate() {
            // The halves of a call that was refused for one bad message go again, each by itself.
            if let Some(half) = halves {
                waiting.slot.key = Digest::of(&(waiting.slot.key.0, at_ms, number / half));
                if let Outcome::Rejected(failure) = outcome {
                    outcome = Outcome::Rejected(failure.for_now());
                }
            }
            self.judge(waiting, outcome, judge, &mut notes);
        }
        let mut counted = Vec::new();
        for (key, notes) in notes {
            let flow = self.parcels.get(&key).map(|parcel| parcel.batch.flow);
            let first_of_batch = !counted.contains(&flow);
            counted.push(flow);
            let rows = sending.iter().filter(|(other, _)| *other == key).map(|(_, row)| *row).collect();
            let record = CallRecord::call(
                Arc::clone(&self.provider.settings.name),
                self.provider.settings.vendor.name.into(),
                at_ms,
                took_ms,
                notes,
            );
            self.write_record(key, record, rows, u32::from(first_of_batch));
        }
    }

    fn judge(
        &mut self,
        waiting: Waiting<Ticket>,
        outcome: Outcome,
        judge: Judgement,
        notes: &mut Vec<(u32, Vec<Note>)>,
    ) {
        let (key, position) = waiting.ticket;
        let noted = self.parcels.get_mut(&key).and_then(|parcel| parcel.attempted(position, outcome, judge));
        let Some((note, after)) = noted else {
            self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            return;
        };
        match notes.iter_mut().rev().find(|(other, _)| *other == key) {
            Some((_, notes)) => notes.push(note),
            None => {
                let mut of_parcel = Vec::with_capacity(128);
                of_parcel.push(note);
                notes.push((key, of_parcel));
            }
        }
        match after {
            After::Final => self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered),
            After::Again(at_ms) => self.put_later(at_ms, waiting),
        }
    }

    /// Pauses the lane while no server is there: longer each time, until a call gets through.
    fn count_unreached(&mut self, outcomes: &[Outcome]) {
        let unreached = outcomes.iter().all(|outcome| {
            outcome
                .failure()
                .is_some_and(|f| f.fate == Fate::NotSent && f.code == ErrorCode::VendorUnavailable)
        });
        if !unreached {
            if self.unreached.0 > 0 {
                tracing::info!(provider = %self.provider.settings.name, "the server answers again");
                self.trouble = None;
            }
            self.unreached = (0, 0);
            return;
        }
        let failures = self.unreached.0.saturating_add(1);
        let pause = backoff_ms(failures, 1.0).min(LONGEST_PAUSE_MS);
        self.unreached = (failures, clock::now_ms().saturating_add(i64::try_from(pause).unwrap_or(i64::MAX)));
        let why = outcomes.iter().find_map(Outcome::failure).map(|failure| failure.message.clone());
        if failures == 1 {
            tracing::warn!(provider = %self.provider.settings.name, why, "the server cannot be reached; its messages wait");
        }
        self.trouble = why;
    }

    /// Does what a verdict asks for; true when the attempt does not count against the budget.
    fn heed(&mut self, signal: &Signal, class: &'static str) -> bool {
        match signal {
            Signal::None | Signal::Relogin | Signal::Resign => false,
            Signal::Bisect => true,
            Signal::Freeze(frozen, pause) => {
                let now_ms = clock::now_ms();
                tracing::warn!(provider = %self.provider.settings.name, class = frozen, pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), "the vendor asks for a pause");
                for pace in self
                    .paces
                    .iter_mut()
                    .filter(|pace| pace.class == *frozen || *frozen == class && pace.class == class)
                {
                    pace.freeze(now_ms, (*pause).min(LONGEST_FREEZE));
                }
                true
            }
            Signal::WrongDialect => {
                let name = &self.provider.settings.name;
                tracing::warn!(provider = %name, "the server does not speak the dialect");
                self.trouble = Some("the server does not speak the dialect".to_owned());
                self.provider.doubt();
                false
            }
        }
    }

    fn requeue(&mut self, waiting: Waiting<Ticket>, at_ms: i64) {
        let (key, position) = waiting.ticket;
        if let Some(entry) =
            self.parcels.get_mut(&key).and_then(|parcel| parcel.entries.get_mut(usize::from(position)))
            && entry.state == Status::Sending
        {
            entry.state = Status::Queued;
        }
        self.put_later(at_ms, waiting);
    }

    fn close_rows(&mut self, sending: &[(u32, i64)]) {
        for (key, row) in sending {
            let Some(parcel) = self.parcels.get(key) else { continue };
            let Origin::Stored(claim) = parcel.origin else { continue };
            let states = ledger_states(parcel);
            self.write(Settled {
                claim,
                sending: vec![*row],
                states,
                record: Vec::new(),
                calls: 0,
                release_at_ms: None,
            });
        }
    }

    pub(super) fn settle_one(&mut self, ticket: Ticket, status: Status, failure: Failure) {
        let Some(note) =
            self.parcels.get_mut(&ticket.0).and_then(|parcel| parcel.settle(ticket.1, status, failure))
        else {
            return;
        };
        let record = CallRecord::decision(
            Arc::clone(&self.provider.settings.name),
            self.provider.settings.vendor.name.into(),
            clock::now_ms(),
            vec![note],
        );
        self.write_record(ticket.0, record, Vec::new(), 0);
    }

    fn write_record(&mut self, key: u32, record: CallRecord, sending: Vec<i64>, calls: u32) {
        let Some(parcel) = self.parcels.get_mut(&key) else { return };
        self.around.metrics.settled(&record);
        match &mut parcel.origin {
            Origin::Direct(sink) => {
                sink.records.push(record);
                sink.calls += calls;
            }
            Origin::Stored(claim) => {
                let claim = *claim;
                let states = ledger_states(parcel);
                self.write(Settled {
                    claim,
                    sending,
                    states,
                    record: record.to_bytes(),
                    calls,
                    release_at_ms: None,
                });
            }
        }
        self.finish_if_done(key);
    }

    pub(super) fn write(&self, settled: Settled) {
        // The settler outlives the lane.
        drop(self.settler.send(Write::Settled(settled)));
    }

    pub(super) fn finish_if_done(&mut self, key: u32) {
        if self.parcels.get(&key).is_some_and(|parcel| parcel.open == 0) {
            self.forget(key);
        }
    }

    pub(super) fn forget(&mut self, key: u32) {
        let Some(parcel) = self.parcels.remove(&key) else { return };
        match parcel.origin {
            Origin::Stored(_) => {
                self.window.0 = self.window.0.saturating_sub(parcel.entries.len());
                self.window.1 = self.window.1.saturating_sub(parcel.bytes);
            }
            Origin::Direct(mut sink) => {
                if let Some(done) = sink.done.take() {
                    // The caller may have stopped waiting.
                    drop(done.send(DirectDone { records: sink.records, calls: sink.calls }));
                }
            }
        }
    }

    /// Ends a direct parcel whose caller stops waiting: what was not sent is expired, what is under way
    /// is unknown.
    pub(super) fn withdraw(&mut self, id: u64) {
        let found = self.parcels.iter().find_map(|(key, parcel)| match &parcel.origin {
            Origin::Direct(sink) if sink.id == id => Some(*key),
            Origin::Direct(_) | Origin::Stored(_) => None,
        });
        let Some(key) = found else { return };
        let Some(parcel) = self.parcels.get_mut(&key) else { return };
        let (mut unsent, mut under_way) = (Vec::new(), Vec::new());
        let now_ms = clock::now_ms();
        let mut sent_ms = now_ms;
        for position in (0u16..).take(parcel.entries.len()) {
            let entry = parcel.entries.get(usize::from(position));
            if let Some(entry) = entry.filter(|entry| entry.state == Status::Sending) {
                sent_ms = sent_ms.min(entry.sent_ms);
                let failure =
                    Failure::unknown(ErrorCode::Timeout, "no answer came before the caller's timeout");
                under_way.extend(parcel.settle(position, Status::Unknown, failure));
            } else {
                let failure =
                    Failure::not_sent(ErrorCode::Expired, "it was not sent before the caller's timeout");
                unsent.extend(parcel.settle(position, Status::Expired, failure.for_good()));
            }
        }
        let calls = parcel.under_way;
        let (name, vendor) =
            (Arc::clone(&self.provider.settings.name), Arc::from(self.provider.settings.vendor.name));
        let took_ms = u32::try_from(now_ms - sent_ms).unwrap_or(u32::MAX);
        let call = CallRecord::call(Arc::clone(&name), Arc::clone(&vendor), sent_ms, took_ms, under_way);
        let rest = CallRecord::decision(name, vendor, now_ms, unsent);
        if let Origin::Direct(sink) = &mut parcel.origin {
            sink.calls += calls;
            sink.records.extend([call, rest].into_iter().filter(|record| !record.notes.is_empty()));
            sink.records.iter().rev().take(2).for_each(|record| self.around.metrics.settled(record));
        }
        self.finish_if_done(key);
    }
}
