//! Copies: batches that are stored together with another one, all of them or none.

use interline_ledger::{Accepted, Along, DirectResult, NewBatch, NewCopy, NewParcel, Status};

use crate::builders::{Bench, batch, key, parcel};

fn copied(id: &str, copy: &str) -> NewBatch {
    let copy = NewCopy { batch: batch(copy), parcels: vec![parcel(0, 2)] };
    NewBatch { copies: [copy].into(), ..batch(id) }
}

fn states(state: Status) -> Vec<NewParcel> {
    vec![NewParcel { states: vec![state; 2], ..parcel(0, 0) }]
}

#[tokio::test]
async fn a_copy_is_stored_and_claimed_like_any_batch() {
    let bench = Bench::new().await;
    let stored = bench.ledger.accept(copied("a", "copy"), vec![parcel(0, 1)], None).await.unwrap();
    assert_eq!(stored, Accepted::Stored);
    let mut claimed: Vec<String> = bench.claim(99, 9).await.iter().map(|one| one.batch.id.clone()).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, ["a", "copy"]);
}

#[tokio::test]
async fn a_repeat_under_a_key_stores_no_second_copy() {
    let bench = Bench::new().await;
    for (id, copy) in [("a", "copy"), ("b", "another")] {
        let parcels = vec![parcel(0, 1)];
        bench.ledger.accept(copied(id, copy), parcels, Some(key("k", b"x"))).await.unwrap();
    }
    assert!(bench.ledger.batch("copy").await.unwrap().is_some());
    assert!(bench.ledger.batch("another").await.unwrap().is_none());
}

#[tokio::test]
async fn a_direct_send_is_begun_with_its_copy_and_recorded_without_another() {
    let bench = Bench::new().await;
    bench.ledger.begin_marked(copied("d", "copy"), states(Status::Sending)).await.unwrap();
    assert_eq!(bench.claim(99, 9).await[0].batch.id, "copy");
    for id in ["x", "d", "y"] {
        let batch = if id == "d" { copied("d", "copy") } else { batch(id) };
        let result =
            DirectResult { batch, parcels: states(Status::Accepted), calls: 1, now_ms: 9, answer: None };
        bench.ledger.post_direct(result).await.unwrap();
    }
    bench.accept(batch("next"), 1, 1).await;
    assert_eq!(bench.batch("d").await.counts.accepted, 2);
    assert_eq!(bench.batch("copy").await.counts.total, 2);
}

fn with(copy: &str) -> Along {
    Along { copies: vec![copy.to_owned()], again: Vec::new() }
}

#[tokio::test]
async fn uploads_end_together_or_not_at_all() {
    let bench = Bench::new().await;
    for id in ["a", "copy"] {
        bench.ledger.stage(batch(id)).await.unwrap();
        bench.ledger.stage_parcels(id, vec![parcel(0, 1)]).await.unwrap();
    }
    let missing = bench.ledger.publish_all("a", with("nobody"), 5, None).await;
    assert!(missing.is_err());
    assert!(bench.claim(99, 9).await.is_empty());
    bench.ledger.publish_all("a", with("copy"), 5, None).await.unwrap();
    assert_eq!(bench.claim(99, 9).await.len(), 2);
}
