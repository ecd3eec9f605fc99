//! Opening a ledger file: taking it for this process, preparing its schema, and putting right what the last
//! process left unfinished. Nobody has to help: every step can be cut short and done again.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};

use super::retention::{DropStep, broken_uploads};
use super::round::join_round;
use super::state::{CancelStep, half_cancelled};
use super::writer::{Work, Writer};
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
        let lock = lock(path)?;
        let at_path = |error: Error| error.with("path", path.display());
        let options = writer_options(SqliteConnectOptions::new().filename(path).create_if_missing(true));
        let mut conn = options.connect().await.map_err(failed("cannot open ledger")).map_err(at_path)?;
        schema::prepare(&mut conn).await.map_err(at_path)?;
        recover(&mut conn).await.map_err(at_path)?;
        let uploads = broken_uploads(&mut conn).await.map_err(at_path)?;
        let readers = readers(path);
        let writer = Writer::start(conn, Some(options), Some(lock));
        let store = Self { writer, readers: Some(readers) };
        store.finish_leftovers(uploads).await?;
        Ok(store)
    }

    /// Opens an empty ledger that is gone when the last handle is.
    pub(crate) async fn open_in_memory() -> Result<Self> {
        let options = writer_options(SqliteConnectOptions::new().filename(":memory:"));
        let mut conn = options.connect().await.map_err(failed("cannot open ledger in memory"))?;
        schema::prepare(&mut conn).await?;
        Ok(Self { writer: Writer::start(conn, None, None), readers: None })
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

/// Takes the file for this process; the lock goes with the process, however that ends.
fn lock(path: &Path) -> Result<File> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let unavailable =
        || Error::new(ErrorKind::Unavailable, "cannot lock ledger").with("path", path.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(Path::new(&name))
        .map_err(|error| unavailable().caused_by(error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::new(ErrorKind::Locked, "cannot open a ledger that another process is using")
                .with("path", path.display()))
        }
        Err(TryLockError::Error(error)) => Err(unavailable().caused_by(error)),
    }
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
