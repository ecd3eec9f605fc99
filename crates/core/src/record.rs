//! What is written down of each call, and the result of a message folded from those records. A record
//! is JSON: the call once, then a note for each of its messages. The ledger stores it unread.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Failure};
use crate::json;
use crate::outcome::{Receipt, Status};

/// The version of the stored form.
const VERSION: u8 = 1;

/// One vendor call, or a decision without one, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    #[serde(rename = "v")]
    version: u8,
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
        Self { version: VERSION, provider, vendor, at_ms, took_ms, attempt: true, notes }
    }

    /// A record of a decision made without a call.
    #[must_use]
    pub fn decision(provider: Arc<str>, vendor: Arc<str>, at_ms: i64, notes: Vec<Note>) -> Self {
        Self { version: VERSION, provider, vendor, at_ms, took_ms: 0, attempt: false, notes }
    }

    /// When the call left, as text.
    #[must_use]
    pub fn at(&self) -> Arc<str> {
        time_text(self.at_ms).into()
    }

    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.notes.len() * 128);
        self.write(&mut out);
        out
    }

    /// Appends the stored form: what serde would write, at a fraction of its cost.
    fn write(&self, out: &mut Vec<u8>) {
        json::raw(out, "{\"v\":");
        json::whole(out, i64::from(self.version));
        json::raw(out, ",\"provider\":");
        json::string(out, &self.provider);
        json::raw(out, ",\"vendor\":");
        json::string(out, &self.vendor);
        json::raw(out, ",\"at_ms\":");
        json::whole(out, self.at_ms);
        json::raw(out, ",\"took_ms\":");
        json::whole(out, i64::from(self.took_ms));
        json::raw(
            out,
            if self.attempt { ",\"attempt\":true,\"notes\":[" } else { ",\"attempt\":false,\"notes\":[" },
        );
        for (index, note) in self.notes.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            note.write(out);
        }
        json::raw(out, "]}");
    }

    /// Several records in one stored form: one on each line.
    #[must_use]
    pub fn join(records: &[Self]) -> Vec<u8> {
        let mut out = Vec::with_capacity(records.iter().map(|record| 128 + record.notes.len() * 128).sum());
        for record in records {
            if !out.is_empty() {
                out.push(b'\n');
            }
            record.write(&mut out);
        }
        out
    }

    /// Reads what [`CallRecord::to_bytes`] or [`CallRecord::join`] wrote.
    ///
    /// # Errors
    /// `corrupt` when a record is another version's or damaged.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(Self::from_bytes).collect()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `corrupt` when it is another version's or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let record: Self = serde_json::from_slice(bytes)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "cannot read stored record").because(error))?;
        if record.version != VERSION {
            return Err(Error::new(ErrorKind::Corrupt, "cannot read stored record: unknown version")
                .with("version", record.version));
        }
        Ok(record)
    }
}

