//! Sends that go past the queue: recorded when they are over, or, under an idempotency key, also before
//! their first byte leaves, so that a crash leaves unknown messages and not a free key.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;

use super::accept::{BatchRow, Form, Rows, copies_bytes, parcel_bytes};
use super::codec::{states_from_blob, states_to_blob};
use super::share::{Delta, apply, apply_shares};
use super::writer::Work;
use super::{callbacks, failed, keys, marks};
use crate::boundary::Around;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Accepted, BatchState, DirectResult, IdempotencyKey, NewBatch, NewParcel};

/// Writes a direct send down before it starts.
#[derive(Debug)]
pub(crate) struct BeginDirect {
    pub(crate) batch: NewBatch,
    pub(crate) parcels: Vec<NewParcel>,
    pub(crate) key: Option<IdempotencyKey>,
}

impl Work for BeginDirect {
    type Answer = Accepted;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "begin_direct.before_commit", after: "begin_direct.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Accepted> {
        if let Some(key) = &self.key
            && let Some(earlier) = keys::look_up(conn, key).await?
        {
            return Ok(earlier);
        }
        let taken = marks::taken(conn, &self.batch).await?;
        if !taken.is_empty() {
            return Ok(Accepted::Marked(taken));
        }
        let mut rows = Rows::begin(conn).await?;
        if let Some(key) = &self.key {
            keys::write(&mut rows.script, key, &self.batch.id, true);
        }
        let (no, _) = rows.add_whole(&self.batch, &self.parcels, form(0, self.batch.created_ms));
        marks::write(&mut rows.script, &self.batch.marks, no);
        let mut deltas = BTreeMap::new();
        rows.add_copies(&self.batch, &mut deltas);
        rows.script.run(conn, "cannot store direct send").await?;
        callbacks::begin(conn, no, &self.batch).await?;
        if !deltas.is_empty() {
            apply_shares(conn, &deltas).await?;
        }
        Ok(Accepted::Stored)
    }

    fn bytes(&self) -> usize {
        parcel_bytes(&self.parcels) + copies_bytes(&self.batch)
    }
}

/// Writes down what became of a direct send.
#[derive(Debug)]
pub(crate) struct RecordDirect(pub(crate) DirectResult);

impl DirectResult {
    /// Whether it was written down before it started.
    fn begun(&self) -> bool {
        self.answer.is_some() || !self.batch.marks.is_empty() || !self.batch.copies.is_empty()
    }
}

impl Work for RecordDirect {
    type Answer = ();

