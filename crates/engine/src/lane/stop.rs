//! Parcels of which nothing more may leave: paused, cancelled, withdrawn by their caller, recalled by
//! their home lane, or no longer this lane's. What is under way is finished first, always.

use std::sync::Arc;

use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Status;
use interline_core::record::{CallRecord, Note};
use interline_ledger::{Held, Settled};

use super::Lane;
use super::claim::ledger_states;
use super::parcel::{HeldParcel, Origin, Stop};
use super::settler::Write;
use crate::clock;

impl Lane {
    pub(super) fn is_stopped(&self, key: u32) -> bool {
        self.parcels.get(&key).is_some_and(|parcel| parcel.stopped.is_some())
    }

    /// Lets nothing more of a parcel leave.
    pub(super) fn stop_parcel(&mut self, key: u32, stop: Stop) {
        let Some(parcel) = self.parcels.get_mut(&key) else { return };
        parcel.stopped = Some(stop);
        self.recall(Some(key), false);
        self.after_stop(key);
    }

    /// What the ledger said of this lane's leases.
    pub(super) fn renewed(&mut self, found: Vec<(u32, Held)>) {
        self.renewing = false;
        for (key, held) in found {
            let fenced = self.parcels.get(&key).and_then(|parcel| parcel.stopped) == Some(Stop::Fenced);
            match (held, fenced) {
                (Held::Yes, false) => {}
                // It was paused and goes on already: claimed again it is read as it stands now.
                (Held::Yes, true) | (Held::Paused, true | false) => self.stop_parcel(key, Stop::Paused),
                (Held::Cancelled, true | false) => self.stop_parcel(key, Stop::Cancelled),
                (Held::Lost, true | false) if !self.parcels.contains_key(&key) => {}
                (Held::Lost, true | false) => {
                    self.meter.expiries.inc();
                    tracing::warn!(provider = %self.provider.settings.name, "a lease ran out; whoever claimed the parcel goes on with it");
                    self.recall(Some(key), false);
                    self.forget_lent(key);
                    self.forget(key);
                }
            }
        }
    }

    /// Nobody waits any more for what other lanes have of a parcel.
    fn forget_lent(&mut self, key: u32) {
        let lent: Vec<_> = self.lent.extract_if(|(of, _), _| *of == key).collect();
        for (_, waiting) in lent {
            self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
        }
    }

    /// Ends a stopped parcel as far as it can be ended now.
    pub(super) fn after_stop(&mut self, key: u32) {
        let Some(parcel) = self.parcels.get(&key) else { return };
        let direct = matches!(parcel.origin, Origin::Direct(_));
        match (parcel.stopped, direct) {
            (None | Some(Stop::Fenced), true | false) => {}
            (Some(Stop::Cancelled), true | false) => {
                let failure = Failure::not_sent(ErrorCode::Cancelled, "the batch was cancelled");
                self.settle_unsent(key, Status::Cancelled, &failure.for_good());
            }
            (Some(Stop::Recalled), true) if self.stopping.is_some() => {
                let failure = Failure::not_sent(ErrorCode::Cancelled, "Interline is stopping; send it again");
                self.settle_unsent(key, Status::Rejected, &failure);
            }
            (Some(Stop::Recalled), true) => {
                let failure =
                    Failure::not_sent(ErrorCode::Expired, "it was not sent before the caller's timeout");
                self.settle_unsent(key, Status::Expired, &failure.for_good());
            }
            (Some(Stop::Recalled), false) => self.return_unsent(key),
            (Some(Stop::Paused), true | false) => self.release(key),
            (Some(Stop::Moved), true | false) => self.release_batch(key),
        }
    }

    fn settle_unsent(&mut self, key: u32, status: Status, failure: &Failure) {
        let Some(parcel) = self.parcels.get_mut(&key) else { return };
        let unsent: Vec<u16> = (0u16..)
            .zip(&parcel.entries)
            .filter(|(_, entry)| entry.state == Status::Queued)
            .map(|(at, _)| at)
            .collect();
        let notes: Vec<Note> =
            unsent.into_iter().filter_map(|at| parcel.settle(at, status, failure.clone())).collect();
        if notes.is_empty() {
            self.finish_if_done(key);
            return;
        }
        let (name, vendor) = self.names();
        self.write_record(key, CallRecord::decision(name, vendor, clock::now_ms(), notes), Vec::new(), 0);
    }

