//! What makes messages leave a lane: held, queued, drawn, and sent as one call.

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Adapter, Call, CallMessage};
use interline_core::draw::{CallLimits, Waiting};
use interline_core::options::Results;
use interline_core::outcome::Status;
use interline_ledger::SendingStart;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::call::{self, Departure};
use super::parcel::{HeldParcel, Origin};
use super::reroute::Freshened;
use super::{Event, Lane, Ticket};
use crate::clock;
use crate::pace::{Opening, Permit};
use crate::provider::Provider;
use crate::trace::{self, Journey, Leg};

/// Most bytes in one call, whatever the count allows.
const CALL_BYTES: usize = 4 * 1024 * 1024;
/// A call that could not be written down within this time is judged anew before it leaves.
const LONGEST_STALL_MS: i64 = 5_000;

impl Lane {
    /// Takes a parcel in and queues what waits in it; `waiting` names positions and times, none means all.
    pub(super) fn hold(&mut self, parcel: HeldParcel, waiting: &[(u16, i64)]) -> u32 {
        let key = self.next_key;
        self.next_key = self.next_key.wrapping_add(1);
        let all: Vec<(u16, i64)>;
        let waiting = if matches!(parcel.origin, Origin::Direct(_) | Origin::Lent(_)) {
            all = (0u16..)
                .zip(&parcel.entries)
                .filter(|(_, entry)| !entry.state.is_final())
                .map(|(at, _)| (at, 0))
                .collect();
            &all
        } else {
            waiting
        };
        // While it is not known what the server speaks, the likeliest sorts what waits.
        let adapter = self.provider.assumed();
        let repeated = parcel.repeated_recipients();
        let now_ms = clock::now_ms();
        for (position, not_before_ms) in waiting {
            let Some(mut waits) = parcel.waiting(key, *position, &*adapter) else { continue };
            // A direct parcel is alone with its flow: who stands in it once waits for nobody.
            waits.ordered &= repeated.as_ref().is_none_or(|repeated| repeated.contains(&waits.recipient));
            self.push(waits, *not_before_ms, now_ms);
        }
        self.has_fallbacks |= parcel.entries.iter().any(|entry| entry.fallback.is_some());
        self.parcels.insert(key, parcel);
        self.finish_if_done(key);
        key
    }

    fn push(&mut self, waiting: Waiting<Ticket>, not_before_ms: i64, now_ms: i64) {
        if not_before_ms <= now_ms {
            self.drawer.push(waiting);
        } else if let Some(waiting) = self.drawer.push_later(waiting) {
            self.put_later(not_before_ms, waiting);
        }
    }

    /// Lets every call go that may go now. Returns how long to wait for the next, if one waits.
    pub(super) fn depart(&mut self, now_ms: i64) -> Option<Duration> {
        let adapter = self.provider.adapter()?;
        if let Some(at_ms) = self.breaker.opens_at(now_ms) {
            return Some(Duration::from_millis(u64::try_from(at_ms - now_ms).unwrap_or_default()));
        }
        let limit = self.breaker.allowance(now_ms, self.provider.in_flight());
        let mut soonest: Option<Duration> = None;
        let mut resting = vec![false; self.paces.len()];
        // In turn, and each time another one first: where few calls may be under way none starves.
        while let Some(index) = self.next_class(&resting).filter(|_| self.in_flight < limit) {
            let wait = match self.depart_one(index, now_ms, &adapter) {
                Some(Ok(())) => continue,
                Some(Err(wait)) => Some(wait),
                None => None,
            };
            if let Some(rests) = resting.get_mut(index) {
                *rests = true;
            }
            soonest = soonest.into_iter().chain(wait).min();
        }
        soonest
    }

    /// The class whose turn it is among those that do not rest.
    fn next_class(&mut self, resting: &[bool]) -> Option<usize> {
        let count = resting.len();
        let turn = (0..count).map(|after| (self.class_turn + after) % count);
        let index = turn.into_iter().find(|index| resting.get(*index) == Some(&false))?;
        self.class_turn = (index + 1) % count;
        Some(index)
    }

