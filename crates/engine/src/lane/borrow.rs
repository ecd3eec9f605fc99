//! The borrowing lane's side of a loan: it takes in what another lane surely could not deliver, and gives
//! back what it has not sent when it cannot be expressed here, is asked for, or this lane stops. Only what
//! nobody may have seen goes back.

use interline_core::adapter::Adapter;
use interline_core::draw::Waiting;
use interline_core::outcome::Status;

use super::entry::Entry;
use super::loan::{Back, Home};
use super::parcel::{HeldParcel, Origin, Stop};
use super::{Lane, Ticket};
use crate::provider::Provider;

impl Lane {
    /// A borrowed message that nobody has seen goes back to its home lane, which knows who is next; any other
    /// is returned.
    pub(super) fn handed_back(&mut self, waiting: Waiting<Ticket>) -> Option<Waiting<Ticket>> {
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
        home.report_back(back);
    }
}
