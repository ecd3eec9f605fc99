//! Short ways to say what a test needs.

use std::path::PathBuf;

use interline_ledger::{
    Claim, ClaimRequest, ClaimedParcel, IdempotencyKey, Ledger, NewBatch, NewParcel, SendingStart, Settled,
    Status, StoredBatch,
};
use tempfile::TempDir;

pub(crate) const LEASE: i64 = 1_000;

/// A ledger on a file of its own, deleted with it.
pub(crate) struct Bench {
    pub(crate) ledger: Ledger,
    folder: TempDir,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&url(&folder)).await.unwrap();
        Self { ledger, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    pub(crate) fn url(&self) -> String {
        url(&self.folder)
    }

    /// What a new process finds after the old one died between two commits.
    pub(crate) async fn restart(&mut self) {
        self.ledger.close().await;
        self.ledger = Ledger::open(&self.url()).await.unwrap();
    }

    /// Stores a batch with as many parcels of `count` messages for provider `p`.
    pub(crate) async fn accept(&self, batch: NewBatch, parcels: u32, count: usize) {
        let parcels = (0..parcels).map(|seq| parcel(seq, count)).collect();
        self.ledger.accept(batch, parcels, None).await.unwrap();
    }

    pub(crate) async fn claim(&self, now_ms: i64, max_parcels: usize) -> Vec<ClaimedParcel> {
        self.ledger.claim(request(now_ms, max_parcels)).await.unwrap()
    }

    pub(crate) async fn claim_one(&self, now_ms: i64) -> ClaimedParcel {
        self.claim(now_ms, 1).await.pop().unwrap()
    }

    pub(crate) async fn batch(&self, id: &str) -> StoredBatch {
        self.ledger.batch(id).await.unwrap().unwrap()
    }

    pub(crate) async fn begin(&self, claim: Claim, indexes: &[u16]) -> Option<i64> {
        self.ledger.begin_sending(vec![start(claim, indexes)]).await.unwrap()[0]
    }
}

fn url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("ledger.db").display())
}

pub(crate) fn batch(id: &str) -> NewBatch {
    NewBatch {
        id: id.to_owned(),
        app: "shop".to_owned(),
        created_ms: 1,
        head: b"head".to_vec(),
        ..NewBatch::default()
    }
}

pub(crate) fn parcel(seq: u32, count: usize) -> NewParcel {
    NewParcel {
        seq,
        provider: "p".to_owned(),
        first_index: seq * 100,
        states: vec![Status::Queued; count],
        body: format!("body {seq}").into_bytes(),
        ..NewParcel::default()
    }
}

pub(crate) fn key(key: &str, body: &[u8]) -> IdempotencyKey {
    IdempotencyKey {
        app: "shop".to_owned(),
        key: key.to_owned(),
        body_hash: body.to_vec(),
        now_ms: 1,
        expires_ms: 1_000,
        answer: None,
    }
}

pub(crate) fn request(now_ms: i64, max_parcels: usize) -> ClaimRequest {
    ClaimRequest {
        provider: "p".to_owned(),
        now_ms,
        lease_until_ms: now_ms + LEASE,
        max_parcels,
        max_bytes: 1 << 20,
    }
}

pub(crate) fn start(claim: Claim, indexes: &[u16]) -> SendingStart {
    SendingStart {
        claim,
        indexes: indexes.to_vec(),
        at_ms: 5,
        provider: "p".to_owned(),
        blob: b"call".to_vec(),
    }
}

pub(crate) fn settled(claim: Claim, states: &[Status]) -> Settled {
    Settled {
        claim,
        sending: Vec::new(),
        states: states.to_vec(),
        record: b"record".to_vec(),
        calls: 1,
        release_at_ms: None,
    }
}

/// Batch and place of each parcel, in the order claimed.
pub(crate) fn places(parcels: &[ClaimedParcel]) -> Vec<(&str, u32)> {
    parcels.iter().map(|parcel| (parcel.batch.id.as_str(), parcel.seq)).collect()
}
