//! Reads batches and results back from the ledger: stored messages, and everything that was noted of
//! them, folded into what callers see.

use std::collections::BTreeMap;

use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Status;
use interline_core::pack;
use interline_core::read;
use interline_core::recipient::Recipient;
use interline_core::record::{CallRecord, MessageResult};
use interline_ledger::{BatchFilter, BatchState, ParcelQuery, RecipientQuery, StoredBatch, StoredParcel};
use serde::Deserialize;

use crate::clock;
use crate::denied::{Denied, Errors};
use crate::engine::Engine;
use crate::trace;
use crate::view::{BatchView, Page};

/// Which results of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessageQuery {
    /// Only those in this state.
    pub status: Option<Status>,
    /// At most so many.
    pub limit: usize,
}

/// Parcels that are read at once.
const PARCELS: usize = 16;

/// What a result shows of a stored message, whatever else is wrong with it.
#[derive(Debug, Default, Deserialize)]
struct Named {
    #[serde(default)]
    id: serde_json::Value,
    #[serde(default)]
    to: serde_json::Value,
    #[serde(default)]
    client_id: serde_json::Value,
}

/// The result of a message of which only its stored form is known.
pub(crate) fn named(json: &str, batch_id: &str, index: u64) -> MessageResult {
    let named: Named = serde_json::from_str(json).unwrap_or_default();
    let id = named.id.as_str().map_or_else(|| read::made_id(index), str::to_owned);
    let client_id =
        named.client_id.as_str().map_or_else(|| read::derived_client_id(batch_id, index), str::to_owned);
    MessageResult::queued(id, named.to.as_str().unwrap_or_default(), client_id)
}

/// Folds a stored parcel into results, in its order, each with its index in the batch.
pub(crate) fn fold(batch_id: &str, parcel: &StoredParcel) -> Vec<(u64, MessageResult)> {
    let unpacked = match pack::unpack(&parcel.body) {
        Ok(unpacked) => unpacked,
        Err(error) => {
            tracing::error!(batch.id = batch_id, error = %error, "a stored parcel cannot be read");
            return Vec::new();
        }
    };
    let mut results: Vec<_> =
        unpacked.messages.iter().map(|(index, json)| (*index, named(json, batch_id, *index))).collect();
    for bytes in &parcel.records {
        let records = CallRecord::read_all(bytes).unwrap_or_else(|error| {
            tracing::error!(batch.id = batch_id, error = %error, "a stored record cannot be read");
            Vec::new()
        });
        for mut record in records {
            let at = record.at();
            for note in std::mem::take(&mut record.notes) {
                if let Some((_, result)) = results.get_mut(usize::from(note.position)) {
                    result.apply(&record, &at, note);
                }
            }
        }
    }
    // The states are the ledger's own word: what was cancelled or lost there has no record.
    for ((_, result), state) in results.iter_mut().zip(&parcel.states) {
        if result.status != *state
            && let Some(failure) = untold(*state)
        {
            result.error = Some(Box::new(failure));
        }
        // What its vendor is being asked about has left: for the ledger it only waits.
        if (*state, result.status) != (Status::Queued, Status::Sending) {
            result.status = *state;
        }
    }
    for row in &parcel.sending {
        for position in &row.indexes {
            if let Some((_, result)) =
                results.get_mut(usize::from(*position)).filter(|(_, r)| !r.status.is_final())
            {
                result.status = Status::Sending;
            }
        }
    }
    results
}

/// Why a message stands where only the ledger put it.
pub(crate) fn untold(status: Status) -> Option<Failure> {
    match status {
        Status::Cancelled => {
            Some(Failure::not_sent(ErrorCode::Cancelled, "the batch was cancelled").for_good())
        }
        Status::Unknown => {
            let detail = "Interline was stopped while the call was under way";
            Some(Failure::unknown(ErrorCode::ConnectionLost, detail))
        }
        Status::Queued | Status::Sending | Status::Accepted | Status::Rejected | Status::Expired => None,
    }
}

fn view(batch: StoredBatch) -> BatchView {
    let head: serde_json::Value = serde_json::from_slice(&batch.head.head).unwrap_or_default();
    // Whoever named no trace of their own finds the one that their request was part of.
    let traced = || trace::trace_id(std::str::from_utf8(&batch.head.head).ok()?);
    // The ledger looks at the time when something is claimed; nothing may be for a while.
    let waits = batch.send_at_ms.is_some_and(|send_at| send_at > clock::now_ms());
    let is_due = batch.head.state == BatchState::Scheduled && !waits;
    let state = if is_due { BatchState::Queued } else { batch.head.state };
    let own = head.get("trace_id").and_then(|trace| trace.as_str()).map(str::to_owned);
    let trace_id = own.or_else(traced);
    BatchView {
        state: state.word(),
        id: batch.head.id,
        app: batch.head.app,
        counts: batch.counts,
        labels: batch.labels.into_iter().collect::<BTreeMap<_, _>>(),
        created_ms: batch.head.created_ms,
        send_at_ms: batch.send_at_ms,
        settled_ms: batch.settled_ms,
        trace_id,
        redriven_from: batch.head.redriven_from,
    }
}

