//! stub of the public face; bodies follow.
#![expect(missing_docs, clippy::todo, clippy::unused_async, reason = "being written")]
use std::time::Duration;

use interline_core::outcome::Status;
use interline_core::recipient::Recipient;
use interline_core::record::MessageResult;
use interline_ledger::Ledger;

use crate::{Accepted, BatchView, Caller, Denied, EngineSettings, Page, Plan, ProviderView, Sent};

/// The engine: a cheap handle.
#[derive(Debug, Clone)]
pub struct Engine;

/// An NDJSON upload under way.
#[derive(Debug)]
pub struct Upload;

/// Which results of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessageQuery { pub status: Option<Status>, pub limit: usize }

impl Engine {
    pub async fn start(_settings: EngineSettings, _ledger: Ledger) -> Result<Self, interline_core::error::Error> { todo!() }
    /// Stores a JSON body durably.
    pub async fn accept(&self, _caller: &Caller, _body: &str, _key: Option<&str>) -> Result<Accepted, Denied> { todo!() }
    /// Sends a JSON body at once and waits.
    pub async fn send(&self, _caller: &Caller, _body: &str, _timeout: Duration, _key: Option<&str>) -> Result<Sent, Denied> { todo!() }
    /// Says what would happen; sends and stores nothing.
    pub async fn plan(&self, _caller: &Caller, _body: &str) -> Result<Plan, Denied> { todo!() }
    /// Begins an NDJSON upload with its first line; the key's body hash is taken over all lines.
    pub async fn upload(&self, _caller: &Caller, _head: &str, _key: Option<&str>) -> Result<Upload, Denied> { todo!() }
    pub async fn batch(&self, _id: &str) -> Result<Option<BatchView>, Denied> { todo!() }
    pub async fn batches(&self, _state: Option<&str>, _app: Option<&str>, _label: Option<&str>, _page: (Option<&str>, usize)) -> Result<Page<BatchView>, Denied> { todo!() }
    /// Results of a batch in order; `cursor` comes from the page before.
    pub async fn messages(&self, _id: &str, _query: MessageQuery, _cursor: Option<&str>) -> Result<Page<MessageResult>, Denied> { todo!() }
    /// Results for a recipient over batches, newest first, each with its batch id.
    pub async fn find(&self, _to: &Recipient, _since_ms: i64, _limit: usize) -> Result<Vec<(String, MessageResult)>, Denied> { todo!() }
    /// Waits until the batch is settled or the time is over; true when settled.
    pub async fn settled(&self, _id: &str, _within: Duration) -> Result<bool, Denied> { todo!() }
    pub fn providers(&self) -> Vec<ProviderView> { todo!() }
    /// Text of the Prometheus exposition.
    pub fn metrics(&self) -> String { todo!() }
    /// Whether the ledger answers and the lanes run.
    pub async fn ready(&self) -> Result<(), String> { todo!() }
    /// Stops claiming, finishes what is in flight within `within`, closes the ledger.
    pub async fn shutdown(&self, _within: Duration) { todo!() }
}

impl Upload {
    /// Adds lines' worth of text: one message line, without its newline. Empty lines are skipped.
    pub async fn line(&mut self, _text: &str) -> Result<(), Denied> { todo!() }
    /// The last line arrived: checks what only the whole can tell and publishes.
    pub async fn finish(self) -> Result<Accepted, Denied> { todo!() }
    /// Forgets everything.
    pub async fn discard(self) { todo!() }
}
