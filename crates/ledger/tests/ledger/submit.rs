//! Accepting batches, idempotency keys, and opening.

use interline_ledger::{Accepted, BatchState, ErrorKind, Fact, Ledger, NewBatch, Status};

use crate::builders::{Bench, batch, key, parcel};

#[tokio::test]
async fn accepted_batch_is_there_after_a_restart() {
    let mut bench = Bench::new().await;
    bench.accept(NewBatch { labels: vec![("a".into(), "1".into())], ..batch("b") }, 2, 3).await;
    bench.restart().await;
    let stored = bench.batch("b").await;
    assert_eq!((stored.counts.total, stored.counts.queued), (6, 6));
    assert_eq!(stored.labels, [("a".to_owned(), "1".to_owned())]);
    assert_eq!(bench.claim(10, 9).await.len(), 2);
}

#[tokio::test]
async fn repeated_request_replays_the_first_answer() {
    let bench = Bench::new().await;
    let first = bench.ledger.accept(batch("b"), vec![parcel(0, 1)], Some(key("k", b"x"))).await.unwrap();
    assert_eq!(first, Accepted::Stored);
    let again = bench.ledger.accept(batch("other"), vec![parcel(0, 1)], Some(key("k", b"x"))).await.unwrap();
    assert_eq!(again, Accepted::Replay { batch_id: "b".to_owned(), answer: None });
    assert!(bench.ledger.answer_key("shop", "k", b"202".to_vec()).await.unwrap());
    let again = bench.ledger.accept(batch("other"), vec![parcel(0, 1)], Some(key("k", b"x"))).await.unwrap();
    assert_eq!(again, Accepted::Replay { batch_id: "b".to_owned(), answer: Some(b"202".to_vec()) });
    assert_eq!(bench.ledger.batch("other").await.unwrap(), None);
}

#[tokio::test]
async fn other_body_under_the_same_key_is_a_mismatch() {
    let bench = Bench::new().await;
    bench.ledger.accept(batch("b"), vec![parcel(0, 1)], Some(key("k", b"x"))).await.unwrap();
    let other = bench.ledger.accept(batch("c"), vec![parcel(0, 1)], Some(key("k", b"y"))).await.unwrap();
    assert_eq!(other, Accepted::Mismatch);
    assert_eq!(bench.ledger.batch("c").await.unwrap(), None);
}

#[tokio::test]
async fn keys_of_different_apps_never_meet() {
    let bench = Bench::new().await;
    bench.ledger.accept(batch("b"), vec![parcel(0, 1)], Some(key("k", b"x"))).await.unwrap();
    let mut other = key("k", b"y");
    other.app = "bank".to_owned();
    assert_eq!(
        bench.ledger.accept(batch("c"), vec![parcel(0, 1)], Some(other)).await.unwrap(),
        Accepted::Stored
    );
}

#[tokio::test]
async fn what_a_key_stands_for_can_be_asked() {
    let bench = Bench::new().await;
    assert_eq!(bench.ledger.earlier(key("k", b"x")).await.unwrap(), None);
    bench.ledger.accept(batch("b"), vec![parcel(0, 1)], Some(key("k", b"x"))).await.unwrap();
    let replay = Accepted::Replay { batch_id: "b".to_owned(), answer: None };
    assert_eq!(bench.ledger.earlier(key("k", b"x")).await.unwrap(), Some(replay));
    assert_eq!(bench.ledger.earlier(key("k", b"y")).await.unwrap(), Some(Accepted::Mismatch));
    assert_eq!(bench.ledger.earlier(key("other", b"x")).await.unwrap(), None);
}

#[tokio::test]
async fn expired_key_is_free() {
    let bench = Bench::new().await;
    bench.ledger.accept(batch("b"), vec![parcel(0, 1)], Some(key("k", b"x"))).await.unwrap();
    let mut later = key("k", b"y");
    (later.now_ms, later.expires_ms) = (1_000, 2_000);
    assert_eq!(
        bench.ledger.accept(batch("c"), vec![parcel(0, 1)], Some(later)).await.unwrap(),
        Accepted::Stored
    );
    assert_eq!(bench.ledger.prune_keys(1_999).await.unwrap(), 0);
    assert_eq!(bench.ledger.prune_keys(2_000).await.unwrap(), 1);
}

#[tokio::test]
async fn reserved_key_is_in_progress_until_answered_or_forgotten() {
    let bench = Bench::new().await;
    let ledger = &bench.ledger;
    assert_eq!(ledger.reserve_key(key("k", b"x"), "b").await.unwrap(), Accepted::Stored);
    assert_eq!(ledger.reserve_key(key("k", b"x"), "c").await.unwrap(), Accepted::InProgress);
    ledger.forget_key("shop", "k").await.unwrap();
    assert_eq!(ledger.reserve_key(key("k", b"x"), "c").await.unwrap(), Accepted::Stored);
    ledger.answer_key("shop", "k", b"ok".to_vec()).await.unwrap();
    let replay = Accepted::Replay { batch_id: "c".to_owned(), answer: Some(b"ok".to_vec()) };
    assert_eq!(ledger.reserve_key(key("k", b"x"), "d").await.unwrap(), replay);
}

