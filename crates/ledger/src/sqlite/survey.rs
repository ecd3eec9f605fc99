//! A look at a ledger file from outside: beside the server that has it, or where none runs. Apart from opening,
//! because it may not change a byte: no recovery, no schema step, no file that was not there.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::codec::{batch_state, narrow};
use super::open::{advised, beside, lock, writer_options};
use super::{failed, schema};
use crate::error::{Error, ErrorKind, Result};
use crate::model::stored::QueueStatus;
use crate::upkeep::{Migrated, StateCount, Survey};

/// Looks at a file.
pub(crate) async fn survey(path: &Path) -> Result<Survey> {
    let looked = async {
        let mut conn = reader(path).await?;
        let found = looked_at(&mut conn, path).await;
        conn.close().await.map_err(failed("cannot close ledger"))?;
        found
    };
    looked.await.map_err(|error: Error| advised(error, path))
}

/// Brings a file's schema up to date.
pub(crate) async fn migrate(path: &Path) -> Result<Migrated> {
    let migrated = async {
        exists(path)?;
        let _lock = lock(path).await?;
        let options = writer_options(SqliteConnectOptions::new().filename(path));
        let mut conn = options.connect().await.map_err(failed("cannot open ledger"))?;
        let from = schema::stored_version(&mut conn).await?;
        schema::prepare(&mut conn).await?;
        conn.close().await.map_err(failed("cannot close ledger"))?;
        Ok(Migrated { from, to: schema::version() })
    };
    migrated.await.map_err(|error: Error| advised(error, path))
}

/// A connection that cannot write.
pub(super) async fn reader(path: &Path) -> Result<SqliteConnection> {
    exists(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("temp_store", "memory")
        .disable_statement_logging();
    options.connect().await.map_err(failed("cannot open ledger"))
}

fn exists(path: &Path) -> Result<()> {
    match path.metadata() {
        Ok(found) if found.is_file() && found.len() > 0 => Ok(()),
        Ok(found) if found.is_file() && bytes_of(&beside(path, "-wal")) == 0 => {
            Err(Error::new(ErrorKind::NotFound, "cannot open ledger: the file is empty"))
        }
        Ok(found) if !found.is_file() => {
            Err(Error::new(ErrorKind::Unsupported, "cannot open ledger: it is no file"))
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::new(ErrorKind::Unavailable, "cannot open ledger")
                .with("because", &error)
                .caused_by(error))
        }
        Err(_) if bytes_of(&beside(path, "-wal")) == 0 => {
            Err(Error::new(ErrorKind::NotFound, "cannot open ledger: there is no such file"))
        }
        _ => Err(Error::new(
            ErrorKind::Corrupt,
            "cannot open ledger: its file is gone or empty, and the -wal beside it still holds commits",
        )),
    }
}

async fn looked_at(conn: &mut SqliteConnection, path: &Path) -> Result<Survey> {
    let failure = failed("cannot read ledger");
    // One snapshot for all of it.
    let mut snapshot = conn.begin().await.map_err(&failure)?;
    let schema = schema::stored_version(&mut snapshot).await?;
    if schema > schema::version() {
        return Err(Error::new(ErrorKind::Unsupported, "cannot read ledger written by a newer build")
            .with("its schema version is", schema)
            .with("the newest known is", schema::version()));
    }
    if schema == 0 {
        return Err(Error::new(ErrorKind::Unsupported, "cannot read schema version: the file is no ledger"));
    }
    let (page, free): (i64, i64) = sqlx::query_as(
        "SELECT s.page_size, f.freelist_count FROM pragma_page_size AS s, pragma_freelist_count AS f",
    )
    .fetch_one(&mut *snapshot)
    .await
    .map_err(&failure)?;
    let states = states(&mut snapshot).await?;
    let queues = queues(&mut snapshot).await?;
    snapshot.rollback().await.map_err(failure)?;
    Ok(Survey {
        path: path.to_owned(),
        schema,
        newest_schema: schema::version(),
        in_use: is_in_use(path),
        bytes: bytes_of(path),
        free_bytes: narrow(page * free, "free bytes")?,
        wal_bytes: bytes_of(&beside(path, "-wal")),
        disk_free_bytes: disk_free(path),
        states,
        queues,
    })
}

/// Batches by state. Only rows of batches that are not settled are read; the others are counted by index.
async fn states(conn: &mut SqliteConnection) -> Result<Vec<StateCount>> {
    let failure = failed("cannot count batches");
    let counts: Vec<(i64, i64)> =
        sqlx::query_as("SELECT state, count(*) FROM batch GROUP BY state ORDER BY state")
            .fetch_all(&mut *conn)
            .await
            .map_err(&failure)?;
    let open: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT state, sum(open), min(created_ms) FROM
            (SELECT state, created_ms, total - accepted - rejected - unknown - cancelled - expired AS open
             FROM batch WHERE state IN (0, 1, 2, 3, 4, 6) AND settled_ms IS NULL)
         WHERE open > 0 GROUP BY state",
    )
    .fetch_all(conn)
    .await
    .map_err(failure)?;
    let found = counts.into_iter().map(|(state, batches)| {
        let open = open.iter().find(|(of, ..)| *of == state);
        Ok(StateCount {
            state: batch_state(state)?,
            batches: narrow(batches, "batches")?,
            open_messages: narrow(open.map_or(0, |(_, messages, _)| *messages), "messages")?,
            oldest_created_ms: open.map(|(.., oldest)| *oldest),
        })
    });
    found.collect()
}

/// What waits, by provider, in columns that every version has. What is scheduled is told by its time: the state says
/// so until a lane claims it, and a lane that is paused claims nothing.
pub(super) async fn queues(conn: &mut SqliteConnection) -> Result<Vec<QueueStatus>> {
    let found: Vec<(String, i64, i64, i64, i64, Option<i64>)> = sqlx::query_as(
        "SELECT provider, sum(parcels), sum(messages), sum(iif(begins_ms > $1, messages, 0)),
            coalesce(min(created_ms), 0), min(iif(begins_ms > $1, NULL, begins_ms))
         FROM (SELECT provider, parcels, messages, created_ms, max(created_ms, coalesce(send_at_ms, 0)) AS begins_ms
               FROM share LEFT JOIN batch ON no = batch_no WHERE coalesce(state, 1) <> 0)
         GROUP BY provider ORDER BY provider",
    )
    .bind(now_ms())
    .fetch_all(conn)
    .await
    .map_err(failed("cannot read what waits"))?;
    let found = found.into_iter().map(|(provider, parcels, messages, scheduled, oldest_created_ms, due)| {
        Ok(QueueStatus {
            provider,
            parcels: narrow(parcels, "parcels")?,
            messages: narrow(messages, "messages")?,
            scheduled: narrow(scheduled, "scheduled")?,
            oldest_created_ms,
            oldest_unscheduled_ms: due,
        })
    });
    found.collect()
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn bytes_of(path: &Path) -> u64 {
    path.metadata().map_or(0, |found| found.len())
}

/// Whether a process holds the ledger. Whoever asks holds it himself for that moment, shared; a server that
/// starts just then asks again.
fn is_in_use(path: &Path) -> bool {
    let Ok(file) = File::open(beside(path, ".lock")) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(unix)]
fn disk_free(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn disk_free(_: &Path) -> Option<u64> {
    None
}
