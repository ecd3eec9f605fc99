//! Reading whole parcels: row, body, records and open sends, by one query a table however many there are.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;

use super::codec::{id_list, indexes_from_blob, narrow, states_from_blob};
use super::writer::Work;
use super::{failed, read};
use crate::error::{Error, ErrorKind, Result};
use crate::model::BatchHead;
use crate::model::claimed::{Claim, ClaimedParcel, SendingRow};
use crate::model::stored::{ParcelQuery, StoredParcel};
use interline_core::outcome::Status;

/// Reads parcels, in the order of `ids`, with the number of the batch of each. Missing ones are left out.
pub(super) async fn parcels(conn: &mut SqliteConnection, ids: &[i64]) -> Result<Vec<(i64, StoredParcel)>> {
    type Row = (i64, i64, i64, i64, String, Vec<u8>, Vec<u8>, Option<Vec<u8>>);
    let list = id_list(ids);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT p.batch_no, p.id, p.seq, p.first_index, p.provider, p.states, b.body, b.record
         FROM json_each($1) AS wanted JOIN parcel AS p ON p.id = wanted.value
            JOIN parcel_body AS b ON b.parcel_id = p.id
         ORDER BY wanted.key",
    )
    .bind(&list)
    .fetch_all(&mut *conn)
    .await
    .map_err(failed("cannot read parcels"))?;
    let mut later = records(conn, &list).await?;
    let mut sending = sending(conn, &list).await?;
    rows.into_iter()
        .map(|(batch_no, id, seq, first_index, provider, states, body, record)| {
            let mut records = Vec::from_iter(record);
            records.extend(later.remove(&id).unwrap_or_default());
            let parcel = StoredParcel {
                parcel: id,
                seq: narrow(seq, "seq")?,
                first_index: narrow(first_index, "first index")?,
                provider,
                body,
                states: states_from_blob(&states)?,
                records,
                sending: sending.remove(&id).unwrap_or_default(),
            };
            Ok((batch_no, parcel))
        })
        .collect()
}

async fn records(conn: &mut SqliteConnection, list: &str) -> Result<HashMap<i64, Vec<Vec<u8>>>> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT parcel_id, blob FROM record WHERE parcel_id IN (SELECT value FROM json_each($1)) ORDER BY id",
    )
    .bind(list)
    .fetch_all(conn)
    .await
    .map_err(failed("cannot read records"))?;
    let mut by_parcel: HashMap<i64, Vec<Vec<u8>>> = HashMap::new();
    for (parcel, blob) in rows {
        by_parcel.entry(parcel).or_default().push(blob);
    }
    Ok(by_parcel)
}

async fn sending(conn: &mut SqliteConnection, list: &str) -> Result<HashMap<i64, Vec<SendingRow>>> {
    type Row = (i64, i64, i64, String, Vec<u8>, Vec<u8>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT parcel_id, id, at_ms, provider, indexes, blob FROM sending
         WHERE parcel_id IN (SELECT value FROM json_each($1)) ORDER BY id",
    )
    .bind(list)
    .fetch_all(conn)
    .await
    .map_err(failed("cannot read open sends"))?;
    let mut by_parcel: HashMap<i64, Vec<SendingRow>> = HashMap::new();
    for (parcel, id, at_ms, provider, indexes, blob) in rows {
        let row = SendingRow { id, indexes: indexes_from_blob(&indexes), at_ms, provider, blob };
        by_parcel.entry(parcel).or_default().push(row);
    }
    Ok(by_parcel)
}

/// Batch heads, each read once and shared by its parcels.
#[derive(Default)]
pub(super) struct Heads(HashMap<i64, Arc<BatchHead>>);

impl Heads {
    pub(super) async fn get(&mut self, conn: &mut SqliteConnection, batch_no: i64) -> Result<Arc<BatchHead>> {
        if let Some(head) = self.0.get(&batch_no) {
            return Ok(Arc::clone(head));
        }
        let head = Arc::new(read::head(conn, batch_no).await?);
        self.0.insert(batch_no, Arc::clone(&head));
        Ok(head)
    }
}

/// Reads what was just claimed. Apart from claiming, because bodies are large and the writer is shared.
#[derive(Debug)]
pub(crate) struct LoadClaims(pub(crate) Vec<Claim>);

impl Work for LoadClaims {
    type Answer = Vec<ClaimedParcel>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<ClaimedParcel>> {
        let ids: Vec<i64> = self.0.iter().map(|claim| claim.parcel).collect();
        let epochs: HashMap<i64, i64> = self.0.iter().map(|claim| (claim.parcel, claim.epoch)).collect();
        let mut heads = Heads::default();
        let mut claimed = Vec::with_capacity(ids.len());
        for (batch_no, parcel) in parcels(conn, &ids).await? {
            let batch = heads.get(conn, batch_no).await?;
            let epoch = epochs.get(&parcel.parcel).copied().unwrap_or_default();
            claimed.push(ClaimedParcel {
                claim: Claim { parcel: parcel.parcel, epoch },
                batch,
                seq: parcel.seq,
                first_index: parcel.first_index,
                body: parcel.body,
                records: parcel.records,
                states: parcel.states,
                interrupted: parcel.sending,
            });
        }
        Ok(claimed)
    }
}

/// Reads a page of a batch's parcels.
#[derive(Debug)]
pub(crate) struct ReadParcels {
    pub(crate) batch_id: String,
    pub(crate) query: ParcelQuery,
}

impl Work for ReadParcels {
    type Answer = Vec<StoredParcel>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<StoredParcel>> {
        let no: Option<i64> = sqlx::query_scalar("SELECT no FROM batch WHERE id = $1")
            .bind(&self.batch_id)
            .fetch_optional(&mut *conn)
            .await
            .map_err(failed("cannot read parcels"))?;
        let Some(no) = no else {
            return Err(Error::new(ErrorKind::NotFound, "cannot read parcels").with("batch", &self.batch_id));
        };
        // `instr` looks for the status byte inside the blob, so parcels without it never leave SQLite.
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM parcel WHERE batch_no = $1 AND seq > $2
                AND ($3 IS NULL OR instr(states, $3) > 0
                    OR ($4 AND EXISTS (SELECT 1 FROM sending WHERE parcel_id = parcel.id)))
             ORDER BY seq LIMIT $5",
        )
        .bind(no)
        .bind(self.query.after_seq.map_or(-1, i64::from))
        .bind(self.query.status.map(|status| vec![status as u8]))
        .bind(self.query.status == Some(Status::Sending))
        .bind(i64::try_from(self.query.limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *conn)
        .await
        .map_err(failed("cannot read parcels"))?;
        Ok(parcels(conn, &ids).await?.into_iter().map(|(_, parcel)| parcel).collect())
    }
}