impl Note {
    fn write(&self, out: &mut Vec<u8>) {
        // The shape of nearly every note: accepted, with ids and nothing else to tell.
        let plain = self.result.is_none()
            && self.failure.is_none()
            && self.losses.is_empty()
            && !self.may_be_duplicate
            && !self.free
            && self.not_before_ms == 0;
        let Some(receipt) = self.receipt.as_ref().filter(|receipt| plain && receipt.data.is_empty()) else {
            return json::value(out, self);
        };
        json::raw(out, "{\"n\":");
        json::whole(out, i64::from(self.position));
        json::raw(out, ",\"s\":");
        json::string(out, self.status.as_str());
        json::raw(out, ",\"ok\":{");
        let mut first = true;
        let mut name = |out: &mut Vec<u8>, name: &str| {
            json::raw(out, if first { "\"" } else { ",\"" });
            json::raw(out, name);
            json::raw(out, "\":");
            first = false;
        };
        let texts = [("id", &receipt.message_id), ("cid", &receipt.client_id), ("seq", &receipt.seq)];
        for (key, text) in texts {
            if let Some(text) = text {
                name(out, key);
                json::string(out, text);
            }
        }
        if let Some(time_ms) = receipt.time_ms {
            name(out, "time");
            json::whole(out, time_ms);
        }
        if let Some(batch_id) = &receipt.batch_id {
            name(out, "batch");
            json::string(out, batch_id);
        }
        json::raw(out, "}}");
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

impl Attempt {
    fn write(&self, out: &mut Vec<u8>) {
        json::raw(out, "{\"provider\":");
        json::string(out, &self.provider);
        json::raw(out, ",\"at\":");
        json::string(out, &self.at);
        json::raw(out, ",\"duration_ms\":");
        json::whole(out, i64::from(self.took_ms));
        json::raw(out, ",\"result\":");
        json::string(out, self.result.as_str());
        if let Some(error) = &self.error {
            json::raw(out, ",\"error\":");
            json::value(out, error);
        }
        out.push(b'}');
    }
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
}

impl MessageResult {
    /// A message of which nothing is known yet.
    #[must_use]
    pub fn queued(id: impl Into<Box<str>>, to: impl Into<Box<str>>, client_id: impl Into<Box<str>>) -> Self {
        Self {
            id: id.into(),
            to: to.into(),
            status: Status::Queued,
            provider: None,
            vendor: None,
            vendor_message_id: None,
            vendor_client_id: Some(client_id.into()),
            vendor_seq: None,
            vendor_time_ms: None,
            vendor_batch_id: None,
            vendor_data: Map::new(),
            losses: Vec::new(),
            may_be_duplicate: false,
            error: None,
            attempts: Vec::new(),
        }
    }

    /// Appends the result as JSON: what serde would write, at a fraction of its cost.
    pub fn write(&self, out: &mut Vec<u8>) {
        json::raw(out, "{\"id\":");
        json::string(out, &self.id);
        json::raw(out, ",\"to\":");
        json::string(out, &self.to);
        json::raw(out, ",\"status\":");
        json::string(out, self.status.as_str());
        json::raw(out, ",\"provider\":");
        json::optional(out, self.provider.as_deref());
        json::raw(out, ",\"vendor\":");
        json::optional(out, self.vendor.as_deref());
        json::raw(out, ",\"vendor_message_id\":");
        json::optional(out, self.vendor_message_id.as_deref());
        json::raw(out, ",\"vendor_client_id\":");
        json::optional(out, self.vendor_client_id.as_deref());
        json::raw(out, ",\"vendor_seq\":");
        json::optional(out, self.vendor_seq.as_deref());
        json::raw(out, ",\"vendor_time_ms\":");
        match self.vendor_time_ms {
            Some(time_ms) => json::whole(out, time_ms),
            None => json::raw(out, "null"),
        }
        json::raw(out, ",\"vendor_batch_id\":");
        json::optional(out, self.vendor_batch_id.as_deref());
        json::raw(out, ",\"vendor_data\":");
        if self.vendor_data.is_empty() {
            json::raw(out, "{}");
        } else {
            json::value(out, &self.vendor_data);
        }
        json::raw(out, ",\"losses\":");
        json::strings(out, &self.losses);
        let duplicate = if self.may_be_duplicate { "true" } else { "false" };
        json::raw(out, ",\"may_be_duplicate\":");
        json::raw(out, duplicate);
        json::raw(out, ",\"error\":");
        match &self.error {
            Some(error) => json::value(out, error),
            None => json::raw(out, "null"),
        }
        json::raw(out, ",\"attempts\":[");
        for (index, attempt) in self.attempts.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            attempt.write(out);
        }
        json::raw(out, "]}");
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
        self.may_be_duplicate |= note.may_be_duplicate;
        if !note.losses.is_empty() {
            self.losses = note.losses;
        }
        self.error = note.failure;
        let Some(receipt) = note.receipt else { return };
        self.vendor_message_id = receipt.message_id;
        // Calls that carry no client id leave the vendor without one: then there is none to tell.
        self.vendor_client_id = receipt.client_id;
        self.vendor_seq = receipt.seq;
        self.vendor_time_ms = receipt.time_ms;
        self.vendor_batch_id = receipt.batch_id;
        self.vendor_data = receipt.data;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use proptest::prelude::*;

    #[test]
    fn a_record_survives_storage() {
        let note = Note {
            position: 3,
            status: Status::Queued,
            result: Some(Status::Rejected),
            failure: Some(Box::new(Failure::not_sent(ErrorCode::VendorUnavailable, "connection refused"))),
            not_before_ms: 9,
            ..Note::default()
        };
        let record = CallRecord::call("wk".into(), "wukongim".into(), 1, 2, vec![note]);
        assert_eq!(CallRecord::from_bytes(&record.to_bytes()).unwrap(), record);
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_serde_writes(
            (id, text) in ("[ -~é\"\\\\\n]{0,12}", proptest::option::of("[ -~\n]{0,8}")),
            (status, plain, at_ms) in (0u8..7, any::<bool>(), any::<i32>()),
        ) {
            let status = Status::from_byte(status).unwrap();
            let receipt = Receipt {
                message_id: Some(id.as_str().into()),
                client_id: text.clone().map(Into::into),
                time_ms: text.as_ref().map(|_| i64::from(at_ms)),
                ..Receipt::default()
            };
            let failure = (!plain).then(|| Box::new(Failure::unknown(ErrorCode::Timeout, id.clone())));
            let note = Note { position: 7, status, receipt: Some(receipt), failure, ..Note::default() };
            let record = CallRecord::call(id.as_str().into(), "v".into(), at_ms.into(), 3, vec![note.clone(), note.clone()]);
            prop_assert_eq!(record.to_bytes(), serde_json::to_vec(&record).unwrap());
            let mut result = MessageResult::queued(id.clone(), id.clone(), id);
            result.apply(&record, &record.at(), note);
            let mut written = Vec::new();
            result.write(&mut written);
            prop_assert_eq!(written, serde_json::to_vec(&result).unwrap());
        }
    }

    #[test]
    fn another_version_is_refused() {
        let text = br#"{"v":2,"provider":"","vendor":"","at_ms":0,"took_ms":0,"attempt":true,"notes":[]}"#;
        assert_eq!(CallRecord::from_bytes(text).unwrap_err().kind(), ErrorKind::Corrupt);
    }

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
