//! Results as JSON: what serde would write, at a fraction of its cost. A [`Teller`] writes those of messages
//! that were simply taken straight from the call's record, what they have in common made once.

use super::{Attempt, CallRecord, MessageResult, Note};
use crate::json;
use crate::message::Message;
use crate::outcome::{Receipt, Status};

fn names(out: &mut Vec<u8>, id: &str, to: &str) {
    json::raw(out, "{\"id\":");
    json::string(out, id);
    json::raw(out, ",\"to\":");
    json::string(out, to);
}

fn vendor_ids(out: &mut Vec<u8>, message_id: Option<&str>, client_id: Option<&str>, seq: Option<&str>) {
    json::optional(out, message_id);
    json::raw(out, ",\"vendor_client_id\":");
    json::optional(out, client_id);
    json::raw(out, ",\"vendor_seq\":");
    json::optional(out, seq);
}

impl MessageResult {
    /// Appends the result as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        names(out, &self.id, &self.to);
        self.write_status(out);
        vendor_ids(
            out,
            self.vendor_message_id.as_deref(),
            self.vendor_client_id.as_deref(),
            self.vendor_seq.as_deref(),
        );
        self.write_rest(out);
    }

    /// What stands between the names and the vendor's ids.
    fn write_status(&self, out: &mut Vec<u8>) {
        json::raw(out, ",\"status\":");
        json::string(out, self.status.as_str());
        json::raw(out, ",\"provider\":");
        json::optional(out, self.provider.as_deref());
        json::raw(out, ",\"vendor\":");
        json::optional(out, self.vendor.as_deref());
        json::raw(out, ",\"vendor_message_id\":");
    }

    /// What stands behind the vendor's ids.
    fn write_rest(&self, out: &mut Vec<u8>) {
        json::raw(out, ",\"vendor_time_ms\":");
        match self.vendor_time_ms {
            Some(time_ms) => json::whole(out, time_ms),
            None => json::raw(out, "null"),
        }
        json::raw(out, ",\"vendor_batch_id\":");
        json::optional(out, self.vendor_batch_id.as_deref());
        json::raw(out, ",\"vendor_data\":");
        json::value(out, &self.vendor_data);
        json::raw(out, ",\"losses\":");
        json::strings(out, &self.losses);
        let duplicate = if self.may_be_duplicate { "true" } else { "false" };
        json::raw(out, ",\"may_be_duplicate\":");
        json::raw(out, duplicate);
        json::raw(out, ",\"error\":");
        json::value(out, &self.error);
        json::raw(out, ",\"attempts\":[");
        for (index, attempt) in self.attempts.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            attempt.write(out);
        }
        json::raw(out, "]}");
    }
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

/// Writes the results of messages that one record says everything of.
#[derive(Debug)]
pub struct Teller {
    status: Vec<u8>,
    rest: Vec<u8>,
}

impl Teller {
    /// For the messages of this record.
    #[must_use]
    pub fn of(record: &CallRecord) -> Self {
        let mut taken = MessageResult::queued("", "", "");
        let note = Note { status: Status::Accepted, ..Note::default() };
        taken.apply(record, &record.at(), note);
        let (mut status, mut rest) = (Vec::new(), Vec::new());
        taken.write_status(&mut status);
        taken.write_rest(&mut rest);
        Self { status, rest }
    }

    /// Appends the result of a message that was simply taken. None, and nothing appended, where the note says
    /// anything else.
    #[must_use]
    pub fn write(&self, message: &Message, note: &Note, out: &mut Vec<u8>) -> Option<()> {
        let Receipt { message_id, client_id, seq, .. } =
            note.took().filter(|receipt| receipt.time_ms.is_none())?;
        let client_id = client_id.as_ref().map(|id| id.text(&message.client_id));
        names(out, &message.id, message.to.as_str());
        out.extend_from_slice(&self.status);
        vendor_ids(out, message_id.as_deref(), client_id, seq.as_deref());
        out.extend_from_slice(&self.rest);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorCode, Failure};
    use crate::outcome::ClientId;
    use crate::read::{Identity, Path, Problems, read_head, read_message};
    use proptest::prelude::*;

    fn message(id: &str) -> std::sync::Arc<Message> {
        let identity = Identity { batch_id: "b", vendors: &[] };
        let mut problems = Problems::default();
        let head = r#"{"content":{"type":"text","text":"hi"}}"#;
        let head = read_head(head, &identity, Path::Root(""), &mut problems).unwrap();
        let text = serde_json::json!({"id": id, "to": format!("user:{id}")}).to_string();
        read_message(text.as_str(), (&head, &identity), 0, Path::Root(""), &mut problems).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_serde_writes(
            (id, text) in ("[ -~é\"\\\\\n]{1,12}", proptest::option::of("[ -~\n]{0,8}")),
            (status, plain, own, timed, at_ms) in (0u8..7, any::<bool>(), any::<bool>(), any::<bool>(), any::<i32>()),
        ) {
            let status = if plain { Status::Accepted } else { Status::from_byte(status).unwrap() };
            let told = || ClientId::Other(text.clone().unwrap_or_default().into());
            let receipt = Receipt {
                message_id: Some(id.as_str().into()),
                client_id: if own { Some(ClientId::Own) } else { text.as_ref().map(|_| told()) },
                seq: text.clone().map(Into::into),
                time_ms: timed.then_some(at_ms.into()),
                ..Receipt::default()
            };
            let failure = (!plain).then(|| Box::new(Failure::unknown(ErrorCode::Timeout, id.clone())));
            let note = Note { position: 7, status, receipt: Some(receipt), failure, ..Note::default() };
            let record = CallRecord::call(id.as_str().into(), "v".into(), at_ms.into(), 3, vec![note.clone()]);
            let message = message(&id);
            let mut result = MessageResult::of(&message);
            result.apply(&record, &record.at(), note.clone());
            let wanted = serde_json::to_string(&result).unwrap();
            let mut written = Vec::new();
            result.write(&mut written);
            prop_assert_eq!(String::from_utf8(written).unwrap(), wanted.clone());
            let mut told = Vec::new();
            match Teller::of(&record).write(&message, &note, &mut told) {
                Some(()) => prop_assert_eq!(String::from_utf8(told).unwrap(), wanted),
                None => prop_assert!(told.is_empty() && !(plain && own && !timed)),
            }
        }
    }
}
