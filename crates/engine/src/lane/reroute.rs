//! What a lane does when the configuration or a migration changed: it goes on with its provider as that is
//! now, and routes again what has not left. What may have arrived stays with whom it may have arrived at.

use std::sync::Arc;

use interline_core::adapter::{Adapter, Slot};
use interline_core::draw::Waiting;
use interline_core::error::{ErrorCode, Failure};
use interline_core::options::Guarantee;
use interline_core::outcome::Status;

use super::claim::Opened;
use super::divert::{ELSEWHERE, EVERYTHING};
use super::entry::Entry;
use super::loan::Leaving;
use super::parcel::{BatchRef, HeldParcel, Origin, Stop, refused_by};
use super::{Event, Lane, Ticket, lookup};
use crate::clock;
use crate::intake::{self, Terms, forbidding};
use crate::provider::{Book, Provider};

/// What became of a message that was to be routed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshened {
    /// The routes are those that it was routed by.
    AsItWas,
    /// It was routed again.
    Anew,
    /// Nobody can have it any more: it is settled.
    Refused,
}

/// Routes a message again that a lane holds: sets what follows from its route and, where it waits, who is to
/// have it.
///
/// # Errors
/// Why nobody can have it; it is to be refused then.
pub(super) fn route_again(
    entry: &mut Entry,
    batch: &BatchRef,
    (book, own): (&Book, &Arc<str>),
    now_ms: i64,
) -> Result<(), Failure> {
    let forced = batch.head.route.as_deref();
    let choice = book.choose_again(&entry.message, (&batch.id, &batch.app_name, forced), now_ms);
    entry.terms = Terms::of(&entry.message, choice.map(|choice| choice.route), &book.delivery);
    entry.fallback = choice.and_then(|choice| intake::fallback(choice, &entry.message));
    if let Some(migration) = book.copied(&batch.id, choice.as_ref()) {
        entry.fallback = migration.beside_copy(entry.fallback.take());
    }
    entry.migration = match choice {
        Some(choice) => book.migrations.of_choice(&choice.route.name, choice.picked).cloned(),
        None => forced.and_then(|forced| book.migrations.of_copy(forced)).cloned(),
    };
    entry.target = None;
    entry.stale = false;
    if entry.state != Status::Queued {
        return Ok(());
    }
    entry.hop = 0;
    if entry.pinned.is_some() || entry.prior_unknown {
        if entry.pinned.as_ref().unwrap_or(own) == own && !book.providers.contains_key(own) {
            let detail = format!("it may have arrived at {own}, which the configuration no longer has");
            return Err(Failure::unknown(ErrorCode::Internal, detail));
        }
        return Ok(());
    }
    let to = match choice {
        Some(choice) => choice.provider,
        // What was taken once stays where it is, as long as that is there.
        None => book.routes.end_of(own),
    };
    if let Some(failure) = book.twice((&batch.id, forced), choice.as_ref(), to) {
        return Err(failure);
    }
    if to == own {
        if book.providers.contains_key(own) {
            return Ok(());
        }
        let detail = format!("no route takes it any more, and {own} is gone from the configuration");
        return Err(Failure::not_sent(ErrorCode::NotRoutable, detail).for_good());
    }
    let Some(provider) = book.providers.get(to) else { return Ok(()) };
    let checked = provider.check(&*provider.assumed(), &entry.message, entry.results);
    let (_, losses) = checked.map_err(|refusal| refused_by(to, &refusal))?;
    if let Some(detail) = forbidding(&losses, entry.terms.on_loss, to) {
        return Err(Failure::not_sent(ErrorCode::Unsupported, detail).for_good());
    }
    entry.target = Some(Arc::clone(to));
    Ok(())
}

/// The provider that everything open of a parcel goes to, if that is one and another one.
pub(super) fn common_target(parcel: &HeldParcel) -> Option<Arc<str>> {
    let mut open = parcel.entries.iter().filter(|entry| !entry.state.is_final());
    let first = open.next()?;
    let to = first.target.as_ref().filter(|_| first.state == Status::Queued)?;
    open.all(|entry| entry.state == Status::Queued && entry.target.as_ref() == Some(to))
        .then(|| Arc::clone(to))
}

