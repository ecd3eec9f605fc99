//! Disks that are full or may not be written: what fails, what does not, and that it passes by itself.

use super::*;
use crate::model::claimed::{Claim, ClaimRequest, SendingStart, Settled};
use crate::model::{NewBatch, NewParcel};
use interline_core::outcome::Status;

const SHUT: &str = "PRAGMA max_page_count = 1";
const OPEN: &str = "PRAGMA max_page_count = 1000000";

pub(super) fn accept(id: &str, bytes: usize) -> Accept {
    let parcel = NewParcel {
        provider: "p".to_owned(),
        states: vec![Status::Queued],
        body: vec![7; bytes],
        ..NewParcel::default()
    };
    let batch = NewBatch { id: id.to_owned(), app: "shop".to_owned(), ..NewBatch::default() };
    Accept { batch, parcels: vec![parcel], key: None }
}

async fn claims(store: &Store) -> Vec<Claim> {
    let request = ClaimRequest {
        provider: "p".to_owned(),
        now_ms: 10,
        lease_until_ms: 1_000,
        max_parcels: 9,
        max_bytes: 1 << 30,
    };
    store.write(ClaimParcels(request)).await.unwrap()
}

fn begin(claim: Claim, bytes: usize) -> Begin {
    Begin(vec![SendingStart {
        claim,
        indexes: vec![0],
        at_ms: 1,
        provider: "p".to_owned(),
        blob: vec![0; bytes],
    }])
}

pub(super) async fn sql(store: &Store, text: &str) {
    store.write(Sql(text.to_owned())).await.unwrap();
}

async fn batches(store: &Store) -> Vec<String> {
    let all = ListBatches { filter: crate::BatchFilter::default(), cursor: None, limit: 99 };
    store.read(all).await.unwrap().into_iter().map(|batch| batch.head.id).collect()
}

#[tokio::test]
async fn what_does_not_fit_fails_alone_and_what_fits_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    sql(&store, "CREATE TABLE filler (x)").await;
    // Room for a few pages and no more.
    sql(&store, "PRAGMA max_page_count = 60").await;
    let (first, large, last) = tokio::join!(
        store.write(accept("first", 10)),
        store.write(accept("large", 8 << 20)),
        store.write(accept("last", 10)),
    );
    assert_eq!((first.unwrap(), last.unwrap()), (crate::Accepted::Stored, crate::Accepted::Stored));
    assert_eq!(large.unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(batches(&store).await, ["last", "first"]);
}

