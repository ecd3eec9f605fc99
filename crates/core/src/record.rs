//! What is written down of each call, and the result of a message folded from those records. How records
//! are stored is in `stored`, how results are written in `answer`.

mod answer;
mod stored;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use answer::Teller;

use crate::error::Failure;
use crate::message::Message;
use crate::outcome::{Receipt, Status};

/// One vendor call, or a decision without one, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// The provider; empty where none was involved.
    pub provider: Arc<str>,
    /// Its vendor.
    pub vendor: Arc<str>,
    /// When the call left, Unix milliseconds.
    pub at_ms: i64,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// Whether this was an attempt at the vendor, and not only a decision.
    pub attempt: bool,
    /// What became of each message.
    pub notes: Vec<Note>,
}

/// What one record says of one message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Note {
    /// Position in the parcel.
    #[serde(rename = "n")]
    pub position: u16,
    /// Where it stands now: a final state, or `queued` for another attempt.
    #[serde(rename = "s")]
    pub status: Status,
    /// What the attempt itself ended as.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Status>,
    /// What the vendor told.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "ok")]
    pub receipt: Option<Receipt>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "no")]
    pub failure: Option<Box<Failure>>,
    /// What was lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Arc<str>>,
    /// Whether the vendor may hold it twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not", rename = "dup")]
    pub may_be_duplicate: bool,
    /// Whether the attempt does not count against the budget.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub free: bool,
    /// Not before, Unix milliseconds, where it waits for another attempt.
    #[serde(default, skip_serializing_if = "is_zero", rename = "nb")]
    pub not_before_ms: i64,
}

const fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl CallRecord {
    /// A record of a call that left at `at_ms`.
    #[must_use]
    pub fn call(provider: Arc<str>, vendor: Arc<str>, at_ms: i64, took_ms: u32, notes: Vec<Note>) -> Self {
        Self { provider, vendor, at_ms, took_ms, attempt: true, notes }
    }

    /// A record of a decision made without a call.
    #[must_use]
    pub fn decision(provider: Arc<str>, vendor: Arc<str>, at_ms: i64, notes: Vec<Note>) -> Self {
        Self { provider, vendor, at_ms, took_ms: 0, attempt: false, notes }
    }

    /// When the call left, as text.
    #[must_use]
    pub fn at(&self) -> Arc<str> {
        time_text(self.at_ms).into()
    }
}

/// One try of a call, as a message's result lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// The provider.
    pub provider: Arc<str>,
    /// When it left (RFC 3339).
    pub at: Arc<str>,
    /// How long it took.
    #[serde(rename = "duration_ms")]
    pub took_ms: u32,
    /// What it ended as.
    pub result: Status,
    /// Why it was no success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<Failure>>,
}

/// Writes Unix milliseconds as RFC 3339 in UTC.
///
/// # Errors
/// Only the serializer's own.
pub fn rfc3339<S: serde::Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time_text(*ms))
}

/// Unix milliseconds as RFC 3339 in UTC.
#[must_use]
pub fn time_text(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

/// What callers read of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "field names are the API's; docs/API.md has the table")]
pub struct MessageResult {
    pub id: Box<str>,
    pub to: Box<str>,
    pub status: Status,
    pub provider: Option<Arc<str>>,
    pub vendor: Option<Arc<str>>,
    pub vendor_message_id: Option<Box<str>>,
    pub vendor_client_id: Option<Box<str>>,
    pub vendor_seq: Option<Box<str>>,
    pub vendor_time_ms: Option<i64>,
    pub vendor_batch_id: Option<Box<str>>,
    pub vendor_data: Map<String, Value>,
    pub losses: Vec<Arc<str>>,
    pub may_be_duplicate: bool,
    pub error: Option<Box<Failure>>,
    pub attempts: Vec<Attempt>,
    /// The client id that the message was given, whatever its vendor has.
    #[serde(skip)]
    own_client_id: Box<str>,
}

impl MessageResult {
    /// A message of which nothing is known yet.
    #[must_use]
    pub fn queued(id: impl Into<Box<str>>, to: impl Into<Box<str>>, client_id: impl Into<Box<str>>) -> Self {
        let own_client_id = client_id.into();
        Self {
            id: id.into(),
            to: to.into(),
            status: Status::Queued,
            provider: None,
            vendor: None,
            vendor_message_id: None,
            vendor_client_id: Some(own_client_id.clone()),
            vendor_seq: None,
            vendor_time_ms: None,
            vendor_batch_id: None,
            vendor_data: Map::new(),
            losses: Vec::new(),
            may_be_duplicate: false,
            error: None,
            attempts: Vec::new(),
            own_client_id,
        }
    }

    /// The result of a message of which nothing is known yet.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        Self::queued(&*message.id, message.to.as_str(), message.client_id.clone())
    }

    /// Adds what a record says of this message; `at` is [`CallRecord::at`], made once for all notes.
    pub fn apply(&mut self, record: &CallRecord, at: &Arc<str>, note: Note) {
        if !record.provider.is_empty() {
            self.provider = Some(Arc::clone(&record.provider));
            self.vendor = Some(Arc::clone(&record.vendor));
        }
        if record.attempt {
            self.attempts.push(Attempt {
                provider: Arc::clone(&record.provider),
                at: Arc::clone(at),
                took_ms: record.took_ms,
                result: note.result.unwrap_or(note.status),
                error: note.failure.clone(),
            });
        }
        self.status = note.status;
        // Each note tells all that is known by then.
        self.may_be_duplicate = note.may_be_duplicate;
        if !note.losses.is_empty() {
            self.losses = note.losses;
        }
        self.error = note.failure;
        let Some(receipt) = note.receipt else { return };
        self.vendor_message_id = receipt.message_id.as_deref().map(Into::into);
        // Calls that carry no client id leave the vendor without one: then there is none to tell.
        self.vendor_client_id = receipt.client_id.map(|id| id.text(&self.own_client_id).into());
        self.vendor_seq = receipt.seq.as_deref().map(Into::into);
        self.vendor_time_ms = receipt.time_ms;
        self.vendor_batch_id = receipt.batch_id;
        self.vendor_data = receipt.data;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn attempts_add_up_and_the_last_word_counts() {
        let mut result = MessageResult::queued("m1", "user:a", "c1");
        let failed = Note {
            status: Status::Queued,
            result: Some(Status::Rejected),
            failure: Some(Box::new(Failure::not_sent(ErrorCode::VendorUnavailable, "refused"))),
            ..Note::default()
        };
        let done = Note {
            status: Status::Accepted,
            receipt: Some(Receipt { message_id: Some("7".into()), ..Receipt::default() }),
            ..Note::default()
        };
        for (at_ms, note) in [(1, failed), (2, done)] {
            let record = CallRecord::call("wk".into(), "wukongim".into(), at_ms, 5, Vec::new());
            result.apply(&record, &record.at(), note);
        }
        assert_eq!((result.status, result.attempts.len()), (Status::Accepted, 2));
        assert_eq!(result.attempts[0].result, Status::Rejected);
        assert_eq!((result.error, result.vendor_client_id), (None, None));
    }
}
