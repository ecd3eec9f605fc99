//! Lists, pages, filters and searches.

use interline_ledger::{BatchFilter, BatchState, NewBatch, NewParcel, ParcelQuery, RecipientQuery, Status};

use crate::builders::{Bench, batch, parcel, settled};

async fn ids(bench: &Bench, filter: BatchFilter) -> Vec<String> {
    let batches = bench.ledger.batches(filter, None, 99).await.unwrap();
    batches.into_iter().map(|batch| batch.head.id).collect()
}

async fn seqs(bench: &Bench, query: ParcelQuery) -> Vec<u32> {
    let parcels = bench.ledger.parcels_of("b", query).await.unwrap();
    parcels.into_iter().map(|parcel| parcel.seq).collect()
}

#[tokio::test]
async fn batches_are_listed_newest_first_page_by_page() {
    let bench = Bench::new().await;
    for id in ["a", "b", "c"] {
        bench.accept(batch(id), 1, 1).await;
    }
    let first = bench.ledger.batches(BatchFilter::default(), None, 2).await.unwrap();
    assert_eq!(first.iter().map(|batch| batch.head.id.as_str()).collect::<Vec<_>>(), ["c", "b"]);
    let rest = bench.ledger.batches(BatchFilter::default(), Some(first[1].cursor), 2).await.unwrap();
    assert_eq!(rest.iter().map(|batch| batch.head.id.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn batches_are_filtered_by_state_app_and_label() {
    let bench = Bench::new().await;
    let label = |value: &str| vec![("campaign".to_owned(), value.to_owned())];
    bench.accept(NewBatch { labels: label("autumn"), ..batch("a") }, 1, 1).await;
    bench.accept(NewBatch { labels: label("spring"), ..batch("b") }, 1, 1).await;
    bench.accept(NewBatch { app: "bank".to_owned(), ..batch("c") }, 1, 1).await;
    bench.ledger.pause_batch("b", 5).await.unwrap();
    let all = BatchFilter::default();
    let paused = BatchFilter { state: Some(BatchState::Paused), ..all.clone() };
    assert_eq!(ids(&bench, paused).await, ["b"]);
    assert_eq!(ids(&bench, BatchFilter { app: Some("bank".to_owned()), ..all.clone() }).await, ["c"]);
    let named = BatchFilter { label: Some(("campaign".to_owned(), None)), ..all.clone() };
    assert_eq!(ids(&bench, named).await, ["b", "a"]);
    let valued = BatchFilter { label: Some(("campaign".to_owned(), Some("autumn".to_owned()))), ..all };
    assert_eq!(ids(&bench, valued).await, ["a"]);
}

#[tokio::test]
async fn parcels_are_read_page_by_page() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 5, 1).await;
    assert_eq!(seqs(&bench, ParcelQuery { limit: 2, ..ParcelQuery::default() }).await, [0, 1]);
    assert_eq!(seqs(&bench, ParcelQuery { after_seq: Some(1), limit: 9, status: None }).await, [2, 3, 4]);
}

#[tokio::test]
async fn parcels_are_filtered_by_status() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 3, 2).await;
    let claimed = bench.claim(10, 2).await;
    bench.begin(claimed[0].claim, &[1]).await.unwrap();
    let states = [Status::Accepted, Status::Unknown];
    bench.ledger.settle(vec![settled(claimed[1].claim, &states)], 20).await.unwrap();
    let with = |status| ParcelQuery { after_seq: None, limit: 9, status: Some(status) };
    assert_eq!(seqs(&bench, with(Status::Queued)).await, [0, 2]);
    assert_eq!(seqs(&bench, with(Status::Sending)).await, [0]);
    assert_eq!(seqs(&bench, with(Status::Unknown)).await, [1]);
    assert!(seqs(&bench, with(Status::Rejected)).await.is_empty());
}

#[tokio::test]
async fn recipient_is_found_over_batches_newest_first() {
    let bench = Bench::new().await;
    let alice = 0x0102_0304_0506_0708;
    for (id, created_ms, recipients) in [
        ("old", 10, vec![alice]),
        ("other", 20, vec![5]),
        ("mid", 30, vec![9, alice]),
        ("new", 40, vec![alice]),
    ] {
        let parcels = vec![NewParcel { recipients, ..parcel(0, 1) }];
        bench.ledger.accept(NewBatch { created_ms, ..batch(id) }, parcels, None).await.unwrap();
    }
    let query = RecipientQuery { hash: alice, since_ms: 20, before_parcel: None, limit: 9 };
    let found = bench.ledger.find_recipient(query).await.unwrap();
    assert_eq!(found.iter().map(|(batch, _)| batch.id.as_str()).collect::<Vec<_>>(), ["new", "mid"]);
    let older = RecipientQuery { since_ms: 0, before_parcel: Some(found[1].1.parcel), ..query };
    let found = bench.ledger.find_recipient(older).await.unwrap();
    assert_eq!(found[0].0.id, "old");
}

#[tokio::test]
async fn bytes_that_straddle_two_hashes_are_no_recipient() {
    let bench = Bench::new().await;
    // The last four bytes of the first and the first four of the second spell the hash asked for.
    let (first, second) = (0x0403_0201_0000_0000_u64, 0x0500_0000_0807_0605_u64);
    let straddling = 0x0807_0605_0403_0201_u64;
    let parcels = vec![
        NewParcel { recipients: vec![straddling], ..parcel(0, 1) },
        NewParcel { recipients: vec![first, second], ..parcel(1, 1) },
    ];
    bench.ledger.accept(batch("b"), parcels, None).await.unwrap();
    let query = RecipientQuery { hash: straddling, limit: 1, ..RecipientQuery::default() };
    let found = bench.ledger.find_recipient(query).await.unwrap();
    assert_eq!(found.iter().map(|(_, parcel)| parcel.seq).collect::<Vec<_>>(), [0]);
}

#[tokio::test]
async fn message_ids_lead_to_their_parcels() {
    let bench = Bench::new().await;
    let parcels =
        (0..600).map(|seq| NewParcel { ids: vec![u64::from(seq), 7_000], ..parcel(seq, 1) }).collect();
    bench.ledger.accept(batch("b"), parcels, None).await.unwrap();
    assert_eq!(bench.ledger.find_message_ids("b", vec![3, 599]).await.unwrap(), [3, 599]);
    assert_eq!(bench.ledger.find_message_ids("b", vec![7_000]).await.unwrap().len(), 600);
}

#[tokio::test]
async fn missing_batch_is_none_and_its_parcels_an_error() {
    let bench = Bench::new().await;
    assert_eq!(bench.ledger.batch("none").await.unwrap(), None);
    assert!(bench.ledger.parcels_of("none", ParcelQuery::default()).await.is_err());
}
