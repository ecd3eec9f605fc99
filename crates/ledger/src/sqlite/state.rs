//! Pausing, resuming and cancelling a batch.
//!
//! The state changes in one small transaction, after which nothing more of the batch leaves; a cancelled
//! batch's waiting messages are then marked in slices. Parcels that somebody holds, that were cut off in
//! sending, or of which anything was tried stay claimable so that they settle honestly: what may have arrived
//! is not cancelled but unknown, and only their records tell.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;

use super::accept::waiting_state;
use super::codec::{batch_state, states_from_blob, states_to_blob};
use super::share::{Delta, apply};
use super::stage::open_shares;
use super::writer::Work;
use super::{Store, failed};
use crate::boundary::Around;
use crate::error::{Error, ErrorKind, Result};
use crate::model::BatchState;
use interline_core::outcome::Status;

/// Parcels of a cancelled batch that one transaction marks.
const SLICE: i64 = 256;

/// Moves a batch to paused, back to queued, or to cancelled.
#[derive(Debug)]
pub(crate) struct SetState {
    pub(crate) batch_id: String,
    pub(crate) wanted: BatchState,
    pub(crate) now_ms: i64,
}

struct Row {
    no: i64,
    direct: bool,
    send_at_ms: Option<i64>,
    /// A lane has had parts of it.
    touched: bool,
}

impl Work for SetState {
    /// The refusal is an answer: nothing was written that would have to be undone.
    type Answer = Result<BatchState>;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "set_state.before_commit", after: "set_state.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Result<BatchState>> {
        let row: Option<(i64, i64, bool, Option<i64>, bool)> = sqlx::query_as(
            "SELECT no, state, direct, send_at_ms,
                calls > 0 OR EXISTS (SELECT 1 FROM parcel WHERE batch_no = no AND epoch > 0)
             FROM batch WHERE id = $1",
        )
        .bind(&self.batch_id)
        .fetch_optional(&mut *conn)
        .await
        .map_err(failed("cannot change state of batch"))?;
        let Some((no, state, direct, send_at_ms, touched)) = row else {
            return Ok(Err(self.refusal(ErrorKind::NotFound)));
        };
        let old = batch_state(state)?;
        let row = Row { no, direct, send_at_ms, touched };
        let Some(new) = self.next(&row, old) else {
            return Ok(Err(self.refusal(ErrorKind::Conflict).with("state", format_args!("{old:?}"))));
        };
        if new == old {
            return Ok(Ok(old));
        }
        sqlx::query(
            "UPDATE batch SET state = $2 WHERE no = $1; UPDATE share SET open = 0 WHERE batch_no = $1",
        )
        .bind(row.no)
        .bind(new.number())
        .execute(&mut *conn)
        .await
        .map_err(failed("cannot change state of batch"))?;
        if self.wanted == BatchState::Queued {
            open_shares(conn, row.no).await?;
        }
        Ok(Ok(new))
    }
}

impl SetState {
    /// The state that follows, or `None` if it cannot.
    fn next(&self, row: &Row, old: BatchState) -> Option<BatchState> {
        use BatchState::{Cancelled, Paused, Queued, Scheduled, Sending};
        if row.direct {
            return None;
        }
        match (self.wanted, old) {
            (Paused, Scheduled | Queued | Sending | Paused) => Some(Paused),
            (Queued, Scheduled | Queued | Sending) => Some(old),
            (Queued, Paused) if row.touched => Some(Sending),
            (Queued, Paused) => Some(waiting_state(row.send_at_ms, self.now_ms)),
            (Cancelled, Scheduled | Queued | Sending | Paused | Cancelled) => Some(Cancelled),
            _ => None,
        }
    }

    fn refusal(&self, kind: ErrorKind) -> Error {
        Error::new(kind, "cannot change state of batch")
            .with("batch", &self.batch_id)
            .with("to", format_args!("{:?}", self.wanted))
    }
}

/// The pause before a slice that could not be marked is tried again.
const CANCEL_AGAIN: Duration = Duration::from_secs(1);

impl Store {
    /// Marks the waiting messages of a cancelled batch; in the background if it cannot be done now. That
    /// nothing more of it leaves is on disk already.
    pub(crate) async fn cancel_waiting(&self, batch_id: &str, now_ms: i64) {
        let Err(error) = self.try_cancel(batch_id, now_ms).await else { return };
        tracing::warn!(batch.id = batch_id, %error, "waiting messages of a batch cannot be cancelled yet");
        let (store, batch_id) = (self.clone(), batch_id.to_owned());
        tokio::spawn(async move {
            while !store.writer.is_closed() && store.try_cancel(&batch_id, now_ms).await.is_err() {
                tokio::time::sleep(CANCEL_AGAIN).await;
            }
        });
    }

    async fn try_cancel(&self, batch_id: &str, now_ms: i64) -> Result<()> {
        while self.write(CancelStep { batch_id: batch_id.to_owned(), now_ms }).await? {}
        Ok(())
    }
}

/// Marks a slice of a cancelled batch's waiting messages; says whether there may be more.
#[derive(Debug)]
pub(crate) struct CancelStep {
    pub(crate) batch_id: String,
    pub(crate) now_ms: i64,
}

impl Work for CancelStep {
    type Answer = bool;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "cancel_slice.before_commit", after: "cancel_slice.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<bool> {
        let failure = failed("cannot cancel messages of batch");
        let no: Option<i64> = sqlx::query_scalar("SELECT no FROM batch WHERE id = $1 AND state = $2")
            .bind(&self.batch_id)
            .bind(BatchState::Cancelled.number())
            .fetch_optional(&mut *conn)
            .await
            .map_err(&failure)?;
        let Some(no) = no else {
            return Ok(false);
        };
        let parcels: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(
            "SELECT id, provider, states FROM parcel INDEXED BY parcel_waiting
             WHERE batch_no = $1 AND done = 0 AND claimed = 0
                AND NOT EXISTS (SELECT 1 FROM sending WHERE parcel_id = parcel.id)
                AND (epoch = 0 OR NOT EXISTS (SELECT 1 FROM record WHERE parcel_id = parcel.id)) LIMIT $2",
        )
        .bind(no)
        .bind(SLICE)
        .fetch_all(&mut *conn)
        .await
        .map_err(&failure)?;
        let mut delta = Delta::default();
        for (id, provider, before) in &parcels {
            let before = states_from_blob(before)?;
            let after: Vec<_> = before
                .iter()
                .map(|status| if status.is_final() { *status } else { Status::Cancelled })
                .collect();
            let closed = delta.change_messages(&before, &after);
            delta.add_waiting(provider, -1, -closed);
            delta.touched.push(*id);
            sqlx::query("UPDATE parcel SET states = $2, done = 1 WHERE id = $1")
                .bind(id)
                .bind(states_to_blob(&after))
                .execute(&mut *conn)
                .await
                .map_err(&failure)?;
        }
        apply(conn, no, delta, self.now_ms).await?;
        let more = parcels.len() as i64 == SLICE;
        if !more {
            open_shares(conn, no).await?;
        }
        Ok(more)
    }
}

/// Lists the batches whose cancelling is not over.
pub(super) async fn half_cancelled(conn: &mut SqliteConnection) -> Result<Vec<(String, i64)>> {
    sqlx::query_as("SELECT id, created_ms FROM batch WHERE state = $1 AND settled_ms IS NULL")
        .bind(BatchState::Cancelled.number())
        .fetch_all(conn)
        .await
        .map_err(failed("cannot find cancelled batches"))
}