impl Engine {
    /// One batch.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn batch(&self, id: &str) -> Result<Option<BatchView>, Denied> {
        Ok(self.inner.ledger.batch(id).await?.map(view))
    }

    /// Batches, newest first. `label` is `name` or `name=value`.
    ///
    /// # Errors
    /// A wrong filter or cursor, or the ledger's.
    pub async fn batches(
        &self,
        state: Option<&str>,
        app: Option<&str>,
        label: Option<&str>,
        (cursor, limit): (Option<&str>, usize),
    ) -> Result<Page<BatchView>, Denied> {
        let state = match state {
            None => None,
            Some(word) => Some(BatchState::of_word(word).ok_or_else(|| {
                let allowed = "receiving, scheduled, queued, sending, paused, settled, cancelled";
                Denied::Invalid(Errors::one("/state", format!("{word:?} is not one of {allowed}")))
            })?),
        };
        let label = label.map(|label| match label.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (label.to_owned(), None),
        });
        let cursor = cursor.map(|cursor| cursor.parse().map_err(|_| Denied::Cursor)).transpose()?;
        let filter = BatchFilter { state, app: app.map(str::to_owned), label };
        let batches = self.inner.ledger.batches(filter, cursor, limit).await?;
        let full = batches.len() >= limit;
        let next_cursor = batches.last().filter(|_| full).map(|last| last.cursor.to_string());
        Ok(Page { items: batches.into_iter().map(view).collect(), next_cursor })
    }

    /// Results of a batch, parcel by parcel; within a parcel in the batch's order.
    ///
    /// # Errors
    /// A wrong cursor, or the ledger's.
    pub async fn messages(
        &self,
        id: &str,
        query: MessageQuery,
        cursor: Option<&str>,
    ) -> Result<Page<MessageResult>, Denied> {
        let (mut after_seq, mut skip) = match cursor {
            None => (None, 0),
            Some(cursor) => {
                let (seq, skip) = cursor.split_once('-').ok_or(Denied::Cursor)?;
                let seq: u32 = seq.parse().map_err(|_| Denied::Cursor)?;
                (seq.checked_sub(1), skip.parse().map_err(|_| Denied::Cursor)?)
            }
        };
        let limit = query.limit.max(1);
        let mut found: Vec<(u64, MessageResult)> = Vec::new();
        // A small page needs few parcels.
        let parcels_at_once = PARCELS.min(limit.div_ceil(64).max(1));
        loop {
            let ask = ParcelQuery { after_seq, limit: parcels_at_once, status: query.status };
            let parcels = self.inner.ledger.parcels_of(id, ask).await?;
            if parcels.is_empty() {
                break;
            }
            for parcel in &parcels {
                let results = fold(id, parcel);
                for (number, (index, result)) in results.into_iter().enumerate().skip(skip) {
                    if found.len() >= limit {
                        let cursor = format!("{}-{number}", parcel.seq);
                        return Ok(page(found, Some(cursor)));
                    }
                    if query.status.is_none_or(|status| status == result.status) {
                        found.push((index, result));
                    }
                }
                skip = 0;
                after_seq = Some(parcel.seq);
            }
        }
        Ok(page(found, None))
    }

    /// Results for a recipient over batches, newest batch first, each with its batch's id; of one app's
    /// batches, or of all.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn find(
        &self,
        to: &Recipient,
        since_ms: i64,
        limit: usize,
        app: Option<&str>,
    ) -> Result<Vec<(String, MessageResult)>, Denied> {
        let wanted = to.to_string();
        let mut found = Vec::new();
        let mut before_parcel = None;
        loop {
            let query = RecipientQuery { hash: to.fingerprint(), since_ms, before_parcel, limit: PARCELS };
            let parcels = self.inner.ledger.find_recipient(query).await?;
            if parcels.is_empty() {
                return Ok(found);
            }
            for (batch, parcel) in &parcels {
                before_parcel = Some(parcel.parcel);
                if app.is_some_and(|app| app != batch.app) {
                    continue;
                }
                let results = fold(&batch.id, parcel).into_iter().map(|(_, result)| result);
                found.extend(
                    results.filter(|result| *result.to == *wanted).map(|result| (batch.id.clone(), result)),
                );
            }
            if found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }
}

fn page(found: Vec<(u64, MessageResult)>, next_cursor: Option<String>) -> Page<MessageResult> {
    let mut found = found;
    found.sort_by_key(|(index, _)| *index);
    Page { items: found.into_iter().map(|(_, result)| result).collect(), next_cursor }
}
