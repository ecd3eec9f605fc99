//! Who stands in: which of a message's other providers may take it, and when what waits goes there without a
//! try at this one: while the breaker refuses, while a class is frozen for long, and while it is not known
//! what the server speaks. How it gets there and comes back is in [`super::loan`].

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use interline_core::adapter::Slot;
use interline_core::draw::{CallLimits, Waiting};
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Status;
use interline_core::record::{CallRecord, Note};
use interline_core::shared::Digest;

use super::entry::Entry;
use super::loan::Leaving;
use super::{Lane, Ticket};
use crate::clock;
use crate::intake::forbidding;

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
}
