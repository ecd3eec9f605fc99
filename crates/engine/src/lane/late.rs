//! Answers that come after their caller stopped waiting. What was told was *unknown*, and what the vendor says
//! now is the truth: the record is revised, so that whoever asks again is told. Nothing is sent for it.

use std::sync::Arc;
use std::time::Duration;

use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::{Outcome, Status};
use interline_core::record::{CallRecord, Note};
use interline_ledger::{Error, ErrorKind, Ledger, ParcelQuery, Revision};

use super::Lane;
use super::parcel::{HeldParcel, Origin};
use crate::clock;

/// The pauses before each try to revise: what is to be revised may not be recorded yet.
const TRIES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
];

/// A parcel that was given up while calls with its messages were under way.
#[derive(Debug)]
pub(super) struct Late {
    batch_id: String,
    /// Whose parcel it is in the ledger.
    provider: Arc<str>,
    /// The messages' places there, where they are not the same.
    places: Option<Vec<u16>>,
    /// Which messages the vendor may hold twice.
    doubled: Vec<bool>,
    /// Calls that are still to come back.
    calls: u32,
    /// What came back so far.
    heard: Vec<(u16, Outcome)>,
}

impl Late {
    fn of(parcel: &HeldParcel, lane: &Arc<str>) -> Option<Self> {
        let (provider, places) = match &parcel.origin {
            Origin::Direct(_) => (Arc::clone(lane), None),
            Origin::Lent(home) if home.claim.is_none() => {
                (Arc::clone(&home.provider), Some(home.positions.clone()))
            }
            // What the ledger holds is waited for.
            Origin::Lent(_) | Origin::Stored(_) => return None,
        };
        Some(Self {
            batch_id: parcel.batch.id.clone(),
            provider,
            places,
            doubled: parcel.entries.iter().map(|entry| entry.may_be_duplicate).collect(),
            calls: parcel.under_way,
            heard: Vec::new(),
        })
    }

    fn note(&self, position: u16, outcome: Outcome) -> Option<Note> {
        let (status, receipt, failure) = match outcome {
            Outcome::Accepted(receipt) => (Status::Accepted, Some(receipt), None),
            Outcome::Rejected(failure) => (Status::Rejected, None, Some(Box::new(failure))),
            Outcome::Unknown(_) => return None,
        };
        let at = usize::from(position);
        let place = self.places.as_ref().map_or(Some(position), |places| places.get(at).copied())?;
        let may_be_duplicate = self.doubled.get(at).copied().unwrap_or_default();
        Some(Note { position: place, status, receipt, failure, may_be_duplicate, ..Note::default() })
    }
}

impl Lane {
    /// Remembers a parcel that is given up.
    pub(super) fn expect_late(&mut self, key: u32) {
        let Some(parcel) = self.parcels.get(&key).filter(|parcel| parcel.under_way > 0) else { return };
        if let Some(late) = Late::of(parcel, &self.provider.settings.name) {
            self.late.insert(key, late);
        }
    }

    /// Takes what became of a message that nobody holds any more.
    pub(super) fn hear_late(&mut self, (key, position): super::Ticket, outcome: Outcome) {
        if let Some(late) = self.late.get_mut(&key) {
            late.heard.push((position, outcome));
        }
    }

    /// The same for messages whose call never left.
    pub(super) fn hear_never_left(&mut self, tickets: impl Iterator<Item = super::Ticket>) {
        if self.late.is_empty() {
            return;
        }
        for ticket in tickets {
            let failure =
                Failure::not_sent(ErrorCode::Expired, "it was not sent before the caller's timeout");
            self.hear_late(ticket, Outcome::Rejected(failure));
        }
    }

    /// A call with messages of these parcels is over: what it told is written down.
    pub(super) fn over_late(&mut self, touched: &[u32]) {
        if self.late.is_empty() {
            return;
        }
        for key in touched {
            let Some(late) = self.late.get_mut(key) else { continue };
            late.calls = late.calls.saturating_sub(1);
            let heard = std::mem::take(&mut late.heard);
            let notes: Vec<Note> =
                heard.into_iter().filter_map(|(position, outcome)| late.note(position, outcome)).collect();
            let (batch_id, provider) = (late.batch_id.clone(), Arc::clone(&late.provider));
            if late.calls == 0 {
                self.late.remove(key);
            }
            if notes.is_empty() {
                continue;
            }
            let (name, vendor) = self.names();
            let record = CallRecord::decision(name, vendor, clock::now_ms(), notes);
            tokio::spawn(revise(self.around.ledger.clone(), batch_id, provider, record));
        }
    }
}

/// Corrects what was recorded, as soon as it is.
async fn revise(ledger: Ledger, batch_id: String, provider: Arc<str>, record: CallRecord) {
    for pause in TRIES {
        tokio::time::sleep(pause).await;
        match revise_now(&ledger, &batch_id, &provider, &record).await {
            Ok(true) => {
                tracing::debug!(batch.id = batch_id, provider = %provider, "a late answer revised what was unknown");
                return;
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, batch.id = batch_id, "a late answer cannot be recorded now"),
        }
    }
}

async fn revise_now(
    ledger: &Ledger,
    batch_id: &str,
    provider: &str,
    record: &CallRecord,
) -> Result<bool, Error> {
    let ask = ParcelQuery { after_seq: None, limit: usize::MAX, status: Some(Status::Unknown) };
    let parcels = match ledger.parcels_of(batch_id, ask).await {
        Ok(parcels) => parcels,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    // What is sent at once has one parcel a provider.
    let Some(parcel) = parcels.into_iter().find(|parcel| parcel.provider == provider) else {
        return Ok(false);
    };
    let changes = record.notes.iter().map(|note| (note.position, note.status)).collect();
    let revision = Revision { parcel: parcel.parcel, changes, record: record.to_bytes() };
    ledger.revise(revision, clock::now_ms()).await
}