impl Lane {
    /// Goes on with a provider whose configuration changed: its limits count on, what waits is sorted by what
    /// it is now, and calls under way end as they began.
    pub(super) fn provided(&mut self, provider: Arc<Provider>) {
        if Arc::ptr_eq(&provider, &self.provider) {
            return;
        }
        let before = std::mem::replace(&mut self.provider, provider);
        self.probe_at_ms = 0;
        if !before.settings.is_account(&self.provider.settings) {
            let name = &self.provider.settings.name;
            for lane in self.around.peers.now().values() {
                // A lane that has stopped sends nothing any more.
                drop(lane.events.send(Event::Replaced(Arc::clone(name))));
            }
            self.disown(&Arc::clone(name));
        }
        if self.provider.adapter().is_some() {
            self.spoken();
        } else {
            // Once it is known what the server speaks, everything is sorted anew.
            self.give_all_back();
            self.resort();
        }
    }

    /// Sorts everything by what the server was found to speak: slots, limits and what can be expressed depend
    /// on it.
    pub(super) fn spoken(&mut self) {
        let Some(adapter) = self.provider.adapter() else { return };
        self.renew_paces(&*adapter);
        self.check_again(&*adapter);
        self.resort();
    }

    /// Another account stands under this name: it does not recognise what the one before may have got.
    pub(super) fn disown(&mut self, name: &Arc<str>) {
        let mut settled = Vec::new();
        for (key, parcel) in &mut self.parcels {
            for (position, entry) in (0u16..).zip(&mut parcel.entries) {
                if entry.state != Status::Queued || entry.pinned.as_ref() != Some(name) {
                    continue;
                }
                // No window reaches back that far.
                (entry.first_sent_ms, entry.may_be_duplicate) = (1, true);
                if entry.terms.guarantee == Guarantee::AtMostOnce {
                    settled.push((*key, position));
                }
            }
        }
        for ticket in settled {
            let detail = format!("it may have arrived at the account that {name} was before");
            self.settle_one(ticket, Status::Unknown, Failure::unknown(ErrorCode::Internal, detail));
        }
    }

    /// Takes in what a caller waits for. A migration may have changed since it was routed: to write it down
    /// takes time.
    pub(super) fn taken(&mut self, mut parcel: HeldParcel) {
        let own = Arc::clone(&self.provider.settings.name);
        let moved = |entry: &Entry| {
            entry.migration.as_ref().is_some_and(|migration| **migration.taker(&entry.message) != *own)
        };
        let mut refused = Vec::new();
        if self.drains_to.is_some() || parcel.entries.iter().any(moved) {
            let book = self.around.book.now();
            refused = parcel.route_again(&[Status::Queued], (&book, &own), clock::now_ms());
        }
        let key = self.hold(parcel, &[]);
        for (position, failure) in refused {
            self.settle_one((key, position), Status::Rejected, failure);
        }
    }

    /// Routes everything again that has not left.
    pub(super) fn reroute(&mut self) {
        let book = self.around.book.now();
        let own = Arc::clone(&self.provider.settings.name);
        let end = book.routes.end_of(&own);
        self.drains_to = (*end != own).then(|| Arc::clone(end));
        // What is lent comes back first: its lane is the one that decides.
        self.recall(None, false);
        if self.drains_to.is_some() || self.gone {
            self.give_all_back();
        }
        let now_ms = clock::now_ms();
        let mut keys: Vec<u32> = self.parcels.keys().copied().collect();
        keys.sort_unstable();
        let mut moved = false;
        for key in keys {
            let Some(parcel) = self.parcels.get_mut(&key) else { continue };
            if parcel.stopped.is_some() || parcel.home().is_some() {
                continue;
            }
            parcel.outdate();
            moved |= parcel.goes();
            let refused = parcel.route_again(&[Status::Queued], (&book, &own), now_ms);
            match parcel.origin {
                // Claimed by whom it goes to, it is read as it stands then.
                Origin::Stored(_) if self.drains_to.is_some() => {
                    self.stop_parcel(key, Stop::Moved);
                    self.claim_at_ms = 0;
                    self.woken = true;
                }
                Origin::Direct(_) | Origin::Stored(_) => {
                    moved |= parcel.goes();
                    for (position, failure) in refused {
                        self.settle_one((key, position), Status::Rejected, failure);
                    }
                }
                Origin::Lent(_) => {}
            }
        }
        self.has_fallbacks |=
            self.parcels.values().flat_map(|parcel| &parcel.entries).any(|entry| entry.fallback.is_some());
        if moved {
            self.resort();
        }
    }

