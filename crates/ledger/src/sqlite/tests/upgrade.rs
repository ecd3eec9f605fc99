//! Files that older builds wrote stay readable.

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

use super::{Store, schema};
use crate::callbacks::{Attempt, Attempted, Underway};
use crate::ledger::Ledger;
use crate::model::claimed::ClaimRequest;
use crate::model::{Accepted, IdempotencyKey, NewBatch, NewParcel};
use interline_core::outcome::Status;

/// What a process of the first version left when it was killed: a batch that was being sent, one that waited
/// behind it, one that is scheduled, a settled one with a key. The fifth was pruned.
const LEFT: &str = "
INSERT INTO batch (no, id, app, state, direct, created_ms, send_at_ms, settled_ms, priority, total, accepted, calls,
    labels, head) VALUES
    (1, 'sending', 'shop', 3, 0, 10, NULL, NULL, 0, 4, 1, 1, '{\"campaign\":\"autumn\"}', x'7b7d'),
    (2, 'waiting', 'bank', 2, 0, 20, NULL, NULL, 0, 2, 0, 0, '{}', x'7b7d'),
    (3, 'later', 'shop', 1, 0, 30, 5000, NULL, 1, 2, 0, 0, '{}', x'7b7d'),
    (5, 'done', 'shop', 5, 0, 40, NULL, 45, 0, 1, 1, 1, '{}', x'7b7d');
INSERT INTO share (batch_no, provider, open, priority, turn, due_ms, parcels, messages) VALUES
    (1, 'p', 1, 0, 900001, 60010, 1, 3), (2, 'p', 1, 0, 900000, 0, 1, 2), (3, 'p', 1, 1, 0, 5000, 1, 2);
INSERT INTO parcel (id, batch_no, seq, provider, epoch, claimed, done, due_ms, first_index, bytes, states) VALUES
    (1, 1, 0, 'p', 4, 1, 0, 60010, 0, 6, x'02000000'), (2, 2, 0, 'p', 0, 0, 0, 0, 0, 6, x'0000'),
    (3, 3, 0, 'p', 0, 0, 0, 5000, 0, 6, x'0000'), (5, 5, 0, 'p', 1, 0, 1, 0, 0, 6, x'02');
INSERT INTO parcel_body VALUES (1, 'body 1', NULL), (2, 'body 2', NULL), (3, 'body 3', NULL), (5, 'body 5', NULL);
INSERT INTO parcel_index VALUES (1, 10, x'', x''), (2, 20, x'', x''), (3, 30, x'', x''), (5, 40, x'', x'');
INSERT INTO record VALUES (1, 1, 'said');
INSERT INTO sending VALUES (7, 1, 1, 55, 'p', x'0100', 'class');
INSERT INTO idempotency VALUES ('shop', 'k', x'01', 'done', 40, 100000, 0, 'answer');
INSERT INTO fact VALUES ('dialect', 'p', 'v1', 5);
";

/// What a process of the fourth version left: a receiver that is disabled and still looked for, and one that fails
/// and is left alone for a while, with an event that waits, one that was delivered and one that was given up.
const CALLED: &str = "
INSERT INTO batch (no, id, app, state, direct, created_ms, settled_ms, priority, total, accepted, labels, head,
    callback) VALUES
    (1, 'off', 'shop', 5, 0, 10, 20, 0, 1, 1, '{}', x'7b7d', 1),
    (2, 'waits', 'shop', 5, 0, 10, 20, 0, 1, 1, '{}', x'7b7d', 1),
    (3, 'told', 'shop', 5, 0, 10, 20, 0, 1, 1, '{}', x'7b7d', 1),
    (4, 'given up', 'shop', 5, 0, 10, 20, 0, 1, 1, '{}', x'7b7d', 1);
INSERT INTO parcel (id, batch_no, seq, provider, epoch, done, due_ms, first_index, bytes, states)
    SELECT no, no, 0, 'p', 1, 1, 0, 0, 6, x'02' FROM batch;
