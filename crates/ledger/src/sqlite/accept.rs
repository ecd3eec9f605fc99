//! Storing a batch with its parcels and its idempotency key in one transaction.
//!
//! The inserting functions here are also what staging and direct sends use.

use sqlx::sqlite::SqliteConnection;

use super::codec::{hashes_to_blob, states_to_blob};
use super::share::Delta;
use super::writer::Work;
use super::{failed, keys};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Accepted, BatchState, IdempotencyKey, NewBatch, NewParcel};

/// Stores a whole batch.
#[derive(Debug)]
pub(crate) struct Accept {
    pub(crate) batch: NewBatch,
    pub(crate) parcels: Vec<NewParcel>,
    pub(crate) key: Option<IdempotencyKey>,
}

impl Work for Accept {
    type Answer = Accepted;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Accepted> {
        if let Some(key) = &self.key {
            if let Some(earlier) = keys::look_up(conn, key).await? {
                return Ok(earlier);
            }
            keys::insert(conn, key, &self.batch.id, false).await?;
        }
        let state = waiting_state(self.batch.send_at_ms, self.batch.created_ms);
        let row = insert_batch(conn, &self.batch, state, false).await?;
        let mut delta = Delta::default();
        insert_parcels(conn, &row, &self.parcels, &mut delta).await?;
        delta.apply(conn, row.no, self.batch.created_ms).await?;
        Ok(Accepted::Stored)
    }

    fn bytes(&self) -> usize {
        self.batch.head.len() + parcel_bytes(&self.parcels)
    }
}

/// Whether a complete batch waits for its time or for a lane.
pub(super) fn waiting_state(send_at_ms: Option<i64>, now_ms: i64) -> BatchState {
    match send_at_ms {
        Some(send_at) if send_at > now_ms => BatchState::Scheduled,
        _ => BatchState::Queued,
    }
}

/// What parcels need to know of the batch they belong to.
#[derive(Debug)]
pub(super) struct BatchRow {
    pub(super) no: i64,
    pub(super) created_ms: i64,
    pub(super) send_at_ms: Option<i64>,
    /// Sent at once: its parcels are never claimed.
    pub(super) direct: bool,
}

pub(super) async fn insert_batch(
    conn: &mut SqliteConnection,
    batch: &NewBatch,
    state: BatchState,
    direct: bool,
) -> Result<BatchRow> {
    let labels: serde_json::Map<String, serde_json::Value> =
        batch.labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let done = sqlx::query(
        "INSERT INTO batch (id, app, state, direct, created_ms, send_at_ms, expires_at_ms, priority, labels, head)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&batch.id)
    .bind(&batch.app)
    .bind(state.number())
    .bind(direct)
    .bind(batch.created_ms)
    .bind(batch.send_at_ms)
    .bind(batch.expires_at_ms)
    .bind(batch.priority)
    .bind(serde_json::Value::Object(labels).to_string())
    .bind(batch.head.as_slice())
    .execute(conn)
    .await
    .map_err(failed("cannot store batch"))?;
    if done.rows_affected() == 0 {
        return Err(Error::new(ErrorKind::Conflict, "cannot store a batch twice").with("id", &batch.id));
    }
    Ok(BatchRow {
        no: done.last_insert_rowid(),
        created_ms: batch.created_ms,
        send_at_ms: batch.send_at_ms,
        direct,
    })
}

pub(super) async fn insert_parcels(
    conn: &mut SqliteConnection,
    batch: &BatchRow,
    parcels: &[NewParcel],
    delta: &mut Delta,
) -> Result<()> {
    for parcel in parcels {
        let open = parcel.states.iter().filter(|status| !status.is_final()).count() as i64;
        let done = batch.direct || open == 0;
        let due_ms = parcel.not_before_ms.max(batch.send_at_ms.unwrap_or(0));
        insert_parcel(conn, batch, parcel, Waiting { done, due_ms }).await?;
        delta.add_messages(&parcel.states);
        if !done {
            delta.add_waiting(&parcel.provider, 1, open);
            delta.due(&parcel.provider, due_ms);
        }
    }
    Ok(())
}

struct Waiting {
    done: bool,
    due_ms: i64,
}

async fn insert_parcel(
    conn: &mut SqliteConnection,
    batch: &BatchRow,
    parcel: &NewParcel,
    waiting: Waiting,
) -> Result<()> {
    // The side tables share the parcel's number, so the last inserted row id stays the same throughout.
    const PARCEL: &str =
        "INSERT INTO parcel (batch_no, seq, provider, done, due_ms, first_index, bytes, states)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8);
         INSERT INTO parcel_body VALUES (last_insert_rowid(), $9);
         INSERT INTO parcel_index VALUES (last_insert_rowid(), $10, $11, $12);
         INSERT INTO record (parcel_id, blob) SELECT last_insert_rowid(), $13 WHERE $13 IS NOT NULL";
    sqlx::query(PARCEL)
        .bind(batch.no)
        .bind(parcel.seq)
        .bind(&parcel.provider)
        .bind(waiting.done)
        .bind(waiting.due_ms)
        .bind(parcel.first_index)
        .bind(parcel.body.len() as i64)
        .bind(states_to_blob(&parcel.states))
        .bind(parcel.body.as_slice())
        .bind(batch.created_ms)
        .bind(hashes_to_blob(&parcel.recipients))
        .bind(hashes_to_blob(&parcel.ids))
        .bind(parcel.record.as_deref())
        .execute(conn)
        .await
        .map(drop)
        .map_err(failed("cannot store parcel"))
        .map_err(|error| error.with("seq", parcel.seq))
}

/// Roughly what the parcels take on disk.
pub(super) fn parcel_bytes(parcels: &[NewParcel]) -> usize {
    parcels.iter().map(|parcel| parcel.body.len() + parcel.states.len() * 20).sum()
}
