//! What a lane has from the ledger: parcels under leases, claimed where there is room and renewed while they
//! are worked on.

use std::sync::Arc;
use std::time::Duration;

use interline_ledger::{Claim, ClaimRequest};

use super::parcel::Origin;
use super::{Event, Lane, POLL_MS, claim, settler};
use crate::clock;

/// Messages that a lane holds at most from the ledger.
const WINDOW_MESSAGES: usize = 8_192;
/// Bytes that a lane holds at most from the ledger, roughly.
const WINDOW_BYTES: usize = 24 * 1024 * 1024;
const CLAIM_PARCELS: usize = 8;
const CLAIM_BYTES: usize = 2 * 1024 * 1024;
const LEASE_MS: i64 = 60_000;
pub(super) const RENEW_MS: i64 = 20_000;
/// The pause before a renewal that the ledger could not take is tried again.
const RENEW_AGAIN: Duration = Duration::from_millis(500);

impl Lane {
    /// Claims where there is room. Returns when to look again.
    pub(super) fn ask_ledger(&mut self, now_ms: i64) -> i64 {
        let room = self.window.0 < WINDOW_MESSAGES && self.window.1 < WINDOW_BYTES;
        let sends = !self.paused && self.provider.adapter().is_some();
        let able = room && (sends || self.looks_through);
        if self.claiming || self.renewing || (!able && self.drains_to.is_none()) {
            return now_ms + POLL_MS;
        }
        if self.claim_at_ms > now_ms {
            return self.claim_at_ms;
        }
        self.claiming = true;
        self.woken = false;
        if let Some(to) = self.drains_to.clone() {
            self.drain(to);
            return now_ms + POLL_MS;
        }
        let request = ClaimRequest {
            provider: self.provider.settings.name.to_string(),
            now_ms,
            lease_until_ms: now_ms + LEASE_MS,
            max_parcels: CLAIM_PARCELS,
            max_bytes: CLAIM_BYTES,
        };
        let (ledger, events) = (self.around.ledger.clone(), self.events.clone());
        let (provider, shelf) = (Arc::clone(&self.provider), Arc::clone(&self.around.book));
        let peers = Arc::clone(&self.around.peers);
        tokio::spawn(async move {
            let name = request.provider.clone();
            let parcels = ledger.claim(request).await;
            if let Err(error) = &parcels {
                tracing::warn!(provider = name, error = %error, "the ledger cannot be asked for work; asking again");
            }
            let book = shelf.now();
            let open = |parcels: Vec<_>| {
                parcels.into_iter().map(|claimed| claim::open(claimed, &book, &provider)).collect()
            };
            let opened: Option<Vec<claim::Opened>> = parcels.ok().map(open);
            let empty = opened.as_ref().is_some_and(Vec::is_empty);
            let mut stays = opened;
            if let Some(opened) = &mut stays {
                settler::hand_on(&ledger, opened, &peers).await;
            }
            let moved = !empty && stays.as_ref().is_some_and(Vec::is_empty);
            // The lane may be gone by now; its leases run out.
            drop(events.send(Event::Claimed(stays)));
            if moved {
                drop(events.send(Event::Wake));
            }
            if empty {
                let due = ledger.next_due_ms(&name).await.ok().flatten();
                drop(events.send(Event::NextDue(due)));
            }
        });
        now_ms + POLL_MS
    }

    pub(super) fn claimed(&mut self, parcels: Option<Vec<claim::Opened>>) {
        self.claiming = false;
        let Some(parcels) = parcels.filter(|parcels| !parcels.is_empty()) else {
            // Whoever woke the lane meanwhile may have stored more than the claim saw.
            self.claim_at_ms = if self.woken { 0 } else { clock::now_ms() + POLL_MS };
            return;
        };
        for opened in parcels {
            for settled in opened.settled {
                self.write(settled);
            }
            self.window.0 += opened.parcel.entries.len();
            self.window.1 += opened.parcel.bytes;
            let key = self.hold(opened.parcel, &opened.waiting);
            self.ask_again(key, opened.asked);
        }
    }

    pub(super) fn renew(&mut self, now_ms: i64) {
        if self.renewing || now_ms < self.renew_at_ms {
            return;
        }
        self.renew_at_ms = now_ms + RENEW_MS;
        let held: Vec<(u32, Claim)> = self.claims().collect();
        if held.is_empty() {
            return;
        }
        self.renewing = true;
        let (ledger, events) = (self.around.ledger.clone(), self.events.clone());
        tokio::spawn(async move {
            let (keys, claims): (Vec<u32>, Vec<Claim>) = held.into_iter().unzip();
            // Until this went well the lane claims nothing: it would be given its own parcels anew.
            let mut renewed = ledger.renew(claims.clone(), now_ms + LEASE_MS).await;
            while let Err(error) = &renewed {
                tracing::warn!(error = %error, "leases could not be renewed; trying again");
                tokio::time::sleep(RENEW_AGAIN).await;
                if events.is_closed() {
                    return;
                }
                renewed = ledger.renew(claims.clone(), clock::now_ms() + LEASE_MS).await;
            }
            // The lane may be gone by now.
            drop(events.send(Event::Renewed(keys.into_iter().zip(renewed.unwrap_or_default()).collect())));
        });
    }

    pub(super) fn claims(&self) -> impl Iterator<Item = (u32, Claim)> {
        self.parcels.iter().filter_map(|(key, parcel)| match parcel.origin {
            Origin::Stored(claim) => Some((*key, claim)),
            Origin::Direct(_) | Origin::Lent(_) => None,
        })
    }
}