    const BOUNDARY: Option<Around> =
        Some(Around { before: "record_direct.before_commit", after: "record_direct.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        let DirectResult { batch, parcels, calls, now_ms, answer } = &self.0;
        let mut rows = Rows::begin(conn).await?;
        match begun(conn, batch).await? {
            Some(row) => {
                let mut delta = Delta::of_calls(*calls);
                for parcel in parcels {
                    finish_parcel(conn, (&row, &mut rows), parcel, &mut delta).await?;
                }
                rows.script.run(conn, "cannot record direct send").await?;
                apply(conn, row.no, delta, *now_ms).await?;
            }
            None => {
                let (no, _) = rows.add_whole(batch, parcels, form(*calls, *now_ms));
                rows.script.run(conn, "cannot record direct send").await?;
                callbacks::begin(conn, no, batch).await?;
            }
        }
        if let Some((key, answer)) = answer {
            keys::answer(conn, &batch.app, key, answer).await?;
        }
        Ok(())
    }

    /// Takes it that what answers no key and has no marks and no copies was not begun, and stores it without looking: if it
    /// was begun, its id is taken, so this fails and each is run by itself.
    async fn run_all(works: &[&Self], conn: &mut SqliteConnection) -> Result<Vec<()>> {
        if let [work] = works {
            return Ok(vec![work.run(conn).await?]);
        }
        let (begun, new): (Vec<&Self>, Vec<&Self>) = works.iter().partition(|work| work.0.begun());
        if !new.is_empty() {
            let mut rows = Rows::begin(conn).await?;
            let mut told = Vec::new();
            for Self(DirectResult { batch, parcels, calls, now_ms, .. }) in new {
                let (no, _) = rows.add_whole(batch, parcels, form(*calls, *now_ms));
                if batch.callback.is_some() {
                    told.push((no, batch));
                }
            }
            rows.script.run(conn, "cannot record direct send").await?;
            for (no, batch) in told {
                callbacks::begin(conn, no, batch).await?;
            }
        }
        for work in begun {
            work.run(conn).await?;
        }
        Ok(vec![(); works.len()])
    }

    fn bytes(&self) -> usize {
        let records = self.0.parcels.iter().filter_map(|parcel| parcel.record.as_ref()).map(Vec::len);
        self.0.batch.head.len() + parcel_bytes(&self.0.parcels) + records.sum::<usize>()
    }
}

fn form(calls: u32, now_ms: i64) -> Form {
    Form { state: BatchState::Sending, direct: true, calls, now_ms }
}

/// The row of a direct send that was written down before it started.
async fn begun(conn: &mut SqliteConnection, batch: &NewBatch) -> Result<Option<BatchRow>> {
    let row: Option<(i64, bool)> = sqlx::query_as("SELECT no, direct FROM batch WHERE id = $1")
        .bind(&batch.id)
        .fetch_optional(conn)
        .await
        .map_err(failed("cannot record direct send"))?;
    let Some((no, direct)) = row else {
        return Ok(None);
    };
    if !direct {
        return Err(Error::new(ErrorKind::Conflict, "cannot record a queued batch as a direct send")
            .with("id", &batch.id));
    }
    Ok(Some(BatchRow { no, created_ms: batch.created_ms, send_at_ms: None, direct }))
}

async fn finish_parcel(
    conn: &mut SqliteConnection,
    (batch, rows): (&BatchRow, &mut Rows),
    parcel: &NewParcel,
    delta: &mut Delta,
) -> Result<()> {
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT id, states FROM parcel WHERE batch_no = $1 AND seq = $2")
            .bind(batch.no)
            .bind(parcel.seq)
            .fetch_optional(&mut *conn)
            .await
            .map_err(failed("cannot record direct send"))?;
    let Some((id, before)) = row else {
        rows.add_parcels(batch, std::slice::from_ref(parcel), delta);
        return Ok(());
    };
    let before = states_from_blob(&before)?;
    if before.len() != parcel.states.len() {
        return Err(Error::new(
            ErrorKind::Invalid,
            "cannot record another number of messages than were begun",
        )
        .with("seq", parcel.seq));
    }
    sqlx::query(
        "UPDATE parcel SET states = $2, provider = $3 WHERE id = $1;
         INSERT INTO record (parcel_id, blob) SELECT $1, $4 WHERE $4 IS NOT NULL",
    )
    .bind(id)
    .bind(states_to_blob(&parcel.states))
    .bind(&parcel.provider)
    .bind(parcel.record.as_deref())
    .execute(&mut *conn)
    .await
    .map_err(failed("cannot record direct send"))?;
    delta.change_messages(&before, &parcel.states);
    delta.touched.push(id);
    Ok(())
}

/// Ends the direct sends that the last process left open: what was not final is unknown.
pub(super) async fn end_interrupted(conn: &mut SqliteConnection) -> Result<u64> {
    let batches: Vec<(i64, i64)> =
        sqlx::query_as("SELECT no, created_ms FROM batch WHERE state = $1 AND direct = 1")
            .bind(BatchState::Sending.number())
            .fetch_all(&mut *conn)
            .await
            .map_err(failed("cannot find interrupted sends"))?;
    for (no, created_ms) in &batches {
        let parcels: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT id, states FROM parcel WHERE batch_no = $1")
                .bind(no)
                .fetch_all(&mut *conn)
                .await
                .map_err(failed("cannot find interrupted sends"))?;
        let mut delta = Delta::default();
        for (id, before) in parcels {
            let before = states_from_blob(&before)?;
            let after: Vec<_> = before
                .iter()
                .map(
                    |status| {
                        if status.is_final() { *status } else { interline_core::outcome::Status::Unknown }
                    },
                )
                .collect();
            sqlx::query("UPDATE parcel SET states = $2 WHERE id = $1")
                .bind(id)
                .bind(states_to_blob(&after))
                .execute(&mut *conn)
                .await
                .map_err(failed("cannot end interrupted send"))?;
            delta.change_messages(&before, &after);
            delta.touched.push(id);
        }
        apply(conn, *no, delta, *created_ms).await?;
    }
    Ok(batches.len() as u64)
}
