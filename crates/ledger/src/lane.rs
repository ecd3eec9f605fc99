//! The lanes' side of the ledger: claim, hold, write down that bytes leave, settle, give back.
//!
//! The order is fixed: a send is begun before its bytes leave, and whatever was begun and not settled comes
//! back to the next claimer as interrupted, never as queued.

use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Ledger, Store};
use crate::model::claimed::{
    Claim, ClaimRequest, ClaimedParcel, Held, Revision, SendingStart, Settled, Settlement,
};
use crate::sqlite;

impl Ledger {
    /// Takes parcels that are due: higher priority first, batches of equal priority in turns, each in order.
    pub async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedParcel>> {
        match &self.store {
            Store::Sqlite(store) => {
                // When the commit itself fails after all was written, nobody can know what was claimed: that
                // stays leased until its lease runs out, a minute late and never twice.
                let now_ms = request.now_ms;
                let claims = store.write(sqlite::ClaimParcels(request)).await?;
                if claims.is_empty() {
                    return Ok(Vec::new());
                }
                match store.read(sqlite::LoadClaims(claims.clone())).await {
                    Ok(parcels) => Ok(parcels),
                    Err(error) => load_singly(store, claims, now_ms, error).await,
                }
            }
        }
    }

    /// Makes claims last until a later time, and says of each, in order, whether it still holds.
    pub async fn renew(&self, claims: Vec<Claim>, lease_until_ms: i64) -> Result<Vec<Held>> {
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Renew { claims, lease_until_ms }).await,
        }
    }

    /// Writes down that messages are about to leave, and answers the id of each send in order. `None`:
    /// send nothing; the claim is lost or the batch paused or cancelled ([`Ledger::renew`] says which).
    pub async fn begin_sending(&self, starts: Vec<SendingStart>) -> Result<Vec<Option<i64>>> {
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Begin(starts)).await,
        }
    }

    /// Records what is known after calls. Parcels whose claim is lost are left as they are.
    pub async fn settle(&self, parcels: Vec<Settled>, now_ms: i64) -> Result<Settlement> {
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Settle { parcels, now_ms }).await,
        }
    }

    /// Gives a parcel back, to be claimed again from a time on; says whether the claim still held.
    pub async fn release(&self, claim: Claim, not_before_ms: i64) -> Result<bool> {
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Release { claim, not_before_ms }).await,
        }
    }

    /// Gives a claimed parcel to another provider; says whether the claim still held.
    pub async fn reassign(&self, claim: Claim, provider: &str, not_before_ms: i64) -> Result<bool> {
        let provider = provider.to_owned();
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Reassign { claim, provider, not_before_ms }).await,
        }
    }

    /// Corrects messages that were unknown after a late true answer; says whether anything changed. Not for
    /// a parcel that somebody is about to settle: the list given there would undo it.
    pub async fn revise(&self, revision: Revision, now_ms: i64) -> Result<bool> {
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Revise { revision, now_ms }).await,
        }
    }

    /// The time at which a provider should look for work: past when there may be some now, `None` when
    /// nothing waits. It may be early, never late.
    pub async fn next_due_ms(&self, provider: &str) -> Result<Option<i64>> {
        let provider = provider.to_owned();
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::NextDue { provider }).await,
        }
    }

    /// Whether a provider may have work now.
    pub async fn has_work(&self, provider: &str, now_ms: i64) -> Result<bool> {
        Ok(self.next_due_ms(provider).await?.is_some_and(|due_ms| due_ms <= now_ms))
    }
}

/// How long a damaged parcel is left alone: nothing mends it by itself.
const DAMAGED_MS: i64 = 60_000;

/// Reads what was claimed and could not be read together: one damaged parcel keeps no other one back. What cannot
/// be read is given back, at once where the trouble is not its own.
async fn load_singly(
    store: &sqlite::Store,
    claims: Vec<Claim>,
    now_ms: i64,
    error: Error,
) -> Result<Vec<ClaimedParcel>> {
    let mut parcels = Vec::with_capacity(claims.len());
    for claim in claims {
        let error = match store.read(sqlite::LoadClaims(vec![claim])).await {
            Ok(one) => {
                parcels.extend(one);
                continue;
            }
            Err(error) => error,
        };
        let damaged = error.kind() == ErrorKind::Corrupt;
        if damaged {
            tracing::error!(%error, parcel = claim.parcel, "a damaged parcel is left alone for a minute");
        }
        let not_before_ms = if damaged { now_ms.saturating_add(DAMAGED_MS) } else { 0 };
        store.write(sqlite::Release { claim, not_before_ms }).await?;
    }
    if parcels.is_empty() { Err(error) } else { Ok(parcels) }
}
