//! What becomes of messages when their call comes back: judged, noted, written, settled.

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Signal, Verdict};
use interline_core::breaker::{Departed, Health};
use interline_core::draw::Waiting;
use interline_core::error::Failure;
use interline_core::outcome::{Outcome, Status};
use interline_core::record::{CallRecord, Note};
use interline_core::shared::Digest;
use interline_ledger::Settled;

use super::borrow::give_back;
use super::call::{Arrival, End};
use super::claim::ledger_states;
use super::divert::LONG_FREEZE;
use super::loan::Leaving;
use super::parcel::{After, DirectDone, HeldParcel, Judgement, Origin, Stop};
use super::settler::Write;
use super::{Lane, Ticket, entry};
use crate::clock;

/// The longest freeze that a reply can ask for.
const LONGEST_FREEZE: Duration = Duration::from_secs(60 * 60);
/// The pause after which a call goes again that the ledger could not take.
const LEDGER_PAUSE_MS: i64 = 250;
/// What a vendor says again and again is logged as often as this.
const SAID_AGAIN_MS: i64 = 60_000;

/// What a call's outcomes come to.
#[derive(Debug, Default)]
struct Notes {
    /// What is written down, by parcel.
    of_parcels: Vec<(u32, Vec<Note>)>,
    /// What goes to other providers.
    leaving: Vec<Leaving>,
    /// What the vendor is asked about, and why.
    asked: Vec<(Waiting<Ticket>, Failure)>,
    /// What is too late for another attempt.
    too_late: Vec<Waiting<Ticket>>,
}

impl Lane {
    /// Takes a call back and decides what follows for each of its messages.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        // What another lane's claim was committed under is that lane's to write.
        let own = |(key, _): &(u32, i64)| {
            self.parcels.get(key).is_some_and(|parcel| matches!(parcel.origin, Origin::Stored(_)))
        };
        let written_down = arrival.sending.iter().any(own);
        self.log_call(&arrival);
        // Judged as it was sent, it then waits as the provider and the routes are now.
        let sent = arrival.waiting.iter().map(|waiting| waiting.ticket);
        let stale = |ticket| self.entry(ticket).is_some_and(|entry| entry.stale);
        if Arc::ptr_eq(&arrival.provider, &self.provider) && !sent.clone().any(stale) {
            self.conclude(arrival);
        } else {
            let tickets: Vec<Ticket> = sent.collect();
            self.conclude(arrival);
            self.renew_waiting(&tickets);
        }
        if written_down {
            // The settler outlives the lane.
            drop(self.settler.send(Write::Over));
        } else {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
    }

    /// One line a call, for who looks closely.
    fn log_call(&self, arrival: &Arrival) {
        let End::Verdict(Verdict { outcomes, .. }) = &arrival.end else { return };
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let first = arrival.waiting.first().map(|waiting| waiting.ticket);
        let batch = first.and_then(|ticket| self.parcels.get(&ticket.0)).map(|parcel| &parcel.batch);
        let trace_id = batch.and_then(|batch| batch.origin.as_ref()).map(|origin| origin.trace_id());
        let attempt = first.and_then(|ticket| self.entry(ticket)).map(|entry| entry.attempts + 1);
        let with = |status| outcomes.iter().filter(|outcome| outcome.status() == status).count();
        tracing::debug!(
            batch.id = batch.map(|batch| batch.id.as_str()),
            call.id = arrival.call_id,
            trace_id,
            provider = %arrival.provider.settings.name,
            vendor = arrival.provider.settings.vendor.name,
            class = arrival.class,
            attempt,
            duration_ms = arrival.took_ms,
            http_status = arrival.http_status,
            accepted = with(Status::Accepted),
            rejected = with(Status::Rejected),
            unknown = with(Status::Unknown),
            "a call is over"
        );
    }

