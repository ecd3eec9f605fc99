//! What is known after a call: new states, a record, the end of a send.
//!
//! Everything is fenced by the claim's epoch; a parcel whose messages are all final is done and leaves the
//! queue. Sums change once a batch and command, not once a parcel.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;

use super::codec::{id_list, states_from_blob, states_to_blob};
use super::failed;
use super::share::Delta;
use super::writer::Work;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Revision, Settled, Settlement};
use crate::status::Status;

/// Settles parcels after a call.
#[derive(Debug)]
pub(crate) struct Settle {
    pub(crate) parcels: Vec<Settled>,
    pub(crate) now_ms: i64,
}

impl Work for Settle {
    type Answer = Settlement;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Settlement> {
        let mut answer = Settlement::default();
        let mut deltas: BTreeMap<i64, Delta> = BTreeMap::new();
        for settled in &self.parcels {
            answer.held.push(settle_parcel(conn, settled, &mut deltas).await?);
        }
        for (batch_no, delta) in deltas {
            let applied = delta.apply(conn, batch_no, self.now_ms).await?;
            if applied.settled_now {
                answer.batches_settled.push(applied.batch_id);
            }
        }
        Ok(answer)
    }

    fn bytes(&self) -> usize {
        self.parcels.iter().map(|settled| settled.record.len() + settled.states.len()).sum()
    }
}

async fn settle_parcel(
    conn: &mut SqliteConnection,
    settled: &Settled,
    deltas: &mut BTreeMap<i64, Delta>,
) -> Result<bool> {
    let row: Option<(i64, String, Vec<u8>)> = sqlx::query_as(
        "SELECT batch_no, provider, states FROM parcel WHERE id = $1 AND epoch = $2 AND claimed = 1",
    )
    .bind(settled.claim.parcel)
    .bind(settled.claim.epoch)
    .fetch_optional(&mut *conn)
    .await
    .map_err(failed("cannot settle parcel"))?;
    let Some((batch_no, provider, before)) = row else {
        return Ok(false);
    };
    let before = states_from_blob(&before)?;
    if before.len() != settled.states.len() {
        return Err(Error::new(ErrorKind::Invalid, "cannot settle parcel with another number of messages")
            .with("parcel", settled.claim.parcel)
            .with("stored", before.len())
            .with("given", settled.states.len()));
    }
    let done = settled.states.iter().all(|status| status.is_final());
    write_parcel(conn, settled, done).await?;

    let delta = deltas.entry(batch_no).or_default();
    let closed = delta.change_messages(&before, &settled.states);
    delta.calls += i64::from(settled.calls);
    if done || closed != 0 {
        delta.add_waiting(&provider, -i64::from(done), -closed);
    }
    if let (Some(release_at_ms), false) = (settled.release_at_ms, done) {
        delta.due(&provider, release_at_ms);
    }
    Ok(true)
}

async fn write_parcel(conn: &mut SqliteConnection, settled: &Settled, done: bool) -> Result<()> {
    let claimed = !done && settled.release_at_ms.is_none();
    sqlx::query(
        "UPDATE parcel SET states = $2, done = $3, claimed = $4, due_ms = coalesce($5, due_ms) WHERE id = $1;
         INSERT INTO record (parcel_id, blob) SELECT $1, $6 WHERE length($6) > 0;
         DELETE FROM sending WHERE parcel_id = $1 AND ($3 OR id IN (SELECT value FROM json_each($7)))",
    )
    .bind(settled.claim.parcel)
    .bind(states_to_blob(&settled.states))
    .bind(done)
    .bind(claimed)
    .bind(settled.release_at_ms)
    .bind(settled.record.as_slice())
    .bind(id_list(&settled.sending))
    .execute(conn)
    .await
    .map(drop)
    .map_err(failed("cannot settle parcel"))
}

/// Corrects unknowns after a late answer.
#[derive(Debug)]
pub(crate) struct Revise {
    pub(crate) revision: Revision,
    pub(crate) now_ms: i64,
}

impl Work for Revise {
    type Answer = bool;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<bool> {
        let Revision { parcel, changes, record } = &self.revision;
        let row: Option<(i64, Vec<u8>)> = sqlx::query_as("SELECT batch_no, states FROM parcel WHERE id = $1")
            .bind(parcel)
            .fetch_optional(&mut *conn)
            .await
            .map_err(failed("cannot revise parcel"))?;
        let Some((batch_no, before)) = row else {
            return Ok(false);
        };
        let before = states_from_blob(&before)?;
        let mut after = before.clone();
        for (index, status) in changes.iter().filter(|(_, status)| status.is_final()) {
            if let Some(state) = after.get_mut(usize::from(*index)).filter(|state| **state == Status::Unknown)
            {
                *state = *status;
            }
        }
        if after == before {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE parcel SET states = $2 WHERE id = $1;
             INSERT INTO record (parcel_id, blob) SELECT $1, $3 WHERE length($3) > 0",
        )
        .bind(parcel)
        .bind(states_to_blob(&after))
        .bind(record.as_slice())
        .execute(&mut *conn)
        .await
        .map_err(failed("cannot revise parcel"))?;
        let mut delta = Delta::default();
        delta.change_messages(&before, &after);
        delta.apply(conn, batch_no, self.now_ms).await?;
        Ok(true)
    }
}
