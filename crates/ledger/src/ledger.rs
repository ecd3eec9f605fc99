//! The handle, and the side of it that submits: accepting, uploading, direct sends, keys, and what is done
//! to a batch as a whole. The lanes' side is in `lane`, the readers' in `reading`.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Accepted, Along, Amendment, BatchState, DirectResult, Fact, IdempotencyKey, MarkKey, Marked, NewBatch,
    NewParcel,
};
use crate::{duplicates, sqlite};

/// Idempotency keys, or marks, that one transaction deletes.
const KEYS_PER_SLICE: i64 = 1000;

/// A handle on the ledger; clones share everything.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) store: Store,
}

/// The stores there are.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    Sqlite(sqlite::Store),
}

impl Ledger {
    /// Opens `sqlite:<path>` (made if missing) or `sqlite::memory:`, upgrades its schema and puts right what
    /// a process that died left unfinished: its claims are void, its open sends are kept for the next
    /// claimer, its direct sends become unknown, its broken uploads are deleted.
    ///
    /// Fails with [`ErrorKind::Locked`] while another process has it open, and with
    /// [`ErrorKind::Unsupported`] for other URLs, newer schemas and files that are no ledger.
    pub async fn open(url: &str) -> Result<Self> {
        let store = match Location::parse(url)? {
            Location::Memory => sqlite::Store::open_in_memory().await?,
            Location::File(path) => sqlite::Store::open_file(Path::new(path)).await?,
        };
        Ok(Self { store: Store::Sqlite(store) })
    }

    /// Commits what is queued and gives the file up. Other handles fail from then on.
    pub async fn close(&self) {
        match &self.store {
            Store::Sqlite(store) => store.close().await,
        }
    }

