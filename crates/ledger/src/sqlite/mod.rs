//! The ledger on SQLite: one file, one process, one writing connection, a few readers.
//!
//! Writes go through the group-committing task in [`writer`]; reads use a small pool, each in its own
//! snapshot. In memory there is one connection, so reads queue up with the writes.
//!
//! Each statement is a trip to the connection's thread and back, which costs more than the statement. So
//! several often travel in one string, and parameters are written `$1`, never `?1`: in a later statement the
//! driver binds `?n` wrongly when lower numbers are missing.

mod accept;
mod amend;
pub(crate) mod beat;
mod callbacks;
mod claim;
mod codec;
pub(crate) mod copy;
mod direct;
mod due;
mod endpoints;
mod events;
mod facts;
mod health;
mod hold;
mod keys;
mod load;
mod marks;
mod open;
mod read;
mod reassign;
mod retention;
mod round;
mod schema;
mod script;
mod search;
mod settle;
mod share;
mod stage;
mod state;
pub(crate) mod survey;
mod waiting;
mod writer;

use sqlx::sqlite::{SqliteConnection, SqlitePool};

use crate::error::{Error, ErrorKind, Result};
use writer::{Work, Writer};

pub(crate) use accept::Accept;
pub(crate) use amend::Amend;
pub(crate) use claim::ClaimParcels;
pub(crate) use codec::hashes_between;
pub(crate) use direct::{BeginDirect, RecordDirect};
pub(crate) use due::FindDue;
pub(crate) use endpoints::{
    CountCallbacks, Enable, EndAttempt, ForgetEndpoints, ListEndpoints, OldEndpoints, ReplayStep,
};
pub(crate) use events::TakeEvents;
pub(crate) use facts::{Facts, Forget, Remember};
pub(crate) use hold::{Begin, Release, Renew};
pub(crate) use keys::{AnswerKey, EarlierKey, ForgetKey, PruneKeys, ReserveKey};
pub(crate) use load::{LoadClaims, ReadParcels};
pub(crate) use marks::{FindMarks, PruneMarks};
pub(crate) use read::{ListBatches, NextDue, ReadBatch, ReadStatus};
pub(crate) use reassign::{DrainStep, Reassign};
pub(crate) use retention::{DropStep, OldBatches, Shrink};
pub(crate) use search::{CountIds, FindIds, FindRecipient, IdsAfter};
pub(crate) use settle::{Revise, Settle};
pub(crate) use stage::{Publish, Stage, StageParcels};
pub(crate) use state::SetState;
pub(crate) use waiting::ReadWaiting;

/// The handle on an open SQLite ledger.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: Writer,
    readers: Option<SqlitePool>,
}

impl Store {
    /// Runs the work in a commit that it may share with others.
    pub(crate) async fn write<W: Work>(&self, work: W) -> Result<W::Answer> {
        self.writer.submit(work).await
    }

    /// Queues the work and does not wait for its commit; a failure is logged.
    pub(crate) async fn post<W: Work>(&self, work: W) -> Result<()> {
        self.writer.post(work).await
    }

    /// Runs work that changes nothing, in one snapshot.
    pub(crate) async fn read<W: Work>(&self, work: W) -> Result<W::Answer> {
        let Some(readers) = &self.readers else {
            return self.writer.submit(work).await;
        };
        let failure = failed("cannot read ledger");
        let mut snapshot = readers.begin().await.map_err(&failure)?;
        let answer = work.run(&mut snapshot).await?;
        snapshot.rollback().await.map_err(failure)?;
        Ok(answer)
    }

    /// Whether it can be read and written. Costs a commit only while the last one failed.
    pub(crate) async fn ready(&self) -> Result<()> {
        self.read(ReadSchema).await?;
        if self.writer.trouble().is_none() && !self.writer.is_closed() {
            return Ok(());
        }
        self.write(health::Probe { take_back: false }).await?;
        self.write(health::Probe { take_back: true }).await?;
        self.writer.trouble().map_or(Ok(()), Err)
    }

    /// Waits until what was queued before is committed.
    pub(crate) async fn settle_queue(&self) -> Result<()> {
        self.writer.submit(Nothing).await
    }

    /// Tells this one of each commit.
    pub(crate) fn listen(&self, told: impl Fn(beat::Beat) + Send + Sync + 'static) {
        self.writer.listen(told);
    }

    /// How many commands wait for a commit.
    pub(crate) fn queued(&self) -> usize {
        self.writer.queued()
    }

    /// Commits what is queued and lets go of the file.
    pub(crate) async fn close(&self) {
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        self.writer.close().await;
    }
}

/// Reads something that is always there.
#[derive(Debug)]
struct ReadSchema;

impl Work for ReadSchema {
    type Answer = ();

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        sqlx::query("SELECT value FROM meta WHERE key = 'schema'")
            .fetch_one(conn)
            .await
            .map(drop)
            .map_err(failed("cannot read ledger"))
    }
}

/// Asks only for its turn.
#[derive(Debug)]
struct Nothing;

impl Work for Nothing {
    type Answer = ();

    async fn run(&self, _: &mut SqliteConnection) -> Result<()> {
        Ok(())
    }
}

/// Turns a failure of the driver into ours, by SQLite's primary result code.
fn failed(attempted: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |error| Error::new(kind_of(&error), attempted).caused_by(error)
}

fn kind_of(error: &sqlx::Error) -> ErrorKind {
    if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound) {
        return ErrorKind::Corrupt;
    }
    if let sqlx::Error::Io(error) = error {
        return health::kind_of_io(error).unwrap_or(ErrorKind::Unavailable);
    }
    let code = code_of(error);
    // No room to make the shared memory file of the write-ahead log longer.
    if code == Some(10 | (19 << 8)) {
        return ErrorKind::Full;
    }
    match code.map(|extended| extended & 0xff) {
        Some(3 | 8) => ErrorKind::ReadOnly,
        Some(11 | 26) => ErrorKind::Corrupt,
        Some(13) => ErrorKind::Full,
        Some(18) => ErrorKind::Invalid,
        Some(19) => ErrorKind::Conflict,
        _ => ErrorKind::Unavailable,
    }
}

/// SQLite's extended result code.
fn code_of(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

#[cfg(test)]
mod tests;