    /// Lets one call of a class go: none when nothing waits, an error when it must wait.
    fn depart_one(
        &mut self,
        index: usize,
        now_ms: i64,
        adapter: &Arc<dyn Adapter>,
    ) -> Option<Result<(), Duration>> {
        let pace = self.paces.get(index)?;
        let class = pace.class;
        let drawable = self.drawer.drawable(class);
        if drawable == 0 {
            return None;
        }
        // What a server that hangs does to the call that tries it, it does to few messages.
        let size = if self.breaker.is_probing() { 1 } else { pace.size(self.provider.timeout()) };
        let gate = pace.gate.clone();
        // What a caller waits for leaves at once and is drawn as late as can be; what is written down first
        // is drawn so much earlier.
        let stored = self.window.0 > 0;
        let mut opening = match gate.open(clock::ticks(), size.min(drawable), stored) {
            Ok(opening) => opening,
            Err(wait) => return Some(Err(wait)),
        };
        let limits = CallLimits { messages: size.min(opening.messages), bytes: CALL_BYTES };
        let drawn = self.drawer.draw(class, limits)?;
        let fresh = self.fresh(drawn, now_ms, adapter.profile().dedupe.window_ms(class));
        let ready = self.paced(&mut opening, fresh, now_ms);
        if ready.is_empty() {
            return Some(Ok(()));
        }
        let permit = opening.take(ready.len());
        self.send(ready, class, adapter, permit);
        Some(Ok(()))
    }