INSERT INTO callback_endpoint (id, app, url, created_ms, due_ms, not_before_ms, failures, failing_since_ms,
    disabled_ms, disabled_why, last_ms, last_answer) VALUES
    (1, 'shop', 'https://off.example/', 10, 0, 0, 9, 30, 60, 'for too long', 60, 'answered 500'),
    (2, 'shop', 'https://bad.example/', 10, 5000, 5000, 3, 30, NULL, NULL, 60, 'answered 500');
INSERT INTO callback (batch_no, endpoint, open, told, next, formed_ms)
    SELECT no, iif(no = 1, 1, 2), 0, 1, 2, 20 FROM batch;
INSERT INTO callback_event (id, batch_no, sequence, endpoint, kind, created_ms, state, due_ms, attempts, step, items)
    VALUES (1, 1, 1, 1, 2, 20, 0, 60, 9, 2, '[]'), (2, 2, 1, 2, 2, 20, 0, 40, 3, 3, '[]'),
    (3, 3, 1, 2, 2, 20, 1, 20, 1, 0, '[]'), (4, 4, 1, 2, 2, 20, 2, 20, 8, 8, '[]');
";

async fn first_version(folder: &TempDir) -> String {
    version(folder, '1', &[schema::VERSION_1], LEFT).await
}

async fn fourth_version(folder: &TempDir) -> String {
    let steps = [schema::VERSION_1, META, schema::VERSION_2, schema::VERSION_3, schema::VERSION_4];
    version(folder, '4', &steps, CALLED).await
}

const META: &str = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);";

/// A file as a build of this version made it.
async fn version(folder: &TempDir, number: char, steps: &[&'static str], rows: &'static str) -> String {
    let path = folder.path().join("ledger.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut conn = super::super::open::writer_options(options).connect().await.unwrap();
    for sql in steps.iter().copied().chain([META, rows]) {
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    }
    let noted = "INSERT INTO meta VALUES ('schema', $1)";
    sqlx::query(noted).bind(number.to_string()).execute(&mut conn).await.unwrap();
    sqlx::Connection::close(conn).await.unwrap();
    format!("sqlite:{}", path.display())
}

fn request(now_ms: i64) -> ClaimRequest {
    let lease_until_ms = now_ms + 60_000;
    ClaimRequest { provider: "p".to_owned(), now_ms, lease_until_ms, max_parcels: 9, max_bytes: 1 << 20 }
}

#[tokio::test]
async fn file_of_the_first_version_goes_on_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    let url = first_version(&folder).await;
    // The second time there is nothing left to upgrade.
    Ledger::open(&url).await.unwrap().close().await;
    let ledger = Ledger::open(&url).await.unwrap();
    let status = ledger.status().await.unwrap();
    assert_eq!((status.schema_version, status.batches), (6, 4));
    assert_eq!((status.queues[0].parcels, status.queues[0].messages), (3, 7));

    let sending = ledger.batch("sending").await.unwrap().unwrap();
    assert_eq!((sending.counts.accepted, sending.counts.sending, sending.counts.queued), (1, 1, 2));
    assert_eq!(sending.labels, [("campaign".to_owned(), "autumn".to_owned())]);
    assert_eq!((sending.head.redriven_from, sending.head.head), (None, b"{}".to_vec()));
    assert_eq!(ledger.facts("dialect").await.unwrap()[0].value, b"v1");

    let claimed = ledger.claim(request(100)).await.unwrap();
    let ids: Vec<_> = claimed.iter().map(|parcel| parcel.batch.id.as_str()).collect();
    assert_eq!(ids, ["waiting", "sending"]);
    assert_eq!((claimed[1].interrupted[0].id, claimed[1].claim.epoch), (7, 5));
    assert_eq!(
        (claimed[1].body.as_slice(), claimed[1].records.as_slice()),
        (&b"body 1"[..], &[b"said".to_vec()][..])
    );
    assert_eq!(ledger.marked(vec![[1; 16]], 1).await.unwrap(), []);
    assert_eq!(ledger.next_due_ms("p").await.unwrap(), Some(5_000));
    assert_eq!(ledger.claim(request(5_000)).await.unwrap()[0].batch.id, "later");
}

#[tokio::test]
async fn file_of_the_first_version_keeps_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&first_version(&folder).await).await.unwrap();
    assert_eq!(ledger.prune(1_000, 50, 9).await.unwrap(), 0);
    let key = IdempotencyKey {
        app: "shop".to_owned(),
        key: "k".to_owned(),
        body_hash: vec![1],
        now_ms: 50,
        ..IdempotencyKey::default()
    };
    let parcel = NewParcel { provider: "p".to_owned(), states: vec![Status::Queued], ..NewParcel::default() };
    let batch = NewBatch { id: "again".to_owned(), ..NewBatch::default() };
    let answer = ledger.accept(batch, vec![parcel], Some(key)).await.unwrap();
    assert_eq!(answer, Accepted::Replay { batch_id: "done".to_owned(), answer: Some(b"answer".to_vec()) });
    assert_eq!(ledger.prune(1_000, 100_000, 9).await.unwrap(), 1);
    assert_eq!(ledger.status().await.unwrap().batches, 3);
}

