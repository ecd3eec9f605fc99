//! Parcels that are claimed and then cannot be read.

use super::full::{accept, sql};
use super::*;
use crate::ledger::{self, Ledger};
use crate::model::claimed::{ClaimRequest, ClaimedParcel};

async fn ledger(folder: &TempDir) -> Ledger {
    let ledger =
        Ledger::open(&format!("sqlite:{}", folder.path().join("ledger.db").display())).await.unwrap();
    let store = store(&ledger);
    store.write(accept("first", 10)).await.unwrap();
    store.write(accept("second", 10)).await.unwrap();
    ledger
}

fn store(ledger: &Ledger) -> &Store {
    let ledger::Store::Sqlite(store) = &ledger.store;
    store
}

async fn claim(ledger: &Ledger) -> Result<Vec<ClaimedParcel>> {
    let (now_ms, lease_until_ms) = (10, 60_000);
    let provider = "p".to_owned();
    ledger.claim(ClaimRequest { provider, now_ms, lease_until_ms, max_parcels: 9, max_bytes: 1 << 30 }).await
}

#[tokio::test]
async fn what_cannot_be_read_after_it_was_claimed_is_free_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder).await;
    sql(store(&ledger), "ALTER TABLE parcel_body RENAME TO elsewhere").await;
    claim(&ledger).await.unwrap_err();
    sql(store(&ledger), "ALTER TABLE elsewhere RENAME TO parcel_body").await;
    assert_eq!(claim(&ledger).await.unwrap().len(), 2, "nobody waits for a lease to run out");
}

#[tokio::test]
async fn a_damaged_parcel_keeps_no_other_one_back() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder).await;
    sql(store(&ledger), "UPDATE parcel SET states = x'ff' WHERE id = (SELECT min(id) FROM parcel)").await;
    let claimed = claim(&ledger).await.unwrap();
    let ids: Vec<&str> = claimed.iter().map(|parcel| parcel.batch.id.as_str()).collect();
    assert_eq!(ids, ["second"]);
    assert!(claim(&ledger).await.unwrap().is_empty(), "it is not asked for again and again");
}
