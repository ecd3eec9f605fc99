//! What waits for its time in a lane: put back when it has come, settled when it comes too late, and moved
//! along when the clock jumps.

use std::collections::BTreeMap;

use interline_core::draw::Waiting;
use interline_core::outcome::Status;

use super::entry::too_late;
use super::{Lane, POLL_MS, Ticket};

impl Lane {
    pub(super) fn put_later(&mut self, at_ms: i64, waiting: Waiting<Ticket>) {
        self.later_count += 1;
        self.later.insert((at_ms, self.later_count), waiting);
    }

    /// Puts what waited for its time back in front, in its order.
    pub(super) fn put_back_due(&mut self, now_ms: i64) {
        let not_due = self.later.split_off(&(now_ms.saturating_add(1), 0));
        let due = std::mem::replace(&mut self.later, not_due);
        for mut waiting in due.into_values().rev() {
            if self.entry(waiting.ticket).is_some_and(|entry| entry.stale) {
                self.freshen(waiting.ticket);
                self.refresh(&mut waiting, &*self.provider.assumed());
            }
            self.drawer.put_back(waiting);
        }
    }

    /// Follows a wall clock that jumped: pauses last as long as they were meant to.
    pub(super) fn follow_clock(&mut self) {
        let jump_ms = self.clock.jump_ms();
        if jump_ms == 0 {
            return;
        }
        tracing::warn!(provider = %self.provider.settings.name, jump_ms, "the system's clock jumped");
        shift(&mut self.later, jump_ms);
        shift(&mut self.questions, jump_ms);
        for at in [&mut self.claim_at_ms, &mut self.probe_at_ms, &mut self.sweep_at_ms, &mut self.aside_at_ms]
        {
            *at = at.saturating_add(jump_ms);
        }
        // Leases are wall times in the ledger: they are renewed at once.
        self.renew_at_ms = 0;
        for entry in self.parcels.values_mut().flat_map(|parcel| &mut parcel.entries) {
            // A vendor's window is a time that really passed.
            if entry.first_sent_ms > 0 {
                entry.first_sent_ms = entry.first_sent_ms.saturating_add(jump_ms);
            }
        }
        for pace in &mut self.paces {
            pace.shift(jump_ms);
        }
    }

    /// Settles what became too late while nothing may leave.
    pub(super) fn sweep(&mut self, now_ms: i64) {
        if now_ms < self.sweep_at_ms {
            return;
        }
        self.sweep_at_ms = now_ms + POLL_MS;
        let mut late = Vec::new();
        for (key, parcel) in &self.parcels {
            let deadline_ms = parcel.batch.deadline_ms;
            let expired = (0u16..).zip(&parcel.entries).filter(|(_, entry)| {
                entry.state == Status::Queued && entry.expires_ms(deadline_ms) <= now_ms
            });
            late.extend(expired.map(|(position, _)| (*key, position)));
        }
        for ticket in late {
            self.settle_one(ticket, Status::Expired, too_late());
        }
    }
}

fn shift<V>(map: &mut BTreeMap<(i64, u64), V>, by_ms: i64) {
    let moved = std::mem::take(map).into_iter();
    map.extend(moved.map(|((at, number), value)| ((at.saturating_add(by_ms), number), value)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_moves_with_the_clock_and_keeps_its_order() {
        let mut map = BTreeMap::from([((10, 1), 'a'), ((10, 2), 'b'), ((20, 0), 'c')]);
        shift(&mut map, -5);
        assert_eq!(map.into_iter().collect::<Vec<_>>(), [((5, 1), 'a'), ((5, 2), 'b'), ((15, 0), 'c')]);
    }
}
