//! The tables, and how a file of an older version is brought up to date.
//!
//! Rows that change often are small: the parcel row holds the states, while bodies, search hashes and
//! records live beside it and are written once; the record that comes with a body lies with it. A `share` is what one batch has waiting at one provider;
//! opening, pausing or closing it hides or shows all its parcels at once, however many there are.

use sqlx::sqlite::SqliteConnection;

use super::failed;
use crate::error::{Error, ErrorKind, Result};

/// Each entry takes the schema one version further; entries that were released never change.
const STEPS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6];

pub(super) const VERSION_1: &str = "
CREATE TABLE batch (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app TEXT NOT NULL,
    state INTEGER NOT NULL,
    direct INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    send_at_ms INTEGER,
    expires_at_ms INTEGER,
    settled_ms INTEGER,
    priority INTEGER NOT NULL,
    total INTEGER NOT NULL DEFAULT 0,
    accepted INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    expired INTEGER NOT NULL DEFAULT 0,
    calls INTEGER NOT NULL DEFAULT 0,
    labels TEXT NOT NULL,
    head BLOB NOT NULL
);
CREATE INDEX batch_by_state ON batch (state, no);
CREATE INDEX batch_by_app ON batch (app, no);
CREATE INDEX batch_by_settled ON batch (settled_ms) WHERE settled_ms IS NOT NULL;

CREATE TABLE share (
    batch_no INTEGER NOT NULL,
    provider TEXT NOT NULL,
    open INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    parcels INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (batch_no, provider)
) WITHOUT ROWID;
CREATE INDEX share_by_turn ON share (provider, open, priority DESC, turn, batch_no, due_ms);
CREATE INDEX share_by_due ON share (provider, open, due_ms);

CREATE TABLE parcel (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_no INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    provider TEXT NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    claimed INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    first_index INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    states BLOB NOT NULL
);
CREATE UNIQUE INDEX parcel_by_seq ON parcel (batch_no, seq);
CREATE INDEX parcel_waiting ON parcel (batch_no, provider, seq, due_ms) WHERE done = 0;
CREATE INDEX parcel_claimed ON parcel (id) WHERE claimed = 1;

CREATE TABLE parcel_body (parcel_id INTEGER PRIMARY KEY, body BLOB NOT NULL, record BLOB);
CREATE TABLE parcel_index (
    parcel_id INTEGER PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    recipients BLOB NOT NULL,
    ids BLOB NOT NULL
);
CREATE TABLE record (id INTEGER PRIMARY KEY, parcel_id INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE INDEX record_by_parcel ON record (parcel_id);

CREATE TABLE sending (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    parcel_id INTEGER NOT NULL,
    batch_no INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    provider TEXT NOT NULL,
    indexes BLOB NOT NULL,
    blob BLOB NOT NULL
);
CREATE INDEX sending_by_parcel ON sending (parcel_id);
CREATE INDEX sending_by_batch ON sending (batch_no);

CREATE TABLE idempotency (
    app TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    batch_id TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    running INTEGER NOT NULL,
    answer BLOB,
    PRIMARY KEY (app, key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_ms);

CREATE TABLE fact (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    changed_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
);
";

/// Redrives are linked to where they came from, apps take turns, and what is looked at often is found by an
/// index however much waits. A `share` with `due_ms` 0 is ready; one with a time is made ready when that comes.
pub(super) const VERSION_2: &str = "
ALTER TABLE batch ADD COLUMN redriven_from TEXT;

CREATE INDEX idempotency_by_batch ON idempotency (batch_id);

DROP INDEX share_by_turn;
DROP INDEX share_by_due;
ALTER TABLE share ADD COLUMN app TEXT NOT NULL DEFAULT '';
UPDATE share SET turn = 0, app = coalesce((SELECT app FROM batch WHERE no = batch_no), '');
CREATE INDEX share_ready ON share (provider, priority, app, turn, batch_no) WHERE open = 1 AND due_ms = 0;
CREATE INDEX share_by_due ON share (provider, due_ms, batch_no) WHERE open = 1;

CREATE TABLE round (
    provider TEXT NOT NULL,
    priority INTEGER NOT NULL,
    app TEXT NOT NULL,
    turn INTEGER NOT NULL,
    reached INTEGER NOT NULL,
    active INTEGER NOT NULL,
    PRIMARY KEY (provider, priority, app)
) WITHOUT ROWID;
CREATE INDEX round_by_turn ON round (provider, priority DESC, turn, app) WHERE active = 1;
INSERT INTO round SELECT DISTINCT provider, priority, app, 0, 0, 1 FROM share WHERE open = 1 AND due_ms = 0;

INSERT INTO meta SELECT 'deleted_batches',
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'batch'), 0) - (SELECT count(*) FROM batch);
";

