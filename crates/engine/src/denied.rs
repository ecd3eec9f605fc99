//! Why a request was not taken. Each variant is one HTTP status at the edge; nothing was stored and
//! nothing was sent when one of these comes back.

use std::fmt;
use std::time::Duration;

use interline_core::error::FieldError;
use interline_ledger::Error as LedgerError;

/// Why a request was not taken.
#[derive(Debug)]
pub enum Denied {
    /// The body is wrong: the first thousand errors and how many there are.
    Invalid(Errors),
    /// A page that does not exist is asked for.
    Cursor,
    /// No route takes a message.
    NotRoutable(Errors),
    /// The caller may not do this.
    Forbidden(Errors),
    /// More messages than are allowed.
    TooLarge(String),
    /// The idempotency key stands for another body.
    Mismatch,
    /// The first request under the key is still under way.
    InProgress {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The queues are full.
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// There is no such batch.
    NotFound,
    /// There is no such provider.
    NoProvider(String),
    /// There is no such receiver of callbacks.
    NoCallback(String),
    /// There is no such migration.
    NoMigration(String),
    /// The state of things does not allow it; the text says which.
    Conflict(String),
    /// The ledger cannot take it now.
    Ledger(LedgerError),
}

/// Wrong fields: those listed, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// At most [`interline_core::read::MAX_LISTED`].
    pub listed: Vec<FieldError>,
    /// How many there are in all.
    pub total: usize,
}

impl Errors {
    /// One error.
    #[must_use]
    pub fn one(path: &str, detail: impl Into<String>) -> Self {
        Self { listed: vec![FieldError::new(path, detail)], total: 1 }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = |f: &mut fmt::Formatter<'_>, what: &str, errors: &Errors| {
            write!(f, "{what}: {} error(s)", errors.total)?;
            errors.listed.first().map_or(Ok(()), |first| write!(f, ", first {first}"))
        };
        match self {
            Self::Invalid(wrong) => errors(f, "the body is invalid", wrong),
            Self::Cursor => f.write_str("the cursor is none that a page gave"),
            Self::NotRoutable(wrong) => errors(f, "no route takes the messages", wrong),
            Self::Forbidden(wrong) => errors(f, "not allowed", wrong),
            Self::TooLarge(detail) | Self::Conflict(detail) => f.write_str(detail),
            Self::NoProvider(name) => write!(f, "there is no provider {name:?}"),
            Self::NoCallback(id) => write!(f, "there is no callback {id:?}"),
            Self::NoMigration(name) => write!(f, "there is no migration {name:?}"),
            Self::Mismatch => f.write_str("the idempotency key was used with another body"),
            Self::InProgress { .. } => {
                f.write_str("the first request under this idempotency key is still running")
            }
            Self::Busy { .. } => f.write_str("the queues are full"),
            Self::NotFound => f.write_str("there is no such batch"),
            Self::Ledger(error) => write!(f, "the ledger cannot take it now: {error}"),
        }
    }
}

impl std::error::Error for Denied {}

impl From<LedgerError> for Denied {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}
