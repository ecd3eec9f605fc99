//! What is known of a message: the outcome of one attempt, and the result that callers read.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smol_str::SmolStr;

use crate::error::Failure;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Status {
    /// Waiting; nothing has left.
    #[default]
    Queued = 0,
    /// A call with it is under way.
    Sending = 1,
    /// The vendor answered that it took it.
    Accepted = 2,
    /// The vendor, or Interline before sending, said no.
    Rejected = 3,
    /// It may have reached the vendor and no usable answer came.
    Unknown = 4,
    /// Withdrawn before it was sent.
    Cancelled = 5,
    /// Too late to be sent.
    Expired = 6,
}

impl Status {
    /// All states, in the order of the API's counts.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Sending,
        Self::Accepted,
        Self::Rejected,
        Self::Unknown,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The state as callers read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Reads a stored byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| *status as u8 == byte)
    }

    /// Reads the word of the API.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether nothing more happens by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending)
    }
}

/// Messages by state, and the vendor calls made for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is a state")]
pub struct Counts {
    pub total: u64,
    pub queued: u64,
    pub sending: u64,
    pub accepted: u64,
    pub rejected: u64,
    pub unknown: u64,
    pub cancelled: u64,
    pub expired: u64,
    pub calls: u64,
}

impl Counts {
    /// The count of one state.
    pub const fn of(&mut self, status: Status) -> &mut u64 {
        match status {
            Status::Queued => &mut self.queued,
            Status::Sending => &mut self.sending,
            Status::Accepted => &mut self.accepted,
            Status::Rejected => &mut self.rejected,
            Status::Unknown => &mut self.unknown,
            Status::Cancelled => &mut self.cancelled,
            Status::Expired => &mut self.expired,
        }
    }

    /// Whether every message is final.
    #[must_use]
    pub const fn settled(&self) -> bool {
        self.queued == 0 && self.sending == 0
    }
}

/// What an accepting vendor told about a message. Ids and sequences are strings: 63 bits never pass
/// through a float.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// The vendor's id.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "id")]
    pub message_id: Option<SmolStr>,
    /// The client id as the vendor knows it.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "cid")]
    pub client_id: Option<ClientId>,
    /// Position in the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<SmolStr>,
    /// The vendor's time, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "time")]
    pub time_ms: Option<i64>,
    /// The vendor's id of a queued task.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "batch")]
    pub batch_id: Option<Box<str>>,
    /// Whatever else the vendor said of this message.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

/// The client id that a vendor has of a message. It is nearly always the message's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredClientId", into = "StoredClientId")]
pub enum ClientId {
    /// The message's own.
    Own,
    /// Another one.
    Other(Box<str>),
}

impl ClientId {
    /// What the vendor told of the message whose own client id is `own`.
    #[must_use]
    pub fn of(told: &str, own: &str) -> Self {
        if told == own { Self::Own } else { Self::Other(told.into()) }
    }

    /// The id as text, where the message's own is `own`.
    #[must_use]
    pub fn text<'i>(&'i self, own: &'i str) -> &'i str {
        match self {
            Self::Own => own,
            Self::Other(told) => told,
        }
    }
}

/// As records have it: `true` for the message's own. Older ones always have the text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredClientId {
    Own(bool),
    Text(Box<str>),
}

impl From<StoredClientId> for ClientId {
    fn from(stored: StoredClientId) -> Self {
        match stored {
            StoredClientId::Own(_) => Self::Own,
            StoredClientId::Text(text) => Self::Other(text),
        }
    }
}

impl From<ClientId> for StoredClientId {
    fn from(id: ClientId) -> Self {
        match id {
            ClientId::Own => Self::Own(true),
            ClientId::Other(text) => Self::Text(text),
        }
    }
}

/// What one attempt told of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The vendor took it.
    Accepted(Receipt),
    /// The vendor, or Interline before sending, said no: fate `not_sent` or `refused`.
    Rejected(Failure),
    /// Nobody can tell: fate `unknown`.
    Unknown(Failure),
}

impl Outcome {
    /// The outcome that a failure of any fate stands for.
    #[must_use]
    pub fn failed(failure: Failure) -> Self {
        match failure.fate {
            crate::error::Fate::NotSent | crate::error::Fate::Refused => Self::Rejected(failure),
            crate::error::Fate::Unknown => Self::Unknown(failure),
        }
    }

    /// The state that this outcome alone would settle as.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Accepted(_) => Status::Accepted,
            Self::Rejected(_) => Status::Rejected,
            Self::Unknown(_) => Status::Unknown,
        }
    }

    /// The failure, if it is none accepted.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Accepted(_) => None,
            Self::Rejected(failure) | Self::Unknown(failure) => Some(failure),
        }
    }
}
