//! Loans: what this lane's provider surely did not take is lent to the lane of another provider. The
//! home lane keeps the parcel, its claim and its order; the borrowing lane commits *sending* under that
//! claim, makes the calls and reports each of them. What cannot be delivered there either comes back,
//! and the home lane decides who is next. What may have arrived never moves.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use interline_core::adapter::{Adapter, Slot};
use interline_core::draw::{CallLimits, Waiting};
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Status;
use interline_core::record::{CallRecord, Note};
use interline_core::shared::Digest;
use interline_ledger::Claim;
use tokio::sync::mpsc;

use super::entry::Entry;
use super::parcel::{HeldParcel, Origin, Stop};
use super::reroute::Freshened;
use super::{Event, Lane, LaneHandle, Ticket};
use crate::clock;
use crate::intake::forbidding;
use crate::provider::Provider;

/// A class that is frozen for longer than this lends what waits.
pub(super) const LONG_FREEZE: Duration = Duration::from_secs(1);

/// How often what was set aside is offered to the other providers again.
const LOOK_AGAIN_MS: i64 = 500;

/// The class of what goes to another provider.
pub(super) const ELSEWHERE: &str = "(elsewhere)";
/// The class of what finds a stand-in while it is not known what the server speaks.
const UNREAD: &str = "(unread)";
/// No limits at all.
pub(super) const EVERYTHING: CallLimits = CallLimits { messages: usize::MAX, bytes: usize::MAX };