    /// Gives parcels of a batch that go to another provider back, all together: what one of them has under way
    /// comes before what another one has for the same recipient.
    fn release_batch(&mut self, key: u32) {
        let Some(flow) = self.parcels.get(&key).map(|parcel| parcel.batch.flow) else { return };
        let of_batch = |parcel: &HeldParcel| parcel.stopped == Some(Stop::Moved) && parcel.batch.flow == flow;
        let mut keys: Vec<u32> =
            self.parcels.iter().filter(|(_, parcel)| of_batch(parcel)).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        if keys.iter().all(|key| self.is_idle(*key)) {
            keys.into_iter().for_each(|key| self.release(key));
        }
    }

    /// Whether nothing of a parcel is on its way.
    fn is_idle(&self, key: u32) -> bool {
        let lent = self.lent.keys().any(|(of, _)| *of == key);
        !lent && self.parcels.get(&key).is_some_and(|parcel| parcel.under_way == 0 && parcel.asking == 0)
    }

    /// Gives a parcel back to the ledger when nothing of it is on its way.
    fn release(&mut self, key: u32) {
        if !self.is_idle(key) {
            return;
        }
        let Some(parcel) = self.parcels.get(&key) else { return };
        let Origin::Stored(claim) = parcel.origin else { return };
        self.write(Settled {
            claim,
            sending: Vec::new(),
            states: ledger_states(parcel),
            record: Vec::new(),
            calls: 0,
            release_at_ms: self.drains_to.is_none().then_some(0),
        });
        if let Some(to) = &self.drains_to {
            // The settler outlives the lane.
            drop(self.settler.send(Write::Reassigned(claim, Arc::clone(to))));
        }
        self.forget(key);
    }

    /// Ends a direct parcel whose caller stops waiting: what was not sent is expired, what is under way
    /// is unknown.
    pub(super) fn withdraw(&mut self, id: u64) {
        let found = self.parcels.iter().find_map(|(key, parcel)| match &parcel.origin {
            Origin::Direct(sink) if sink.id == id => Some(*key),
            Origin::Direct(_) | Origin::Stored(_) | Origin::Lent(_) => None,
        });
        let Some(key) = found else { return };
        if let Some(parcel) = self.parcels.get_mut(&key) {
            parcel.stopped = Some(Stop::Recalled);
        }
        self.recall(Some(key), true);
        self.give_up(key);
        self.after_stop(key);
    }

    /// Stops waiting for what is under way of a parcel: it is unknown.
    pub(super) fn give_up(&mut self, key: u32) {
        self.expect_late(key);
        let Some(parcel) = self.parcels.get_mut(&key) else { return };
        let now_ms = clock::now_ms();
        let mut sent_ms = now_ms;
        let mut notes = Vec::new();
        for position in (0u16..).take(parcel.entries.len()) {
            let Some(entry) = parcel.entries.get(usize::from(position)) else { continue };
            if entry.state != Status::Sending || self.lent.contains_key(&(key, position)) {
                continue;
            }
            sent_ms = sent_ms.min(entry.sent_ms);
            let failure = Failure::unknown(ErrorCode::Timeout, "no answer came in time");
            notes.extend(parcel.settle(position, Status::Unknown, failure));
        }
        if notes.is_empty() {
            return;
        }
        let calls = parcel.under_way;
        let (name, vendor) = self.names();
        let took_ms = u32::try_from(now_ms - sent_ms).unwrap_or(u32::MAX);
        self.write_record(key, CallRecord::call(name, vendor, sent_ms, took_ms, notes), Vec::new(), calls);
    }

    /// This lane's provider and its vendor, as records name them.
    pub(super) fn names(&self) -> (Arc<str>, Arc<str>) {
        (Arc::clone(&self.provider.settings.name), self.provider.settings.vendor.name.into())
    }
}
