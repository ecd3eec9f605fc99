//! The readers' side of the ledger: batches, results, searches, and its own health.

use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::ledger::{Ledger, Store};
use crate::model::stored::{
    BatchFilter, LedgerStatus, ParcelQuery, RecipientQuery, StoredBatch, StoredParcel, Waiting,
};
use crate::model::{BatchHead, Fact};
use crate::sqlite;
use crate::sqlite::beat::Beat;

impl Ledger {
    /// Reads one batch with its counts. A direct send that was posted is found at once.
    pub async fn batch(&self, batch_id: &str) -> Result<Option<StoredBatch>> {
        let id = batch_id.to_owned();
        match &self.store {
            Store::Sqlite(store) => {
                let found = store.read(sqlite::ReadBatch { id: id.clone() }).await?;
                if found.is_some() {
                    return Ok(found);
                }
                // It may have been posted and not be committed yet.
                store.settle_queue().await?;
                store.read(sqlite::ReadBatch { id }).await
            }
        }
    }

    /// Lists batches, newest first, from the one before `cursor` on.
    pub async fn batches(
        &self,
        filter: BatchFilter,
        cursor: Option<i64>,
        limit: usize,
    ) -> Result<Vec<StoredBatch>> {
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::ListBatches { filter, cursor, limit }).await,
        }
    }

    /// Reads a page of a batch's parcels in order.
    pub async fn parcels_of(&self, batch_id: &str, query: ParcelQuery) -> Result<Vec<StoredParcel>> {
        let read = || sqlite::ReadParcels { batch_id: batch_id.to_owned(), query: query.clone() };
        match &self.store {
            Store::Sqlite(store) => match store.read(read()).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    store.settle_queue().await?;
                    store.read(read()).await
                }
                answer => answer,
            },
        }
    }

    /// Finds parcels that hold a recipient's hash, newest first. Different recipients may share a hash; the
    /// bodies tell.
    pub async fn find_recipient(&self, query: RecipientQuery) -> Result<Vec<(Arc<BatchHead>, StoredParcel)>> {
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::FindRecipient(query)).await,
        }
    }

    /// Finds the places of a batch's parcels that hold any of these hashes of caller-given message ids.
    pub async fn find_message_ids(&self, batch_id: &str, hashes: Vec<u64>) -> Result<Vec<u32>> {
        let batch_id = batch_id.to_owned();
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::FindIds { batch_id, hashes }).await,
        }
    }

    /// Lists the facts of a kind by name.
    pub async fn facts(&self, kind: &str) -> Result<Vec<Fact>> {
        let kind = kind.to_owned();
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::Facts { kind }).await,
        }
    }

    /// Whether batches can be taken now: that it can be read, and that the last commit went well. While it
    /// did not, asking tries a small one.
    pub async fn ready(&self) -> Result<()> {
        match &self.store {
            Store::Sqlite(store) => store.ready().await,
        }
    }

    /// What is due and waits to be claimed, by provider.
    pub async fn waiting(&self, now_ms: i64) -> Result<Vec<Waiting>> {
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::ReadWaiting { now_ms }).await,
        }
    }

    /// Tells this one of each commit from now on; only the first one who asks is told.
    pub fn listen(&self, told: impl Fn(Beat) + Send + Sync + 'static) {
        match &self.store {
            Store::Sqlite(store) => store.listen(told),
        }
    }

    /// How many commands wait for a commit.
    #[must_use]
    pub fn queued_commands(&self) -> usize {
        match &self.store {
            Store::Sqlite(store) => store.queued(),
        }
    }

    /// Says how the ledger is doing. Reads a row for each batch and provider that have work; for asking
    /// often there is [`Ledger::ready`].
    pub async fn status(&self) -> Result<LedgerStatus> {
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::ReadStatus).await,
        }
    }
}