#[tokio::test]
async fn nothing_begins_to_be_sent_while_it_cannot_be_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.write(accept("b", 10)).await.unwrap();
    let claim = claims(&store).await[0];
    sql(&store, SHUT).await;
    assert_eq!(store.write(begin(claim, 1 << 20)).await.unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(store.write(accept("refused", 1 << 20)).await.unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(batches(&store).await, ["b"]);
    sql(&store, OPEN).await;
    assert!(store.write(begin(claim, 1 << 20)).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn result_that_is_offered_again_is_stored_under_its_old_claim() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.write(accept("b", 10)).await.unwrap();
    let claim = claims(&store).await[0];
    let sending = store.write(begin(claim, 1)).await.unwrap()[0].unwrap();
    sql(&store, SHUT).await;
    let settle = || Settle {
        parcels: vec![Settled {
            claim,
            sending: vec![sending],
            states: vec![Status::Accepted],
            record: vec![b'{'; 1 << 20],
            calls: 1,
            release_at_ms: None,
        }],
        now_ms: 20,
    };
    for _ in 0..3 {
        assert_eq!(store.write(settle()).await.unwrap_err().kind(), ErrorKind::Full);
    }
    sql(&store, OPEN).await;
    let settlement = store.write(settle()).await.unwrap();
    assert_eq!((settlement.held, settlement.batches_settled), (vec![true], vec!["b".to_owned()]));
    let stored = store.read(ReadBatch { id: "b".to_owned() }).await.unwrap().unwrap();
    assert_eq!((stored.counts.accepted, stored.counts.calls), (1, 1));
}

#[tokio::test]
async fn full_ledger_is_not_ready_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.ready().await.unwrap();
    sql(&store, SHUT).await;
    store.ready().await.unwrap();
    store.write(accept("large", 1 << 20)).await.unwrap_err();
    for _ in 0..3 {
        assert_eq!(store.ready().await.unwrap_err().kind(), ErrorKind::Full);
        // What needs no room shows nothing.
        store.write(Remember(fact("small", 1))).await.unwrap();
    }
    sql(&store, OPEN).await;
    store.ready().await.unwrap();
    assert!(store.writer.trouble().is_none());
}

#[tokio::test]
async fn ledger_that_turned_read_only_says_so_and_goes_on() {
    // In memory, because a file would be opened anew, and be writable again.
    let store = Store::open_in_memory().await.unwrap();
    store.write(accept("before", 10)).await.unwrap();
    store.write(Sql("PRAGMA query_only = 1".to_owned())).await.unwrap();
    let refused = store.write(accept("refused", 10)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    assert_eq!(store.ready().await.unwrap_err().kind(), ErrorKind::ReadOnly);
    assert!(store.writer.trouble().is_some());
}

#[tokio::test]
async fn connection_that_turned_read_only_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    sql(&store, "PRAGMA query_only = 1").await;
    let (first, second) = tokio::join!(store.write(accept("a", 10)), store.write(accept("b", 10)));
    assert_eq!((first.unwrap(), second.unwrap()), (crate::Accepted::Stored, crate::Accepted::Stored));
    assert_eq!(batches(&store).await, ["b", "a"]);
    store.ready().await.unwrap();
}

#[tokio::test]
async fn bad_command_is_no_trouble_of_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.write(accept("b", 10)).await.unwrap();
    assert_eq!(store.write(accept("b", 10)).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(store.writer.trouble().is_none());
}

#[tokio::test(start_paused = true)]
async fn upload_that_cannot_be_deleted_now_is_deleted_later() {
    let store = Store::open_in_memory().await.unwrap();
    for id in ["upload", "other"] {
        store.write(Stage(NewBatch { id: id.to_owned(), ..NewBatch::default() })).await.unwrap();
    }
    // Deleting itself needs no pages, so something else that needs some goes with it.
    sql(
        &store,
        "CREATE TRIGGER more BEFORE DELETE ON batch
         BEGIN INSERT INTO fact VALUES ('test', 'more', zeroblob(1000000), 1); END",
    )
    .await;
    sql(&store, SHUT).await;
    store.discard("upload").await.unwrap();
    assert_eq!(batches(&store).await, ["other", "upload"]);
    sql(&store, OPEN).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    store.settle_queue().await.unwrap();
    assert_eq!(batches(&store).await, ["other"]);
}

#[tokio::test(start_paused = true)]
async fn batch_that_cannot_be_cancelled_whole_is_cancelled_later() {
    let store = Store::open_in_memory().await.unwrap();
    store.write(accept("b", 10)).await.unwrap();
    // Its state fits; marking its messages does not.
    sql(
        &store,
        "CREATE TRIGGER more BEFORE UPDATE OF states ON parcel
         BEGIN INSERT INTO fact VALUES ('test', 'more', zeroblob(1000000), 1); END",
    )
    .await;
    sql(&store, SHUT).await;
    let ledger = crate::Ledger { store: crate::ledger::Store::Sqlite(store.clone()) };
    assert_eq!(ledger.cancel_batch("b", 5).await.unwrap(), crate::BatchState::Cancelled);
    assert_eq!(ledger.batch("b").await.unwrap().unwrap().settled_ms, None);
    sql(&store, OPEN).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    store.settle_queue().await.unwrap();
    let batch = ledger.batch("b").await.unwrap().unwrap();
    assert_eq!((batch.counts.cancelled, batch.settled_ms), (1, Some(5)));
}

#[test]
fn what_the_operating_system_says_has_a_kind() {
    use std::io::{Error, ErrorKind as Io};
    let kind = |io: Io| health::kind_of_io(&Error::from(io));
    assert_eq!(kind(Io::StorageFull), Some(ErrorKind::Full));
    assert_eq!(kind(Io::QuotaExceeded), Some(ErrorKind::Full));
    assert_eq!(kind(Io::ReadOnlyFilesystem), Some(ErrorKind::ReadOnly));
    assert_eq!(kind(Io::PermissionDenied), Some(ErrorKind::ReadOnly));
    assert_eq!(kind(Io::TimedOut), None);
}
