//! Calls of a rehearsal: drawn under the contracts, written by the adapters, and over when the scene says.

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Call, CallMessage, Seal};
use interline_core::breaker::Health;
use interline_core::draw::{CallLimits, Waiting};
use interline_core::error::{ErrorCode, Failure};
use interline_core::options::Results;
use interline_core::outcome::{Outcome, Status};

use super::stage::{BEGIN, MILLISECOND, Stage, UnderWay, nanos};
use super::{Fault, PlayedCall};
use crate::lane::Ticket;
use crate::pace::Permit;
use crate::plan::CALL_BYTES;

impl Stage {
    /// Lets every call of a desk go that may go now. Returns when to look again.
    pub(super) fn depart(&mut self, index: usize) -> Option<u64> {
        let now_ms = self.now_ms();
        let someone_waits = self.desks.iter().any(|desk| !desk.aside.is_empty());
        let desk = self.desks.get(index)?;
        if let Some(at_ms) = desk.breaker.opens_at(now_ms) {
            return (desk.has_work() || someone_waits).then(|| self.at(at_ms));
        }
        let limit = desk.breaker.allowance(now_ms, desk.provider.in_flight());
        let mut resting = vec![false; desk.paces.len()];
        let mut soonest: Option<u64> = None;
        loop {
            let desk = self.desks.get_mut(index).filter(|desk| desk.in_flight < limit)?;
            let Some(class) = desk.next_class(&resting) else { return soonest };
            let wait = match self.depart_one(index, class) {
                Some(Ok(())) => continue,
                Some(Err(at)) => Some(at),
                None => None,
            };
            if let Some(rests) = resting.get_mut(class) {
                *rests = true;
            }
            soonest = soonest.into_iter().chain(wait).min();
        }
    }

    /// Lets one call of a class go: none when nothing waits, an error with the time until which it must.
    fn depart_one(&mut self, index: usize, class: usize) -> Option<Result<(), u64>> {
        let now = self.now;
        let desk = self.desks.get_mut(index)?;
        let pace = desk.paces.get(class)?;
        let size = if desk.breaker.is_probing() { 1 } else { pace.size(desk.provider.timeout()) };
        let (class, gate) = (pace.class, pace.gate.clone());
        let drawable = desk.drawer.drawable(class);
        if drawable == 0 {
            return None;
        }
        let mut opening = match gate.open(now, size.min(drawable), false) {
            Ok(opening) => opening,
            Err(wait) => return Some(Err(now.saturating_add(nanos(wait)).max(now + 1))),
        };
        let limits = CallLimits { messages: size.min(opening.messages), bytes: CALL_BYTES };
        let drawn = desk.drawer.draw(class, limits)?;
        let mut ready = Vec::with_capacity(drawn.len());
        for waiting in drawn {
            if !self.may_leave(index, &waiting) {
                continue;
            }
            let paced =
                if opening.paces_recipients() { opening.recipient(waiting.recipient) } else { Ok(()) };
            match paced {
                Ok(()) => ready.push(waiting),
                Err(wait) => self.put_later(now.saturating_add(nanos(wait)), index, waiting),
            }
        }
        if ready.is_empty() {
            return Some(Ok(()));
        }
        let mut permit = opening.take(ready.len());
        if permit.leave(now).is_err() {
            // Its slot is gone: it is drawn again.
            ready.into_iter().for_each(|waiting| self.put_later(now + MILLISECOND, index, waiting));
            return Some(Ok(()));
        }
        self.send(index, class, ready, permit);
        Some(Ok(()))
    }

    /// Whether a drawn message goes on: it may be settled, too late, or no longer recognised.
    fn may_leave(&mut self, index: usize, waiting: &Waiting<Ticket>) -> bool {
        let (now_ms, deadline_ms, position) =
            (self.now_ms(), self.parcel.batch.deadline_ms, waiting.ticket.1);
        let window_ms = self
            .desks
            .get(index)
            .map_or(0, |desk| desk.adapter.profile().dedupe.window_ms(waiting.slot.class));
        let fate = self.entry(position).map(|entry| {
            (entry.state == Status::Queued).then(|| entry.before_leaving(now_ms, deadline_ms, window_ms))
        });
        match fate {
            Some(Some(Ok(()))) => return true,
            Some(Some(Err((status, failure)))) => self.settle(position, status, failure),
            Some(None) | None => {}
        }
        self.over(index, waiting);
        false
    }

    fn send(&mut self, index: usize, class: &'static str, waiting: Vec<Waiting<Ticket>>, permit: Permit) {
        let (now, now_ms) = (self.now, self.now_ms());
        let Some(desk) = self.desks.get_mut(index) else { return };
        let name = Arc::clone(desk.name());
        desk.in_flight += 1;
        let known = desk.breaker.departed(now_ms);
        let mut messages = Vec::with_capacity(waiting.len());
        let mut results = Results::Each;
        for item in &waiting {
            let position = usize::from(item.ticket.1);
            let Some(entry) = self.parcel.entries.get_mut(position) else { continue };
            entry.state = Status::Sending;
            entry.sent_ms = now_ms;
            if entry.first_sent_ms == 0 {
                entry.first_sent_ms = now_ms;
            }
            results = entry.results;
            messages.push(CallMessage {
                attempt: entry.attempts + 1,
                prior_unknown: entry.prior_unknown,
                ..CallMessage::first(Arc::clone(entry.there()))
            });
        }
        let (outcome, ending, after) = desk.ending(self.answers_in);
        let call = Call { class, results, messages };
        let seal = Seal { now_ms, nonce: "00000000000000000000000000000000", token: Some("") };
        let outcome = match desk.adapter.encode(&call, &seal) {
            Ok(_) => outcome,
            Err(error) => {
                let detail = format!("the call cannot be written: {error}");
                Outcome::Rejected(Failure::not_sent(ErrorCode::Internal, detail).for_good())
            }
        };
        if desk.fault != Some(Fault::Down) {
            self.calls.push(PlayedCall {
                provider: name.to_string(),
                quota_class: class,
                messages: waiting.len(),
                at: Duration::from_nanos(now.saturating_sub(BEGIN)),
            });
        }
        waiting.iter().for_each(|item| self.tried(item.ticket.1, &name));
        self.number += 1;
        let ends = now.saturating_add(nanos(after));
        let under_way = UnderWay { desk: index, class, waiting, outcome, ending, permit, known };
        self.under_way.insert((ends, self.number), under_way);
    }

    pub(super) fn arrive_due(&mut self) {
        while let Some(first) = self.under_way.first_entry().filter(|first| first.key().0 <= self.now) {
            let UnderWay { desk, class, waiting, outcome, ending, permit, known } = first.remove();
            let now_ms = self.now_ms();
            permit.over(self.now, ending);
            let Some(at) = self.desks.get_mut(desk) else { continue };
            at.in_flight = at.in_flight.saturating_sub(1);
            match Health::of(std::slice::from_ref(&outcome)) {
                Some(health) => at.breaker.ended(known, now_ms, health, 0.0),
                None => at.breaker.abandoned(known),
            }
            for waiting in waiting {
                self.judge((desk, class), waiting, outcome.clone());
            }
        }
    }
}
