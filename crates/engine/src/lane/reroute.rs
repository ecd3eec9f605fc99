//! What a lane does when the configuration or a migration changed: it goes on with its provider as that is
//! now, and routes again what has not left. What may have arrived stays with whom it may have arrived at.

use std::sync::Arc;

use hashbrown::HashSet;
use interline_core::adapter::Adapter;
use interline_core::draw::Waiting;
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Status;

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
    let moment = book.moment(now_ms);
    let forced = batch.head.route.as_deref();
    let choice = book.routes.choose(&entry.message, &batch.app_name, forced, &moment);
    entry.terms = Terms::of(&entry.message, choice.map(|choice| choice.route), &book.delivery);
    entry.fallback = choice.and_then(|choice| intake::fallback(choice, &entry.message));
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
        return Ok(());
    }
    let to = match choice {
        Some(choice) => choice.provider,
        // What was taken once stays where it is, as long as that is there.
        None => book.routes.end_of(own),
    };
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
        self.provider = provider;
        self.probe_at_ms = 0;
        if let Some(adapter) = self.provider.adapter() {
            self.renew_paces(&*adapter);
            self.check_again(&*adapter);
            self.resort();
        } else {
            // Once it is known what the server speaks, everything is sorted anew.
            self.give_all_back();
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
        self.drains_to = if *end == own { self.gone_to.clone() } else { Some(Arc::clone(end)) };
        // What is lent comes back first: its lane is the one that decides.
        self.recall(None, false);
        if self.drains_to.is_some() {
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
            let refused = parcel.route_again(&[Status::Queued], (&book, &own), now_ms);
            let goes = parcel.entries.iter().any(|entry| entry.target.is_some());
            match parcel.origin {
                // Claimed again, by whom it goes to or by this lane, it is read as it stands then.
                Origin::Stored(_) if goes || !refused.is_empty() || self.drains_to.is_some() => {
                    self.stop_parcel(key, Stop::Moved);
                    self.claim_at_ms = 0;
                    self.woken = true;
                }
                Origin::Direct(_) => {
                    moved |= goes;
                    for (position, failure) in refused {
                        self.settle_one((key, position), Status::Rejected, failure);
                    }
                }
                Origin::Stored(_) | Origin::Lent(_) => {}
            }
        }
        self.has_fallbacks |=
            self.parcels.values().flat_map(|parcel| &parcel.entries).any(|entry| entry.fallback.is_some());
        if moved {
            self.resort();
        }
    }

    /// Sorts what waits anew, by the adapter that is spoken now, and lends what is another provider's.
    pub(super) fn resort(&mut self) {
        let spoken = self.provider.adapter();
        let adapter = self.provider.assumed();
        let aside = std::mem::take(&mut self.aside);
        aside.into_iter().rev().for_each(|waiting| self.drawer.put_back(waiting));
        let mut taken = Vec::new();
        let later = std::mem::take(&mut self.later);
        for (at, mut waiting) in later {
            if self.is_elsewhere(waiting.ticket) {
                taken.push(waiting);
                continue;
            }
            self.refresh(&mut waiting, &*adapter);
            self.later.insert(at, waiting);
        }
        let mut drawer = std::mem::take(&mut self.drawer);
        taken.extend(drawer.sort_anew(|waiting| {
            let entry = self.entry(waiting.ticket);
            match entry {
                Some(entry) if entry.target.is_some() && entry.state == Status::Queued => None,
                Some(entry) => Some(adapter.slot(&entry.there, entry.results)),
                None => Some(waiting.slot.clone()),
            }
        }));
        self.drawer = drawer;
        let mut lent = std::mem::take(&mut self.lent);
        lent.values_mut().for_each(|waiting| self.refresh(waiting, &*adapter));
        self.lent = lent;
        let mut questions = std::mem::take(&mut self.questions);
        let asked = questions.values_mut().map(lookup::Asking::waiting_mut);
        asked.for_each(|waiting| self.refresh(waiting, &*adapter));
        self.questions = questions;
        self.hand_over(taken);
        // Where the dialect is not known what waits is in no drawer.
        if spoken.is_none() {
            self.lend_unsorted(&*adapter);
        }
    }

    /// Refuses what cannot be sent as the provider is now.
    fn check_again(&mut self, adapter: &dyn Adapter) {
        let provider = Arc::clone(&self.provider);
        let keys: Vec<u32> = self.parcels.keys().copied().collect();
        for key in keys {
            let Some(parcel) = self.parcels.get_mut(&key) else { continue };
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

    /// What a call that was made as the provider was before takes back waits as it is now.
    pub(super) fn refresh_all(&mut self, waiting: &mut [Waiting<Ticket>]) {
        let provider = Arc::clone(&self.provider);
        let adapter = provider.assumed();
        for waiting in waiting {
            // What may have arrived is known there by the ids that it was sent with.
            if let Some(entry) = self.entry_mut(waiting.ticket).filter(|entry| !entry.prior_unknown)
                && let Ok(there) = provider.settings.ids.map(&entry.message)
            {
                entry.there = there;
            }
            self.refresh(waiting, &*adapter);
        }
    }

    /// Gives a message that is not in the drawer the slot that it has now.
    pub(super) fn refresh(&self, waiting: &mut Waiting<Ticket>, adapter: &dyn Adapter) {
        if let Some(entry) = self.entry(waiting.ticket) {
            waiting.slot = adapter.slot(&entry.there, entry.results);
        }
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

    /// Lends messages, drawn or never in the drawer, to whom they go.
    pub(super) fn hand_over(&mut self, taken: Vec<Waiting<Ticket>>) {
        let mut leaving = Vec::with_capacity(taken.len());
        for waiting in taken {
            let to = self.entry(waiting.ticket).and_then(|entry| entry.target.clone());
            match to.filter(|_| !self.is_stopped(waiting.ticket.0)) {
                Some(to) => leaving.push(Leaving { waiting, hop: 0, to }),
                None => self.drawer.put_back(waiting),
            }
        }
        self.lend(leaving);
    }

    /// Whether anything that waits is another provider's.
    pub(super) fn moves(&self) -> bool {
        let mut entries = self.parcels.values().flat_map(|parcel| &parcel.entries);
        entries.any(|entry| entry.target.is_some() && entry.state == Status::Queued)
    }

    fn lend_unsorted(&mut self, adapter: &dyn Adapter) {
        let keys: HashSet<u32> = self.parcels.keys().copied().collect();
        let mut taken = Vec::new();
        for key in keys {
            let Some(parcel) = self.parcels.get(&key).filter(|parcel| parcel.stopped.is_none()) else {
                continue;
            };
            let goes = (0u16..)
                .zip(&parcel.entries)
                .filter(|(_, entry)| entry.target.is_some() && entry.state == Status::Queued);
            taken.extend(goes.filter_map(|(at, _)| parcel.waiting(key, at, adapter)));
        }
        for waiting in &taken {
            self.drawer.away(waiting.flow, waiting.recipient, waiting.ordered);
        }
        self.hand_over(taken);
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
            drop(events.send(Event::Claimed(Some(Vec::new()))));
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

    /// Has what is on its way routed again when it is to be tried again.
    fn outdate(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.state == Status::Sending) {
            entry.stale = true;
        }
    }
}