/// Repeats of single messages are recognised by marks. A batch is kept while one of its own counts.
pub(super) const VERSION_3: &str = "
CREATE TABLE mark (
    key BLOB PRIMARY KEY,
    batch_no INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX mark_by_expiry ON mark (expires_ms);
ALTER TABLE batch ADD COLUMN marked_until_ms INTEGER;
";

/// Who is told what became of a batch, what of it is not told yet, and what was. `batch.callback` is 0 where
/// nobody is told, 1 when it settles, 2 also as messages do. `callback.open` is 1 while there is something to
/// make events of, and 2 while as many of them wait as may. A parcel is `fresh` while its states may differ from
/// those that were told.
pub(super) const VERSION_4: &str = "
ALTER TABLE batch ADD COLUMN callback INTEGER NOT NULL DEFAULT 0;

CREATE TABLE callback_endpoint (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    url TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    not_before_ms INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since_ms INTEGER,
    disabled_ms INTEGER,
    disabled_why TEXT,
    delivered INTEGER NOT NULL DEFAULT 0,
    given_up INTEGER NOT NULL DEFAULT 0,
    last_ms INTEGER,
    last_answer TEXT,
    UNIQUE (app, url)
);
CREATE INDEX callback_endpoint_by_due ON callback_endpoint (due_ms);

CREATE TABLE callback (
    batch_no INTEGER PRIMARY KEY,
    endpoint INTEGER NOT NULL,
    open INTEGER NOT NULL,
    told INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL DEFAULT 1,
    formed_ms INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX callback_open ON callback (endpoint, formed_ms) WHERE open = 1;
CREATE INDEX callback_by_endpoint ON callback (endpoint);

CREATE TABLE callback_parcel (
    parcel_id INTEGER PRIMARY KEY,
    batch_no INTEGER NOT NULL,
    fresh INTEGER NOT NULL,
    told BLOB
);
CREATE INDEX callback_parcel_fresh ON callback_parcel (batch_no, parcel_id) WHERE fresh = 1;

CREATE TABLE callback_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_no INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    endpoint INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    step INTEGER NOT NULL DEFAULT 0,
    items TEXT NOT NULL
);
CREATE INDEX callback_event_due ON callback_event (endpoint, due_ms) WHERE state = 0;
CREATE INDEX callback_event_waiting ON callback_event (batch_no) WHERE state = 0;
CREATE INDEX callback_event_by_batch ON callback_event (batch_no);
CREATE INDEX callback_event_by_time ON callback_event (endpoint, created_ms);
";

/// Endpoints are found app by app, those that were asked longest ago first. An attempt knows by `replays` whether
/// its event was replayed while it was under way.
const VERSION_5: &str = "
DROP INDEX callback_endpoint_by_due;
CREATE INDEX callback_endpoint_by_app ON callback_endpoint (app, due_ms, last_ms);
ALTER TABLE callback_event ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
";

/// What waits for a receiver that was away is tried out of turn when it is back. `planned_ms` is when that would
/// have been due; should it fail, it is due then, and its schedule is what it was.
const VERSION_6: &str = "
ALTER TABLE callback_event ADD COLUMN planned_ms INTEGER;
";

/// The version that this build writes.
pub(super) fn version() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// Makes the tables, or brings older ones up to date; refuses a file from a newer build.
pub(super) async fn prepare(conn: &mut SqliteConnection) -> Result<()> {
    let found = stored_version(conn).await?;
    let known = version();
    if found > known {
        return Err(Error::new(ErrorKind::Unsupported, "cannot open ledger written by a newer build")
            .with("its schema version is", found)
            .with("the newest known is", known));
    }
    for (step, target) in STEPS.iter().zip(1..=known).skip(found as usize) {
        upgrade(conn, step, target).await?;
    }
    Ok(())
}

pub(super) async fn stored_version(conn: &mut SqliteConnection) -> Result<u32> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master")
        .fetch_one(&mut *conn)
        .await
        .map_err(failed("cannot read ledger"))?;
    if tables == 0 {
        return Ok(0);
    }
    let value: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'schema'")
        .fetch_optional(&mut *conn)
        .await
        .map_err(|error| match super::kind_of(&error) {
            ErrorKind::Corrupt => failed("cannot read ledger")(error),
            _ => not_a_ledger().caused_by(error),
        })?;
    value.and_then(|value| value.parse().ok()).ok_or_else(not_a_ledger)
}

fn not_a_ledger() -> Error {
    Error::new(ErrorKind::Unsupported, "cannot read schema version: the file is no ledger")
}

async fn upgrade(conn: &mut SqliteConnection, step: &'static str, target: u32) -> Result<()> {
    let failure = failed("cannot upgrade ledger schema");
    run(conn, "BEGIN IMMEDIATE").await.map_err(&failure)?;
    let outcome = apply(conn, step, target).await;
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = run(conn, end).await;
    outcome.and(ended).map_err(failure)
}

async fn apply(conn: &mut SqliteConnection, step: &'static str, target: u32) -> sqlx::Result<()> {
    run(conn, "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)").await?;
    run(conn, step).await?;
    sqlx::query(
        "INSERT INTO meta VALUES ('schema', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(target.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

async fn run(conn: &mut SqliteConnection, sql: &'static str) -> sqlx::Result<()> {
    sqlx::raw_sql(sql).execute(conn).await.map(drop)
}
