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
    Underway,
};
pub use error::{Error, ErrorKind, Result};
pub use interline_core::outcome::{Counts, Status};
pub use ledger::Ledger;
pub use model::{
    Accepted, Along, Amendment, BatchFilter, BatchHead, BatchState, Claim, ClaimRequest, ClaimedParcel,
    DirectResult, Fact, Held, IdempotencyKey, LedgerStatus, MarkKey, Marked, NewBatch, NewCopy, NewMark,
    NewParcel, ParcelQuery, Place, QueueStatus, RecipientQuery, Revision, SendingRow, SendingStart, Settled,
    Settlement, StoredBatch, StoredParcel, TakenFrom, Waiting,
};
pub use sqlite::beat::Beat;
