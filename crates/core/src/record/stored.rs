//! Records as the ledger stores them, unread: JSON on one line, the call once and then a note for each of its
//! messages. Where a call went well for all of them there is nothing to note but what the vendor told, and a
//! short list of that stands in the notes' place (`took`, since version 2).

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{CallRecord, Note};
use crate::error::{Error, ErrorKind};
use crate::json;
use crate::outcome::{ClientId, Receipt, Status};

/// The version that is written; all up to it are read.
const VERSION: u8 = 2;
/// What a record and an entry of its list need, for the first allocation.
const AROUND: usize = 128;
const ENTRY: usize = 48;

/// A record, as it stands in the ledger.
#[derive(Serialize, Deserialize)]
struct Stored {
    v: u8,
    provider: std::sync::Arc<str>,
    vendor: std::sync::Arc<str>,
    at_ms: i64,
    took_ms: u32,
    attempt: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    took: Vec<Took>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Note>,
}

/// A message that was taken under its own client id: its position, and the vendor's id, sequence and time.
#[derive(Serialize, Deserialize)]
struct Took(
    u16,
    #[serde(default)] Option<SmolStr>,
    #[serde(default)] Option<SmolStr>,
    #[serde(default)] Option<i64>,
);

impl From<Took> for Note {
    fn from(Took(position, message_id, seq, time_ms): Took) -> Self {
        let client_id = Some(ClientId::Own);
        let receipt = Receipt { message_id, client_id, seq, time_ms, ..Receipt::default() };
        Self { position, status: Status::Accepted, receipt: Some(receipt), ..Self::default() }
    }
}

impl Note {
    /// What the vendor told, where the list has room for all there is to note.
    pub(super) fn took(&self) -> Option<&Receipt> {
        let plain = self.status == Status::Accepted
            && self.result.is_none()
            && self.failure.is_none()
            && self.losses.is_empty()
            && !self.may_be_duplicate
            && !self.free
            && self.not_before_ms == 0;
        self.receipt.as_ref().filter(|receipt| {
            let Receipt { client_id, batch_id, data, .. } = receipt;
            plain && *client_id == Some(ClientId::Own) && batch_id.is_none() && data.is_empty()
        })
    }
}

