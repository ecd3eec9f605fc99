//! Loans: what this lane's provider surely did not take is lent to the lane of another provider. The
//! home lane keeps the parcel, its claim and its order; the borrowing lane commits *sending* under that
//! claim, makes the calls and reports each of them ([`super::borrow`]). What cannot be delivered there either
//! comes back, and the home lane decides who is next. What may have arrived never moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interline_core::draw::Waiting;
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Status;
use interline_core::record::CallRecord;
use interline_ledger::Claim;
use tokio::sync::mpsc;

use super::entry::Entry;
use super::parcel::{HeldParcel, Origin, Stop};
use super::reroute::Freshened;
use super::{Event, Lane, LaneHandle, Ticket};
use crate::clock;

/// The lanes by provider.
pub(crate) type Lanes = BTreeMap<Arc<str>, LaneHandle>;

/// Where a borrowed parcel belongs.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// The home lane.
    pub(crate) events: mpsc::UnboundedSender<Event>,
    /// Its provider.
    pub(crate) provider: Arc<str>,
    /// The parcel's key there.
    pub(crate) key: u32,
    /// The messages' positions there.
    pub(crate) positions: Vec<u16>,
    /// What *sending* is committed under; none for a caller who waits.
    pub(crate) claim: Option<Claim>,
}

impl Home {
    /// Reports a call, or a decision, and the ledger's rows of it.
    pub(crate) fn report(&self, mut record: Option<CallRecord>, rows: Vec<i64>, calls: u32) {
        for note in record.iter_mut().flat_map(|record| &mut record.notes) {
            if let Some(position) = self.positions.get(usize::from(note.position)) {
                note.position = *position;
            }
        }
        self.send(Returned { key: self.key, record, rows, calls, back: Vec::new(), fenced: false });
    }

    /// Reports that the ledger took no *sending* under the claim.
    pub(crate) fn report_fenced(&self) {
        let (rows, back) = (Vec::new(), Vec::new());
        self.send(Returned { key: self.key, record: None, rows, calls: 0, back, fenced: true });
    }

    /// Reports what comes back for another provider.
    pub(super) fn report_back(&self, back: Vec<Back>) {
        let rows = Vec::new();
        self.send(Returned { key: self.key, record: None, rows, calls: 0, back, fenced: false });
    }

    fn send(&self, returned: Returned) {
        // A home lane that is gone left its claim to the next start.
        drop(self.events.send(Event::Returned(Box::new(returned))));
    }
}

/// What a borrowing lane reports.
#[derive(Debug)]
pub(crate) struct Returned {
    /// The parcel's key in the home lane.
    pub(crate) key: u32,
    /// A call, or a decision, with the home lane's positions.
    pub(crate) record: Option<CallRecord>,
    /// The ledger's rows of that call.
    pub(crate) rows: Vec<i64>,
    /// Calls to count.
    pub(crate) calls: u32,
    /// What comes back for another provider.
    pub(crate) back: Vec<Back>,
    /// Whether the claim is no good any more.
    pub(crate) fenced: bool,
}

/// A drawn message that goes to another lane.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) waiting: Waiting<Ticket>,
    /// Its place among the message's providers.
    pub(super) hop: usize,
    pub(super) to: Arc<str>,
}

/// What one lane is lent at once, by parcel and provider.
type Loans = BTreeMap<(u32, Arc<str>), Vec<(u16, Entry)>>;

/// A message that comes back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Back {
    pub(crate) position: u16,
    pub(crate) attempts: u32,
    pub(crate) tries: u32,
    /// Whether it cannot be expressed there.
    pub(crate) declined: bool,
}

impl Lane {
    /// Lends drawn messages to other lanes. They stay this lane's, and in its order.
    pub(super) fn lend(&mut self, leaving: Vec<Leaving>) {
        let mut loans = Loans::new();
        for Leaving { waiting, hop, to } in leaving {
            let (key, position) = waiting.ticket;
            let Some(entry) = self.entry_mut(waiting.ticket) else {
                self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
                continue;
            };
            entry.hop = hop;
            entry.first_sent_ms = if entry.prior_unknown { entry.first_sent_ms } else { 0 };
            let lent = entry.clone();
            entry.state = Status::Sending;
            loans.entry((key, to)).or_default().push((position, lent));
            self.lent.insert((key, position), waiting);
        }
        for ((key, name), loan) in loans {
            let standing_in = loan.iter().filter(|(_, entry)| entry.hop > 0).count();
            let (positions, entries): (Vec<u16>, Vec<Entry>) = loan.into_iter().unzip();
            let Some(parcel) = self.parcels.get(&key) else { continue };
            let claim = parcel.claim();
            // What was routed to another provider since, or goes back to whom may have it, counts for nobody.
            if standing_in > 0 {
                self.around.metrics.fallback(&self.provider.settings.name, &name, standing_in);
            }
            let home = Home {
                events: self.events.clone(),
                provider: Arc::clone(&self.provider.settings.name),
                key,
                positions,
                claim,
            };
            let borrowed = HeldParcel::new(Arc::clone(&parcel.batch), entries, Origin::Lent(home.clone()));
            if self.tell(&name, Event::Lent(Box::new(borrowed))).is_err() {
                let back = home.positions.iter().map(|at| self.as_lent(key, *at)).collect();
                let rows = Vec::new();
                self.returned(Returned { key, record: None, rows, calls: 0, back, fenced: false });
            }
        }
    }

