//! Staged uploads: invisible until published, gone when broken.

use interline_ledger::{
    Accepted, Amendment, BatchFilter, BatchState, ErrorKind, NewBatch, NewParcel, ParcelQuery, Status,
};

use crate::builders::{Bench, batch, key, parcel};

async fn upload(bench: &Bench, id: &str, parcels: u32) {
    bench.ledger.stage(batch(id)).await.unwrap();
    bench.ledger.stage_parcels(id, (0..parcels).map(|seq| parcel(seq, 2)).collect()).await.unwrap();
}

#[tokio::test]
async fn upload_is_invisible_until_published() {
    let bench = Bench::new().await;
    upload(&bench, "b", 2).await;
    assert!(bench.claim(10, 9).await.is_empty());
    assert_eq!(bench.ledger.next_due_ms("p").await.unwrap(), None);
    assert!(bench.ledger.status().await.unwrap().queues.is_empty());
    assert_eq!(bench.batch("b").await.head.state, BatchState::Receiving);
    assert_eq!(bench.ledger.publish("b", 5, None).await.unwrap(), Accepted::Stored);
    let published = bench.batch("b").await;
    assert_eq!((published.head.state, published.counts.total), (BatchState::Queued, 4));
    assert_eq!(bench.claim(10, 9).await.len(), 2);
}

#[tokio::test]
async fn published_upload_may_wait_for_its_time() {
    let bench = Bench::new().await;
    bench.ledger.stage(NewBatch { send_at_ms: Some(500), ..batch("b") }).await.unwrap();
    bench.ledger.stage_parcels("b", vec![parcel(0, 1)]).await.unwrap();
    bench.ledger.publish("b", 5, None).await.unwrap();
    assert_eq!(bench.batch("b").await.head.state, BatchState::Scheduled);
    assert!(bench.claim(499, 9).await.is_empty());
    assert_eq!(bench.claim(500, 9).await.len(), 1);
}