    fn conclude(&mut self, arrival: Arrival) {
        let Arrival {
            class,
            provider,
            waiting,
            end,
            sending,
            at_ms,
            took_ms,
            drawn,
            known: left,
            elsewhere,
            ..
        } = arrival;
        let same = Arc::ptr_eq(&provider, &self.provider);
        // Another account recognises nothing of it and cannot be asked.
        let known = same || provider.settings.is_account(&self.provider.settings);
        let mut touched: Vec<u32> = waiting.iter().map(|waiting| waiting.ticket.0).collect();
        touched.dedup();
        touched.sort_unstable();
        touched.dedup();
        for key in &touched {
            if let Some(parcel) = self.parcels.get_mut(key) {
                parcel.under_way = parcel.under_way.saturating_sub(1);
            }
        }
        let (verdict, waiting) = match end {
            End::Verdict(verdict) => (verdict, waiting),
            End::Held(_) | End::Late | End::Fenced(_) => {
                self.hear_never_left(waiting.iter().map(|waiting| waiting.ticket));
                self.over_late(&touched);
                self.breaker.abandoned(left);
                self.never_left(end, waiting, &sending);
                touched.into_iter().for_each(|key| self.after_stop(key));
                return;
            }
        };
        self.count_own(class, drawn.elapsed().saturating_sub(elsewhere), (waiting.len(), &touched));
        self.tell_breaker(left, &verdict.outcomes);
        let free = self.heed(&verdict.signal, same);
        let halves =
            (verdict.signal == Signal::Bisect && waiting.len() > 1).then(|| waiting.len().div_ceil(2));
        self.around.metrics.call(&provider, class, took_ms, &verdict.outcomes);
        self.meter.codes(provider.settings.vendor.name, &verdict.outcomes);
        if halves.is_none() && !matches!(verdict.signal, Signal::Freeze(..)) {
            self.tell_migrations(&waiting, &verdict.outcomes, took_ms);
        }
        let adapter = provider.assumed();
        let dedupe_window_ms = if known { adapter.profile().dedupe.window_ms(class) } else { 0 };
        let mut notes: Notes = Notes::default();
        // One throw for the whole call: what goes again may share a call again.
        let judge = Judgement {
            now_ms: clock::now_ms(),
            ask: known.then_some((&*adapter, class)),
            provider: &Arc::clone(&self.provider.settings.name),
            elsewhere: halves.is_none() && moves(&verdict.signal),
            dedupe_window_ms,
            free,
            chance: clock::chance(),
        };
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
        self.follow(notes, (class, at_ms, took_ms), &sending);
        self.over_late(&touched);
        touched.into_iter().for_each(|key| self.after_stop(key));
    }

