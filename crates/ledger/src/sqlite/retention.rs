//! Deleting: old batches, broken uploads, and the space they leave. Always in slices, so that no commit of
//! a caller waits long behind it.

use sqlx::sqlite::SqliteConnection;

use super::codec::id_list;
use super::failed;
use super::writer::Work;
use crate::boundary::Around;
use crate::error::Result;
use crate::model::BatchState;

/// Parcels that one transaction deletes.
const SLICE: i64 = 128;

/// Lists batches that settled before a time and that no idempotency key or mark can ask for any more.
#[derive(Debug)]
pub(crate) struct OldBatches {
    pub(crate) before_ms: i64,
    pub(crate) now_ms: i64,
    pub(crate) limit: i64,
}

impl Work for OldBatches {
    type Answer = Vec<i64>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<i64>> {
        sqlx::query_scalar(
            "SELECT no FROM batch WHERE settled_ms < $1 AND coalesce(marked_until_ms, 0) <= $2
                AND NOT EXISTS (SELECT 1 FROM idempotency WHERE batch_id = batch.id AND expires_ms > $2)
                AND (callback = 0 OR NOT EXISTS (SELECT 1 FROM callback AS c
                    JOIN callback_endpoint AS e ON e.id = c.endpoint
                    WHERE c.batch_no = no AND e.disabled_ms IS NULL AND (c.open <> 0 OR EXISTS
                        (SELECT 1 FROM callback_event AS v WHERE v.batch_no = c.batch_no AND v.state = 0))))
             ORDER BY settled_ms LIMIT $3",
        )
        .bind(self.before_ms)
        .bind(self.now_ms)
        .bind(self.limit)
        .fetch_all(conn)
        .await
        .map_err(failed("cannot find old batches"))
    }
}

/// Lists uploads that no process is working on any more.
pub(super) async fn broken_uploads(conn: &mut SqliteConnection) -> Result<Vec<i64>> {
    sqlx::query_scalar("SELECT no FROM batch WHERE state = $1")
        .bind(BatchState::Receiving.number())
        .fetch_all(conn)
        .await
        .map_err(failed("cannot find broken uploads"))
}

/// Deletes a slice of a batch, and the batch with the last one; says whether more is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DropStep {
    pub(crate) batch_no: i64,
}

impl Work for DropStep {
    type Answer = bool;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "drop_slice.before_commit", after: "drop_slice.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<bool> {
        let failure = failed("cannot delete batch");
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM parcel WHERE batch_no = $1 LIMIT $2")
            .bind(self.batch_no)
            .bind(SLICE)
            .fetch_all(&mut *conn)
            .await
            .map_err(&failure)?;
        sqlx::query(
            "DELETE FROM parcel_body WHERE parcel_id IN (SELECT value FROM json_each($1));
             DELETE FROM parcel_index WHERE parcel_id IN (SELECT value FROM json_each($1));
             DELETE FROM record WHERE parcel_id IN (SELECT value FROM json_each($1));
             DELETE FROM sending WHERE parcel_id IN (SELECT value FROM json_each($1));
             DELETE FROM callback_parcel WHERE parcel_id IN (SELECT value FROM json_each($1));
             DELETE FROM callback_event WHERE id IN
                (SELECT id FROM callback_event WHERE batch_no = $2 LIMIT 1000);
             DELETE FROM parcel WHERE id IN (SELECT value FROM json_each($1))",
        )
        .bind(id_list(&ids))
        .bind(self.batch_no)
        .execute(&mut *conn)
        .await
        .map_err(&failure)?;
        if ids.len() as i64 == SLICE {
            return Ok(true);
        }
        sqlx::query(
            "DELETE FROM share WHERE batch_no = $1;
             DELETE FROM callback_event WHERE batch_no = $1;
             DELETE FROM callback WHERE batch_no = $1;
             UPDATE meta SET value = value + 1 WHERE key = 'deleted_batches'
                AND EXISTS (SELECT 1 FROM batch WHERE no = $1);
             DELETE FROM batch WHERE no = $1",
        )
        .bind(self.batch_no)
        .execute(conn)
        .await
        .map_err(failure)?;
        Ok(false)
    }
}

/// Gives free pages back to the file system once they are more than a quarter of the file.
#[derive(Debug)]
pub(crate) struct Shrink;

impl Work for Shrink {
    type Answer = ();

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        let failure = failed("cannot shrink ledger");
        let (free, pages): (i64, i64) = sqlx::query_as(
            "SELECT f.freelist_count, p.page_count FROM pragma_freelist_count f, pragma_page_count p",
        )
        .fetch_one(&mut *conn)
        .await
        .map_err(&failure)?;
        if free * 4 < pages {
            return Ok(());
        }
        sqlx::raw_sql("PRAGMA incremental_vacuum(2048)").execute(conn).await.map(drop).map_err(failure)
    }
}
