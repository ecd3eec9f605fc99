//! What an event says: read from the ledger when it is sent, so that what waits takes no room.

use interline_core::outcome::Counts;
use interline_core::record::{MessageResult, time_text};
use interline_ledger::{Event, EventKind, ParcelQuery};
use serde::Serialize;

use crate::denied::Denied;
use crate::engine::Engine;
use crate::results::fold;
use crate::view::BatchView;

#[derive(Serialize)]
struct Envelope<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: T,
}

#[derive(Serialize)]
struct Settled {
    sequence: i64,
    #[serde(flatten)]
    batch: BatchView,
    links: Links,
}

#[derive(Serialize)]
struct Messages {
    sequence: i64,
    batch_id: String,
    app: String,
    counts: Counts,
    messages: Vec<MessageResult>,
    links: Links,
}

#[derive(Serialize)]
struct Links {
    #[serde(rename = "self")]
    itself: String,
    messages: String,
}

impl Links {
    fn of(batch_id: &str) -> Self {
        let itself = format!("/v1/batches/{batch_id}");
        Self { messages: format!("{itself}/messages"), itself }
    }
}

/// The name of what an event tells.
pub(super) const fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::MessagesSettled => "messages.settled",
        EventKind::MessagesRevised => "messages.revised",
        EventKind::BatchSettled => "batch.settled",
    }
}

/// The id of an event, the same for all of its attempts. Nobody else has it, whatever ledger there was before.
pub(super) fn id(event: &Event) -> String {
    format!("{}_{}", event.batch_id, event.sequence)
}

impl Engine {
    /// The body of an event; none when its batch is gone.
    pub(super) async fn event_body(&self, event: &Event) -> Result<Option<Vec<u8>>, Denied> {
        let Some(batch) = self.batch(&event.batch_id).await? else { return Ok(None) };
        let (kind, timestamp) = (kind(event.kind), time_text(event.created_ms));
        let (sequence, links) = (event.sequence, Links::of(&event.batch_id));
        let body = if event.kind == EventKind::BatchSettled {
            serde_json::to_vec(&Envelope { kind, timestamp, data: Settled { sequence, batch, links } })
        } else {
            let messages = self.event_messages(event).await?;
            let BatchView { id: batch_id, app, counts, .. } = batch;
            let data = Messages { sequence, batch_id, app, counts, messages, links };
            serde_json::to_vec(&Envelope { kind, timestamp, data })
        };
        // Text keys over plain values can always be written.
        Ok(body.ok())
    }

    async fn event_messages(&self, event: &Event) -> Result<Vec<MessageResult>, Denied> {
        let mut found = Vec::new();
        for (seq, positions) in &event.items {
            let ask = ParcelQuery { after_seq: seq.checked_sub(1), limit: 1, status: None };
            let parcels = self.inner.ledger.parcels_of(&event.batch_id, ask).await?;
            let Some(parcel) = parcels.into_iter().find(|parcel| parcel.seq == *seq) else { continue };
            let mut results: Vec<Option<(u64, MessageResult)>> =
                fold(&event.batch_id, &parcel).into_iter().map(Some).collect();
            let wanted =
                positions.iter().filter_map(|position| results.get_mut(usize::from(*position))?.take());
            found.extend(wanted.map(|(_, result)| result));
        }
        Ok(found)
    }
}
