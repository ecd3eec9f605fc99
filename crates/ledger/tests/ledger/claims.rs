//! Who gets which parcel, when, and for how long.

use interline_ledger::{ClaimRequest, Held, NewBatch, Status};

use crate::builders::{Bench, LEASE, batch, parcel, places, request, settled, start};

#[tokio::test]
async fn claimed_parcel_carries_what_was_stored() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 2).await;
    let claimed = bench.claim_one(10).await;
    assert_eq!(claimed.body, b"body 0");
    assert_eq!(claimed.states, [Status::Queued, Status::Queued]);
    assert_eq!((claimed.batch.id.as_str(), claimed.batch.head.as_slice()), ("b", b"head".as_slice()));
    assert!(claimed.records.is_empty() && claimed.interrupted.is_empty());
}

#[tokio::test]
async fn nobody_else_gets_a_claimed_parcel() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    assert_eq!(bench.claim(10, 5).await.len(), 1);
    assert!(bench.claim(10 + LEASE - 1, 5).await.is_empty());
    assert_eq!(bench.ledger.next_due_ms("p").await.unwrap(), Some(10 + LEASE));
}

#[tokio::test]
async fn higher_priority_goes_first() {
    let bench = Bench::new().await;
    bench.accept(NewBatch { priority: -1, ..batch("low") }, 1, 1).await;
    bench.accept(batch("normal"), 1, 1).await;
    bench.accept(NewBatch { priority: 1, ..batch("high") }, 2, 1).await;
    let claimed = bench.claim(10, 9).await;
    assert_eq!(places(&claimed), [("high", 0), ("high", 1), ("normal", 0), ("low", 0)]);
}

#[tokio::test]
async fn parcels_of_a_batch_come_in_order() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 4, 1).await;
    let first = bench.claim(10, 3).await;
    let rest = bench.claim(10, 3).await;
    assert_eq!(places(&first), [("b", 0), ("b", 1), ("b", 2)]);
    assert_eq!(places(&rest), [("b", 3)]);
}

#[tokio::test]
async fn batches_take_turns() {
    let bench = Bench::new().await;
    bench.accept(batch("large"), 50, 1).await;
    bench.claim(10, 20).await;
    bench.accept(batch("small"), 2, 1).await;
    bench.accept(batch("late"), 1, 1).await;
    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(bench.claim_one(10).await.batch.id.clone());
    }
    let large = order.iter().filter(|id| *id == "large").count();
    assert_eq!(large, 3, "the large batch goes on, and the others do not wait for its end: {order:?}");
    assert!(bench.claim(10, 99).await.iter().all(|parcel| parcel.batch.id == "large"));
}

#[tokio::test]
async fn stream_of_small_batches_does_not_starve_a_large_one() {
    let bench = Bench::new().await;
    bench.accept(batch("large"), 10, 1).await;
    let mut large = 0;
    for round in 0..10 {
        bench.accept(batch(&format!("small-{round}")), 1, 1).await;
        large += usize::from(bench.claim_one(10).await.batch.id == "large");
    }
    assert!(large >= 4, "{large} of 10 turns");
}

#[tokio::test]
async fn bytes_bound_a_claim_but_one_parcel_always_fits() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 3, 1).await;
    let narrow = ClaimRequest { max_bytes: 12, ..request(10, 9) };
    assert_eq!(bench.ledger.claim(narrow).await.unwrap().len(), 2);
    let tiny = ClaimRequest { max_bytes: 1, ..request(10, 9) };
    assert_eq!(bench.ledger.claim(tiny).await.unwrap().len(), 1);
}

#[tokio::test]
async fn other_providers_see_nothing() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let other = ClaimRequest { provider: "q".to_owned(), ..request(10, 9) };
    assert!(bench.ledger.claim(other).await.unwrap().is_empty());
    assert!(!bench.ledger.has_work("q", 10).await.unwrap());
    assert!(bench.ledger.has_work("p", 10).await.unwrap());
}

#[tokio::test]
async fn released_parcel_waits_for_its_time() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let claimed = bench.claim_one(10).await;
    assert!(bench.ledger.release(claimed.claim, 50).await.unwrap());
    assert!(bench.claim(49, 1).await.is_empty());
    assert_eq!(bench.ledger.next_due_ms("p").await.unwrap(), Some(50));
    let again = bench.claim_one(50).await;
    assert_eq!(again.claim.epoch, claimed.claim.epoch + 1);
}

