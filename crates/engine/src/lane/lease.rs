//! What a lane has from the ledger: parcels under leases, claimed where there is room and renewed while they
//! are worked on.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashSet;
use interline_core::outcome::Status;
use interline_ledger::{Claim, ClaimRequest};

use super::claim::{self, Claimed};
use super::parcel::Origin;
use super::settler::Write;
use super::{Event, Lane, POLL_MS};
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
        let able = room && (sends || self.looks_through || self.gone);
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
        tokio::spawn(async move {
            let name = request.provider.clone();
            let parcels = ledger.claim(request).await;
            if let Err(error) = &parcels {
                tracing::warn!(provider = name, error = %error, "the ledger cannot be asked for work; asking again");
            }
            let empty = parcels.as_ref().is_ok_and(Vec::is_empty);
            let claimed = parcels.ok().map(|parcels| {
                let book = shelf.now();
                let parcels =
                    parcels.into_iter().map(|claimed| claim::open(claimed, &book, &provider)).collect();
                Box::new(Claimed { parcels, book, provider })
            });
            // The lane may be gone by now; its leases run out.
            drop(events.send(Event::Claimed(claimed)));
            if empty {
                let due = ledger.next_due_ms(&name).await.ok().flatten();
                drop(events.send(Event::NextDue(due)));
            }
        });
        now_ms + POLL_MS
    }

    pub(super) fn claimed(&mut self, claimed: Option<Claimed>) {
        self.claiming = false;
        let Some(claimed) = claimed.filter(|claimed| !claimed.parcels.is_empty()) else {
            // Whoever woke the lane meanwhile may have stored more than the claim saw.
            self.claim_at_ms = if self.woken { 0 } else { clock::now_ms() + POLL_MS };
            return;
        };
        let Claimed { mut parcels, book, provider } = claimed;
        let refused = parcels.iter_mut().map(|opened| self.renew_opened(opened, (&book, &provider)));
        let refused: Vec<_> = refused.collect();
        // What is held of a batch goes before what follows for the same recipients.
        let held = self.parcels.values().map(|parcel| &parcel.batch);
        let staying = parcels.iter().filter(|opened| opened.moves_to.is_none());
        let batches = held.chain(staying.map(|opened| &opened.parcel.batch));
        let stays: HashSet<u64> =
            batches.filter(|batch| batch.head.ordered).map(|batch| batch.flow).collect();
        for (opened, refused) in parcels.into_iter().zip(refused) {
            let to = opened.moves_to.filter(|_| !stays.contains(&opened.parcel.batch.flow));
            if let (Some(to), Some(claim)) = (to, opened.parcel.claim()) {
                // The settler outlives the lane.
                drop(self.settler.send(Write::Reassigned(claim, to)));
                continue;
            }
            for settled in opened.settled {
                self.write(settled);
            }
            self.window.0 += opened.parcel.entries.len();
            self.window.1 += opened.parcel.bytes;
            let key = self.hold(opened.parcel, &opened.waiting);
            self.ask_again(key, opened.asked);
            for (position, failure) in refused {
                self.settle_one((key, position), Status::Rejected, failure);
            }
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