/// Where a message waits that leaves in no call of this lane's: with everything of its class, in its order.
pub(super) const fn slot(class: &'static str) -> Slot {
    Slot { class, key: Digest(0), bytes: 0, max: usize::MAX, repeats: true }
}

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
    /// Who may take the message instead: the next of its providers that is up and can express it.
    pub(super) fn elsewhere(&self, entry: &Entry) -> Option<(usize, Arc<str>)> {
        let unseen = entry.pinned.is_none() && !entry.prior_unknown;
        let fallback = entry.fallback.as_ref().filter(|_| unseen)?;
        let home = &self.provider.settings.name;
        let peers = self.around.peers.now();
        let later = (1usize..).zip(fallback.iter()).skip(entry.hop);
        let willing = |name: &Arc<str>| {
            let up = peers
                .get(name)
                .is_some_and(|lane| lane.view.lock().unwrap_or_else(PoisonError::into_inner).willing);
            up && name != home && self.expressible(entry, name)
        };
        later.into_iter().find(|(_, name)| willing(name)).map(|(hop, name)| (hop, Arc::clone(name)))
    }

    /// Whether a provider can express the message as its caller wants it.
    fn expressible(&self, entry: &Entry, name: &str) -> bool {
        let book = self.around.book.now();
        let Some(provider) = book.providers.get(name) else { return false };
        let checked = provider.check(&*provider.assumed(), &entry.message, entry.results);
        checked.is_ok_and(|(_, losses)| forbidding(&losses, entry.terms.on_loss, name).is_none())
    }

    /// While the breaker refuses, and while a class is frozen for long, what has a fallback goes there;
    /// the rest is set aside until calls may leave again.
    pub(super) fn divert(&mut self, now_ms: i64) {
        if !self.has_fallbacks {
            return;
        }
        let refuses = self.breaker.refuses(now_ms);
        let long = i64::try_from(LONG_FREEZE.as_millis()).unwrap_or(i64::MAX);
        for index in 0..self.paces.len() {
            let Some(pace) = self.paces.get(index) else { continue };
            let (class, frozen) = (pace.class, pace.frozen_until_ms > now_ms.saturating_add(long));
            let why = match (refuses, frozen) {
                (true, _) => "the breaker is open",
                (false, true) => "the vendor asked for a pause",
                (false, false) => {
                    self.put_back_aside(class);
                    continue;
                }
            };
            if now_ms >= self.aside_at_ms {
                self.put_back_aside(class);
            }
            let mut leaving = Vec::new();
            while let Some(drawn) = self.drawer.draw(class, EVERYTHING) {
                for waiting in drawn {
                    let Some(waiting) = self.handed_back(waiting) else { continue };
                    match self.entry(waiting.ticket).and_then(|entry| self.elsewhere(entry)) {
                        Some((hop, to)) => leaving.push(Leaving { waiting, hop, to }),
                        None => self.aside.push(waiting),
                    }
                }
            }
            self.note_diverted(&leaving, why, now_ms);
            self.lend(leaving);
        }
        if now_ms >= self.aside_at_ms {
            self.aside_at_ms = now_ms + LOOK_AGAIN_MS;
        }
    }

    /// A borrowed message that nobody has seen goes back to its home lane, which knows who is next; any other
    /// is returned.
    fn handed_back(&mut self, waiting: Waiting<Ticket>) -> Option<Waiting<Ticket>> {
        let (key, position) = waiting.ticket;
        let seen = self.entry(waiting.ticket).is_none_or(|entry| entry.prior_unknown);
        let home = self.parcels.get(&key).and_then(HeldParcel::home).filter(|_| !seen).cloned();
        let Some(home) = home else { return Some(waiting) };
        self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
        if let Some(parcel) = self.parcels.get_mut(&key) {
            give_back(&home, parcel, &[position]);
            parcel.drop_entry(position);
        }
        self.finish_if_done(key);
        None
    }

    /// What was set aside of a class waits in the drawer again, in its order.
    fn put_back_aside(&mut self, class: &str) {
        if self.aside.is_empty() {
            return;
        }
        let (of_class, rest) =
            std::mem::take(&mut self.aside).into_iter().partition(|waiting| waiting.slot.class == class);
        self.aside = rest;
        let of_class: Vec<Waiting<Ticket>> = of_class;
        of_class.into_iter().rev().for_each(|waiting| self.drawer.put_back(waiting));
    }

    /// While the dialect cannot even be asked for, what has a fallback goes there.
    pub(super) fn lend_unread(&mut self) {
        if self.paused || !self.has_fallbacks {
            return;
        }
        let mut next = HashMap::new();
        for (key, parcel) in &self.parcels {
            if parcel.stopped.is_some() || parcel.home().is_some() {
                continue;
            }
            let waits = |entry: &Entry| entry.state == Status::Queued && entry.target.is_none();
            let open = (0u16..).zip(&parcel.entries).filter(|(_, entry)| waits(entry));
            next.extend(open.filter_map(|(at, entry)| Some(((*key, at), self.elsewhere(entry)?))));
        }
        if next.is_empty() {
            return;
        }
        let adapter = self.provider.assumed();
        let mut drawer = std::mem::take(&mut self.drawer);
        drawer.sort_anew(|waiting| match next.contains_key(&waiting.ticket) {
            true => slot(UNREAD),
            false => self.slot_of(waiting, &*adapter),
        });
        let mut leaving = Vec::new();
        while let Some(drawn) = drawer.draw(UNREAD, EVERYTHING) {
            for mut waiting in drawn {
                self.refresh(&mut waiting, &*adapter);
                match next.remove(&waiting.ticket) {
                    Some((hop, to)) => leaving.push(Leaving { waiting, hop, to }),
                    None => drawer.put_back(waiting),
                }
            }
        }
        self.drawer = drawer;
        self.note_diverted(&leaving, "the server cannot be reached", clock::now_ms());
        self.lend(leaving);
    }

    /// Notes that messages leave for another provider without a try at this one.
    fn note_diverted(&mut self, leaving: &[Leaving], why: &str, now_ms: i64) {
        let mut notes: BTreeMap<u32, Vec<Note>> = BTreeMap::new();
        for Leaving { waiting, to, .. } in leaving {
            let (key, position) = waiting.ticket;
            let detail = format!("{why}; {to} stands in");
            notes.entry(key).or_default().push(Note {
                position,
                status: Status::Queued,
                result: Some(Status::Rejected),
                failure: Some(Box::new(Failure::not_sent(ErrorCode::VendorUnavailable, detail))),
                free: true,
                ..Note::default()
            });
        }
        let (name, vendor) =
            (Arc::clone(&self.provider.settings.name), Arc::<str>::from(self.provider.settings.vendor.name));
        for (key, notes) in notes {
            let record = CallRecord::call(Arc::clone(&name), Arc::clone(&vendor), now_ms, 0, notes);
            self.write_record(key, record, Vec::new(), 0);
        }
    }

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

    /// Takes in what another lane surely could not deliver.
    pub(super) fn borrow_parcel(&mut self, parcel: HeldParcel) {
        if self.stopping.is_some() {
            if let Origin::Lent(home) = &parcel.origin {
                let every: Vec<u16> = (0u16..).take(parcel.entries.len()).collect();
                give_back(home, &parcel, &every);
            }
            return;
        }
        let mut parcel = parcel;
        for entry in &mut parcel.entries {
            (entry.target, entry.stale) = (None, false);
        }
        if let Some(adapter) = self.provider.adapter() {
            // The home lane saw to it that this succeeds, unless the dialect changed since.
            parcel.decline(&*adapter, &self.provider);
        }
        self.hold(parcel, &[]);
    }

    /// Gives back what is not under way of a loan; `at_once`: what is under way is unknown from now on.
    pub(super) fn recall_loan(&mut self, provider: &str, home_key: u32, at_once: bool) {
        let mut keys = Vec::new();
        for (key, parcel) in &mut self.parcels {
            if let Origin::Lent(home) = &parcel.origin
                && home.key == home_key
                && *home.provider == *provider
            {
                parcel.stopped = Some(Stop::Recalled);
                keys.push(*key);
            }
        }
        for key in keys {
            if at_once {
                self.give_up(key);
            }
            self.return_unsent(key);
        }
    }

    /// Gives back everything of a borrowed parcel that is not under way.
    pub(super) fn return_unsent(&mut self, key: u32) {
        let Some(parcel) = self.parcels.get_mut(&key) else { return };
        let Some(home) = parcel.home().cloned() else { return };
        let unsent: Vec<u16> = (0u16..)
            .zip(&parcel.entries)
            .filter(|(_, entry)| entry.state == Status::Queued)
            .map(|(at, _)| at)
            .collect();
        give_back(&home, parcel, &unsent);
        for at in unsent {
            parcel.drop_entry(at);
        }
        self.finish_if_done(key);
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

    /// Gives back everything that was lent to this lane and is not under way.
    pub(super) fn give_all_back(&mut self) {
        let mut borrowed = Vec::new();
        for (key, parcel) in &mut self.parcels {
            if parcel.home().is_some() {
                parcel.stopped = Some(Stop::Recalled);
                borrowed.push(*key);
            }
        }
        borrowed.into_iter().for_each(|key| self.return_unsent(key));
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

/// Reports messages as not delivered.
pub(super) fn give_back(home: &Home, parcel: &HeldParcel, positions: &[u16]) {
    give(home, parcel, positions, false);
}

impl HeldParcel {
    /// Gives back what cannot be expressed here; what was borrowed is refused by nobody but its home lane. What
    /// may have arrived here already can be had by nobody else.
    pub(super) fn decline(&mut self, adapter: &dyn Adapter, provider: &Provider) {
        let Some(home) = self.home().cloned() else { return };
        let mut declined: Vec<u16> = self.check(adapter, provider).into_iter().map(|(at, _)| at).collect();
        let unseen = |entry: &Entry| !entry.prior_unknown;
        declined.retain(|at| self.entries.get(usize::from(*at)).is_some_and(unseen));
        give(&home, self, &declined, true);
        declined.into_iter().for_each(|at| self.drop_entry(at));
    }
}

fn give(home: &Home, parcel: &HeldParcel, positions: &[u16], declined: bool) {
    let back = positions.iter().filter_map(|at| {
        let entry = parcel.entries.get(usize::from(*at))?;
        let position = *home.positions.get(usize::from(*at))?;
        Some(Back { position, attempts: entry.attempts, tries: entry.tries, declined })
    });
    let back: Vec<Back> = back.collect();
    if !back.is_empty() {
        let rows = Vec::new();
        home.send(Returned { key: home.key, record: None, rows, calls: 0, back, fenced: false });
    }
}
