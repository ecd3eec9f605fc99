//! Pausing, resuming, cancelling, and forgetting old batches.

use interline_ledger::{
    Accepted, BatchState, Counts, ErrorKind, Fact, Held, IdempotencyKey, NewBatch, Settled, Status,
};

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
async fn what_was_tried_before_a_cancel_is_left_to_a_lane() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 2, 1).await;
    let held = bench.claim_one(10).await.claim;
    let tried =
        Settled { release_at_ms: Some(0), record: b"tried".to_vec(), ..settled(held, &[Status::Queued]) };
    bench.ledger.settle(vec![tried], 20).await.unwrap();
    bench.ledger.pause_batch("b", 30).await.unwrap();
    bench.ledger.cancel_batch("b", 40).await.unwrap();
    let stored = bench.batch("b").await;
    assert_eq!((stored.counts.cancelled, stored.counts.queued, stored.settled_ms), (1, 1, None));
    let claimed = bench.claim_one(50).await;
    assert_eq!((claimed.batch.state, claimed.records.len()), (BatchState::Cancelled, 1));
    let end = bench.ledger.settle(vec![settled(claimed.claim, &[Status::Unknown])], 60).await.unwrap();
    assert_eq!(end.batches_settled, ["b"]);
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
async fn upload_can_neither_be_paused_nor_cancelled() {
    let bench = Bench::new().await;
    bench.ledger.stage(batch("b")).await.unwrap();
    for refused in [
        bench.ledger.pause_batch("b", 10).await,
        bench.ledger.resume_batch("b", 10).await,
        bench.ledger.cancel_batch("b", 10).await,
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    }
    assert_eq!(bench.batch("b").await.head.state, BatchState::Receiving);
}

#[tokio::test]
async fn calls_under_way_finish_and_count_in_a_cancelled_batch() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 3, 3).await;
    let held = bench.claim(10, 2).await;
    let (first, second) = (held[0].claim, held[1].claim);
    let sending = bench.begin(first, &[0, 1]).await.unwrap();
    bench.ledger.cancel_batch("b", 50).await.unwrap();
    // The parcel that nobody held is cancelled at once, the others when their holder says so.
    let counts = bench.batch("b").await.counts;
    assert_eq!((counts.cancelled, counts.sending, counts.queued), (3, 2, 4));
    let rest = Settled { calls: 0, ..settled(second, &[Status::Cancelled; 3]) };
    bench.ledger.settle(vec![rest], 55).await.unwrap();
    let states = [Status::Accepted, Status::Unknown, Status::Cancelled];
    let end = Settled { sending: vec![sending], ..settled(first, &states) };
    let end = bench.ledger.settle(vec![end], 60).await.unwrap();
    assert_eq!(end.batches_settled, ["b"]);
    let stored = bench.batch("b").await;
    let expected = Counts { total: 9, accepted: 1, unknown: 1, cancelled: 7, calls: 1, ..Counts::default() };
    assert_eq!((stored.head.state, stored.settled_ms), (BatchState::Cancelled, Some(60)));
    assert_eq!(stored.counts, expected);
}

#[tokio::test]
async fn call_that_ends_after_a_cancel_and_a_crash_is_claimed_and_settled() {
    let mut bench = Bench::new().await;
    bench.accept(batch("b"), 2, 2).await;
    let held = bench.claim_one(10).await.claim;
    bench.begin(held, &[1]).await.unwrap();
    bench.ledger.cancel_batch("b", 50).await.unwrap();
    bench.restart().await;
    let stored = bench.batch("b").await;
    assert_eq!((stored.counts.cancelled, stored.settled_ms), (2, None));
    let again = bench.claim_one(60).await;
    assert_eq!((again.batch.state, again.interrupted.len()), (BatchState::Cancelled, 1));
    let states = [Status::Cancelled, Status::Unknown];
    let end = bench.ledger.settle(vec![settled(again.claim, &states)], 70).await.unwrap();
    assert_eq!(end.batches_settled, ["b"]);
}

