//! A copy of a ledger file, of one moment, made beside whoever writes to it. It is written under another name,
//! checked, brought to disk and only then named: what has the name is whole.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::failed;
use super::health::kind_of_io;
use super::open::{advised, beside};
use super::survey::{bytes_of, reader, survey};
use crate::error::{Error, ErrorKind, Result};
use crate::upkeep::{Copied, Survey};

/// Copies a file.
pub(crate) async fn copy(from: &Path, to: &Path) -> Result<Copied> {
    // An original that cannot be read is told before anything is made.
    survey(from).await?;
    is_free(to)?;
    let partial = beside(to, ".partial");
    is_scratch(from, &partial)?;
    let lock = begin(&partial)?;
    let copied = async {
        let same = written(from, &partial).await?;
        let found = survey(&partial).await?;
        bring_to_disk(&partial)?;
        name(&partial, to)?;
        Ok(Copied { survey: Survey { path: to.to_owned(), ..found }, same })
    };
    let outcome = copied.await;
    for end in ["", "-wal", "-shm", "-journal"] {
        std::fs::remove_file(beside(&partial, end)).ok();
    }
    drop(lock);
    outcome.map_err(|error: Error| match error.kind() {
        ErrorKind::Full => error.with("to", to.display()),
        _ => error,
    })
}

/// Neither the file nor a log that would be played into it may be there.
fn is_free(to: &Path) -> Result<()> {
    for end in ["", "-wal", "-journal"] {
        let path = beside(to, end);
        if path.symlink_metadata().is_ok() {
            return Err(Error::new(ErrorKind::Conflict, "cannot copy ledger over a file that exists")
                .with("path", path.display()));
        }
    }
    Ok(())
}

/// The name under which the copy is written is neither the original's nor that of a ledger that somebody opened.
fn is_scratch(from: &Path, partial: &Path) -> Result<()> {
    let same = from.canonicalize().ok().is_some_and(|from| partial.canonicalize().is_ok_and(|it| it == from));
    if same || beside(partial, ".lock").symlink_metadata().is_ok() {
        return Err(Error::new(
            ErrorKind::Conflict,
            "cannot copy ledger: a ledger has the name that it is written under",
        )
        .with("path", partial.display()));
    }
    Ok(())
}

/// Takes the name under which the copy is written; what an interrupted one left there is given up.
fn begin(partial: &Path) -> Result<File> {
    let failed = |error: std::io::Error| {
        let kind = kind_of_io(&error).unwrap_or(ErrorKind::Unavailable);
        Error::new(kind, "cannot write the copy")
            .with("path", partial.display())
            .with("because", &error)
            .caused_by(error)
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(partial)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(failed(error)),
        Err(TryLockError::WouldBlock) => {
            return Err(Error::new(ErrorKind::Conflict, "cannot copy ledger: another copy is being written")
                .with("path", partial.display()));
        }
    }
    file.set_len(0).map_err(failed)?;
    Ok(file)
}

/// Writes the copy and checks it; whether the original stood still meanwhile.
async fn written(from: &Path, partial: &Path) -> Result<bool> {
    let mut source = reader(from).await?;
    let before = Marks::of(&mut source).await?;
    let name = partial.to_str().ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "cannot copy ledger: the path is no text")
            .with("path", partial.display())
    })?;
    sqlx::query("VACUUM INTO $1")
        .bind(name)
        .execute(&mut source)
        .await
        .map_err(failed("cannot copy ledger"))
        .map_err(|error| advised(error, partial))?;
    let after = Marks::of(&mut source).await?;
    source.close().await.map_err(failed("cannot close ledger"))?;
    let mut copy = reader(partial).await?;
    let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(&mut copy)
        .await
        .map_err(failed("cannot check the copy"))?;
    if found != "ok" {
        return Err(
            Error::new(ErrorKind::Corrupt, "cannot copy ledger: the copy is damaged").with("found", found)
        );
    }
    let marks = Marks::of(&mut copy).await?;
    copy.close().await.map_err(failed("cannot close the copy"))?;
    let same = before.seen == after.seen;
    if !marks.lies_between(&before, &after, same) {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "cannot copy ledger: the copy lacks rows of the original",
        )
        .with("original", format!("{:?}", before.tables))
        .with("copy", format!("{:?}", marks.tables)));
    }
    Ok(same)
}

/// How far a ledger has come: what only ever grows, and what was counted.
#[derive(Debug)]
struct Marks {
    /// Changes when anybody else commits.
    seen: i64,
    /// The last number given to a batch, a parcel, a call.
    last: Vec<(String, i64)>,
    /// Rows by table.
    tables: Vec<(String, i64)>,
}

impl Marks {
    async fn of(conn: &mut SqliteConnection) -> Result<Self> {
        let failure = failed("cannot count the rows of ledger");
        let mut snapshot = conn.begin().await.map_err(&failure)?;
        let last = sqlx::query_as("SELECT name, seq FROM sqlite_sequence ORDER BY name")
            .fetch_all(&mut *snapshot)
            .await
            .map_err(&failure)?;
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
        )
        .fetch_all(&mut *snapshot)
        .await
        .map_err(&failure)?;
        let mut tables = Vec::with_capacity(names.len());
        for name in names {
            // A name from the file's own table of contents, quoted.
            let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
            let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .fetch_one(&mut *snapshot)
                .await
                .map_err(&failure)?;
            tables.push((name, rows));
        }
        let seen: i64 =
            sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *snapshot).await.map_err(&failure)?;
        snapshot.rollback().await.map_err(failure)?;
        Ok(Self { seen, last, tables })
    }

    /// Whether these are those of a moment between two others; of the same moment where nothing changed.
    fn lies_between(&self, before: &Self, after: &Self, same: bool) -> bool {
        let number = |marks: &Self, name: &str| {
            marks.last.iter().find(|(of, _)| of == name).map_or(0, |(_, number)| *number)
        };
        let between = after.last.iter().all(|(name, last)| {
            let found = number(self, name);
            number(before, name) <= found && found <= *last
        });
        let names = |marks: &Self| marks.tables.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        between && names(self) == names(before) && (!same || self.tables == before.tables)
    }
}

fn bring_to_disk(partial: &Path) -> Result<()> {
    let brought = OpenOptions::new().write(true).open(partial).and_then(|file| file.sync_all());
    brought.map_err(|error| {
        let kind = kind_of_io(&error).unwrap_or(ErrorKind::Unavailable);
        Error::new(kind, "cannot bring the copy to disk").with("because", &error).caused_by(error)
    })
}

/// Gives the copy its name, which nobody took meanwhile.
fn name(partial: &Path, to: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        let kind = match error.kind() {
            std::io::ErrorKind::AlreadyExists => ErrorKind::Conflict,
            _ => kind_of_io(&error).unwrap_or(ErrorKind::Unavailable),
        };
        Error::new(kind, "cannot name the copy")
            .with("path", to.display())
            .with("because", &error)
            .caused_by(error)
    };
    // A second name for the file; unlike renaming, it never replaces what is there.
    match std::fs::hard_link(partial, to) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
        // File systems without second names.
        Err(_) => {
            is_free(to)?;
            std::fs::rename(partial, to).map_err(failed)?;
        }
    }
    debug_assert!(bytes_of(to) > 0, "a copy that was checked has pages");
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
