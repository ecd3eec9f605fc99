//! The plain structs that go in and out of the ledger: here what is handed over to be stored.
//!
//! Bodies, heads, records and answers are bytes that core made and core reads; the ledger never looks
//! inside. Times are milliseconds since 1970 and always come from the caller.

pub(crate) mod claimed;
pub(crate) mod stored;

use std::sync::Arc;

use interline_core::outcome::Status;

use crate::callbacks::NewCallback;

/// Where a batch stands. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BatchState {
    /// Its upload is not complete; lanes do not see it.
    Receiving = 0,
    /// Complete, and waiting for its time. It is queued from the first claim on that looks after that time.
    Scheduled = 1,
    /// Complete, and no parcel was claimed yet.
    Queued = 2,
    /// A lane has taken parcels of it, or it is a direct send under way.
    Sending = 3,
    /// Held back by a person.
    Paused = 4,
    /// Every message is final.
    Settled = 5,
    /// Withdrawn; what was on its way still settles.
    Cancelled = 6,
}

impl BatchState {
    const ALL: [Self; 7] = [
        Self::Receiving,
        Self::Scheduled,
        Self::Queued,
        Self::Sending,
        Self::Paused,
        Self::Settled,
        Self::Cancelled,
    ];

    /// The state of a stored number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index).copied())
    }

    /// The stored number.
    #[must_use]
    pub fn number(self) -> i64 {
        self as i64
    }

    /// Its name, as the API and the command write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Paused => "paused",
            Self::Settled => "settled",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a name.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A batch to be stored; its messages come as parcels.
#[derive(Debug, Clone, Default)]
pub struct NewBatch {
    /// The caller's id for it, unique in the ledger.
    pub id: String,
    /// Who submits it.
    pub app: String,
    /// When it was submitted.
    pub created_ms: i64,
    /// Not before this time, if given.
    pub send_at_ms: Option<i64>,
    /// Kept for callers; the ledger does not act on it.
    pub expires_at_ms: Option<i64>,
    /// Higher goes first.
    pub priority: i32,
    /// The batch whose messages these were, if they are sent again.
    pub redriven_from: Option<String>,
    /// Defaults, options, callback and the like, as core wrote them.
    pub head: Vec<u8>,
    /// Names and values to filter by.
    pub labels: Vec<(String, String)>,
    /// How repeats of its messages are recognised. Written in the transaction that stores or begins it.
    pub marks: Vec<NewMark>,
    /// Batches that are stored, or begun, in the same transaction as this one: copies of its messages for
    /// another provider. They have neither marks nor copies.
    pub copies: Arc<[NewCopy]>,
    /// Who is told what became of it, if anybody is.
    pub callback: Option<NewCallback>,
}

/// A batch that is stored together with another one, to be claimed by lanes.
#[derive(Debug, Clone, Default)]
pub struct NewCopy {
    /// The batch.
    pub batch: NewBatch,
    /// Its messages.
    pub parcels: Vec<NewParcel>,
}

/// What happens in the transaction that ends an upload.
#[derive(Debug, Clone, Default)]
pub struct Along {
    /// Uploads that end with it: all of them, or none.
    pub copies: Vec<String>,
    /// Messages that it took over, under the same indexes, from the batch that it is redriven from: their marks
    /// are its own from then on.
    pub again: Vec<u32>,
}

/// Where a message stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its batch.
    pub batch_id: String,
    /// Its index there.
    pub index: u32,
}

/// What a repeat of a message is recognised by.
pub type MarkKey = [u8; 16];

/// A mark to be written with the batch of its message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewMark {
    /// What a repeat comes with, too.
    pub key: MarkKey,
    /// The message's index in the batch.
    pub index: u32,
    /// Until when it counts.
    pub expires_ms: i64,
    /// Whose it may be already.
    pub from: TakenFrom,
}

/// From whom a mark is taken over. Whoever else has it keeps it, and nothing is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TakenFrom {
    /// It has to be free.
    #[default]
    Nobody,
    /// An earlier message that surely did not arrive.
    Message(Place),
    /// Whoever has it: it is a name to find the newest message by, and no reason not to send.
    Anybody,
}

