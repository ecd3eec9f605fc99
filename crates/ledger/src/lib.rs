//! The durable store of batches, and the only crate that knows SQL.
//!
//! A [`Ledger`] is a cheap handle. Everything it answers is on disk already: concurrent commands share
//! commits, and none is answered before its own. Message bodies, records and heads are bytes made by core,
//! which the ledger keeps and never reads; it knows ids, states, counts, leases and keys.
//!
//! Stores are a closed set. Today there is SQLite: one file, owned by one process.

pub mod boundary;
mod callbacks;
mod duplicates;
mod error;
mod lane;
mod ledger;
mod model;
mod reading;
mod sqlite;
pub mod upkeep;

pub use callbacks::{
    Attempt, Attempted, DueEndpoint, DueEndpoints, Ended, Endpoint, Event, EventKind, NewCallback, Taken,
    Underway, Unreadable,
};
pub use error::{Error, ErrorKind, Result};
pub use interline_core::outcome::{Counts, Status};
pub use ledger::Ledger;
pub use model::claimed::{
    Claim, ClaimRequest, ClaimedParcel, Held, Revision, SendingRow, SendingStart, Settled, Settlement,
};
pub use model::stored::{
    BatchFilter, LedgerStatus, ParcelQuery, QueueStatus, RecipientQuery, StoredBatch, StoredParcel, Waiting,
};
pub use model::{
    Accepted, Along, Amendment, BatchHead, BatchState, DirectResult, Fact, IdempotencyKey, MarkKey, Marked,
    NewBatch, NewCopy, NewMark, NewParcel, Place, TakenFrom,
};
pub use sqlite::beat::Beat;
