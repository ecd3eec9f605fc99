//! What settling does to counts, states and open sends.

use interline_ledger::{
    BatchState, Claim, Counts, ErrorKind, NewBatch, ParcelQuery, Revision, Settled, Status,
};

use crate::builders::{Bench, LEASE, batch, settled, start};

use Status::{Accepted, Expired, Queued, Rejected, Unknown};

#[tokio::test]
async fn batch_goes_from_queued_to_sending_to_settled() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 2).await;
    assert_eq!(bench.batch("b").await.head.state, BatchState::Queued);
    let claim = bench.claim_one(10).await.claim;
    assert_eq!(bench.batch("b").await.head.state, BatchState::Sending);
    bench.ledger.settle(vec![settled(claim, &[Accepted, Queued])], 20).await.unwrap();
    let half = bench.batch("b").await;
    assert_eq!((half.head.state, half.settled_ms), (BatchState::Sending, None));
    let end = bench.ledger.settle(vec![settled(claim, &[Accepted, Rejected])], 30).await.unwrap();
    assert_eq!(end.batches_settled, ["b"]);
    let whole = bench.batch("b").await;
    assert_eq!((whole.head.state, whole.settled_ms), (BatchState::Settled, Some(30)));
    let expected = Counts { total: 2, accepted: 1, rejected: 1, calls: 2, ..Counts::default() };
    assert_eq!(whole.counts, expected);
}

#[tokio::test]
async fn open_sends_are_counted_as_sending() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 5).await;
    let claim = bench.claim_one(10).await.claim;
    bench.begin(claim, &[0, 1]).await.unwrap();
    let counts = bench.batch("b").await.counts;
    assert_eq!((counts.queued, counts.sending), (3, 2));
}

#[tokio::test]
async fn settling_ends_the_sends_it_names_and_no_others() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 2).await;
    let claim = bench.claim_one(10).await.claim;
    let first = bench.begin(claim, &[0]).await.unwrap();
    let second = bench.begin(claim, &[1]).await.unwrap();
    let done = Settled { sending: vec![first], ..settled(claim, &[Accepted, Queued]) };
    bench.ledger.settle(vec![done], 20).await.unwrap();
    let again = bench.claim_one(10 + LEASE).await;
    assert_eq!(again.interrupted.iter().map(|row| row.id).collect::<Vec<_>>(), [second]);
    assert_eq!(again.records, [b"record"]);
}

#[tokio::test]
async fn done_parcel_keeps_no_sends_and_no_claim() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let claim = bench.claim_one(10).await.claim;
    bench.begin(claim, &[0]).await.unwrap();
    bench.ledger.settle(vec![settled(claim, &[Unknown])], 20).await.unwrap();
    let stored =
        bench.ledger.parcels_of("b", ParcelQuery { limit: 9, ..ParcelQuery::default() }).await.unwrap();
    assert!(stored[0].sending.is_empty());
    assert!(bench.claim(99_999, 9).await.is_empty());
    let again = bench.ledger.settle(vec![settled(claim, &[Accepted])], 30).await.unwrap();
    assert_eq!(again.held, [false]);
    assert_eq!(bench.ledger.next_due_ms("p").await.unwrap(), None);
}

#[tokio::test]
async fn settling_may_give_the_parcel_back() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 2).await;
    let claim = bench.claim_one(10).await.claim;
    let retry = Settled { release_at_ms: Some(70), ..settled(claim, &[Accepted, Queued]) };
    bench.ledger.settle(vec![retry], 20).await.unwrap();
    assert!(bench.claim(69, 1).await.is_empty());
    assert_eq!(bench.claim_one(70).await.states, [Accepted, Queued]);
}

#[tokio::test]
async fn parcels_of_several_batches_settle_in_one_call() {
    let bench = Bench::new().await;
    bench.accept(batch("a"), 1, 1).await;
    bench.accept(batch("b"), 2, 1).await;
    let claimed = bench.claim(10, 9).await;
    let parcels = claimed.iter().map(|parcel| settled(parcel.claim, &[Expired])).collect();
    let mut end = bench.ledger.settle(parcels, 20).await.unwrap();
    end.batches_settled.sort();
    assert_eq!(end.held, [true; 3]);
    assert_eq!(end.batches_settled, ["a", "b"]);
    assert_eq!(bench.batch("b").await.counts.expired, 2);
}

#[tokio::test]
async fn wrong_number_of_states_is_refused_whole() {
    let bench = Bench::new().await;
    bench.accept(batch("a"), 2, 1).await;
    let claimed = bench.claim(10, 9).await;
    let parcels =
        vec![settled(claimed[0].claim, &[Accepted]), settled(claimed[1].claim, &[Accepted, Accepted])];
    let error = bench.ledger.settle(parcels, 20).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(bench.batch("a").await.counts.accepted, 0);
}

