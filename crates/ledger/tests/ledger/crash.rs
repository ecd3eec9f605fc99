//! What a process finds after the one before it died.
//!
//! `Bench::restart` stops between two commits; the last test really kills a process in the middle of its
//! work, by running this same test binary again.

use std::path::Path;
use std::process::Command;

use interline_ledger::{Ledger, Settled, Status};

use crate::builders::{Bench, batch, parcel, request, settled, start};

/// Where the process that is to die finds its ledger.
const VICTIM: &str = "INTERLINE_LEDGER_TEST_VICTIM";

#[tokio::test]
async fn claims_of_a_dead_process_are_free_at_once() {
    let mut bench = Bench::new().await;
    bench.accept(batch("b"), 3, 1).await;
    let old = bench.claim(10, 2).await;
    bench.restart().await;
    let new = bench.claim(11, 9).await;
    assert_eq!(new.iter().map(|parcel| parcel.seq).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(new[0].claim.epoch, old[0].claim.epoch + 1);
    assert!(new.iter().all(|parcel| parcel.interrupted.is_empty()));
}

#[tokio::test]
async fn open_sends_come_back_once() {
    let mut bench = Bench::new().await;
    bench.accept(batch("b"), 1, 2).await;
    let claim = bench.claim_one(10).await.claim;
    let sending = bench.begin(claim, &[1]).await.unwrap();
    bench.restart().await;
    let again = bench.claim_one(11).await;
    assert_eq!(again.interrupted.iter().map(|row| row.id).collect::<Vec<_>>(), [sending]);
    let unknown = Settled {
        sending: vec![sending],
        release_at_ms: Some(0),
        ..settled(again.claim, &[Status::Queued, Status::Unknown])
    };
    bench.ledger.settle(vec![unknown], 12).await.unwrap();
    bench.restart().await;
    let last = bench.claim_one(13).await;
    assert!(last.interrupted.is_empty());
    assert_eq!(last.states, [Status::Queued, Status::Unknown]);
}

#[tokio::test]
async fn open_sends_come_back_until_somebody_settles_them() {
    let mut bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let claim = bench.claim_one(10).await.claim;
    bench.begin(claim, &[0]).await.unwrap();
    for now_ms in [11, 12] {
        bench.restart().await;
        assert_eq!(bench.claim_one(now_ms).await.interrupted.len(), 1);
    }
}

#[tokio::test]
async fn cancelling_that_was_cut_short_is_finished_at_the_next_start() {
    let mut bench = Bench::new().await;
    bench.accept(batch("b"), 2, 1).await;
    bench.claim_one(10).await;
    bench.ledger.cancel_batch("b", 20).await.unwrap();
    assert_eq!(bench.batch("b").await.counts.cancelled, 1);
    // The holder died with its process, having sent nothing.
    bench.restart().await;
    let stored = bench.batch("b").await;
    assert_eq!(stored.counts.cancelled, 2);
    assert!(stored.settled_ms.is_some());
}

/// Not a rule by itself: the process that the next test kills.
#[tokio::test]
async fn victim() {
    let Ok(path) = std::env::var(VICTIM) else {
        return;
    };
    let ledger = Ledger::open(&format!("sqlite:{path}")).await.unwrap();
    ledger.accept(batch("b"), (0..4).map(|seq| parcel(seq, 2)).collect(), None).await.unwrap();
    ledger.stage(batch("upload")).await.unwrap();
    let claimed = ledger.claim(request(10, 3)).await.unwrap();
    ledger
        .begin_sending(vec![start(claimed[0].claim, &[0]), start(claimed[1].claim, &[0, 1])])
        .await
        .unwrap();
    let both = [Status::Accepted, Status::Accepted];
    ledger.settle(vec![settled(claimed[1].claim, &both)], 20).await.unwrap();
    // More work is under way when the process dies.
    let background = ledger.clone();
    tokio::spawn(async move {
        background.stage_parcels("upload", (0..50).map(|seq| parcel(seq, 2)).collect()).await
    });
    tokio::task::yield_now().await;
    std::process::abort();
}

#[tokio::test]
async fn what_was_answered_survives_a_killed_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    run_victim(&path);
    let ledger = Ledger::open(&format!("sqlite:{}", path.display())).await.unwrap();
    let stored = ledger.batch("b").await.unwrap().unwrap();
    assert_eq!((stored.counts.accepted, stored.counts.sending, stored.counts.queued), (2, 1, 5));
    assert_eq!(ledger.batch("upload").await.unwrap(), None);
    let claimed = ledger.claim(request(11, 9)).await.unwrap();
    assert_eq!(claimed.iter().map(|parcel| parcel.seq).collect::<Vec<_>>(), [0, 2, 3]);
    assert_eq!(claimed[0].interrupted[0].indexes, [0]);
    assert!(claimed[1].interrupted.is_empty());
}

fn run_victim(path: &Path) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::victim", "--quiet"])
        .env(VICTIM, path)
        .output()
        .unwrap()
        .status;
    assert!(!status.success(), "the victim was to die");
}
