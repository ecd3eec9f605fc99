//! Direct sends: recorded afterwards, or written down first under a key.

use interline_ledger::{Accepted, BatchState, DirectResult, ErrorKind, NewParcel, ParcelQuery, Status};

use crate::builders::{Bench, batch, key, parcel};

fn direct(seq: u32, states: &[Status]) -> NewParcel {
    NewParcel { states: states.to_vec(), record: Some(b"how it went".to_vec()), ..parcel(seq, 0) }
}

fn result(parcels: Vec<NewParcel>) -> DirectResult {
    DirectResult { batch: batch("d"), parcels, calls: 3, now_ms: 40, answer: None }
}

#[tokio::test]
async fn recorded_direct_send_is_settled_and_never_claimed() {
    let bench = Bench::new().await;
    let parcels = vec![direct(0, &[Status::Accepted, Status::Expired]), direct(1, &[Status::Unknown])];
    bench.ledger.record_direct(result(parcels)).await.unwrap();
    let stored = bench.batch("d").await;
    assert!(stored.direct);
    assert_eq!((stored.head.state, stored.settled_ms), (BatchState::Settled, Some(40)));
    assert_eq!((stored.counts.total, stored.counts.calls, stored.counts.unknown), (3, 3, 1));
    assert!(bench.claim(99_999, 9).await.is_empty());
    let read =
        bench.ledger.parcels_of("d", ParcelQuery { limit: 9, ..ParcelQuery::default() }).await.unwrap();
    assert_eq!(read[0].records, [b"how it went"]);
}

#[tokio::test]
async fn posted_direct_send_is_stored_without_waiting() {
    let bench = Bench::new().await;
    bench.ledger.post_direct(result(vec![direct(0, &[Status::Accepted])])).await.unwrap();
    // The queue is in order, so whatever is stored next comes after it.
    bench.accept(batch("next"), 1, 1).await;
    assert_eq!(bench.batch("d").await.head.state, BatchState::Settled);
}

#[tokio::test]
async fn posted_direct_sends_are_found_at_once() {
    let bench = Bench::new().await;
    for id in ["a", "b", "c"] {
        let posted = DirectResult { batch: batch(id), ..result(vec![direct(0, &[Status::Accepted])]) };
        bench.ledger.post_direct(posted).await.unwrap();
    }
    let query = ParcelQuery { limit: 9, ..ParcelQuery::default() };
    let parcels = bench.ledger.parcels_of("c", query).await.unwrap();
    assert_eq!((parcels.len(), parcels[0].records.len()), (1, 1));
    assert_eq!(bench.batch("a").await.counts.accepted, 1);
}

#[tokio::test]
async fn posted_end_of_a_begun_send_completes_it_among_others() {
    let bench = Bench::new().await;
    let begun = vec![direct(0, &[Status::Sending])];
    bench.ledger.begin_direct(batch("d"), begun, key("k", b"x")).await.unwrap();
    for id in ["a", "d", "e"] {
        let posted = DirectResult { batch: batch(id), ..result(vec![direct(0, &[Status::Accepted])]) };
        bench.ledger.post_direct(posted).await.unwrap();
    }
    for id in ["e", "d", "a"] {
        let stored = bench.batch(id).await;
        assert_eq!((stored.head.state, stored.counts.total), (BatchState::Settled, 1));
    }
    let read =
        bench.ledger.parcels_of("d", ParcelQuery { limit: 9, ..ParcelQuery::default() }).await.unwrap();
    assert_eq!(read[0].records.len(), 2);
}

#[tokio::test]
async fn begun_direct_send_is_in_progress_then_replays_its_answer() {
    let bench = Bench::new().await;
    let begun = vec![direct(0, &[Status::Sending, Status::Sending])];
    let first = bench.ledger.begin_direct(batch("d"), begun.clone(), key("k", b"x")).await.unwrap();
    assert_eq!(first, Accepted::Stored);
    let during = bench.batch("d").await;
    assert_eq!((during.head.state, during.counts.sending), (BatchState::Sending, 2));
    let again = bench.ledger.begin_direct(batch("e"), begun, key("k", b"x")).await.unwrap();
    assert_eq!(again, Accepted::InProgress);
    let mut end = result(vec![direct(0, &[Status::Accepted, Status::Rejected])]);
    end.answer = Some(("k".to_owned(), b"200".to_vec()));
    bench.ledger.record_direct(end).await.unwrap();
    let stored = bench.batch("d").await;
    assert_eq!((stored.head.state, stored.counts.total, stored.counts.accepted), (BatchState::Settled, 2, 1));
    let replay = bench.ledger.reserve_key(key("k", b"x"), "e").await.unwrap();
    assert_eq!(replay, Accepted::Replay { batch_id: "d".to_owned(), answer: Some(b"200".to_vec()) });
}

#[tokio::test]
async fn direct_send_cut_short_by_a_crash_is_unknown_and_its_key_replays() {
    let mut bench = Bench::new().await;
    let begun = vec![direct(0, &[Status::Sending, Status::Rejected])];
    bench.ledger.begin_direct(batch("d"), begun, key("k", b"x")).await.unwrap();
    bench.ledger.reserve_key(key("bare", b"x"), "never stored").await.unwrap();
    bench.restart().await;
    let stored = bench.batch("d").await;
    assert_eq!(stored.head.state, BatchState::Settled);
    assert_eq!((stored.counts.unknown, stored.counts.rejected), (1, 1));
    let replay = bench.ledger.reserve_key(key("k", b"x"), "e").await.unwrap();
    assert_eq!(replay, Accepted::Replay { batch_id: "d".to_owned(), answer: None });
    let bare = bench.ledger.reserve_key(key("bare", b"x"), "e").await.unwrap();
    assert_eq!(bare, Accepted::Replay { batch_id: "never stored".to_owned(), answer: None });
}

#[tokio::test]
async fn queued_batch_cannot_be_recorded_as_direct() {
    let bench = Bench::new().await;
    bench.accept(batch("d"), 1, 1).await;
    let error = bench.ledger.record_direct(result(vec![direct(0, &[Status::Accepted])])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn direct_send_cannot_be_paused() {
    let bench = Bench::new().await;
    bench.ledger.begin_direct(batch("d"), vec![direct(0, &[Status::Sending])], key("k", b"x")).await.unwrap();
    assert_eq!(bench.ledger.pause_batch("d", 5).await.unwrap_err().kind(), ErrorKind::Conflict);
}