/// A mark that belongs to a message already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The mark.
    pub key: MarkKey,
    /// The message.
    pub place: Place,
}

/// A parcel to be stored: up to 256 messages of one batch for one provider.
#[derive(Debug, Clone, Default)]
pub struct NewParcel {
    /// Its place in the batch, unique there; given by the caller.
    pub seq: u32,
    /// The provider that is to send it.
    pub provider: String,
    /// The place of its first message in the batch.
    pub first_index: u32,
    /// The status of each message; its length is the number of messages.
    pub states: Vec<Status>,
    /// Not claimed before this time (0: at once). A later `send_at_ms` of the batch wins.
    pub not_before_ms: i64,
    /// The messages, as core wrote them.
    pub body: Vec<u8>,
    /// Hashes of the recipients, in any order.
    pub recipients: Vec<u64>,
    /// Hashes of the message ids that the caller chose, in any order.
    pub ids: Vec<u64>,
    /// What is known already (refusals of a permissive batch, results of a direct send), if anything.
    pub record: Option<Vec<u8>>,
}

/// What became of messages of an upload, found out before it is published.
#[derive(Debug, Clone, Default)]
pub struct Amendment {
    /// The parcel's place in the batch.
    pub seq: u32,
    /// The whole new list.
    pub states: Vec<Status>,
    /// Why, appended to the parcel's records; empty for nothing.
    pub record: Vec<u8>,
}

/// An idempotency key with what is to be remembered under it.
#[derive(Debug, Clone, Default)]
pub struct IdempotencyKey {
    /// Keys of different apps never meet.
    pub app: String,
    /// The key itself.
    pub key: String,
    /// A hash of the request; another one under the same key is a mismatch.
    pub body_hash: Vec<u8>,
    /// The time now; an entry that expired before it counts as absent.
    pub now_ms: i64,
    /// Until when the key is remembered.
    pub expires_ms: i64,
    /// The answer to give on a replay, if it is known already.
    pub answer: Option<Vec<u8>>,
}

/// A direct send that is over.
#[derive(Debug, Clone, Default)]
pub struct DirectResult {
    /// The batch; one that was begun, under a key or with marks, is completed, any other stored.
    pub batch: NewBatch,
    /// Its messages with their results. A parcel that was begun keeps its body and is known by `seq`.
    pub parcels: Vec<NewParcel>,
    /// Vendor calls made.
    pub calls: u32,
    /// The time now.
    pub now_ms: i64,
    /// The idempotency key of the batch's app that this answers, with the answer.
    pub answer: Option<(String, Vec<u8>)>,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// Stored: it survives a crash from here on.
    Stored,
    /// The same request came before; nothing was stored now.
    Replay {
        /// The batch that the first request made. It may be missing from the ledger: then a direct send was
        /// cut short by a crash before anything was recorded, and its messages are unknown.
        batch_id: String,
        /// The first answer, if it was recorded.
        answer: Option<Vec<u8>>,
    },
    /// The key belongs to another request; nothing was stored.
    Mismatch,
    /// The first request under this key has not been answered yet; nothing was stored.
    InProgress,
    /// These marks belong to earlier messages; nothing was stored.
    Marked(Vec<Marked>),
}

/// What the messages of a batch have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchHead {
    /// The batch's id.
    pub id: String,
    /// Who submitted it.
    pub app: String,
    /// Where it stood when it was read.
    pub state: BatchState,
    /// When it was submitted.
    pub created_ms: i64,
    /// As submitted.
    pub expires_at_ms: Option<i64>,
    /// As submitted.
    pub priority: i32,
    /// As submitted: the batch whose messages these were. It may have been pruned since.
    pub redriven_from: Option<String>,
    /// As core wrote it.
    pub head: Vec<u8>,
}

/// A small fact that outlives the process: a migration's phase, a provider's dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What sort of fact.
    pub kind: String,
    /// Of whom.
    pub name: String,
    /// What is remembered.
    pub value: Vec<u8>,
    /// Since when.
    pub changed_ms: i64,
}