    /// Drops what was withdrawn, settles what is too late, and what may have arrived before and would no
    /// longer be recognised.
    fn fresh(
        &mut self,
        drawn: Vec<Waiting<Ticket>>,
        now_ms: i64,
        dedupe_window_ms: u64,
    ) -> Vec<Waiting<Ticket>> {
        let mut fresh = Vec::with_capacity(drawn.len());
        for waiting in drawn {
            let (key, position) = waiting.ticket;
            let leaves = self.entry(waiting.ticket).is_some_and(|entry| entry.state == Status::Queued);
            if !leaves || self.is_stopped(key) {
                self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
                continue;
            }
            if self.freshen(waiting.ticket) == Freshened::Refused {
                self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
                continue;
            }
            let Some(waiting) = self.sent_home(waiting) else { continue };
            let fate = self.parcels.get_mut(&key).and_then(|parcel| {
                let deadline_ms = parcel.batch.deadline_ms;
                let entry = parcel.entries.get_mut(usize::from(position))?;
                Some(entry.before_leaving(now_ms, deadline_ms, dedupe_window_ms))
            });
            match fate {
                Some(Ok(())) => fresh.push(waiting),
                Some(Err((status, failure))) => {
                    self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
                    self.settle_one(waiting.ticket, status, failure);
                }
                None => self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered),
            }
        }
        fresh
    }

    /// Holds back what its recipient may not get yet.
    fn paced(
        &mut self,
        opening: &mut Opening<'_>,
        drawn: Vec<Waiting<Ticket>>,
        now_ms: i64,
    ) -> Vec<Waiting<Ticket>> {
        if !opening.paces_recipients() {
            return drawn;
        }
        let mut ready = Vec::with_capacity(drawn.len());
        for waiting in drawn {
            match opening.recipient(waiting.recipient) {
                Ok(()) => ready.push(waiting),
                Err(wait) => self.put_later(now_ms.saturating_add(whole_millis(wait)), waiting),
            }
        }
        ready
    }

    fn send(
        &mut self,
        waiting: Vec<Waiting<Ticket>>,
        class: &'static str,
        adapter: &Arc<dyn Adapter>,
        permit: Permit,
    ) {
        let (drawn, now_ms) = (Instant::now(), clock::now_ms());
        let mut messages = Vec::with_capacity(waiting.len());
        let mut starts: Vec<(u32, SendingStart)> = Vec::new();
        let mut results = Results::Each;
        let mut leave_by_ms = now_ms + LONGEST_STALL_MS;
        let dedupe_window_ms = adapter.profile().dedupe.window_ms(class);
        let mut touched: Vec<u32> = Vec::new();
        let mut since_ms = now_ms;
        for item in &waiting {
            let (key, position) = item.ticket;
            let Some(parcel) = self.parcels.get_mut(&key) else { continue };
            let Some(entry) = parcel.entries.get_mut(usize::from(position)) else { continue };
            let own_ms = entry.since_ms;
            since_ms = since_ms.min(if own_ms > 0 { own_ms } else { parcel.batch.begins_ms });
            entry.state = Status::Sending;
            entry.sent_ms = now_ms;
            if entry.first_sent_ms == 0 {
                entry.first_sent_ms = now_ms;
            }
            results = entry.results;
            leave_by_ms = leave_by_ms.min(entry.leave_by_ms(dedupe_window_ms));
            messages.push(CallMessage {
                message: Arc::clone(entry.there()),
                attempt: entry.attempts + 1,
                prior_unknown: entry.prior_unknown,
            });
            if !touched.contains(&key) {
                touched.push(key);
                parcel.under_way += 1;
            }
            let Some(claim) = parcel.claim() else { continue };
            match starts.iter_mut().rev().find(|(other, _)| *other == key) {
                Some((_, start)) => start.indexes.push(position),
                None => starts.push((
                    key,
                    SendingStart {
                        claim,
                        indexes: vec![position],
                        at_ms: now_ms,
                        provider: self.provider.settings.name.to_string(),
                        blob: class.as_bytes().to_vec(),
                    },
                )),
            }
        }
        self.meter.drawn(now_ms - since_ms);
        self.in_flight += 1;
        let known = self.breaker.departed(now_ms);
        let journey = self.journey(&waiting);
        let call = Call { class, results, messages };
        let departure = Departure { waiting, call, starts, leave_by_ms, permit, drawn, known, journey };
        let (provider, adapter) = (Arc::clone(&self.provider), Arc::clone(adapter));
        let (ledger, events) = (self.around.ledger.clone(), self.events.clone());
        let line = journey_line(departure.journey.as_deref(), &provider);
        let calling = async move {
            let arrival = call::make(provider, adapter, ledger, departure).await;
            // The lane outlives its calls: it stops only when none is under way.
            drop(events.send(Event::Arrived(Box::new(arrival))));
        };
        match line {
            Some(line) => drop(tokio::spawn(calling.instrument(line))),
            None => drop(tokio::spawn(calling)),
        }
    }

    /// The spans of a call that is drawn: where its messages come from and since when they wait.
    fn journey(&self, waiting: &[Waiting<Ticket>]) -> Option<Box<Journey>> {
        if !trace::is_on() {
            return None;
        }
        let mut legs: Vec<Leg<'_>> = Vec::new();
        for ticket in waiting.iter().map(|waiting| waiting.ticket) {
            let (Some(parcel), Some(entry)) = (self.parcels.get(&ticket.0), self.entry(ticket)) else {
                continue;
            };
            let batch = &*parcel.batch;
            let since_ms = if entry.since_ms > 0 { entry.since_ms } else { batch.begins_ms };
            match legs.iter_mut().rev().find(|leg| leg.batch_id == batch.id) {
                Some(leg) => {
                    leg.messages += 1;
                    leg.since_ms = leg.since_ms.min(since_ms);
                }
                None => legs.push(Leg {
                    batch_id: &batch.id,
                    origin: batch.origin.as_deref(),
                    since_ms,
                    claimed_ms: parcel.held_ms.max(since_ms),
                    messages: 1,
                }),
            }
        }
        let settings = &self.provider.settings;
        Journey::begin(&settings.name, settings.vendor.name, &legs).map(Box::new)
    }
}

/// What the log lines of a call carry.
fn journey_line(journey: Option<&Journey>, provider: &Provider) -> Option<tracing::Span> {
    let trace_id = journey?.trace_id()?;
    Some(tracing::info_span!("call", trace_id, provider = %provider.settings.name))
}

/// A time in milliseconds, rounded up.
fn whole_millis(time: Duration) -> i64 {
    i64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}