#[tokio::test]
async fn cancelling_again_changes_nothing() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 2, 1).await;
    let held = bench.claim_one(10).await.claim;
    for now_ms in [50, 60] {
        assert_eq!(bench.ledger.cancel_batch("b", now_ms).await.unwrap(), BatchState::Cancelled);
        assert_eq!(bench.batch("b").await.settled_ms, None);
    }
    bench.ledger.settle(vec![settled(held, &[Status::Cancelled])], 70).await.unwrap();
    assert_eq!(bench.ledger.cancel_batch("b", 80).await.unwrap(), BatchState::Cancelled);
    let stored = bench.batch("b").await;
    assert_eq!((stored.settled_ms, stored.counts.cancelled), (Some(70), 2));
    assert_eq!(bench.ledger.pause_batch("b", 90).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(bench.ledger.resume_batch("b", 90).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn paused_and_scheduled_batches_can_be_cancelled() {
    let bench = Bench::new().await;
    bench.accept(batch("paused"), 1, 1).await;
    bench.accept(NewBatch { send_at_ms: Some(500), ..batch("scheduled") }, 1, 1).await;
    bench.ledger.pause_batch("paused", 10).await.unwrap();
    for id in ["paused", "scheduled"] {
        bench.ledger.cancel_batch(id, 20).await.unwrap();
        let stored = bench.batch(id).await;
        assert_eq!((stored.head.state, stored.settled_ms), (BatchState::Cancelled, Some(20)));
    }
    assert!(bench.claim(99_999, 9).await.is_empty());
}

#[tokio::test]
async fn batch_is_scheduled_until_its_time_and_queued_from_then_on() {
    let bench = Bench::new().await;
    bench.accept(NewBatch { send_at_ms: Some(500), ..batch("b") }, 9, 1).await;
    bench.accept(NewBatch { priority: 1, ..batch("before") }, 9, 1).await;
    bench.claim(499, 1).await;
    assert_eq!(bench.batch("b").await.head.state, BatchState::Scheduled);
    // Its time has come, and others go first.
    bench.claim(500, 1).await;
    assert_eq!(bench.batch("b").await.head.state, BatchState::Queued);
    bench.claim(501, 9).await;
    assert_eq!(bench.batch("b").await.head.state, BatchState::Sending);
}

#[tokio::test]
async fn batch_that_was_paused_past_its_time_is_queued_when_it_goes_on() {
    let bench = Bench::new().await;
    bench.accept(NewBatch { send_at_ms: Some(500), ..batch("b") }, 1, 1).await;
    bench.ledger.pause_batch("b", 10).await.unwrap();
    assert!(bench.claim(600, 9).await.is_empty());
    assert_eq!(bench.batch("b").await.head.state, BatchState::Paused);
    assert_eq!(bench.ledger.resume_batch("b", 610).await.unwrap(), BatchState::Queued);
    assert_eq!(bench.claim(620, 9).await.len(), 1);
}

#[tokio::test]
async fn redriven_batch_names_the_one_before() {
    let mut bench = Bench::new().await;
    bench.accept(NewBatch { redriven_from: Some("first".to_owned()), ..batch("again") }, 1, 1).await;
    bench.restart().await;
    assert_eq!(bench.batch("again").await.head.redriven_from.as_deref(), Some("first"));
    assert_eq!(bench.claim_one(10).await.batch.redriven_from.as_deref(), Some("first"));
}

#[tokio::test]
async fn pause_of_a_provider_is_a_fact_that_outlives_the_process() {
    let mut bench = Bench::new().await;
    let fact = Fact { kind: "pause".to_owned(), name: "p".to_owned(), value: b"1".to_vec(), changed_ms: 7 };
    bench.ledger.remember(fact.clone()).await.unwrap();
    bench.restart().await;
    assert_eq!(bench.ledger.facts("pause").await.unwrap(), [fact]);
    bench.ledger.forget("pause", "p").await.unwrap();
    bench.ledger.forget("pause", "p").await.unwrap();
    assert!(bench.ledger.facts("pause").await.unwrap().is_empty());
}

/// Settles what `accept` stored under a key, and answers what a replay gets.
async fn replay(bench: &Bench, now_ms: i64) -> Accepted {
    let again = IdempotencyKey { now_ms, ..key("k", b"x") };
    bench.ledger.accept(batch("other"), vec![crate::builders::parcel(0, 1)], Some(again)).await.unwrap()
}

#[tokio::test]
async fn batch_stays_as_long_as_its_key_can_ask_for_it() {
    let bench = Bench::new().await;
    let parcels = vec![crate::builders::parcel(0, 1)];
    bench.ledger.accept(batch("b"), parcels, Some(key("k", b"x"))).await.unwrap();
    let held = bench.claim_one(10).await.claim;
    bench.ledger.settle(vec![settled(held, &[Status::Accepted])], 20).await.unwrap();
    // The key lasts until 1000.
    bench.ledger.prune_keys(999).await.unwrap();
    assert_eq!(bench.ledger.prune(900, 999, 9).await.unwrap(), 0);
    assert_eq!(replay(&bench, 999).await, Accepted::Replay { batch_id: "b".to_owned(), answer: None });
    assert!(bench.ledger.batch("b").await.unwrap().is_some());
    assert_eq!(bench.ledger.prune(900, 1_000, 9).await.unwrap(), 1);
    assert_eq!(replay(&bench, 1_000).await, Accepted::Stored);
}

#[tokio::test]
async fn batches_that_are_not_settled_are_never_pruned() {
    let bench = Bench::new().await;
    bench.accept(batch("sending"), 1, 2).await;
    let held = bench.claim_one(10).await.claim;
    bench.ledger.settle(vec![settled(held, &[Status::Accepted, Status::Queued])], 20).await.unwrap();
    bench.accept(NewBatch { send_at_ms: Some(500), ..batch("scheduled") }, 1, 1).await;
    bench.accept(batch("paused"), 1, 1).await;
    bench.ledger.pause_batch("paused", 10).await.unwrap();
    bench.accept(batch("cancelling"), 1, 1).await;
    let held = bench.claim_one(10).await.claim;
    bench.begin(held, &[0]).await.unwrap();
    bench.ledger.cancel_batch("cancelling", 20).await.unwrap();
    bench.ledger.stage(batch("receiving")).await.unwrap();
    assert_eq!(bench.ledger.prune(i64::MAX, i64::MAX, 99).await.unwrap(), 0);
    assert_eq!(bench.ledger.status().await.unwrap().batches, 5);
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