impl CallRecord {
    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        Self::join(std::slice::from_ref(self))
    }

    /// Several records in one stored form: one on each line.
    #[must_use]
    pub fn join(records: &[Self]) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(records.iter().map(|record| AROUND + record.notes.len() * ENTRY).sum());
        for record in records {
            if !out.is_empty() {
                out.push(b'\n');
            }
            record.write(&mut out);
        }
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        json::raw(out, "{\"v\":");
        json::whole(out, i64::from(VERSION));
        json::raw(out, ",\"provider\":");
        json::string(out, &self.provider);
        json::raw(out, ",\"vendor\":");
        json::string(out, &self.vendor);
        json::raw(out, ",\"at_ms\":");
        json::whole(out, self.at_ms);
        json::raw(out, ",\"took_ms\":");
        json::whole(out, i64::from(self.took_ms));
        json::raw(out, if self.attempt { ",\"attempt\":true" } else { ",\"attempt\":false" });
        let start = out.len();
        if self.write_took(out).is_none() {
            out.truncate(start);
            json::raw(out, ",\"notes\":");
            json::value(out, &self.notes);
        }
        out.push(b'}');
    }

    /// Writes the short list; none where there is more to note.
    fn write_took(&self, out: &mut Vec<u8>) -> Option<()> {
        json::raw(out, ",\"took\":");
        let mut separator = b'[';
        for note in &self.notes {
            let receipt = note.took()?;
            out.push(separator);
            separator = b',';
            out.push(b'[');
            json::whole(out, i64::from(note.position));
            out.push(b',');
            json::optional(out, receipt.message_id.as_deref());
            if receipt.seq.is_some() || receipt.time_ms.is_some() {
                out.push(b',');
                json::optional(out, receipt.seq.as_deref());
            }
            if let Some(time_ms) = receipt.time_ms {
                out.push(b',');
                json::whole(out, time_ms);
            }
            out.push(b']');
        }
        out.push(b']');
        (separator == b',').then_some(())
    }

    /// Reads what [`CallRecord::to_bytes`] or [`CallRecord::join`] wrote.
    ///
    /// # Errors
    /// `corrupt` when a record is a newer version's or damaged.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(Self::from_bytes).collect()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `corrupt` when it is a newer version's or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let stored: Stored = serde_json::from_slice(bytes)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "cannot read stored record").because(error))?;
        let Stored { v, provider, vendor, at_ms, took_ms, attempt, took, notes } = stored;
        if !(1..=VERSION).contains(&v) {
            return Err(Error::new(ErrorKind::Corrupt, "cannot read stored record: unknown version")
                .with("version", v));
        }
        let notes = took.into_iter().map(Note::from).chain(notes).collect();
        Ok(Self { provider, vendor, at_ms, took_ms, attempt, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorCode, Failure};
    use proptest::prelude::*;

    fn receipt() -> impl Strategy<Value = Receipt> {
        let text = || proptest::option::of("[ -~é\n]{0,8}".prop_map(SmolStr::from));
        let client_id = proptest::option::of(
            "[a-c]{0,2}"
                .prop_map(|id| if id.is_empty() { ClientId::Own } else { ClientId::Other(id.into()) }),
        );
        let time = proptest::option::of(any::<i64>());
        (text(), client_id, text(), time, proptest::option::weighted(0.1, "t")).prop_map(
            |(message_id, client_id, seq, time_ms, batch_id)| Receipt {
                message_id,
                client_id,
                seq,
                time_ms,
                batch_id: batch_id.map(Into::into),
                ..Receipt::default()
            },
        )
    }

    proptest! {
        #[test]
        fn a_record_survives_storage(
            receipts in proptest::collection::vec(receipt(), 0..5), own in 0.0..1.0f64, failed: bool, attempt: bool,
        ) {
            let failure = failed.then(|| Box::new(Failure::unknown(ErrorCode::Timeout, "late")));
            let notes = (0u16..).zip(receipts).map(|(position, mut receipt)| {
                if own < 0.5 {
                    (receipt.client_id, receipt.batch_id) = (Some(ClientId::Own), None);
                }
                let failure = failure.clone().filter(|_| position == 1);
                Note { position: position * 3, status: Status::Accepted, receipt: Some(receipt), failure, ..Note::default() }
            });
            let mut record = CallRecord::call("w\"k".into(), "wukongim".into(), 1, 2, notes.collect());
            record.attempt = attempt;
            prop_assert_eq!(CallRecord::from_bytes(&record.to_bytes()).unwrap(), record);
        }
    }

    #[test]
    fn what_went_well_is_stored_shortly() {
        let receipt =
            Receipt { message_id: Some("7".into()), client_id: Some(ClientId::Own), ..Receipt::default() };
        let note = Note { status: Status::Accepted, receipt: Some(receipt), ..Note::default() };
        let record = CallRecord::call("wk".into(), "wukongim".into(), 1, 2, vec![note]);
        let stored = r#"{"v":2,"provider":"wk","vendor":"wukongim","at_ms":1,"took_ms":2,"attempt":true,"took":[[0,"7"]]}"#;
        assert_eq!(String::from_utf8(record.to_bytes()).unwrap(), stored);
    }

    #[test]
    fn version_1_is_read() {
        let text =
            br#"{"v":1,"provider":"wk","vendor":"wukongim","at_ms":1,"took_ms":2,"attempt":true,"notes":[
            {"n":3,"s":"accepted","ok":{"id":"7","cid":"c","seq":"1"}},{"n":4,"s":"unknown","nb":9}]}"#;
        let record = CallRecord::from_bytes(text).unwrap();
        let receipt = record.notes[0].receipt.clone().unwrap();
        assert_eq!((record.notes[0].position, receipt.client_id), (3, Some(ClientId::Other("c".into()))));
        assert_eq!((record.notes[1].status, record.notes[1].not_before_ms), (Status::Unknown, 9));
    }

    #[test]
    fn another_version_is_refused() {
        let text = br#"{"v":3,"provider":"","vendor":"","at_ms":0,"took_ms":0,"attempt":true,"notes":[]}"#;
        assert_eq!(CallRecord::from_bytes(text).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
