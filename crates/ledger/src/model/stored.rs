//! What is read: batches and parcels as they are stored, what to look for, and how the ledger is doing.

use interline_core::outcome::{Counts, Status};

use super::claimed::SendingRow;
use super::{BatchHead, BatchState};

/// A batch as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// The part that parcels share.
    pub head: BatchHead,
    /// As submitted.
    pub send_at_ms: Option<i64>,
    /// When the last message became final.
    pub settled_ms: Option<i64>,
    /// How its messages stand.
    pub counts: Counts,
    /// As submitted.
    pub labels: Vec<(String, String)>,
    /// Whether it was sent at once, past the queue.
    pub direct: bool,
    /// Grows with each batch; where the next page starts.
    pub cursor: i64,
}

/// Which batches to list; everything absent matches all.
#[derive(Debug, Clone, Default)]
pub struct BatchFilter {
    /// In this state.
    pub state: Option<BatchState>,
    /// Of this app.
    pub app: Option<String>,
    /// Having this label, with this value if one is given.
    pub label: Option<(String, Option<String>)>,
}

/// Which parcels of a batch to read.
#[derive(Debug, Clone, Default)]
pub struct ParcelQuery {
    /// Only those after this place.
    pub after_seq: Option<u32>,
    /// At most this many.
    pub limit: usize,
    /// Only parcels with at least one message in this status.
    pub status: Option<Status>,
}

/// A parcel as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredParcel {
    /// Its id in the ledger.
    pub parcel: i64,
    /// Its place in the batch.
    pub seq: u32,
    /// The place of its first message in the batch.
    pub first_index: u32,
    /// The provider it is queued for.
    pub provider: String,
    /// The messages, as core wrote them.
    pub body: Vec<u8>,
    /// The status of each message; those on their way are still queued here, see `sending`.
    pub states: Vec<Status>,
    /// What calls left, oldest first.
    pub records: Vec<Vec<u8>>,
    /// What is on its way, or was when a process died.
    pub sending: Vec<SendingRow>,
}

/// Which parcels to search for a recipient.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecipientQuery {
    /// The recipient's hash.
    pub hash: u64,
    /// Only batches submitted at this time or later.
    pub since_ms: i64,
    /// Only parcels older than this one: where the page before ended.
    pub before_parcel: Option<i64>,
    /// At most this many parcels.
    pub limit: usize,
}

/// What waits for a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStatus {
    /// The provider.
    pub provider: String,
    /// Parcels that are not done, claimed ones included.
    pub parcels: u64,
    /// Messages that are not final.
    pub messages: u64,
    /// Those of them that are in batches whose time has not come.
    pub scheduled: u64,
    /// When the oldest batch among them was submitted.
    pub oldest_created_ms: i64,
    /// When the oldest batch whose time has come was submitted, or was to begin; none where there are none.
    pub oldest_unscheduled_ms: Option<i64>,
}

/// What could be claimed for one provider and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The provider.
    pub provider: String,
    /// Messages that are not final in the batches that are due.
    pub messages: u64,
    /// Since when the oldest of these batches is due.
    pub since_ms: i64,
}

/// How the ledger is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerStatus {
    /// The version of the stored schema.
    pub schema_version: u32,
    /// Size of the database in bytes, write-ahead log not counted.
    pub bytes: u64,
    /// How much of it is free for new rows.
    pub free_bytes: u64,
    /// Batches stored.
    pub batches: u64,
    /// What waits, by provider.
    pub queues: Vec<QueueStatus>,
}