    /// Writes down what a call came to, and has done what follows from it.
    fn follow(
        &mut self,
        notes: Notes,
        (class, at_ms, took_ms): (&'static str, i64, u32),
        sending: &[(u32, i64)],
    ) {
        let Notes { of_parcels, leaving, asked, too_late } = notes;
        let mut counted = Vec::new();
        for (key, notes) in of_parcels {
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
        for (waiting, why) in asked {
            self.ask_later(waiting, class, why);
        }
        for waiting in too_late {
            self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            self.settle_one(waiting.ticket, Status::Expired, entry::too_late());
        }
        self.lend(leaving);
    }

    /// Counts the time that a call took of Interline's own, for so many messages of these parcels.
    fn count_own(&mut self, class: &'static str, own: Duration, (messages, touched): (usize, &[u32])) {
        self.meter.over(class, own, messages);
        for key in touched {
            if let Some(HeldParcel { origin: Origin::Direct(sink), .. }) = self.parcels.get_mut(key) {
                sink.own = sink.own.max(own);
            }
        }
    }

    /// Tells migrations what their messages came to. What the vendor puts off, or refuses for another message's
    /// sake, says nothing of it.
    fn tell_migrations(&self, waiting: &[Waiting<Ticket>], outcomes: &[Outcome], took_ms: u32) {
        for (waiting, outcome) in waiting.iter().zip(outcomes) {
            let Some(entry) = self.entry(waiting.ticket) else { continue };
            if let Some(migration) = &entry.migration {
                migration.answered(&self.provider.settings.name, outcome, took_ms, entry.tries == 0);
            }
        }
    }

    /// A call that never left: all of its messages wait again.
    fn never_left(&mut self, end: End, waiting: Vec<Waiting<Ticket>>, sending: &[(u32, i64)]) {
        let now_ms = clock::now_ms();
        match end {
            End::Verdict(_) => {}
            End::Held(failure) => {
                self.trouble = Some(failure.message);
                let at = now_ms + LEDGER_PAUSE_MS;
                waiting.into_iter().for_each(|waiting| self.requeue(waiting, at));
            }
            End::Late => {
                waiting.into_iter().for_each(|waiting| self.requeue(waiting, now_ms));
                self.close_rows(sending);
            }
            End::Fenced(keys) => self.fenced(keys, waiting, sending),
        }
    }

    /// Some parcels of a call took no *sending*: all of its messages wait again.
    fn fenced(&mut self, keys: Vec<u32>, waiting: Vec<Waiting<Ticket>>, sending: &[(u32, i64)]) {
        let at = clock::now_ms();
        for key in keys {
            let home = self.parcels.get(&key).and_then(|parcel| parcel.home());
            home.inspect(|home| home.report_fenced());
            let stop = if home.is_some() { Stop::Recalled } else { Stop::Fenced };
            self.stop_parcel(key, stop);
        }
        waiting.into_iter().for_each(|waiting| self.requeue(waiting, at));
        // Rows that were committed for the others are closed.
        self.close_rows(sending);
        // The renewal tells whether the parcel is lost, paused or cancelled.
        self.renew_at_ms = 0;
    }

    fn judge(
        &mut self,
        waiting: Waiting<Ticket>,
        outcome: Outcome,
        mut judge: Judgement<'_>,
        notes: &mut Notes,
    ) {
        let (key, position) = waiting.ticket;
        let lent = self.parcels.get(&key).is_some_and(|parcel| parcel.home().is_some());
        let next = match &outcome {
            Outcome::Rejected(failure) if failure.retryable && judge.elsewhere && !lent => {
                self.entry(waiting.ticket).and_then(|entry| self.elsewhere(entry))
            }
            Outcome::Accepted(_) | Outcome::Rejected(_) | Outcome::Unknown(_) => None,
        };
        // A borrowed message goes home: its own lane knows who is next.
        judge.elsewhere &= next.is_some() || lent;
        let why = outcome.failure().cloned();
        let late = self.late.contains_key(&key).then(|| outcome.clone());
        let noted = self.parcels.get_mut(&key).and_then(|parcel| parcel.attempted(position, outcome, judge));
        let Some((note, after)) = noted else {
            late.into_iter().for_each(|outcome| self.hear_late(waiting.ticket, outcome));
            self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            return;
        };
        match notes.of_parcels.iter_mut().rev().find(|(other, _)| *other == key) {
            Some((_, notes)) => notes.push(note),
            None => {
                let mut of_parcel = Vec::with_capacity(128);
                of_parcel.push(note);
                notes.of_parcels.push((key, of_parcel));
            }
        }
        match (after, next, why) {
            (After::Final, _, _) => self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered),
            (After::Elsewhere, Some((hop, to)), _) => notes.leaving.push(Leaving { waiting, hop, to }),
            // The report to the home lane gives it back.
            (After::Elsewhere, None, _) => {
                self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            }
            (After::Ask, _, Some(why)) => notes.asked.push((waiting, why)),
            // Only failures are asked about.
            (After::Ask, _, None) => {
                self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            }
            (After::Again(at_ms), _, _) => self.put_later(at_ms, waiting),
            (After::TooLate, _, _) => notes.too_late.push(waiting),
        }
    }

    /// Tells the breaker how the server did.
    fn tell_breaker(&mut self, call: Departed, outcomes: &[Outcome]) {
        match Health::of(outcomes) {
            Some(health) => {
                let why = outcomes.iter().find_map(Outcome::failure).map(|failure| failure.message.clone());
                self.breaker_hears(call, health, why);
            }
            None => self.breaker.abandoned(call),
        }
    }

    fn breaker_hears(&mut self, call: Departed, health: Health, why: Option<String>) {
        let now_ms = clock::now_ms();
        let before = self.breaker.refuses(now_ms);
        self.breaker.ended(call, now_ms, health, clock::chance());
        match (before, self.breaker.refuses(now_ms)) {
            (false, true) => {
                self.meter.openings.inc();
                tracing::warn!(provider = %self.provider.settings.name, why, "the breaker opens: the server does not answer; its messages wait or go elsewhere");
            }
            (true, false) => {
                tracing::info!(provider = %self.provider.settings.name, "the breaker closes: the server answers again");
            }
            (true, true) | (false, false) => {}
        }
        match health {
            Health::Good => self.trouble = None,
            Health::Unreached | Health::NoAnswer => self.trouble = why,
        }
    }

    /// Says that the vendor asks for a pause: at most once a minute for a quota class, with how often it did.
    fn say_pause(&mut self, class: &'static str, pause: Duration, now_ms: i64) {
        let (said_ms, pauses) = self.pauses_said.entry(class).or_insert((0, 0));
        *pauses += 1;
        if (0..SAID_AGAIN_MS).contains(&(now_ms - *said_ms)) {
            return;
        }
        let pauses = std::mem::take(pauses);
        *said_ms = now_ms;
        let (name, pause_ms) = (&self.provider.settings.name, u64::try_from(pause.as_millis()));
        let pause_ms = pause_ms.unwrap_or(u64::MAX);
        tracing::warn!(provider = %name, class, pause_ms, pauses, "the vendor asks for a pause; messages wait");
    }

    /// Does what a verdict asks for; true when the attempt does not count against the budget.
    fn heed(&mut self, signal: &Signal, same: bool) -> bool {
        match signal {
            Signal::None | Signal::Relogin | Signal::Resign => false,
            Signal::Bisect => true,
            Signal::Freeze(frozen, pause) => {
                let now_ms = clock::now_ms();
                self.meter.paused(frozen);
                self.say_pause(frozen, *pause, now_ms);
                for pace in self.paces.iter_mut().filter(|pace| pace.class == *frozen) {
                    pace.freeze(now_ms, (*pause).min(LONGEST_FREEZE));
                }
                true
            }
            // The server as it was before is none of ours any more.
            Signal::WrongDialect if !same => false,
            Signal::WrongDialect => {
                let name = &self.provider.settings.name;
                tracing::warn!(provider = %name, "the server does not speak the dialect");
                self.trouble = Some("the server does not speak the dialect".to_owned());
                self.provider.doubt();
                self.forget_dialect();
                self.give_all_back();
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
            entry.first_sent_ms = if entry.prior_unknown { entry.first_sent_ms } else { 0 };
        }
        self.put_later(at_ms, waiting);
    }

    pub(super) fn close_rows(&mut self, sending: &[(u32, i64)]) {
        for (key, row) in sending {
            let Some(parcel) = self.parcels.get(key) else { continue };
            if let Some(home) = parcel.home() {
                home.report(None, vec![*row], 0);
            }
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

    pub(super) fn write_record(&mut self, key: u32, record: CallRecord, sending: Vec<i64>, calls: u32) {
        let Some(parcel) = self.parcels.get_mut(&key) else { return };
        if let Origin::Lent(home) = &parcel.origin {
            let home = home.clone();
            let back = parcel.leaving(&record);
            home.report(Some(record), sending, calls);
            give_back(&home, parcel, &back);
            back.into_iter().for_each(|position| parcel.drop_entry(position));
            self.finish_if_done(key);
            return;
        }
        self.around.metrics.settled(&record);
        match &mut parcel.origin {
            Origin::Lent(_) => {}
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
                    drop(done.send(DirectDone { records: sink.records, calls: sink.calls, own: sink.own }));
                }
            }
            Origin::Lent(_) => {}
        }
    }
}

/// Whether a no of this kind may go to another provider: one that a token, a signature or a moment mends
/// does not.
fn moves(signal: &Signal) -> bool {
    match signal {
        Signal::None | Signal::WrongDialect => true,
        Signal::Relogin | Signal::Resign | Signal::Bisect => false,
        Signal::Freeze(_, pause) => *pause > LONG_FREEZE,
    }
}
