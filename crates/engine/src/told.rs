//! What became of the messages of a direct send: the lanes' records, and where in them each message stands.
//! Answers are written straight from there; results as values are made only for who asks for them.

use std::sync::Arc;

use interline_core::message::Message;
use interline_core::outcome::Status;
use interline_core::record::{CallRecord, MessageResult, Note, Teller};

/// A message of the send, or the result of one that was refused.
type Taken = Result<Arc<Message>, Box<MessageResult>>;

/// The messages of a direct send with everything that was noted of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    messages: Vec<Taken>,
    records: Vec<CallRecord>,
    /// In the messages' order once all are there; a message's own in the order of the records.
    places: Vec<Place>,
}

/// Where a note stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    message: usize,
    record: usize,
    note: usize,
}

impl Told {
    /// Results that are known already.
    pub(crate) fn known(results: Vec<MessageResult>) -> Self {
        Self {
            messages: results.into_iter().map(|result| Err(Box::new(result))).collect(),
            ..Self::default()
        }
    }

    /// Adds what a lane noted of the messages with these indexes, and tells where each stands now.
    pub(crate) fn add(&mut self, records: Vec<CallRecord>, members: &[usize], states: &mut [Status]) {
        self.places.reserve(members.len());
        for record in records {
            for (note, noted) in record.notes.iter().enumerate() {
                let Some(message) = members.get(usize::from(noted.position)) else { continue };
                if let Some(state) = states.get_mut(*message) {
                    *state = noted.status;
                }
                self.places.push(Place { message: *message, record: self.records.len(), note });
            }
            self.records.push(record);
        }
    }

    /// With the messages themselves, when everything was added.
    pub(crate) fn of(mut self, messages: Vec<Taken>) -> Self {
        self.messages = messages;
        self.places.sort_by_key(|place| place.message);
        self
    }

    pub(crate) const fn len(&self) -> usize {
        self.messages.len()
    }

    /// The providers that something was tried at, or that decided.
    pub(crate) fn providers(&self) -> Vec<Arc<str>> {
        let of_record =
            |record: &'_ CallRecord| (!record.provider.is_empty()).then(|| Arc::clone(&record.provider));
        let mut used: Vec<Arc<str>> = self.records.iter().filter_map(of_record).collect();
        for result in self.messages.iter().filter_map(|taken| taken.as_ref().err()) {
            used.extend(
                result.attempts.iter().map(|attempt| &attempt.provider).chain(&result.provider).cloned(),
            );
        }
        let mut names = Vec::with_capacity(1);
        for name in used {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// One result a message, in the batch's order.
    pub(crate) fn results(&self) -> Vec<MessageResult> {
        let times: Vec<Arc<str>> = self.records.iter().map(CallRecord::at).collect();
        self.each().map(|(taken, places)| self.result(taken, places, &times)).collect()
    }

    /// Appends the results as JSON, separated by commas.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let times: Vec<Arc<str>> = self.records.iter().map(CallRecord::at).collect();
        let tellers: Vec<Teller> = self.records.iter().map(Teller::of).collect();
        for (index, (taken, places)) in self.each().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let written = match (taken, places) {
                (Ok(message), [place]) => self.noted(place).and_then(|(_, note)| {
                    tellers.get(place.record).and_then(|teller| teller.write(message, note, out))
                }),
                (Ok(_) | Err(_), _) => None,
            };
            if written.is_none() {
                self.result(taken, places, &times).write(out);
            }
        }
    }

    /// Each message with the places of its notes.
    fn each(&self) -> impl Iterator<Item = (&Taken, &[Place])> {
        let mut rest = self.places.as_slice();
        self.messages.iter().enumerate().map(move |(index, taken)| {
            let count = rest.iter().take_while(|place| place.message == index).count();
            let (own, others) = rest.split_at_checked(count).unwrap_or_default();
            rest = others;
            (taken, own)
        })
    }

    fn noted(&self, place: &Place) -> Option<(&CallRecord, &Note)> {
        let record = self.records.get(place.record)?;
        Some((record, record.notes.get(place.note)?))
    }

    fn result(&self, taken: &Taken, places: &[Place], times: &[Arc<str>]) -> MessageResult {
        let mut result = match taken {
            Ok(message) => MessageResult::of(message),
            Err(refused) => return MessageResult::clone(refused),
        };
        for place in places {
            if let (Some((record, note)), Some(at)) = (self.noted(place), times.get(place.record)) {
                result.apply(record, at, note.clone());
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_core::error::{ErrorCode, Failure};
    use interline_core::outcome::{ClientId, Receipt};
    use interline_core::read::{self, Identity, Path, Problems};

    fn messages(count: u64) -> Vec<Taken> {
        let identity = Identity { batch_id: "b", vendors: &[] };
        let mut problems = Problems::default();
        let head = r#"{"content":{"type":"text","text":"hi"}}"#;
        let head = read::read_head(head, &identity, Path::Root(""), &mut problems).unwrap();
        let mut read = |index| {
            let text = format!(r#"{{"to":"user:{index}"}}"#);
            read::read_message(text.as_str(), (&head, &identity), index, Path::Root(""), &mut problems)
                .unwrap()
        };
        (0..count).map(|index| Ok(read(index))).collect()
    }

    fn accepted(position: u16) -> Note {
        let receipt =
            Receipt { message_id: Some("7".into()), client_id: Some(ClientId::Own), ..Receipt::default() };
        Note { position, status: Status::Accepted, receipt: Some(receipt), ..Note::default() }
    }

    #[test]
    fn what_is_written_is_what_the_results_are() {
        let refused = Failure::not_sent(ErrorCode::VendorUnavailable, "no connection");
        let failed = Note { position: 1, failure: Some(Box::new(refused)), ..Note::default() };
        let call = |notes| CallRecord::call("wk".into(), "wukongim".into(), 1, 2, notes);
        let records = vec![call(vec![accepted(2), failed.clone(), accepted(0)]), call(vec![accepted(1)])];
        let mut taken = messages(5);
        taken[3] = Err(Box::new(MessageResult::queued("bad", "", "")));
        let mut states = vec![Status::Queued; 5];
        let mut told = Told::default();
        told.add(records, &[0, 1, 4], &mut states);
        let told = told.of(taken);
        assert_eq!(states, [2, 2, 0, 0, 2].map(|byte| Status::from_byte(byte).unwrap()));
        let results = told.results();
        assert_eq!(results[1].attempts.len(), 2, "both calls, in their order");
        let mut written = Vec::new();
        told.write(&mut written);
        let wanted: Vec<String> =
            results.iter().map(|result| serde_json::to_string(result).unwrap()).collect();
        assert_eq!(String::from_utf8(written).unwrap(), wanted.join(","));
    }
}