#[tokio::test]
async fn late_answer_revises_unknown_messages_only() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 3).await;
    let claim = bench.claim_one(10).await.claim;
    bench.ledger.settle(vec![settled(claim, &[Unknown, Rejected, Unknown])], 20).await.unwrap();
    let revision = Revision {
        parcel: claim.parcel,
        changes: vec![(0, Accepted), (1, Accepted), (7, Accepted), (2, Queued)],
        record: b"late".to_vec(),
    };
    assert!(bench.ledger.revise(revision.clone(), 30).await.unwrap());
    assert!(!bench.ledger.revise(revision, 31).await.unwrap());
    let stored =
        bench.ledger.parcels_of("b", ParcelQuery { limit: 1, ..ParcelQuery::default() }).await.unwrap();
    assert_eq!(stored[0].states, [Accepted, Rejected, Unknown]);
    assert_eq!(stored[0].records, [b"record".to_vec(), b"late".to_vec()]);
    let counts = bench.batch("b").await.counts;
    assert_eq!((counts.accepted, counts.rejected, counts.unknown), (1, 1, 1));
}

#[tokio::test]
async fn waiting_messages_are_counted_by_provider() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 2, 2).await;
    let claim = bench.claim_one(10).await.claim;
    bench.ledger.settle(vec![settled(claim, &[Accepted, Queued])], 20).await.unwrap();
    let queue = bench.ledger.status().await.unwrap().queues.remove(0);
    assert_eq!((queue.parcels, queue.messages, queue.oldest_created_ms), (2, 3, 1));
    bench.ledger.settle(vec![settled(claim, &[Accepted, Accepted])], 20).await.unwrap();
    let queue = bench.ledger.status().await.unwrap().queues.remove(0);
    assert_eq!((queue.parcels, queue.messages), (1, 2));
}

#[tokio::test]
async fn what_is_scheduled_is_told_apart_from_what_waits() {
    let bench = Bench::new().await;
    // In the year 2100.
    bench.accept(NewBatch { send_at_ms: Some(4_102_444_800_000), ..batch("later") }, 2, 2).await;
    let queue = bench.ledger.status().await.unwrap().queues.remove(0);
    assert_eq!((queue.messages, queue.scheduled, queue.oldest_unscheduled_ms), (4, 4, None));
    bench.accept(NewBatch { created_ms: 7, ..batch("now") }, 1, 3).await;
    let queue = bench.ledger.status().await.unwrap().queues.remove(0);
    assert_eq!((queue.messages, queue.scheduled, queue.oldest_unscheduled_ms), (7, 4, Some(7)));
}

#[tokio::test]
async fn what_is_due_waits_although_no_lane_took_it_up_yet() {
    let bench = Bench::new().await;
    bench.accept(NewBatch { send_at_ms: Some(500), ..batch("due") }, 1, 2).await;
    assert_eq!(bench.batch("due").await.head.state, BatchState::Scheduled);
    let queue = bench.ledger.status().await.unwrap().queues.remove(0);
    assert_eq!((queue.messages, queue.scheduled, queue.oldest_unscheduled_ms), (2, 0, Some(500)));
}

#[tokio::test]
async fn settlements_that_share_a_commit_see_each_other() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 2).await;
    let claim = bench.claim_one(10).await.claim;
    let settle = |states: &[Status], now_ms| bench.ledger.settle(vec![settled(claim, states)], now_ms);
    // Polled together, they wait together.
    let (first, second, third) = tokio::join!(
        settle(&[Accepted, Queued], 20),
        settle(&[Accepted, Rejected], 21),
        settle(&[Unknown; 2], 22)
    );
    assert_eq!(first.unwrap().held, [true]);
    assert_eq!(second.unwrap().batches_settled, ["b"]);
    assert_eq!(third.unwrap().held, [false], "the second ended the claim");
    let stored = bench.batch("b").await;
    let expected = Counts { total: 2, accepted: 1, rejected: 1, calls: 2, ..Counts::default() };
    assert_eq!((stored.counts, stored.settled_ms), (expected, Some(21)));
    assert!(bench.ledger.status().await.unwrap().queues.is_empty());
}

#[tokio::test]
async fn sends_that_share_a_commit_get_their_own_ids() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 3, 1).await;
    let claims: Vec<_> = bench.claim(10, 3).await.iter().map(|parcel| parcel.claim).collect();
    let lost = Claim { epoch: 0, ..claims[1] };
    let start = |claims: &[Claim]| claims.iter().map(|claim| start(*claim, &[0])).collect::<Vec<_>>();
    let (first, second) = tokio::join!(
        bench.ledger.begin_sending(start(&[claims[0], lost])),
        bench.ledger.begin_sending(start(&[claims[2]]))
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.len(), first[1], second.len()), (2, None, 1));
    assert!(first[0].is_some() && second[0].is_some() && first[0] != second[0]);
    let done = Settled { sending: vec![second[0].unwrap()], ..settled(claims[2], &[Queued]) };
    bench.ledger.settle(vec![done], 20).await.unwrap();
    let again = bench.claim(10 + LEASE, 3).await;
    assert_eq!(again.iter().map(|parcel| parcel.interrupted.len()).collect::<Vec<_>>(), [1, 0, 0]);
}
