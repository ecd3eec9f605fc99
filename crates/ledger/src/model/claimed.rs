//! What lanes and the ledger tell each other: claims, what is about to leave, and what became of it.

use std::sync::Arc;

use interline_core::outcome::Status;

use super::BatchHead;

/// A lane's wish for work.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Whose parcels.
    pub provider: String,
    /// The time now.
    pub now_ms: i64,
    /// When the claims run out unless renewed.
    pub lease_until_ms: i64,
    /// At most this many.
    pub max_parcels: usize,
    /// Stop before the bodies together exceed this; the first parcel is given whatever its size.
    pub max_bytes: usize,
}

/// The hold on a parcel: it is lost as soon as somebody else claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The parcel.
    pub parcel: i64,
    /// Grows with each claim; an older one no longer changes anything.
    pub epoch: i64,
}

/// What a renewal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Held {
    /// Still yours, until the new time.
    Yes,
    /// Still yours, but its batch was paused: release what is not on its way.
    Paused,
    /// Still yours, but its batch was cancelled: send nothing more and settle or release it.
    Cancelled,
    /// Somebody else has it, or it is settled. Send nothing.
    Lost,
}

/// A parcel in the hands of a lane.
#[derive(Debug, Clone)]
pub struct ClaimedParcel {
    /// To be shown with every change.
    pub claim: Claim,
    /// Its batch, shared by the parcels of one answer. State `Cancelled`: send nothing of it, settle it.
    pub batch: Arc<BatchHead>,
    /// Its place in the batch.
    pub seq: u32,
    /// The place of its first message in the batch.
    pub first_index: u32,
    /// The messages, as core wrote them.
    pub body: Vec<u8>,
    /// What earlier calls left, oldest first.
    pub records: Vec<Vec<u8>>,
    /// The status of each message.
    pub states: Vec<Status>,
    /// Sends of an earlier claim that nobody settled: bytes may have left. Name their ids in
    /// [`Settled::sending`].
    pub interrupted: Vec<SendingRow>,
}

/// Messages of one parcel that are about to leave.
#[derive(Debug, Clone)]
pub struct SendingStart {
    /// The hold on the parcel.
    pub claim: Claim,
    /// Which messages: places in the parcel.
    pub indexes: Vec<u16>,
    /// When.
    pub at_ms: i64,
    /// To whom; differs from the parcel's own after a fallback.
    pub provider: String,
    /// Whatever core wants to know after a crash.
    pub blob: Vec<u8>,
}

/// Messages that were about to leave and are not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendingRow {
    /// To be named when it settles.
    pub id: i64,
    /// Which messages: places in the parcel.
    pub indexes: Vec<u16>,
    /// When.
    pub at_ms: i64,
    /// To whom.
    pub provider: String,
    /// As given at the start.
    pub blob: Vec<u8>,
}

/// What is known of a parcel after a call.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The hold on the parcel.
    pub claim: Claim,
    /// The sends that this ends.
    pub sending: Vec<i64>,
    /// The whole new list. When all are final the parcel is done and the claim ends.
    pub states: Vec<Status>,
    /// What happened, appended to the parcel's records; empty for nothing.
    pub record: Vec<u8>,
    /// Vendor calls to add to the batch.
    pub calls: u32,
    /// Gives the parcel back, to be claimed again from this time on.
    pub release_at_ms: Option<i64>,
}

/// The answer to a settlement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// For each parcel, in order: whether the claim still held. If not, nothing of it was stored.
    pub held: Vec<bool>,
    /// Batches of which the last message became final with this, each named once ever.
    pub batches_settled: Vec<String>,
}

/// A late true answer about messages that were unknown.
#[derive(Debug, Clone)]
pub struct Revision {
    /// The parcel.
    pub parcel: i64,
    /// Place in the parcel and what it becomes. Only messages that are unknown now are changed.
    pub changes: Vec<(u16, Status)>,
    /// Appended to the parcel's records if anything changed.
    pub record: Vec<u8>,
}