    /// Sorts what waits anew: by the adapter that is spoken now, and what is another provider's by itself.
    pub(super) fn resort(&mut self) {
        let adapter = self.provider.assumed();
        let aside = std::mem::take(&mut self.aside);
        aside.into_iter().rev().for_each(|waiting| self.drawer.put_back(waiting));
        let later = std::mem::take(&mut self.later);
        for (at, mut waiting) in later {
            self.refresh(&mut waiting, &*adapter);
            // Whoever gets it has reason to try at once.
            if self.is_elsewhere(waiting.ticket) {
                self.drawer.put_back(waiting);
            } else {
                self.later.insert(at, waiting);
            }
        }
        let mut drawer = std::mem::take(&mut self.drawer);
        drawer.sort_anew(|waiting| self.slot_of(waiting, &*adapter));
        self.drawer = drawer;
        let mut lent = std::mem::take(&mut self.lent);
        lent.values_mut().for_each(|waiting| self.refresh(waiting, &*adapter));
        self.lent = lent;
        let mut questions = std::mem::take(&mut self.questions);
        let asked = questions.values_mut().map(lookup::Asking::waiting_mut);
        asked.for_each(|waiting| self.refresh(waiting, &*adapter));
        self.questions = questions;
    }

    /// Refuses what cannot be sent as the provider is now.
    fn check_again(&mut self, adapter: &dyn Adapter) {
        let provider = Arc::clone(&self.provider);
        let keys: Vec<u32> = self.parcels.keys().copied().collect();
        for key in keys {
            let Some(parcel) = self.parcels.get_mut(&key) else { continue };
            if parcel.home().is_some() {
                parcel.decline(adapter, &provider);
                self.finish_if_done(key);
                continue;
            }
            for (position, failure) in parcel.check(adapter, &provider) {
                self.settle_one((key, position), Status::Rejected, failure);
            }
        }
    }

    /// Takes over the limits as they are now, with what was used of them.
    pub(super) fn renew_paces(&mut self, adapter: &dyn Adapter) {
        let mut before = std::mem::take(&mut self.paces);
        before.append(&mut self.kept_paces);
        self.paces = self.provider.paces(adapter.profile());
        for pace in &mut self.paces {
            if let Some(index) = before.iter().position(|old| old.class == pace.class) {
                pace.adopt(before.swap_remove(index));
            }
        }
        // A class that is gone may come back.
        self.kept_paces = before;
    }

    /// What a call brought back that was made as provider or routes were before waits as they are now.
    pub(super) fn renew_waiting(&mut self, tickets: &[Ticket]) {
        let provider = Arc::clone(&self.provider);
        let mut refused = Vec::new();
        for ticket in tickets {
            let lent = self.parcels.get(&ticket.0).is_some_and(|parcel| parcel.home().is_some());
            if self.entry(*ticket).is_none_or(|entry| entry.state != Status::Queued)
                || self.freshen(*ticket) == Freshened::Refused
            {
                continue;
            }
            // What may have arrived is known there by the ids that it was sent with.
            let unseen = |entry: &&mut Entry| !entry.prior_unknown;
            let Some(entry) = self.entry_mut(*ticket).filter(unseen) else { continue };
            match provider.settings.ids.map(&entry.message) {
                Ok(mapped) => entry.mapped = mapped,
                Err(refusal) if !lent => {
                    refused.push((*ticket, refused_by(&provider.settings.name, &refusal)))
                }
                Err(_) => {}
            }
        }
        for (ticket, failure) in refused {
            self.settle_one(ticket, Status::Rejected, failure);
        }
        self.resort();
    }

    /// Gives a message that is not in the drawer the slot that it has now.
    pub(super) fn refresh(&self, waiting: &mut Waiting<Ticket>, adapter: &dyn Adapter) {
        if let Some(entry) = self.entry(waiting.ticket) {
            waiting.slot = entry.slot(adapter);
        }
    }

    /// The slot of a message that waits.
    pub(super) fn slot_of(&self, waiting: &Waiting<Ticket>, adapter: &dyn Adapter) -> Slot {
        self.entry(waiting.ticket).map_or_else(|| waiting.slot.clone(), |entry| entry.slot(adapter))
    }

    /// Routes a message again that was on its way when the routes changed.
    pub(super) fn freshen(&mut self, ticket: Ticket) -> Freshened {
        let (key, position) = ticket;
        let book = self.around.book.now();
        let own = Arc::clone(&self.provider.settings.name);
        let Some(parcel) = self.parcels.get_mut(&key) else { return Freshened::AsItWas };
        let batch = Arc::clone(&parcel.batch);
        let stale = parcel.entries.get_mut(usize::from(position)).filter(|entry| entry.stale);
        let Some(entry) = stale else { return Freshened::AsItWas };
        let Err(failure) = route_again(entry, &batch, (&book, &own), clock::now_ms()) else {
            return Freshened::Anew;
        };
        self.settle_one(ticket, Status::Rejected, failure);
        Freshened::Refused
    }