#[tokio::test]
async fn retried_parcel_is_not_put_behind_the_whole_batch() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 5, 1).await;
    let claimed = bench.claim_one(10).await;
    bench.ledger.release(claimed.claim, 20).await.unwrap();
    assert_eq!(bench.claim_one(15).await.seq, 1);
    assert_eq!(bench.claim_one(25).await.seq, 0);
}

#[tokio::test]
async fn parcel_is_not_claimed_before_its_time() {
    let bench = Bench::new().await;
    let mut later = parcel(0, 1);
    later.not_before_ms = 100;
    bench.ledger.accept(batch("b"), vec![later, parcel(1, 1)], None).await.unwrap();
    assert_eq!(places(&bench.claim(10, 9).await), [("b", 1)]);
    assert_eq!(places(&bench.claim(100, 9).await), [("b", 0)]);
}

#[tokio::test]
async fn lost_claim_changes_nothing() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let old = bench.claim_one(10).await.claim;
    let new = bench.claim_one(10 + LEASE).await.claim;
    let ledger = &bench.ledger;
    assert_eq!(ledger.renew(vec![old, new], 9_000).await.unwrap(), [Held::Lost, Held::Yes]);
    assert_eq!(ledger.begin_sending(vec![start(old, &[0])]).await.unwrap(), [None]);
    assert!(!ledger.release(old, 0).await.unwrap());
    assert!(!ledger.reassign(old, "q", 0).await.unwrap());
    let settlement = ledger.settle(vec![settled(old, &[Status::Accepted])], 20).await.unwrap();
    assert_eq!(settlement.held, [false]);
    assert!(settlement.batches_settled.is_empty());
    assert_eq!(bench.batch("b").await.counts.queued, 1);
    assert!(bench.begin(new, &[0]).await.is_some());
}

#[tokio::test]
async fn renewed_lease_lasts() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let claim = bench.claim_one(10).await.claim;
    bench.ledger.renew(vec![claim], 5_000).await.unwrap();
    assert!(bench.claim(4_999, 1).await.is_empty());
    assert_eq!(bench.claim(5_000, 1).await.len(), 1);
}

#[tokio::test]
async fn lease_that_ends_in_sending_comes_back_as_interrupted() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 3).await;
    let claim = bench.claim_one(10).await.claim;
    let sending = bench.begin(claim, &[0, 2]).await.unwrap();
    let again = bench.claim_one(10 + LEASE).await;
    assert_eq!(again.interrupted.len(), 1);
    let interrupted = &again.interrupted[0];
    assert_eq!((interrupted.id, interrupted.indexes.as_slice()), (sending, [0, 2].as_slice()));
    assert_eq!((interrupted.at_ms, interrupted.blob.as_slice()), (5, b"call".as_slice()));
}

#[tokio::test]
async fn reassigned_parcel_moves_to_the_other_provider() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 2).await;
    let claim = bench.claim_one(10).await.claim;
    assert!(bench.ledger.reassign(claim, "q", 0).await.unwrap());
    assert!(bench.claim(10_000, 9).await.is_empty());
    let other = ClaimRequest { provider: "q".to_owned(), ..request(10, 9) };
    assert_eq!(places(&bench.ledger.claim(other).await.unwrap()), [("b", 0)]);
    let queues = bench.ledger.status().await.unwrap().queues;
    assert_eq!(queues.len(), 1);
    assert_eq!((queues[0].provider.as_str(), queues[0].messages), ("q", 2));
}

#[tokio::test]
async fn drained_provider_has_nothing_left_but_what_is_held() {
    let bench = Bench::new().await;
    bench.accept(batch("a"), 2, 1).await;
    bench.accept(batch("b"), 300, 1).await;
    let held = bench.claim_one(10).await;
    bench.ledger.drain_provider("p", "q").await.unwrap();
    let queues = bench.ledger.status().await.unwrap().queues;
    let left: Vec<_> = queues.iter().map(|queue| (queue.provider.as_str(), queue.parcels)).collect();
    assert_eq!(left, [("p", 1), ("q", 301)]);
    assert_eq!(held.batch.id, "a");
    let other = ClaimRequest { provider: "q".to_owned(), ..request(10, 999) };
    assert_eq!(bench.ledger.claim(other).await.unwrap().len(), 301);
}
