//! What is written when a batch with a callback is stored and when something becomes of it: that there is
//! something to tell, and in which parcels. In the same transaction as what it tells of, so that no crash comes
//! between; batches without a callback pay nothing.

use sqlx::sqlite::SqliteConnection;

use super::codec::id_list;
use super::failed;
use crate::error::Result;
use crate::model::NewBatch;

/// `batch.callback` where messages are told of, too.
pub(super) const EACH: i64 = 2;

/// `batch.callback` of a new batch.
pub(super) fn mode(batch: &NewBatch) -> i64 {
    batch.callback.as_ref().map_or(0, |callback| if callback.each { EACH } else { 1 })
}

/// Writes down who is told of a batch that was just stored. What is final from the start is told as well.
pub(super) async fn begin(conn: &mut SqliteConnection, batch_no: i64, batch: &NewBatch) -> Result<()> {
    let Some(callback) = &batch.callback else { return Ok(()) };
    sqlx::query(
        "INSERT INTO callback_endpoint (app, url, created_ms, due_ms) SELECT $1, $2, $3, $5
            WHERE NOT EXISTS (SELECT 1 FROM callback_endpoint WHERE app = $1 AND url = $2);
         INSERT INTO callback (batch_no, endpoint, open)
            SELECT $4, id, (SELECT state <> 0 AND (settled_ms IS NOT NULL OR callback = 2) FROM batch WHERE no = $4)
            FROM callback_endpoint WHERE app = $1 AND url = $2;
         INSERT INTO callback_parcel (parcel_id, batch_no, fresh)
            SELECT parcel.id, $4, 1 FROM parcel JOIN batch ON batch.no = parcel.batch_no
            WHERE parcel.batch_no = $4 AND batch.callback = 2;
         UPDATE callback_endpoint SET due_ms = not_before_ms WHERE app = $1 AND url = $2 AND disabled_ms IS NULL
            AND due_ms > not_before_ms AND EXISTS (SELECT 1 FROM callback WHERE batch_no = $4 AND open = 1)",
    )
    .bind(&batch.app)
    .bind(&callback.url)
    .bind(batch.created_ms)
    .bind(batch_no)
    .bind(super::share::NEVER)
    .execute(conn)
    .await
    .map(drop)
    .map_err(failed("cannot store callback"))
}

/// Notes that something became of a batch with a callback: in these parcels, and, if `told`, that it is time to
/// tell.
pub(super) async fn note(
    conn: &mut SqliteConnection,
    batch_no: i64,
    parcels: &[i64],
    told: bool,
) -> Result<()> {
    let failure = failed("cannot note what is to be told");
    if !parcels.is_empty() {
        sqlx::query(
            "INSERT INTO callback_parcel (parcel_id, batch_no, fresh) SELECT value, $1, 1 FROM json_each($2)
             WHERE true ON CONFLICT (parcel_id) DO UPDATE SET fresh = 1",
        )
        .bind(batch_no)
        .bind(id_list(parcels))
        .execute(&mut *conn)
        .await
        .map_err(&failure)?;
    }
    if !told {
        return Ok(());
    }
    sqlx::query(
        "UPDATE callback SET open = 1 WHERE batch_no = $1 AND open = 0;
         UPDATE callback_endpoint SET due_ms = not_before_ms WHERE disabled_ms IS NULL AND due_ms > not_before_ms
            AND id = (SELECT endpoint FROM callback WHERE batch_no = $1)",
    )
    .bind(batch_no)
    .execute(conn)
    .await
    .map(drop)
    .map_err(failure)
}