    /// Stores a batch, its parcels and its idempotency key in one transaction.
    pub async fn accept(
        &self,
        batch: NewBatch,
        parcels: Vec<NewParcel>,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted> {
        check_parcels(&parcels)?;
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Accept { batch, parcels, key }).await,
        }
    }

    /// Begins an upload: a batch that nobody claims until it is published.
    pub async fn stage(&self, batch: NewBatch) -> Result<()> {
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Stage(batch)).await,
        }
    }

    /// Adds parcels to an upload. A few megabytes at a time keep commits short.
    pub async fn stage_parcels(&self, batch_id: &str, parcels: Vec<NewParcel>) -> Result<()> {
        check_parcels(&parcels)?;
        let batch_id = batch_id.to_owned();
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::StageParcels { batch_id, parcels }).await,
        }
    }

    /// Finds hashes of caller-given message ids that occur more than once in a batch: in ascending order, from
    /// `from` on, about `most` of them, in bounded memory.
    pub async fn repeated_hashes(&self, batch_id: &str, from: u64, most: usize) -> Result<Vec<u64>> {
        match &self.store {
            Store::Sqlite(store) => duplicates::hashes_from(store, batch_id, from, most).await,
        }
    }

    /// Changes what became of messages of an upload. A few megabytes at a time keep commits short.
    pub async fn amend_upload(&self, batch_id: &str, amendments: Vec<Amendment>) -> Result<()> {
        let batch_id = batch_id.to_owned();
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Amend { batch_id, amendments }).await,
        }
    }

    /// Ends an upload: from the return of [`Accepted::Stored`] on it survives a crash and lanes may claim
    /// it. After any other answer it is still an upload, to be discarded.
    pub async fn publish(
        &self,
        batch_id: &str,
        now_ms: i64,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted> {
        self.publish_all(batch_id, Along::default(), now_ms, key).await
    }

    /// The same with what else happens then.
    pub async fn publish_all(
        &self,
        batch_id: &str,
        along: Along,
        now_ms: i64,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted> {
        let batch_id = batch_id.to_owned();
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Publish { batch_id, along, now_ms, key }).await,
        }
    }

    /// Deletes an upload that was not published. Where the disk does not allow it now it is done as soon as
    /// it does, or at the next start.
    pub async fn discard(&self, batch_id: &str) -> Result<()> {
        match &self.store {
            Store::Sqlite(store) => store.discard(batch_id).await,
        }
    }

    /// Writes a direct send down, with its key, before its first byte leaves. Give the messages as
    /// `Status::Sending`; after a crash they are unknown and the key replays the batch.
    pub async fn begin_direct(
        &self,
        batch: NewBatch,
        parcels: Vec<NewParcel>,
        key: IdempotencyKey,
    ) -> Result<Accepted> {
        check_parcels(&parcels)?;
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::BeginDirect { batch, parcels, key: Some(key) }).await,
        }
    }

    /// The same for a direct send whose messages have marks instead of a key.
    pub async fn begin_marked(&self, batch: NewBatch, parcels: Vec<NewParcel>) -> Result<Accepted> {
        check_parcels(&parcels)?;
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::BeginDirect { batch, parcels, key: None }).await,
        }
    }

    /// Which of these marks belong to messages already, and to which.
    pub async fn marked(&self, keys: Vec<MarkKey>, now_ms: i64) -> Result<Vec<Marked>> {
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::FindMarks { keys, now_ms }).await,
        }
    }

    /// Stores a direct send that is over, begun before or not, and waits for the commit.
    pub async fn record_direct(&self, result: DirectResult) -> Result<()> {
        check_parcels(&result.parcels)?;
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::RecordDirect(result)).await,
        }
    }

    /// Like [`Ledger::record_direct`], but waits only for a place in the writer's bounded queue; a failure
    /// to store is logged.
    pub async fn post_direct(&self, result: DirectResult) -> Result<()> {
        check_parcels(&result.parcels)?;
        match &self.store {
            Store::Sqlite(store) => store.post(sqlite::RecordDirect(result)).await,
        }
    }

    /// What an idempotency key stands for already; none while it is free.
    pub async fn earlier(&self, key: IdempotencyKey) -> Result<Option<Accepted>> {
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::EarlierKey(key)).await,
        }
    }

    /// Takes an idempotency key for a request whose batch is not stored yet. After a crash it replays with
    /// no answer: what it stood for may have been sent.
    pub async fn reserve_key(&self, key: IdempotencyKey, batch_id: &str) -> Result<Accepted> {
        let batch_id = batch_id.to_owned();
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::ReserveKey { key, batch_id }).await,
        }
    }

    /// Records the answer that replays of a key get; says whether the key is known.
    pub async fn answer_key(&self, app: &str, key: &str, answer: Vec<u8>) -> Result<bool> {
        let (app, key) = (app.to_owned(), key.to_owned());
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::AnswerKey { app, key, answer }).await,
        }
    }

    /// Frees a key whose request did nothing.
    pub async fn forget_key(&self, app: &str, key: &str) -> Result<()> {
        let (app, key) = (app.to_owned(), key.to_owned());
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::ForgetKey { app, key }).await,
        }
    }

    /// Pauses a batch: nothing more of it is claimed or begun. Answers its new state, here and below;
    /// [`ErrorKind::Conflict`] if its state does not allow it.
    pub async fn pause_batch(&self, batch_id: &str, now_ms: i64) -> Result<BatchState> {
        self.set_state(batch_id, BatchState::Paused, now_ms).await
    }

    /// Lets a paused batch go on.
    pub async fn resume_batch(&self, batch_id: &str, now_ms: i64) -> Result<BatchState> {
        self.set_state(batch_id, BatchState::Queued, now_ms).await
    }

    /// Cancels a batch: nothing more of it is begun, and its waiting messages are cancelled when this
    /// returns, or as soon as the disk allows it. Parcels in somebody's hands are settled by their holder.
    pub async fn cancel_batch(&self, batch_id: &str, now_ms: i64) -> Result<BatchState> {
        let state = self.set_state(batch_id, BatchState::Cancelled, now_ms).await?;
        match &self.store {
            Store::Sqlite(store) => store.cancel_waiting(batch_id, now_ms).await,
        }
        Ok(state)
    }

    async fn set_state(&self, batch_id: &str, wanted: BatchState, now_ms: i64) -> Result<BatchState> {
        let batch_id = batch_id.to_owned();
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::SetState { batch_id, wanted, now_ms }).await?,
        }
    }

    /// Gives everything that waits unclaimed for one provider to another. Parcels in somebody's hands stay.
    pub async fn drain_provider(&self, from: &str, to: &str) -> Result<()> {
        if from == to {
            return Ok(());
        }
        match &self.store {
            Store::Sqlite(store) => {
                while store.write(sqlite::DrainStep { from: from.to_owned(), to: to.to_owned() }).await? {}
                Ok(())
            }
        }
    }

    /// Deletes up to `max_batches` batches that settled before `before_ms`, the oldest first, and answers
    /// how many. Those that an idempotency key or a mark still stands for stay until it has expired.
    /// Receivers of callbacks that no batch names any more and that were not asked since go as well. In slices:
    /// other commands go between.
    pub async fn prune(&self, before_ms: i64, now_ms: i64, max_batches: usize) -> Result<usize> {
        let limit = i64::try_from(max_batches).unwrap_or(i64::MAX);
        match &self.store {
            Store::Sqlite(store) => {
                let old = store.read(sqlite::OldBatches { before_ms, now_ms, limit }).await?;
                for batch_no in &old {
                    while store.write(sqlite::DropStep { batch_no: *batch_no }).await? {}
                }
                loop {
                    let ids = store.read(sqlite::OldEndpoints { before_ms }).await?;
                    if ids.is_empty() {
                        break;
                    }
                    store.write(sqlite::ForgetEndpoints { ids }).await?;
                }
                if !old.is_empty() {
                    store.write(sqlite::Shrink).await?;
                }
                Ok(old.len())
            }
        }
    }

    /// Deletes idempotency keys whose time is over, and answers how many.
    pub async fn prune_keys(&self, now_ms: i64) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let slice = match &self.store {
                Store::Sqlite(store) => {
                    store.write(sqlite::PruneKeys { now_ms, limit: KEYS_PER_SLICE }).await?
                }
            };
            pruned += slice;
            if slice < KEYS_PER_SLICE.unsigned_abs() {
                return Ok(pruned);
            }
        }
    }

    /// Deletes marks whose time is over, and answers how many.
    pub async fn prune_marks(&self, now_ms: i64) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let slice = match &self.store {
                Store::Sqlite(store) => {
                    store.write(sqlite::PruneMarks { now_ms, limit: KEYS_PER_SLICE }).await?
                }
            };
            pruned += slice;
            if slice < KEYS_PER_SLICE.unsigned_abs() {
                return Ok(pruned);
            }
        }
    }

    /// Remembers a fact, in place of an earlier one of that kind and name.
    pub async fn remember(&self, fact: Fact) -> Result<()> {
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Remember(fact)).await,
        }
    }

    /// Forgets a fact.
    pub async fn forget(&self, kind: &str, name: &str) -> Result<()> {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Forget { kind, name }).await,
        }
    }
}