#[tokio::test]
async fn upgrade_that_was_cut_short_is_done_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let url = first_version(&folder).await;
    let path = folder.path().join("ledger.db");
    let mut conn = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    // A name that is taken makes the step fail in its middle.
    sqlx::raw_sql("CREATE TABLE round (x)").execute(&mut conn).await.unwrap();
    assert!(Store::open_file(&path).await.is_err());
    sqlx::raw_sql("DROP TABLE round").execute(&mut conn).await.unwrap();
    sqlx::Connection::close(conn).await.unwrap();
    assert_eq!(Ledger::open(&url).await.unwrap().status().await.unwrap().schema_version, 6);
}

#[tokio::test]
async fn callbacks_of_the_fourth_version_go_on_where_they_stood() {
    let folder = tempfile::tempdir().unwrap();
    let url = fourth_version(&folder).await;
    Ledger::open(&url).await.unwrap().close().await;
    let ledger = Ledger::open(&url).await.unwrap();
    let due = async |now_ms| {
        let found = ledger.due_endpoints(now_ms, 9, Underway::default()).await.unwrap();
        (found.due.iter().map(|endpoint| endpoint.id).collect::<Vec<_>>(), found.next_ms)
    };
    let take = async |endpoint, now_ms| {
        let taken = ledger.take_events(endpoint, now_ms, 8, Vec::new()).await.unwrap();
        let shown = |event: &crate::Event| (event.id, event.replays, event.step);
        taken.map(|taken| taken.events.iter().map(shown).collect::<Vec<_>>())
    };
    let deliver = async |event, replays| {
        let (answer, came_of) = (String::new(), Attempted::Delivered);
        let done = Attempt { event, replays, endpoint: 2, now_ms: 5_000, answer, came_of };
        ledger.end_attempt(done).await.unwrap();
    };
    assert_eq!(due(100).await, (vec![1], Some(5_000)));
    assert_eq!((take(1, 100).await, due(100).await), (None, (vec![], Some(5_000))), "it is disabled");
    assert_eq!((take(2, 4_999).await, due(5_000).await), (None, (vec![2], None)));
    assert_eq!(take(2, 5_000).await, Some(vec![(2, 0, 3)]));

    assert_eq!(ledger.replay_endpoint(2, (0, 100), 5_000).await.unwrap(), 3);
    assert_eq!(ledger.prune(50, 5_000, 9).await.unwrap(), 1, "what the disabled one was not told");
    deliver(2, 0).await;
    assert_eq!(take(2, 5_000).await, Some(vec![(2, 1, 0), (3, 1, 0), (4, 1, 0)]));
    for event in 2..=4 {
        deliver(event, 1).await;
    }
    assert_eq!((take(2, 5_000).await, ledger.prune(50, 5_000, 9).await.unwrap()), (Some(vec![]), 3));
    assert!(ledger.enable_endpoint(2, 5_000).await.unwrap());
}
