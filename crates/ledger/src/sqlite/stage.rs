//! Long uploads: parcels come in short transactions, hidden from lanes, and one last transaction publishes
//! them all. However long the upload, publishing touches one row a provider.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;

use super::accept::{BatchRow, Rows, parcel_bytes, waiting_state};
use super::retention::DropStep;
use super::round::join_round;
use super::script::Script;
use super::share::{Delta, apply};
use super::writer::Work;
use super::{Store, callbacks, failed, keys, marks};
use crate::boundary::Around;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Accepted, Along, BatchState, IdempotencyKey, NewBatch, NewParcel};

/// Begins an upload.
#[derive(Debug)]
pub(crate) struct Stage(pub(crate) NewBatch);

impl Work for Stage {
    type Answer = ();

    const BOUNDARY: Option<Around> =
        Some(Around { before: "stage.before_commit", after: "stage.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        let mut rows = Rows::begin(conn).await?;
        let no = rows.add_empty(&self.0);
        rows.script.run(conn, "cannot store batch").await?;
        callbacks::begin(conn, no, &self.0).await
    }
}

/// Adds to an upload.
#[derive(Debug)]
pub(crate) struct StageParcels {
    pub(crate) batch_id: String,
    pub(crate) parcels: Vec<NewParcel>,
}

impl Work for StageParcels {
    type Answer = ();

    const BOUNDARY: Option<Around> =
        Some(Around { before: "stage_parcels.before_commit", after: "stage_parcels.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        let row = receiving(conn, &self.batch_id).await?;
        let mut rows = Rows::begin(conn).await?;
        let mut delta = Delta::default();
        rows.add_parcels(&row, &self.parcels, &mut delta);
        rows.script.run(conn, "cannot store parcels").await?;
        apply(conn, row.no, delta, row.created_ms).await
    }

    fn bytes(&self) -> usize {
        parcel_bytes(&self.parcels)
    }
}

/// Ends an upload: lanes see it from here on.
#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) batch_id: String,
    pub(crate) along: Along,
    pub(crate) now_ms: i64,
    pub(crate) key: Option<IdempotencyKey>,
}

impl Work for Publish {
    type Answer = Accepted;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "publish.before_commit", after: "publish.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Accepted> {
        let row = receiving(conn, &self.batch_id).await?;
        if let Some(key) = &self.key {
            if let Some(earlier) = keys::look_up(conn, key).await? {
                return Ok(earlier);
            }
            let mut script = Script::default();
            keys::write(&mut script, key, &self.batch_id, false);
            script.run(conn, "cannot store idempotency key").await?;
        }
        marks::move_here(conn, row.no, &self.along.again, self.now_ms).await?;
        self.show(conn, row).await?;
        for copy in &self.along.copies {
            let row = receiving(conn, copy).await?;
            self.show(conn, row).await?;
        }
        Ok(Accepted::Stored)
    }
}

impl Publish {
    /// Ends one upload.
    async fn show(&self, conn: &mut SqliteConnection, row: BatchRow) -> Result<()> {
        sqlx::query("UPDATE batch SET state = $2 WHERE no = $1")
            .bind(row.no)
            .bind(waiting_state(row.send_at_ms, self.now_ms).number())
            .execute(&mut *conn)
            .await
            .map_err(failed("cannot publish batch"))?;
        open_shares(conn, row.no).await?;
        apply(conn, row.no, Delta::default(), self.now_ms).await
    }
}

/// Shows a batch's parcels to the lanes, at the end of the round that is running.
pub(super) async fn open_shares(conn: &mut SqliteConnection, batch_no: i64) -> Result<()> {
    const OPEN: &str = concat!(
        "UPDATE share SET open = 1, turn = max(turn,
            (SELECT coalesce(max(reached) + 1, 0) FROM round WHERE round.provider = share.provider
                AND round.priority = share.priority AND round.app = share.app))
         WHERE batch_no = $1;",
        join_round!("batch_no = $1 AND due_ms = 0")
    );
    sqlx::query(OPEN)
        .bind(batch_no)
        .execute(conn)
        .await
        .map(drop)
        .map_err(failed("cannot open batch to lanes"))
}

/// The pause before a deletion that failed is tried again.
const DISCARD_AGAIN: Duration = Duration::from_secs(1);

impl Store {
    /// Deletes an upload; in the background if it cannot be done now.
    pub(crate) async fn discard(&self, batch_id: &str) -> Result<()> {
        let Err(error) = self.try_discard(batch_id).await else { return Ok(()) };
        if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) || self.writer.is_closed() {
            return Err(error);
        }
        tracing::warn!(batch.id = batch_id, %error, "a broken upload cannot be deleted yet");
        let (store, batch_id) = (self.clone(), batch_id.to_owned());
        tokio::spawn(async move {
            while !store.writer.is_closed() && store.try_discard(&batch_id).await.is_err() {
                tokio::time::sleep(DISCARD_AGAIN).await;
            }
        });
        Ok(())
    }

    async fn try_discard(&self, batch_id: &str) -> Result<()> {
        let batch_no = self.write(BeginDiscard { batch_id: batch_id.to_owned() }).await?;
        while self.write(DropStep { batch_no }).await? {}
        Ok(())
    }
}

/// Begins to delete an upload: after this nothing of it can come back.
#[derive(Debug)]
struct BeginDiscard {
    batch_id: String,
}

impl Work for BeginDiscard {
    type Answer = i64;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "discard.before_commit", after: "discard.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<i64> {
        let row = receiving(conn, &self.batch_id).await?;
        sqlx::query("DELETE FROM share WHERE batch_no = $1")
            .bind(row.no)
            .execute(conn)
            .await
            .map_err(failed("cannot discard upload"))?;
        Ok(row.no)
    }
}

pub(super) async fn receiving(conn: &mut SqliteConnection, batch_id: &str) -> Result<BatchRow> {
    let row: Option<(i64, i64, Option<i64>, i64)> =
        sqlx::query_as("SELECT no, created_ms, send_at_ms, state FROM batch WHERE id = $1")
            .bind(batch_id)
            .fetch_optional(conn)
            .await
            .map_err(failed("cannot find upload"))?;
    let Some((no, created_ms, send_at_ms, state)) = row else {
        return Err(Error::new(ErrorKind::NotFound, "cannot find upload").with("batch", batch_id));
    };
    if state != BatchState::Receiving.number() {
        return Err(
            Error::new(ErrorKind::Conflict, "cannot change a published batch").with("batch", batch_id)
        );
    }
    Ok(BatchRow { no, created_ms, send_at_ms, direct: false })
}