#[tokio::test]
async fn refused_batch_leaves_no_key_behind() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let error = bench.ledger.accept(batch("b"), vec![parcel(0, 1)], Some(key("k", b"x"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(bench.ledger.reserve_key(key("k", b"x"), "c").await.unwrap(), Accepted::Stored);
}

#[tokio::test]
async fn two_parcels_in_one_place_store_nothing() {
    let bench = Bench::new().await;
    let error = bench.ledger.accept(batch("b"), vec![parcel(0, 1), parcel(0, 1)], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(bench.ledger.batch("b").await.unwrap(), None);
    let empty = bench.ledger.accept(batch("b"), vec![parcel(0, 0)], None).await.unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn scheduled_batch_waits_for_its_time() {
    let bench = Bench::new().await;
    bench.accept(NewBatch { send_at_ms: Some(500), ..batch("b") }, 1, 1).await;
    assert_eq!(bench.batch("b").await.head.state, BatchState::Scheduled);
    assert!(bench.claim(499, 9).await.is_empty());
    assert_eq!(bench.ledger.next_due_ms("p").await.unwrap(), Some(500));
    assert_eq!(bench.claim(500, 9).await.len(), 1);
}

#[tokio::test]
async fn batch_of_refused_messages_is_settled_at_once() {
    let bench = Bench::new().await;
    let mut refused = parcel(0, 2);
    refused.states = vec![Status::Rejected; 2];
    refused.record = Some(b"why".to_vec());
    bench.ledger.accept(batch("b"), vec![refused], None).await.unwrap();
    let stored = bench.batch("b").await;
    assert_eq!((stored.head.state, stored.counts.rejected), (BatchState::Settled, 2));
    assert!(bench.claim(10, 9).await.is_empty());
}

#[tokio::test]
async fn many_callers_share_commits_and_all_are_stored() {
    let bench = Bench::new().await;
    let submits: Vec<_> = (0..200)
        .map(|n| {
            let ledger = bench.ledger.clone();
            tokio::spawn(
                async move { ledger.accept(batch(&format!("b{n}")), vec![parcel(0, 1)], None).await },
            )
        })
        .collect();
    for submit in submits {
        assert_eq!(submit.await.unwrap().unwrap(), Accepted::Stored);
    }
    assert_eq!(bench.ledger.status().await.unwrap().batches, 200);
}

#[tokio::test]
async fn second_process_is_refused() {
    let bench = Bench::new().await;
    let error = Ledger::open(&bench.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    bench.ledger.close().await;
    Ledger::open(&bench.url()).await.unwrap();
}

#[tokio::test]
async fn other_urls_are_refused_without_repeating_them() {
    for url in ["postgres://me:secret@host/db", "mysql://me:secret@host", "sqlite:", "sqlite:a?mode=ro"] {
        let error = Ledger::open(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!error.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn file_that_is_no_database_is_refused() {
    let bench = Bench::new().await;
    let path = bench.path().with_file_name("other.db");
    std::fs::write(&path, "no database, but long enough to look at".repeat(100)).unwrap();
    let error = Ledger::open(&format!("sqlite://{}", path.display())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn ledger_in_memory_does_the_same() {
    let ledger = Ledger::open("sqlite::memory:").await.unwrap();
    ledger.accept(batch("b"), vec![parcel(0, 1)], None).await.unwrap();
    let claimed = ledger.claim(crate::builders::request(10, 1)).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(ledger.batch("b").await.unwrap().unwrap().head.state, BatchState::Sending);
    let other = Ledger::open("sqlite::memory:").await.unwrap();
    assert_eq!(other.batch("b").await.unwrap(), None);
}

#[tokio::test]
async fn facts_outlive_the_process() {
    let mut bench = Bench::new().await;
    let fact = |value: &[u8]| Fact {
        kind: "dialect".to_owned(),
        name: "p".to_owned(),
        value: value.to_vec(),
        changed_ms: 3,
    };
    bench.ledger.remember(fact(b"v1")).await.unwrap();
    bench.ledger.remember(fact(b"v2")).await.unwrap();
    bench.restart().await;
    assert_eq!(bench.ledger.facts("dialect").await.unwrap(), [fact(b"v2")]);
    bench.ledger.forget("dialect", "p").await.unwrap();
    assert!(bench.ledger.facts("dialect").await.unwrap().is_empty());
}

#[tokio::test]
async fn one_of_two_requests_that_share_a_commit_gets_the_key() {
    let bench = Bench::new().await;
    let submit =
        |id: &str, body: &[u8]| bench.ledger.accept(batch(id), vec![parcel(0, 1)], Some(key("k", body)));
    let (first, second, third) = tokio::join!(submit("a", b"x"), submit("b", b"x"), submit("c", b"y"));
    assert_eq!(first.unwrap(), Accepted::Stored);
    assert_eq!(second.unwrap(), Accepted::Replay { batch_id: "a".to_owned(), answer: None });
    assert_eq!(third.unwrap(), Accepted::Mismatch);
    assert_eq!(bench.ledger.status().await.unwrap().batches, 1);
}

#[tokio::test]
async fn refused_batch_does_not_spoil_those_that_share_its_commit() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let submit = |id: &str| bench.ledger.accept(batch(id), vec![parcel(0, 1)], None);
    let (first, refused, last) = tokio::join!(submit("a"), submit("b"), submit("c"));
    assert_eq!((first.unwrap(), last.unwrap()), (Accepted::Stored, Accepted::Stored));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(bench.claim(10, 9).await.len(), 3);
}
