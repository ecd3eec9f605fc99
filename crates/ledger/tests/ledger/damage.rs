//! Files that a crash tore, that somebody damaged, or that are somebody else's.

use std::fs;
use std::path::{Path, PathBuf};

use interline_ledger::{ErrorKind, Ledger, Status};
use tempfile::TempDir;

use crate::builders::{Bench, batch, settled};

fn beside(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

/// What is on disk at this moment, as a crash would leave it: the file and its log, elsewhere.
fn as_it_stands(bench: &Bench) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    fs::copy(bench.path(), &path).unwrap();
    fs::copy(beside(&bench.path(), "-wal"), beside(&path, "-wal")).unwrap();
    (folder, path)
}

async fn open(path: &Path) -> Result<Ledger, interline_ledger::Error> {
    Ledger::open(&format!("sqlite:{}", path.display())).await
}

async fn ids(ledger: &Ledger) -> Vec<String> {
    let all = ledger.batches(interline_ledger::BatchFilter::default(), None, 99).await.unwrap();
    all.into_iter().rev().map(|batch| batch.head.id).collect()
}

/// Ten batches, each in a commit of its own, and how long the log was after each.
async fn ten(bench: &Bench) -> Vec<u64> {
    let mut lengths = Vec::new();
    for n in 0..10 {
        bench.accept(batch(&format!("b{n}")), 1, 1).await;
        lengths.push(fs::metadata(beside(&bench.path(), "-wal")).unwrap().len());
    }
    lengths
}

#[tokio::test]
async fn log_that_ends_in_half_a_frame_keeps_every_commit_before_it() {
    let bench = Bench::new().await;
    let lengths = ten(&bench).await;
    let (_folder, path) = as_it_stands(&bench);
    let log = fs::File::options().write(true).open(beside(&path, "-wal")).unwrap();
    log.set_len(lengths[6] - 1_000).unwrap();
    let ledger = open(&path).await.unwrap();
    assert_eq!(ids(&ledger).await, ["b0", "b1", "b2", "b3", "b4", "b5"]);
    // It goes on from there, also after another crash.
    ledger.accept(batch("later"), vec![crate::builders::parcel(0, 1)], None).await.unwrap();
    ledger.close().await;
    assert_eq!(ids(&open(&path).await.unwrap()).await.len(), 7);
}

#[tokio::test]
async fn log_with_garbled_last_bytes_keeps_every_commit_before_them() {
    let bench = Bench::new().await;
    let lengths = ten(&bench).await;
    let (_folder, path) = as_it_stands(&bench);
    let log = beside(&path, "-wal");
    let mut bytes = fs::read(&log).unwrap();
    let from = usize::try_from(lengths[8]).unwrap();
    bytes[from + 500..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    fs::write(&log, &bytes).unwrap();
    let ledger = open(&path).await.unwrap();
    assert_eq!(ids(&ledger).await.len(), 9);
    assert_eq!(ledger.status().await.unwrap().batches, 9);
}

#[tokio::test]
async fn claim_whose_commit_was_torn_is_free_and_nothing_of_it_was_begun() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let before = fs::metadata(beside(&bench.path(), "-wal")).unwrap().len();
    let claim = bench.claim_one(10).await.claim;
    bench.begin(claim, &[0]).await.unwrap();
    let (_folder, path) = as_it_stands(&bench);
    fs::File::options().write(true).open(beside(&path, "-wal")).unwrap().set_len(before + 7).unwrap();
    let ledger = open(&path).await.unwrap();
    let again = ledger.claim(crate::builders::request(20, 9)).await.unwrap();
    assert_eq!((again.len(), again[0].claim.epoch, again[0].interrupted.len()), (1, 1, 0));
    let (_folder, path) = as_it_stands(&bench);
    let ledger = open(&path).await.unwrap();
    let again = ledger.claim(crate::builders::request(20, 9)).await.unwrap();
    assert_eq!((again[0].claim.epoch, again[0].interrupted.len()), (2, 1), "with its commit it was begun");
}

/// Opens a damaged file: it is refused with its name and advice, and stays as it is.
async fn refused(path: &Path) {
    let before = fs::read(path).unwrap();
    let error = open(path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && text.contains("backup"), "{text}");
    assert!(fs::read(path).unwrap() == before, "it was changed");
}

async fn closed_ledger() -> (Bench, PathBuf) {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 40, 50).await;
    bench.ledger.close().await;
    let path = bench.path();
    (bench, path)
}

#[tokio::test]
async fn file_with_a_garbled_header_is_refused_and_left_alone() {
    let (_bench, path) = closed_ledger().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[..100].fill(b'?');
    fs::write(&path, bytes).unwrap();
    refused(&path).await;
}

#[tokio::test]
async fn file_that_lost_its_end_is_refused_and_left_alone() {
    let (_bench, path) = closed_ledger().await;
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    refused(&path).await;
}

#[tokio::test]
async fn file_with_a_garbled_table_of_contents_is_refused_and_left_alone() {
    let (_bench, path) = closed_ledger().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..16_384].fill(0xff);
    fs::write(&path, bytes).unwrap();
    refused(&path).await;
}

#[tokio::test]
async fn missing_file_beside_its_log_is_no_new_ledger() {
    let bench = Bench::new().await;
    ten(&bench).await;
    let (_folder, path) = as_it_stands(&bench);
    fs::write(&path, b"").unwrap();
    refused(&path).await;
    fs::remove_file(&path).unwrap();
    let error = open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!path.exists());
    assert!(fs::metadata(beside(&path, "-wal")).unwrap().len() > 0, "its log is still there");
    // Brought back, it is whole.
    fs::copy(bench.path(), &path).unwrap();
    assert_eq!(ids(&open(&path).await.unwrap()).await.len(), 10);
}

#[tokio::test]
async fn damage_inside_is_an_error_of_those_who_read_it_and_never_a_guess() {
    let (_bench, path) = closed_ledger().await;
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 16_384;
    for page in 2..pages {
        bytes[page * 16_384..page * 16_384 + 64].fill(0xee);
    }
    fs::write(&path, &bytes).unwrap();
    let error = match open(&path).await {
        Err(error) => error,
        Ok(ledger) => ledger.batch("b").await.unwrap_err(),
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn second_process_is_told_which_file_is_taken() {
    let bench = Bench::new().await;
    let error = Ledger::open(&bench.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    let text = error.to_string();
    assert!(text.contains("another process") && text.contains(&bench.path().display().to_string()), "{text}");
    // It did no harm to the first.
    bench.accept(batch("b"), 1, 1).await;
    let claim = bench.claim_one(10).await.claim;
    bench.ledger.settle(vec![settled(claim, &[Status::Accepted])], 20).await.unwrap();
}

#[tokio::test]
async fn folder_that_is_missing_is_named() {
    let error = Ledger::open("sqlite:/nowhere/at/all/ledger.db").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("/nowhere/at/all/ledger.db"), "{error}");
}
