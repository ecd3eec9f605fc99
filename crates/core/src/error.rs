//! What can go wrong, in three shapes: [`Failure`] is what a message's result says, [`Refusal`] is a
//! list of fields that can never be sent, [`Error`] is everything below the edge. None of them is
//! logged where it is made; whoever handles one logs it, once.

mod hint;

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is known of the vendor's part in a failure. Nothing is retryable by default: what may follow
/// is decided from the fate alone (see [`crate::decide`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// No byte of the message can have reached the vendor.
    NotSent,
    /// The vendor answered no.
    Refused,
    /// Bytes may have reached the vendor and no usable answer came.
    Unknown,
}

/// The closed list of reasons that callers see as `error.code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each name is its own sentence; docs/API.md lists them")]
pub enum ErrorCode {
    InvalidMessage,
    Unsupported,
    NotRoutable,
    Unauthorized,
    Forbidden,
    SenderInvalid,
    RecipientNotFound,
    RecipientRefused,
    Muted,
    Moderated,
    Duplicate,
    TooLarge,
    RateLimited,
    VendorError,
    VendorUnavailable,
    Timeout,
    ConnectionLost,
    BadVendorReply,
    Expired,
    Cancelled,
    Internal,
}

impl ErrorCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 21] = [
        Self::InvalidMessage,
        Self::Unsupported,
        Self::NotRoutable,
        Self::Unauthorized,
        Self::Forbidden,
        Self::SenderInvalid,
        Self::RecipientNotFound,
        Self::RecipientRefused,
        Self::Muted,
        Self::Moderated,
        Self::Duplicate,
        Self::TooLarge,
        Self::RateLimited,
        Self::VendorError,
        Self::VendorUnavailable,
        Self::Timeout,
        Self::ConnectionLost,
        Self::BadVendorReply,
        Self::Expired,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The code as callers read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidMessage => "invalid_message",
            Self::Unsupported => "unsupported",
            Self::NotRoutable => "not_routable",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::SenderInvalid => "sender_invalid",
            Self::RecipientNotFound => "recipient_not_found",
            Self::RecipientRefused => "recipient_refused",
            Self::Muted => "muted",
            Self::Moderated => "moderated",
            Self::Duplicate => "duplicate",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::VendorError => "vendor_error",
            Self::VendorUnavailable => "vendor_unavailable",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::BadVendorReply => "bad_vendor_reply",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why one message was not accepted, as its result shows it under `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Interline's code.
    pub code: ErrorCode,
    /// One sentence for a person; never holds content, keys or tokens.
    pub message: String,
    /// What the vendor can have done.
    pub fate: Fate,
    /// Whether sending the same message again later may succeed.
    pub retryable: bool,
    /// The vendor's own code, verbatim.
    pub vendor_code: Option<String>,
    /// The vendor's own words, verbatim.
    pub vendor_message: Option<String>,
}

impl Failure {
    /// A failure before any byte left: temporary unless said otherwise by [`Failure::for_good`].
    #[must_use]
    pub fn not_sent(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(code, Fate::NotSent, true, message)
    }

    /// The vendor's no. Final unless [`Failure::for_now`].
    #[must_use]
    pub fn refused(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(code, Fate::Refused, false, message)
    }

    /// The vendor may have acted, and nobody can tell.
    #[must_use]
    pub fn unknown(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(code, Fate::Unknown, false, message)
    }

    fn new(code: ErrorCode, fate: Fate, retryable: bool, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), fate, retryable, vendor_code: None, vendor_message: None }
    }

    /// Marks the failure as temporary.
    #[must_use]
    pub fn for_now(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// Marks the failure as permanent.
    #[must_use]
    pub fn for_good(mut self) -> Self {
        self.retryable = false;
        self
    }

    /// Adds the vendor's code and words.
    #[must_use]
    pub fn vendor(mut self, code: impl ToString, message: impl Into<String>) -> Self {
        self.vendor_code = Some(code.to_string());
        let message = message.into();
        self.vendor_message = (!message.is_empty()).then_some(message);
        self
    }
}

/// One wrong field of a body: a JSON pointer and what is wrong with it, what is allowed included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body; for NDJSON `line N` stands before it.
    pub path: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

impl FieldError {
    /// An error at `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { path: path.into(), detail: detail.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.path.is_empty() { "/" } else { &self.path }, self.detail)
    }
}

/// Why a message can never be sent as it is. Paths are relative to the message (`/content/url`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code that the message's result would carry.
    pub code: ErrorCode,
    /// At least one field.
    pub errors: Vec<FieldError>,
}

impl Refusal {
    /// A refusal for one field.
    #[must_use]
    pub fn new(code: ErrorCode, path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, errors: vec![FieldError::new(path, detail)] }
    }

    /// The failure that a message refused for this carries.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let text: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        Failure::not_sent(self.code, text.join("; ")).for_good()
    }
}

/// The kinds of [`Error`], for whoever must decide and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The settings of a provider cannot work.
    Config,
    /// A call cannot be written as the vendor wants it.
    Encode,
    /// A reply cannot be read.
    Decode,
    /// A stored record cannot be read.
    Corrupt,
}

/// An error below the edge: what, where (as key–value pairs) and why.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` says what was attempted.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), context: Vec::new(), source: None }
    }

    /// Adds where it happened.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.context.push((key, value.to_string()));
        self
    }

    /// Adds why it happened.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for (key, value) in &self.context {
            write!(f, ", {key}={value}")?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
