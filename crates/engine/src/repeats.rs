//! Ids that were given twice in an upload. Whether any were is known when the last line has come; then the
//! few parcels that hold them are read again.

use std::collections::BTreeMap;
use std::sync::Arc;

use interline_core::error::{ErrorCode, Failure, FieldError};
use interline_core::id;
use interline_core::outcome::Status;
use interline_core::pack;
use interline_core::read;
use interline_core::record::{CallRecord, Note};
use interline_ledger::{Amendment, ParcelQuery, StoredParcel};

use crate::clock;
use crate::denied::{Denied, Errors};
use crate::engine::Engine;
use crate::results::named;

/// Hashes of ids that are looked at in one go.
const AT_ONCE: usize = 10_000;

/// The line of an upload that holds the message with this index: the head is the first.
const fn line(index: u64) -> u64 {
    index + 2
}

/// Where each of some ids stands first.
type First = BTreeMap<Box<str>, u64>;

struct Repeat {
    position: u16,
    error: FieldError,
}

/// The messages of a parcel, with position and index, whose ids hash to one of these.
fn holding(batch_id: &str, parcel: &StoredParcel, hashes: &[u64]) -> Vec<(u16, u64, Box<str>)> {
    let Ok(unpacked) = pack::unpack(&parcel.body) else { return Vec::new() };
    let all = (0u16..).zip(unpacked.messages);
    let all = all.map(|(position, (index, json))| (position, index, named(json, batch_id, index).id));
    all.filter(|(_, _, id)| hashes.binary_search(&id::message_fingerprint(id)).is_ok()).collect()
}

fn repeats(batch_id: &str, parcel: &StoredParcel, hashes: &[u64], first: &First) -> Vec<Repeat> {
    let mut repeats = Vec::new();
    for (position, index, id) in holding(batch_id, parcel, hashes) {
        let Some(earlier) = first.get(&id).filter(|earlier| **earlier < index) else { continue };
        let detail = format!("{id:?} is the id of line {} already", line(*earlier));
        let error = FieldError::new(format!("line {} /id", line(index)), detail);
        repeats.push(Repeat { position, error });
    }
    repeats
}

impl Engine {
    /// Looks for ids that stand more than once in an upload. Under `permissive` the later messages are
    /// refused and the errors answered; else the whole is.
    pub(crate) async fn refuse_repeats(
        &self,
        batch_id: &str,
        permissive: bool,
    ) -> Result<Vec<FieldError>, Denied> {
        let (mut listed, mut total, mut from) = (Vec::new(), 0, 0);
        loop {
            let hashes = self.inner.ledger.repeated_hashes(batch_id, from, AT_ONCE).await?;
            let Some(last) = hashes.last() else { break };
            let seqs = self.inner.ledger.find_message_ids(batch_id, hashes.clone()).await?;
            // Parcels are not in the order of lines where there are several providers.
            let mut first = First::new();
            for seq in &seqs {
                let Some(parcel) = self.parcel(batch_id, *seq).await? else { continue };
                for (_, index, id) in holding(batch_id, &parcel, &hashes) {
                    let known = first.entry(id).or_insert(index);
                    *known = index.min(*known);
                }
            }
            for seq in seqs {
                let Some(parcel) = self.parcel(batch_id, seq).await? else { continue };
                let repeats = repeats(batch_id, &parcel, &hashes, &first);
                if permissive && !repeats.is_empty() {
                    let amendment = amendment(parcel, &repeats);
                    self.inner.ledger.amend_upload(batch_id, vec![amendment]).await?;
                }
                total += repeats.len();
                let room = read::MAX_LISTED.saturating_sub(listed.len());
                listed.extend(repeats.into_iter().map(|repeat| repeat.error).take(room));
            }
            let Some(next) = last.checked_add(1) else { break };
            from = next;
        }
        if total > 0 && !permissive {
            return Err(Denied::Invalid(Errors { listed, total }));
        }
        Ok(listed)
    }

    async fn parcel(&self, batch_id: &str, seq: u32) -> Result<Option<StoredParcel>, Denied> {
        let ask = ParcelQuery { after_seq: seq.checked_sub(1), limit: 1, status: None };
        Ok(self.inner.ledger.parcels_of(batch_id, ask).await?.pop())
    }
}

/// Refuses messages of a stored parcel.
fn amendment(parcel: StoredParcel, repeats: &[Repeat]) -> Amendment {
    let (mut states, mut notes) = (parcel.states, Vec::new());
    for Repeat { position, error } in repeats {
        let Some(state) = states.get_mut(usize::from(*position)) else { continue };
        *state = Status::Rejected;
        let failure = Failure::not_sent(ErrorCode::InvalidMessage, error.to_string()).for_good();
        let failure = Some(Box::new(failure));
        notes.push(Note { position: *position, status: *state, failure, ..Note::default() });
    }
    let nobody: Arc<str> = "".into();
    let record = CallRecord::decision(Arc::clone(&nobody), nobody, clock::now_ms(), notes);
    Amendment { seq: parcel.seq, states, record: record.to_bytes() }
}