    /// Lends a message to the provider that may have it already, or that it was routed to since; returns it
    /// when that is this lane's own.
    pub(super) fn sent_home(&mut self, waiting: Waiting<Ticket>) -> Option<Waiting<Ticket>> {
        let own = &self.provider.settings.name;
        let entry = self.entry(waiting.ticket);
        let holder = entry.and_then(|entry| entry.pinned.clone().or_else(|| entry.target.clone()));
        let Some(name) = holder.filter(|name| name != own) else { return Some(waiting) };
        let routed = entry.is_some_and(|entry| entry.pinned.is_none());
        if routed || self.around.book.now().providers.contains_key(&name) {
            self.lend(vec![Leaving { waiting, hop: 0, to: name }]);
        } else {
            let detail = format!("it may have arrived at {name}, which the configuration no longer has");
            self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            self.settle_one(waiting.ticket, Status::Unknown, Failure::unknown(ErrorCode::Internal, detail));
        }
        None
    }

    fn as_lent(&self, key: u32, position: u16) -> Back {
        let entry = self.entry((key, position));
        let (attempts, tries) = entry.map_or((0, 0), |entry| (entry.attempts, entry.tries));
        Back { position, attempts, tries, declined: false }
    }

    /// Tells another lane; an error when it has stopped or never was.
    fn tell(&self, name: &str, event: Event) -> Result<(), ()> {
        let peers = self.around.peers.now();
        peers.get(name).ok_or(())?.events.send(event).map_err(|_| ())
    }

    /// What a borrowing lane reports of this lane's messages.
    pub(super) fn returned(&mut self, returned: Returned) {
        let Returned { key, record, rows, calls, back, fenced } = returned;
        if fenced {
            self.stop_parcel(key, Stop::Fenced);
            self.renew_at_ms = 0;
        }
        let mut over = Vec::new();
        if let (Some(parcel), Some(record)) = (self.parcels.get_mut(&key), &record) {
            for note in &record.notes {
                parcel.told(note, record);
                if note.status.is_final() {
                    over.push(note.position);
                }
            }
        }
        for position in over {
            if let Some(waiting) = self.lent.remove(&(key, position)) {
                self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            }
        }
        match record {
            Some(record) => self.write_record(key, record, rows, calls),
            None => {
                let rows: Vec<(u32, i64)> = rows.into_iter().map(|row| (key, row)).collect();
                self.close_rows(&rows);
            }
        }
        let mut leaving = Vec::new();
        for back in back {
            let ticket = (key, back.position);
            let Some(mut waiting) = self.lent.remove(&ticket) else { continue };
            let Some(entry) = self.entry_mut(ticket) else {
                self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
                continue;
            };
            entry.state = Status::Queued;
            (entry.attempts, entry.tries) = (back.attempts, back.tries);
            entry.stale |= back.declined;
            let next = match self.freshen(ticket) {
                Freshened::AsItWas => self.entry(ticket).and_then(|entry| self.elsewhere(entry)),
                Freshened::Anew => match self.entry(ticket).and_then(|entry| entry.target.clone()) {
                    Some(to) => Some((0, to)),
                    None => {
                        self.refresh(&mut waiting, &*self.provider.assumed());
                        self.drawer.put_back(waiting);
                        continue;
                    }
                },
                Freshened::Refused => {
                    self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
                    continue;
                }
            };
            match next.filter(|_| self.stopping.is_none() && !self.is_stopped(key)) {
                Some((hop, to)) => leaving.push(Leaving { waiting, hop, to }),
                None => self.home_again(waiting),
            }
        }
        self.lend(leaving);
        self.after_stop(key);
    }

    /// Nobody else could take it: this lane tries again, after a pause.
    fn home_again(&mut self, mut waiting: Waiting<Ticket>) {
        let now_ms = clock::now_ms();
        let own = Arc::clone(&self.provider.settings.name);
        let tries = self.entry_mut(waiting.ticket).map_or(0, |entry| {
            entry.hop = 0;
            // Routed to another provider since, it may have this one as a stand-in.
            if entry.fallback.as_ref().is_some_and(|names| names.contains(&own)) {
                entry.target = None;
            }
            entry.tries
        });
        self.refresh(&mut waiting, &*self.provider.assumed());
        let pause = interline_core::decide::backoff_ms(tries + 1, clock::chance());
        let pause = Duration::from_millis(pause).as_millis();
        self.put_later(now_ms.saturating_add(i64::try_from(pause).unwrap_or(i64::MAX)), waiting);
    }

    /// Asks for everything back that is lent of a parcel, or of all.
    pub(super) fn recall(&self, key: Option<u32>, at_once: bool) {
        let mut keys: Vec<u32> = self.lent.keys().map(|(of, _)| *of).collect();
        keys.dedup();
        keys.sort_unstable();
        keys.dedup();
        let peers = self.around.peers.now();
        for key in keys.into_iter().filter(|of| key.is_none_or(|key| key == *of)) {
            for lane in peers.values() {
                let provider = Arc::clone(&self.provider.settings.name);
                // A lane that has stopped gave everything back before.
                drop(lane.events.send(Event::Recall { provider, key, at_once }));
            }
        }
    }
}
