//! Looking at a ledger, bringing its schema up to date and copying it, as a person does beside a server.

use std::fs;
use std::path::{Path, PathBuf};

use interline_ledger::{BatchState, ErrorKind, Ledger, Status, upkeep};

use crate::builders::{Bench, batch, parcel, settled};

fn beside(bench: &Bench, name: &str) -> PathBuf {
    bench.path().with_file_name(name)
}

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// One batch settled, one that waits.
async fn two() -> Bench {
    let bench = Bench::new().await;
    bench.accept(batch("done"), 1, 1).await;
    let claimed = bench.claim_one(2).await;
    let all = settled(claimed.claim, &[Status::Accepted]);
    bench.ledger.settle(vec![all], 3).await.unwrap();
    bench.accept(batch("waits"), 2, 3).await;
    bench
}

#[tokio::test]
async fn survey_tells_what_waits_beside_the_process_that_has_it_open() {
    let bench = two().await;
    let found = upkeep::survey(&bench.url()).await.unwrap();
    assert!(found.in_use);
    assert_eq!((found.batches(), found.waiting(), found.oldest_created_ms()), (2, 6, Some(1)));
    let states: Vec<_> =
        found.states.iter().map(|state| (state.state, state.batches, state.open_messages)).collect();
    assert_eq!(states, [(BatchState::Queued, 1, 6), (BatchState::Settled, 1, 0)]);
    assert_eq!(found.schema, found.newest_schema);
    assert_eq!((found.queues.len(), found.queues[0].messages), (1, 6));
    assert!(found.wal_bytes > 0, "{found:?}");
    bench.accept(batch("goes on"), 1, 1).await;
}

#[tokio::test]
async fn survey_of_a_closed_ledger_changes_nothing() {
    let bench = two().await;
    bench.ledger.close().await;
    let before = fs::read(bench.path()).unwrap();
    let found = upkeep::survey(&bench.url()).await.unwrap();
    assert_eq!((found.in_use, found.waiting()), (false, 6));
    assert_eq!(fs::read(bench.path()).unwrap(), before);
    Ledger::open(&bench.url()).await.unwrap();
}

#[tokio::test]
async fn survey_of_a_ledger_whose_process_was_killed_counts_what_is_in_its_log() {
    let bench = two().await;
    let (path, log) = (beside(&bench, "left.db"), beside(&bench, "left.db-wal"));
    fs::copy(bench.path(), &path).unwrap();
    fs::copy(beside(&bench, "ledger.db-wal"), &log).unwrap();
    let before = fs::read(&log).unwrap();
    assert_eq!(upkeep::survey(&url(&path)).await.unwrap().waiting(), 6);
    assert_eq!(fs::read(&log).unwrap(), before, "nothing of the log is taken away");
}

#[tokio::test]
async fn what_is_no_ledger_is_told_and_not_made() {
    let bench = Bench::new().await;
    let missing = beside(&bench, "missing.db");
    for outcome in [upkeep::survey(&url(&missing)).await.err(), upkeep::migrate(&url(&missing)).await.err()] {
        assert_eq!(outcome.unwrap().kind(), ErrorKind::NotFound);
    }
    assert!(!missing.exists());
    let text = beside(&bench, "notes.txt");
    fs::write(
        &text,
        "not a database at all, but long enough to have a head of one hundred bytes, which this has now.",
    )
    .unwrap();
    assert_eq!(upkeep::survey(&url(&text)).await.unwrap_err().kind(), ErrorKind::Corrupt);
    for other in ["postgres://user:secret@host/db", "sqlite::memory:", "file.db"] {
        let error = upkeep::survey(other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn migrating_waits_for_nobody_who_has_the_ledger() {
    let bench = two().await;
    assert_eq!(upkeep::migrate(&bench.url()).await.unwrap_err().kind(), ErrorKind::Locked);
    bench.ledger.close().await;
    let done = upkeep::migrate(&bench.url()).await.unwrap();
    assert_eq!(done.from, done.to);
}

#[tokio::test]
async fn copy_holds_all_of_one_moment_and_opens_as_a_ledger() {
    let bench = two().await;
    let to = beside(&bench, "copy.db");
    let copied = upkeep::copy(&bench.url(), &url(&to)).await.unwrap();
    assert!(copied.same, "nobody wrote meanwhile");
    assert_eq!((copied.survey.batches(), copied.survey.waiting()), (2, 6));
    bench.accept(batch("later"), 1, 1).await;
    let ledger = Ledger::open(&url(&to)).await.unwrap();
    let waits = ledger.batch("waits").await.unwrap().unwrap();
    assert_eq!(waits.counts.queued, 6);
    assert!(ledger.batch("later").await.unwrap().is_none());
    let names = fs::read_dir(bench.path().parent().unwrap()).unwrap();
    let left = names.flatten().filter(|entry| entry.file_name().to_string_lossy().contains("partial"));
    assert_eq!(left.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_beside_a_writer_is_whole() {
    let bench = two().await;
    for n in 0..40 {
        bench.accept(batch(&format!("before {n}")), 4, 50).await;
    }
    let ledger = bench.ledger.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let mut stopped = stopped;
        let mut stored = 0;
        while stopped.try_recv().is_err() {
            ledger.accept(batch(&format!("during {stored}")), vec![parcel(0, 5)], None).await.unwrap();
            stored += 1;
        }
        stored
    });
    let to = beside(&bench, "copy.db");
    let copied = upkeep::copy(&bench.url(), &url(&to)).await.unwrap();
    stop.send(()).unwrap();
    let stored = writing.await.unwrap();
    let batches = copied.survey.batches();
    assert!((42..=42 + stored).contains(&batches), "{batches} of {stored}");
    let during = batches - 42;
    assert_eq!(copied.survey.waiting(), 6 + 40 * 200 + during * 5, "no batch without its messages");
}

#[tokio::test]
async fn copy_replaces_nothing() {
    let bench = two().await;
    let to = beside(&bench, "copy.db");
    for end in ["", "-wal"] {
        let there = PathBuf::from(format!("{}{end}", to.display()));
        fs::write(&there, "mine").unwrap();
        let error = upkeep::copy(&bench.url(), &url(&to)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(fs::read(&there).unwrap(), b"mine");
        fs::remove_file(there).unwrap();
    }
    let error = upkeep::copy(&bench.url(), &bench.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "onto itself: {error}");
}

#[tokio::test]
async fn copy_that_was_cut_short_is_begun_anew() {
    let bench = two().await;
    let to = beside(&bench, "copy.db");
    fs::write(beside(&bench, "copy.db.partial"), vec![7; 100_000]).unwrap();
    upkeep::copy(&bench.url(), &url(&to)).await.unwrap();
    assert_eq!(upkeep::survey(&url(&to)).await.unwrap().batches(), 2);
}

#[tokio::test]
async fn copy_of_a_damaged_ledger_leaves_nothing() {
    let bench = two().await;
    for n in 0..60 {
        bench.accept(batch(&format!("b{n}")), 2, 2).await;
    }
    bench.ledger.close().await;
    let mut bytes = fs::read(bench.path()).unwrap();
    let (page, pages) = (16_384, bytes.len() / 16_384);
    for place in 3..pages {
        bytes[place * page..place * page + 64].fill(0xa5);
    }
    fs::write(bench.path(), bytes).unwrap();
    let to = beside(&bench, "copy.db");
    let error = upkeep::copy(&bench.url(), &url(&to)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(!to.exists());
}
