//! Whether the ledger can be written, and if not, why.
//!
//! SQLite says *full* where the file system does, but calls a quota, a file system that turned read-only and
//! a broken disk alike an I/O error. So after one of those a small file is written beside the ledger, and the
//! answer to that names the cause.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use tokio::time::Instant;

use super::failed;
use super::writer::Work;
use crate::error::{Error, ErrorKind, Result};

/// Bytes that have to fit before a full disk counts as having room again.
const ROOM: usize = 64 << 10;
/// How long a finding about the disk is good for: under load many commands fail at once.
const FRESH: Duration = Duration::from_millis(500);

/// What the last commits said.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The ledger's file; none in memory.
    path: Option<PathBuf>,
    trouble: Mutex<Option<Error>>,
}

impl Health {
    pub(super) fn of(path: Option<PathBuf>) -> Self {
        Self { path, trouble: Mutex::default() }
    }

    /// Why the last commit failed, if it did and none has shown since that it is over.
    pub(super) fn trouble(&self) -> Option<Error> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a commit of about so many bytes. What writes nothing shows nothing, and a few bytes find room
    /// also on a full disk.
    pub(super) fn committed(&self, bytes: usize) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |error: &Error| bytes >= if error.kind() == ErrorKind::Full { ROOM } else { 1 };
        if trouble.as_ref().is_some_and(shown) {
            tracing::info!("the ledger can be written again");
            *trouble = None;
        }
    }

    /// Notes a failure that is not the command's own.
    pub(super) fn failed(&self, error: &Error) {
        if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::NotFound) {
            return;
        }
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.is_none() {
            let cause = std::error::Error::source(error);
            tracing::error!(%error, cause, "the ledger cannot be written; it is tried again until it can");
        }
        *trouble = Some(error.clone());
    }
}

/// Finds out what is behind I/O errors.
#[derive(Debug, Default)]
pub(super) struct Diagnosis(Option<(Instant, Option<ErrorKind>)>);

impl Diagnosis {
    /// The error with the kind that the disk names, where SQLite names none.
    pub(super) async fn explain(&mut self, error: Error, health: &Health) -> Error {
        let Some(path) = health.path.as_ref().filter(|_| is_io(&error)) else { return error };
        let fresh = self.0.filter(|(at, _)| at.elapsed() < FRESH);
        let kind = match fresh {
            Some((_, kind)) => kind,
            None => {
                let path = path.clone();
                let kind = tokio::task::spawn_blocking(move || disk_says(&path)).await.ok().flatten();
                self.0 = Some((Instant::now(), kind));
                kind
            }
        };
        kind.map_or(error.clone(), |kind| error.of_kind(kind))
    }
}

fn is_io(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<sqlx::Error>());
    source.and_then(super::code_of).is_some_and(|code| code & 0xff == 10)
}

/// Writes a small file beside the ledger; the kind of failure, if it fails for a reason that has one.
fn disk_says(ledger: &Path) -> Option<ErrorKind> {
    let mut name = OsString::from(ledger);
    name.push("-room");
    let path = PathBuf::from(name);
    let written = std::fs::File::create(&path).and_then(|mut file| {
        file.write_all(&[0; ROOM])?;
        file.sync_all()
    });
    // Where it could not be made there is nothing to remove.
    std::fs::remove_file(&path).ok();
    kind_of_io(&written.err()?)
}

/// What the operating system means, where it is one of the kinds that a caller can act upon.
pub(super) fn kind_of_io(error: &std::io::Error) -> Option<ErrorKind> {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => Some(ErrorKind::Full),
        Io::ReadOnlyFilesystem | Io::PermissionDenied => Some(ErrorKind::ReadOnly),
        _ => None,
    }
}

/// Writes something that needs room, and takes it back; to be committed one after the other.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) take_back: bool,
}

impl Work for Probe {
    type Answer = ();

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        let sql = if self.take_back {
            "DELETE FROM meta WHERE key = 'room'"
        } else {
            "INSERT OR REPLACE INTO meta VALUES ('room', hex(randomblob($1 / 2)))"
        };
        let room = i64::try_from(ROOM).unwrap_or(i64::MAX);
        sqlx::query(sql).bind(room).execute(conn).await.map(drop).map_err(failed("cannot write to ledger"))
    }

    fn bytes(&self) -> usize {
        if self.take_back { 0 } else { ROOM }
    }
}