#[tokio::test]
async fn published_batch_takes_no_more_parcels() {
    let bench = Bench::new().await;
    upload(&bench, "b", 1).await;
    bench.ledger.publish("b", 5, None).await.unwrap();
    let error = bench.ledger.stage_parcels("b", vec![parcel(1, 1)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(bench.ledger.publish("b", 5, None).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(bench.ledger.discard("b").await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(bench.ledger.publish("none", 5, None).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn repeated_upload_replays_and_stays_hidden() {
    let bench = Bench::new().await;
    upload(&bench, "a", 1).await;
    bench.ledger.publish("a", 5, Some(key("k", b"x"))).await.unwrap();
    upload(&bench, "b", 1).await;
    let replay = bench.ledger.publish("b", 6, Some(key("k", b"x"))).await.unwrap();
    assert_eq!(replay, Accepted::Replay { batch_id: "a".to_owned(), answer: None });
    assert_eq!(bench.batch("b").await.head.state, BatchState::Receiving);
    assert_eq!(bench.claim(10, 9).await.len(), 1);
}

#[tokio::test]
async fn discarded_upload_leaves_nothing() {
    let bench = Bench::new().await;
    upload(&bench, "b", 300).await;
    bench.ledger.discard("b").await.unwrap();
    assert_eq!(bench.ledger.batch("b").await.unwrap(), None);
    assert_eq!(bench.ledger.discard("b").await.unwrap_err().kind(), ErrorKind::NotFound);
    upload(&bench, "b", 1).await;
}

#[tokio::test]
async fn broken_upload_is_deleted_at_the_next_start() {
    let mut bench = Bench::new().await;
    upload(&bench, "broken", 300).await;
    upload(&bench, "whole", 1).await;
    bench.ledger.publish("whole", 5, None).await.unwrap();
    bench.restart().await;
    assert_eq!(bench.ledger.batch("broken").await.unwrap(), None);
    let all = bench.ledger.batches(BatchFilter::default(), None, 9).await.unwrap();
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn equal_message_ids_are_found_across_parcels() {
    let bench = Bench::new().await;
    bench.ledger.stage(batch("b")).await.unwrap();
    // Spread over all hashes, and enough of them for several ranges.
    let spread = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for seq in 0..50_u32 {
        let mut ids: Vec<u64> = (0..10_000).map(|n| spread(u64::from(seq) * 10_000 + n)).collect();
        match seq {
            3 | 40 | 41 => ids.push(u64::MAX),
            7 => ids.push(spread(7 * 10_000)),
            _ => {}
        }
        bench.ledger.stage_parcels("b", vec![NewParcel { ids, ..parcel(seq, 1) }]).await.unwrap();
    }
    let mut hashes = vec![spread(70_000), u64::MAX];
    hashes.sort_unstable();
    assert_eq!(bench.ledger.repeated_hashes("b", 0, 10).await.unwrap(), hashes);
    assert_eq!(bench.ledger.repeated_hashes("b", hashes[0] + 1, 10).await.unwrap(), [u64::MAX]);
}

#[tokio::test]
async fn what_is_amended_before_it_is_published_is_never_claimed() {
    let bench = Bench::new().await;
    upload(&bench, "b", 3).await;
    let refused = Status::Rejected;
    let amendments = vec![
        Amendment { seq: 0, states: vec![Status::Queued, refused], record: b"why".to_vec() },
        Amendment { seq: 2, states: vec![refused, refused], record: Vec::new() },
    ];
    bench.ledger.amend_upload("b", amendments).await.unwrap();
    bench.ledger.publish("b", 5, None).await.unwrap();
    let counts = bench.batch("b").await.counts;
    assert_eq!((counts.total, counts.queued, counts.rejected), (6, 3, 3));
    let claimed = bench.claim(10, 9).await;
    assert_eq!(claimed.iter().map(|parcel| parcel.seq).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(
        (&claimed[0].states, &claimed[0].records),
        (&vec![Status::Queued, refused], &vec![b"why".to_vec()])
    );
    let amendments = vec![Amendment { seq: 1, states: vec![refused, refused], record: Vec::new() }];
    assert_eq!(bench.ledger.amend_upload("b", amendments).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn what_was_amended_and_never_tried_is_cancelled_at_once() {
    let bench = Bench::new().await;
    bench.ledger.stage(NewBatch { send_at_ms: Some(500), ..batch("b") }).await.unwrap();
    bench.ledger.stage_parcels("b", vec![parcel(0, 2)]).await.unwrap();
    let states = vec![Status::Queued, Status::Rejected];
    let amendments = vec![Amendment { seq: 0, states, record: b"why".to_vec() }];
    bench.ledger.amend_upload("b", amendments).await.unwrap();
    bench.ledger.publish("b", 5, None).await.unwrap();
    bench.ledger.cancel_batch("b", 6).await.unwrap();
    let stored = bench.batch("b").await;
    assert_eq!((stored.counts.cancelled, stored.counts.rejected, stored.settled_ms), (1, 1, Some(6)));
}

#[tokio::test]
async fn an_upload_that_was_refused_whole_settles_as_it_is_published() {
    let bench = Bench::new().await;
    upload(&bench, "b", 1).await;
    let amendments = vec![Amendment { seq: 0, states: vec![Status::Rejected; 2], record: Vec::new() }];
    bench.ledger.amend_upload("b", amendments).await.unwrap();
    bench.ledger.publish("b", 5, None).await.unwrap();
    assert_eq!(bench.batch("b").await.head.state, BatchState::Settled);
    assert!(bench.ledger.status().await.unwrap().queues.is_empty());
    let parcels =
        bench.ledger.parcels_of("b", ParcelQuery { limit: 9, ..ParcelQuery::default() }).await.unwrap();
    assert_eq!(parcels[0].states, [Status::Rejected; 2]);
}

#[tokio::test]
async fn batch_without_chosen_ids_has_no_duplicates() {
    let bench = Bench::new().await;
    upload(&bench, "b", 2).await;
    assert!(bench.ledger.repeated_hashes("b", 0, 10).await.unwrap().is_empty());
}
