//! What a person does to a ledger as a whole: look at it, bring its schema up to date, copy it. Looking and
//! copying work beside the server that has it open, and change nothing of it.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Location;
use crate::model::BatchState;
use crate::model::stored::QueueStatus;
use crate::sqlite::{copy as file_copy, survey as file_survey};

/// What is in a ledger, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The file.
    pub path: PathBuf,
    /// The version of its schema.
    pub schema: u32,
    /// The version that this build writes.
    pub newest_schema: u32,
    /// Whether a process has it open: a server, most likely.
    pub in_use: bool,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// How much of that is free for new rows.
    pub free_bytes: u64,
    /// Size of the write-ahead log in bytes.
    pub wal_bytes: u64,
    /// What is free on its disk for whoever is not root; none where the system does not say.
    pub disk_free_bytes: Option<u64>,
    /// Batches by state, those that there are.
    pub states: Vec<StateCount>,
    /// What waits, by provider.
    pub queues: Vec<QueueStatus>,
}

/// The batches in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateCount {
    /// The state.
    pub state: BatchState,
    /// How many batches.
    pub batches: u64,
    /// How many of their messages are not final.
    pub open_messages: u64,
    /// When the oldest of them that has such messages was submitted.
    pub oldest_created_ms: Option<i64>,
}

impl Survey {
    /// How many batches there are.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.states.iter().map(|state| state.batches).sum()
    }

    /// How many messages are not final, uploads that are not complete aside.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let complete = self.states.iter().filter(|state| state.state != BatchState::Receiving);
        complete.map(|state| state.open_messages).sum()
    }

    /// When the oldest batch that waits was submitted.
    #[must_use]
    pub fn oldest_created_ms(&self) -> Option<i64> {
        let complete = self.states.iter().filter(|state| state.state != BatchState::Receiving);
        complete.filter_map(|state| state.oldest_created_ms).min()
    }
}

/// A schema that was brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version it had.
    pub from: u32,
    /// The version it has.
    pub to: u32,
}

/// A copy that was made and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// What is in the copy.
    pub survey: Survey,
    /// Whether nothing was written to the original meanwhile, so that both hold the same rows. Else the copy
    /// was compared with what the original held before and after.
    pub same: bool,
}

/// Looks at a ledger. Takes no lock, makes no file, brings no schema up to date.
///
/// # Errors
/// [`ErrorKind::NotFound`] where there is no file, [`ErrorKind::Unsupported`] for other stores, for files that
/// are no ledger, and [`ErrorKind::Corrupt`] for damaged ones.
pub async fn survey(url: &str) -> Result<Survey> {
    file_survey::survey(file(url)?).await
}

/// Brings a ledger's schema up to the newest version, each step in one transaction; does nothing to one that
/// has it.
///
/// # Errors
/// As [`survey`], and [`ErrorKind::Locked`] while a process has it open.
pub async fn migrate(url: &str) -> Result<Migrated> {
    file_survey::migrate(file(url)?).await
}

/// Copies a ledger to a file that does not exist yet: all of one moment, also while a server writes to it. The
/// copy is checked before it gets its name, so there is a whole one or none; it is smaller where rows were
/// deleted.
///
/// A copy holds what waited at that moment, and a server that opens it sends that.
///
/// # Errors
/// As [`survey`], and [`ErrorKind::Conflict`] where the target exists or is being written.
pub async fn copy(from: &str, to: &str) -> Result<Copied> {
    file_copy::copy(file(from)?, file(to)?).await
}

fn file(url: &str) -> Result<&Path> {
    match Location::parse(url)? {
        Location::File(path) => Ok(Path::new(path)),
        Location::Memory => Err(Error::new(
            ErrorKind::Unsupported,
            "cannot look at a ledger in memory: only its server has it",
        )),
    }
}