    /// Whether a message that waits is another provider's.
    pub(super) fn is_elsewhere(&self, ticket: Ticket) -> bool {
        self.entry(ticket).is_some_and(|entry| entry.target.is_some() && entry.state == Status::Queued)
    }

    /// Lends what goes to other providers, as soon as nothing before it is on its way.
    pub(super) fn hand_over(&mut self) {
        if self.drawer.drawable(ELSEWHERE) == 0 {
            return;
        }
        let adapter = self.provider.assumed();
        let mut leaving = Vec::new();
        while let Some(drawn) = self.drawer.draw(ELSEWHERE, EVERYTHING) {
            for mut waiting in drawn {
                let queued = self.entry(waiting.ticket).filter(|entry| entry.state == Status::Queued);
                let Some(entry) = queued.filter(|_| !self.is_stopped(waiting.ticket.0)) else {
                    self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
                    continue;
                };
                match entry.target.clone() {
                    Some(to) => leaving.push(Leaving { waiting, hop: 0, to }),
                    None => {
                        self.refresh(&mut waiting, &*adapter);
                        self.drawer.put_back(waiting);
                    }
                }
            }
        }
        self.lend(leaving);
    }

    /// Routes again what was opened by a book, or for a provider, that is not in force any more; returns what
    /// nobody can have.
    pub(super) fn renew_opened(
        &self,
        opened: &mut Opened,
        (book, provider): (&Arc<Book>, &Arc<Provider>),
    ) -> Vec<(u16, Failure)> {
        let now = self.around.book.now();
        let same = Arc::ptr_eq(provider, &self.provider);
        if same && Arc::ptr_eq(book, &now) {
            return Vec::new();
        }
        let own = &self.provider.settings.name;
        let parcel = &mut opened.parcel;
        let mut refused = parcel.route_again(&[Status::Queued], (&now, own), clock::now_ms());
        parcel.outdate();
        if let Some(adapter) = self.provider.adapter().filter(|_| !same) {
            refused.extend(parcel.check(&*adapter, &self.provider));
        }
        let whole = opened.settled.is_empty() && opened.asked.is_empty() && refused.is_empty();
        opened.moves_to = if whole { common_target(parcel) } else { None };
        refused
    }
}

impl Lane {
    /// Gives what the ledger holds for this provider to the one that it drains to.
    pub(super) fn drain(&self, to: Arc<str>) {
        let (ledger, events) = (self.around.ledger.clone(), self.events.clone());
        let (own, peers) = (Arc::clone(&self.provider.settings.name), Arc::clone(&self.around.peers));
        tokio::spawn(async move {
            let queues = ledger.status().await.map(|status| status.queues).unwrap_or_default();
            if queues.iter().any(|queue| *queue.provider == *own) {
                if let Err(error) = ledger.drain_provider(&own, &to).await {
                    tracing::warn!(provider = %own, to = %to, error = %error, "messages could not be handed over; trying again");
                }
                if let Some(lane) = peers.now().get(&to) {
                    // A lane that has stopped leaves the work to the next start.
                    drop(lane.events.send(Event::Wake));
                }
            }
            // The lane may be gone by now.
            drop(events.send(Event::Drained));
        });
    }
}

impl HeldParcel {
    /// Routes everything again that is in one of these states; returns what nobody can have.
    pub(super) fn route_again(
        &mut self,
        states: &[Status],
        (book, own): (&Book, &Arc<str>),
        now_ms: i64,
    ) -> Vec<(u16, Failure)> {
        let batch = Arc::clone(&self.batch);
        let open = (0u16..).zip(&mut self.entries).filter(|(_, entry)| states.contains(&entry.state));
        let refused = open.filter_map(|(at, entry)| {
            let failure = route_again(entry, &batch, (book, own), now_ms).err()?;
            Some((at, failure))
        });
        refused.collect()
    }

    /// Whether anything of it is another provider's.
    fn goes(&self) -> bool {
        self.entries.iter().any(|entry| entry.target.is_some())
    }

    /// Has what is on its way routed again when it is to be tried again.
    fn outdate(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.state == Status::Sending) {
            entry.stale = true;
        }
    }
}
