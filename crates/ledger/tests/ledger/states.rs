//! Pausing, resuming, cancelling, and forgetting old batches.

use interline_ledger::{BatchState, ErrorKind, Held, NewBatch, Status};

use crate::builders::{Bench, LEASE, batch, key, places, settled};

#[tokio::test]
async fn paused_batch_is_not_claimed_and_begins_nothing() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 2, 1).await;
    let held = bench.claim_one(10).await.claim;
    assert_eq!(bench.ledger.pause_batch("b", 20).await.unwrap(), BatchState::Paused);
    assert!(bench.claim(99_999, 9).await.is_empty());
    assert_eq!(bench.begin(held, &[0]).await, None);
    assert_eq!(bench.ledger.renew(vec![held], 9_000).await.unwrap(), [Held::Paused]);
    bench.ledger.release(held, 0).await.unwrap();
    assert!(bench.claim(99_999, 9).await.is_empty());
    assert_eq!(bench.ledger.resume_batch("b", 30).await.unwrap(), BatchState::Sending);
    assert_eq!(bench.claim(40, 9).await.len(), 2);
}

#[tokio::test]
async fn resumed_batch_goes_back_to_where_it_stood() {
    let bench = Bench::new().await;
    bench.accept(batch("queued"), 1, 1).await;
    bench.accept(NewBatch { send_at_ms: Some(500), ..batch("scheduled") }, 1, 1).await;
    for (id, state) in [("queued", BatchState::Queued), ("scheduled", BatchState::Scheduled)] {
        bench.ledger.pause_batch(id, 10).await.unwrap();
        assert_eq!(bench.ledger.resume_batch(id, 20).await.unwrap(), state);
        assert_eq!(bench.ledger.resume_batch(id, 20).await.unwrap(), state);
    }
    assert_eq!(places(&bench.claim(30, 9).await), [("queued", 0)]);
}

#[tokio::test]
async fn pause_outlives_a_restart() {
    let mut bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    bench.ledger.pause_batch("b", 10).await.unwrap();
    bench.restart().await;
    assert!(bench.claim(99_999, 9).await.is_empty());
}

#[tokio::test]
async fn cancelled_batch_cancels_what_waits() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 300, 2).await;
    assert_eq!(bench.ledger.cancel_batch("b", 50).await.unwrap(), BatchState::Cancelled);
    let stored = bench.batch("b").await;
    assert_eq!((stored.head.state, stored.settled_ms), (BatchState::Cancelled, Some(50)));
    assert_eq!((stored.counts.cancelled, stored.counts.queued), (600, 0));
    assert!(bench.claim(99_999, 9).await.is_empty());
    assert!(bench.ledger.status().await.unwrap().queues.is_empty());
}

#[tokio::test]
async fn cancelled_batch_lets_its_holder_settle() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 2, 2).await;
    let held = bench.claim_one(10).await.claim;
    bench.begin(held, &[0]).await.unwrap();
    bench.ledger.cancel_batch("b", 50).await.unwrap();
    assert_eq!(bench.begin(held, &[1]).await, None);
    assert_eq!(bench.ledger.renew(vec![held], 2_000).await.unwrap(), [Held::Cancelled]);
    let states = [Status::Accepted, Status::Cancelled];
    let end = bench.ledger.settle(vec![settled(held, &states)], 60).await.unwrap();
    assert_eq!(end.batches_settled, ["b"]);
    let stored = bench.batch("b").await;
    assert_eq!((stored.head.state, stored.settled_ms), (BatchState::Cancelled, Some(60)));
    assert_eq!((stored.counts.accepted, stored.counts.cancelled), (1, 3));
}

#[tokio::test]
async fn cut_off_send_of_a_cancelled_batch_is_still_claimed() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let held = bench.claim_one(10).await.claim;
    bench.begin(held, &[0]).await.unwrap();
    bench.ledger.cancel_batch("b", 50).await.unwrap();
    let again = bench.claim_one(10 + LEASE).await;
    assert_eq!(again.batch.state, BatchState::Cancelled);
    assert_eq!(again.interrupted.len(), 1);
}

#[tokio::test]
async fn settled_batch_cannot_be_changed() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let held = bench.claim_one(10).await.claim;
    bench.ledger.settle(vec![settled(held, &[Status::Accepted])], 20).await.unwrap();
    assert_eq!(bench.ledger.cancel_batch("b", 30).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(bench.ledger.pause_batch("b", 30).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(bench.ledger.resume_batch("none", 30).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn only_batches_settled_long_ago_are_pruned() {
    let bench = Bench::new().await;
    for (id, settled_ms) in [("old", 100), ("older", 50), ("new", 200)] {
        bench.accept(batch(id), 1, 1).await;
        let held = bench.claim_one(10).await.claim;
        bench.ledger.settle(vec![settled(held, &[Status::Accepted])], settled_ms).await.unwrap();
    }
    bench.accept(batch("waiting"), 1, 1).await;
    bench.ledger.reserve_key(key("k", b"x"), "old").await.unwrap();
    assert_eq!(bench.ledger.prune(150, 9_999, 1).await.unwrap(), 1);
    assert_eq!(bench.ledger.batch("older").await.unwrap(), None);
    assert_eq!(bench.ledger.prune(150, 9_999, 9).await.unwrap(), 1);
    assert_eq!(bench.ledger.batch("old").await.unwrap(), None);
    assert_eq!(bench.ledger.prune(150, 9_999, 9).await.unwrap(), 0);
    assert_eq!(bench.ledger.status().await.unwrap().batches, 2);
}

#[tokio::test]
async fn pruned_space_goes_back_to_the_file_system() {
    let bench = Bench::new().await;
    let mut large = crate::builders::parcel(0, 1);
    large.body = vec![1; 4 << 20];
    bench.ledger.accept(batch("b"), vec![large], None).await.unwrap();
    let before = bench.ledger.status().await.unwrap().bytes;
    let held = bench.claim_one(10).await.claim;
    bench.ledger.settle(vec![settled(held, &[Status::Accepted])], 20).await.unwrap();
    bench.ledger.prune(30, 9_999, 1).await.unwrap();
    let after = bench.ledger.status().await.unwrap().bytes;
    assert!(after + (4 << 20) <= before, "{before} -> {after}");
}