/// Where a URL points.
#[derive(Debug)]
pub(crate) enum Location<'a> {
    Memory,
    File(&'a str),
}

impl<'a> Location<'a> {
    /// Never repeats the URL in an error: it may hold a password.
    pub(crate) fn parse(url: &'a str) -> Result<Self> {
        let unsupported = |attempted| Err(Error::new(ErrorKind::Unsupported, attempted));
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return unsupported("cannot open ledger: PostgreSQL is not supported yet, use sqlite:<path>");
        }
        let Some(rest) = url.strip_prefix("sqlite:") else {
            return unsupported("cannot open ledger: its URL must begin with sqlite:");
        };
        if rest == ":memory:" {
            return Ok(Self::Memory);
        }
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() {
            return unsupported("cannot open ledger: its URL names no file");
        }
        if path.contains('?') {
            return unsupported("cannot open ledger: its URL takes no parameters");
        }
        Ok(Self::File(path))
    }
}

fn check_parcels(parcels: &[NewParcel]) -> Result<()> {
    for parcel in parcels {
        // Places in a parcel are stored in 16 bits.
        if parcel.states.is_empty() || parcel.states.len() > usize::from(u16::MAX) {
            return Err(Error::new(ErrorKind::Invalid, "cannot store a parcel with so many messages")
                .with("seq", parcel.seq)
                .with("messages", parcel.states.len()));
        }
    }
    Ok(())
}
