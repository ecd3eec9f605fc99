//! Opening a ledger file: taking it for this process, preparing its schema, and putting right what the last
//! process left unfinished. Nobody has to help: every step can be cut short and done again.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};

use super::health::kind_of_io;
use super::retention::{DropStep, broken_uploads};
use super::round::join_round;
use super::state::{CancelStep, half_cancelled};
use super::writer::{Place, Work, Writer};
use super::{Store, direct, failed, schema};
use crate::boundary;
use crate::error::{Error, ErrorKind, Result};

/// Slices of broken uploads that opening deletes itself; the rest goes while the ledger is in use.
const SLICES_AT_OPEN: usize = 16;
const READERS: u32 = 4;
/// Statements that the writer keeps prepared: more than there are.
const STATEMENTS: usize = 256;

impl Store {
    /// Opens a file and makes it if need be.
    pub(crate) async fn open_file(path: &Path) -> Result<Self> {
        let opened = async {
            let lock = lock(path).await?;
            let new = is_new(path)?;
            let options = writer_options(SqliteConnectOptions::new().filename(path).create_if_missing(true));
            let mut conn = options.connect().await.map_err(failed("cannot open ledger"))?;
            schema::prepare(&mut conn).await?;
            recover(&mut conn).await?;
            let uploads = broken_uploads(&mut conn).await?;
            if new {
                tracing::info!(path = %path.display(), "there was no ledger; a new one was made");
            }
            let writer = Writer::start(conn, Some(Place { path: path.to_owned(), options, lock }));
            let store = Self { writer, readers: Some(readers(path)) };
            store.finish_leftovers(uploads).await?;
            Ok(store)
        };
        opened.await.map_err(|error| advised(error, path))
    }

    /// Opens an empty ledger that is gone when the last handle is.
    pub(crate) async fn open_in_memory() -> Result<Self> {
        let options = writer_options(SqliteConnectOptions::new().filename(":memory:"));
        let mut conn = options.connect().await.map_err(failed("cannot open ledger in memory"))?;
        schema::prepare(&mut conn).await?;
        Ok(Self { writer: Writer::start(conn, None), readers: None })
    }

    /// Ends what was begun: uploads that broke off, batches that were being cancelled.
    async fn finish_leftovers(&self, uploads: Vec<i64>) -> Result<()> {
        let half = self.read(HalfCancelled).await?;
        for (batch_id, now_ms) in half {
            while self.write(CancelStep { batch_id: batch_id.clone(), now_ms }).await? {}
        }
        let mut steps = uploads.into_iter().map(|batch_no| DropStep { batch_no });
        let mut current = steps.next();
        for _ in 0..SLICES_AT_OPEN {
            let Some(step) = current else {
                return Ok(());
            };
            if !self.write(step).await? {
                current = steps.next();
            }
        }
        if let Some(first) = current {
            let store = self.clone();
            let rest: Vec<DropStep> = std::iter::once(first).chain(steps).collect();
            tokio::spawn(async move { store.drop_batches(rest).await });
        }
        Ok(())
    }

    async fn drop_batches(self, batches: Vec<DropStep>) {
        for batch in batches {
            loop {
                match self.write(batch).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    // What is left is hidden, and goes when the ledger is opened next.
                    Err(error) => return tracing::warn!(%error, "broken upload is not deleted yet"),
                }
            }
        }
    }
}

struct HalfCancelled;

impl Work for HalfCancelled {
    type Answer = Vec<(String, i64)>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Self::Answer> {
        half_cancelled(conn).await
    }
}

/// The error with the file that it is about, and what may be done about it.
pub(super) fn advised(error: Error, path: &Path) -> Error {
    let advice = match error.kind() {
        ErrorKind::Corrupt => {
            "nothing was changed: bring it back from a backup, or move it and its -wal away to begin anew"
        }
        ErrorKind::Locked => "stop that process, or name another file",
        ErrorKind::ReadOnly => "let this process write the file and its folder",
        ErrorKind::Full => "make room on its disk",
        _ => return error.with("path", path.display()),
    };
    error.with("path", path.display()).with("to go on:", advice)
}

pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

/// Whether there is no ledger yet. Where the file is gone and its log is not, SQLite would begin anew without
/// a word and delete what the log holds.
fn is_new(path: &Path) -> Result<bool> {
    let bytes = |path: &Path| path.metadata().map_or(0, |found| found.len());
    let new = bytes(path) == 0;
    if new && bytes(&beside(path, "-wal")) > 0 {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "cannot open ledger: its file is gone or empty, and the -wal beside it still holds commits",
        ));
    }
    Ok(new)
}

/// How often, and how long apart, a lock is asked for that somebody holds: one who is just ending, or a child
/// of his that has not begun yet.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(30);

/// Takes the file for this process; the lock goes with the process, however that ends.
pub(super) async fn lock(path: &Path) -> Result<File> {
    let failed = |error: std::io::Error| {
        let kind = kind_of_io(&error).unwrap_or(ErrorKind::Unavailable);
        Error::new(kind, "cannot lock ledger").with("because", &error).caused_by(error)
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(beside(path, ".lock"))
        .map_err(failed)?;
    for tried in 1..=LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) if tried < LOCK_TRIES => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::WouldBlock) => {}
        }
    }
    Err(Error::new(ErrorKind::Locked, "cannot open a ledger that another process is using"))
}

pub(super) fn writer_options(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .page_size(16384)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .pragma("wal_autocheckpoint", "2000")
        .pragma("journal_size_limit", "67108864")
        .pragma("cache_size", "-32768")
        .pragma("temp_store", "memory")
        .foreign_keys(false)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging()
}

fn readers(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(false)
        .pragma("query_only", "on")
        .pragma("temp_store", "memory")
        .disable_statement_logging();
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(30))
        .connect_lazy_with(options)
}

/// Voids what the last process held. Its open sends stay, so that the next claim sees them.
async fn recover(conn: &mut SqliteConnection) -> Result<()> {
    let failure = failed("cannot recover ledger");
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *conn).await.map_err(&failure)?;
    let outcome = recover_all(conn).await;
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    boundary::reach("recover.before_commit");
    let ended = sqlx::raw_sql(end).execute(&mut *conn).await;
    boundary::reach("recover.after_commit");
    outcome.and(ended.map(drop).map_err(failure))
}

async fn recover_all(conn: &mut SqliteConnection) -> Result<()> {
    let failure = failed("cannot recover ledger");
    const FREE: &str = concat!(
        "UPDATE share SET due_ms = 0 WHERE (batch_no, provider) IN
            (SELECT batch_no, provider FROM parcel WHERE claimed = 1);
         UPDATE parcel SET claimed = 0, due_ms = 0 WHERE claimed = 1;
         UPDATE idempotency SET running = 0 WHERE running = 1;",
        join_round!("open = 1 AND due_ms = 0")
    );
    let freed = sqlx::query(FREE).execute(&mut *conn).await.map_err(failure)?.rows_affected();
    let ended = direct::end_interrupted(conn).await?;
    if freed + ended > 0 {
        tracing::info!(rows = freed, direct = ended, "ledger took up what an earlier process left");
    }
    Ok(())
}
