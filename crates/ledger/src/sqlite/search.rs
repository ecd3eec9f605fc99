//! Searching by hash: who got a message, and which message ids occur twice.
//!
//! SQLite itself looks for the eight bytes in a parcel's sorted list (`instr`), so parcels that cannot match
//! never leave it; the few that may are checked here, as the bytes can also straddle two hashes.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;

use super::codec::{contains_hash, hashes, narrow};
use super::writer::Work;
use super::{failed, load};
use crate::error::Result;
use crate::model::stored::{RecipientQuery, StoredParcel};
use crate::model::{BatchHead, BatchState};

/// Finds parcels with a message for a recipient, newest first.
#[derive(Debug)]
pub(crate) struct FindRecipient(pub(crate) RecipientQuery);

impl Work for FindRecipient {
    type Answer = Vec<(Arc<BatchHead>, StoredParcel)>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Self::Answer> {
        let ids = self.matches(conn).await?;
        let mut heads = load::Heads::default();
        let mut found = Vec::with_capacity(ids.len());
        for (batch_no, parcel) in load::parcels(conn, &ids).await? {
            let head = heads.get(conn, batch_no).await?;
            if head.state != BatchState::Receiving {
                found.push((head, parcel));
            }
        }
        Ok(found)
    }
}

impl FindRecipient {
    /// The newest matching parcels; asks again while false matches take up places.
    async fn matches(&self, conn: &mut SqliteConnection) -> Result<Vec<i64>> {
        let mut ids = Vec::new();
        let mut before = self.0.before_parcel.unwrap_or(i64::MAX);
        while ids.len() < self.0.limit {
            let wanted = self.0.limit - ids.len();
            let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
                "SELECT parcel_id, recipients FROM parcel_index
                 WHERE parcel_id < $1 AND created_ms >= $2 AND instr(recipients, $3) > 0
                 ORDER BY parcel_id DESC LIMIT $4",
            )
            .bind(before)
            .bind(self.0.since_ms)
            .bind(self.0.hash.to_le_bytes().as_slice())
            .bind(i64::try_from(wanted).unwrap_or(i64::MAX))
            .fetch_all(&mut *conn)
            .await
            .map_err(failed("cannot search for recipient"))?;
            let Some((last, _)) = rows.last() else {
                break;
            };
            before = *last;
            ids.extend(rows.iter().filter(|(_, blob)| contains_hash(blob, self.0.hash)).map(|(id, _)| *id));
        }
        Ok(ids)
    }
}

/// Finds the parcels of a batch that hold any of these message ids.
#[derive(Debug)]
pub(crate) struct FindIds {
    pub(crate) batch_id: String,
    pub(crate) hashes: Vec<u64>,
}

impl Work for FindIds {
    type Answer = Vec<u32>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<u32>> {
        let wanted: HashSet<u64> = self.hashes.iter().copied().collect();
        let mut seqs = Vec::new();
        let mut after = None;
        loop {
            let page = IdsAfter { batch_id: self.batch_id.clone(), after_seq: after }.run(conn).await?;
            let Some((last, _)) = page.last() else {
                return Ok(seqs);
            };
            after = Some(*last);
            // There may be far more hashes to look for than ids in a parcel.
            let holding = page.iter().filter(|(_, ids)| hashes(ids).any(|hash| wanted.contains(&hash)));
            seqs.extend(holding.map(|(seq, _)| *seq));
        }
    }
}

/// Counts the message ids that the caller of a batch chose.
#[derive(Debug)]
pub(crate) struct CountIds {
    pub(crate) batch_id: String,
}

impl Work for CountIds {
    type Answer = u64;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<u64> {
        let count: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(length(ids) / 8), 0) FROM parcel_index WHERE parcel_id IN
             (SELECT id FROM parcel WHERE batch_no = (SELECT no FROM batch WHERE id = $1))",
        )
        .bind(&self.batch_id)
        .fetch_one(conn)
        .await
        .map_err(failed("cannot count message ids"))?;
        narrow(count, "message ids")
    }
}

/// Reads the id lists of the next few hundred parcels of a batch, with their places.
#[derive(Debug)]
pub(crate) struct IdsAfter {
    pub(crate) batch_id: String,
    pub(crate) after_seq: Option<u32>,
}

impl Work for IdsAfter {
    type Answer = Vec<(u32, Vec<u8>)>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Self::Answer> {
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT p.seq, i.ids FROM parcel AS p JOIN parcel_index AS i ON i.parcel_id = p.id
             WHERE p.batch_no = (SELECT no FROM batch WHERE id = $1) AND p.seq > $2 ORDER BY p.seq LIMIT 512",
        )
        .bind(&self.batch_id)
        .bind(self.after_seq.map_or(-1, i64::from))
        .fetch_all(conn)
        .await
        .map_err(failed("cannot read message ids"))?;
        rows.into_iter().map(|(seq, ids)| Ok((narrow(seq, "seq")?, ids))).collect()
    }
}
