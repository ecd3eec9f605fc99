//! The one error of the ledger.
//!
//! It stands apart because every store maps its own failures to the same kinds, and callers decide by kind
//! alone. It is cheap to clone: one failed commit answers every caller whose command was in it.

use std::fmt;
use std::sync::Arc;

/// Shorthand for results of the ledger.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it was; decides what a caller may do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No batch or parcel of that name is stored.
    NotFound,
    /// The stored state does not allow what was asked, or the name is taken.
    Conflict,
    /// What was given cannot be stored (a parcel whose lists disagree in length, say).
    Invalid,
    /// What is stored cannot be read.
    Corrupt,
    /// The disk or the database is full. Nothing of the command was stored; later ones may succeed.
    Full,
    /// The file or its disk may not be written. Nothing of the command was stored; later ones may succeed.
    ReadOnly,
    /// Another process owns this ledger.
    Locked,
    /// The store cannot be reached or refused the work for now. Nothing of the command was stored.
    Unavailable,
    /// The URL, or the version of the stored schema, is not one this build knows.
    Unsupported,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Corrupt => "corrupt",
            Self::Full => "full",
            Self::ReadOnly => "read-only",
            Self::Locked => "locked",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
        })
    }
}

/// A failure of the ledger: its kind, what was attempted, where, and why.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    attempted: &'static str,
    context: Vec<(&'static str, String)>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Makes an error; `attempted` reads like `cannot open ledger`.
    #[must_use]
    pub fn new(kind: ErrorKind, attempted: &'static str) -> Self {
        Self { kind, attempted, context: Vec::new(), source: None }
    }

    /// Adds a name and a value to the context.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((name, value.to_string()));
        self
    }

    /// The same with a kind that says more.
    #[must_use]
    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Names and values that say where it happened.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.context
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.attempted, self.kind)?;
        for (index, (name, value)) in self.context.iter().enumerate() {
            let lead = if index == 0 { ":" } else { "," };
            write!(out, "{lead} {name} {value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn std::error::Error + 'static))
    }
}
