//! What is known after a call: new states, a record, the end of a send.
//!
//! Everything is fenced by the claim's epoch; a parcel whose messages are all final is done and leaves the
//! queue. Sums change once a batch and command, not once a parcel.

use std::collections::{BTreeMap, HashMap};

use sqlx::sqlite::SqliteConnection;

use super::codec::{id_list, states_from_blob, states_to_blob};
use super::failed;
use super::script::Script;
use super::share::{Delta, apply, apply_all};
use super::writer::Work;
use crate::boundary::Around;
use crate::error::{Error, ErrorKind, Result};
use crate::model::claimed::{Revision, Settled, Settlement};
use interline_core::outcome::Status;

/// Settles parcels after a call.
#[derive(Debug)]
pub(crate) struct Settle {
    pub(crate) parcels: Vec<Settled>,
    pub(crate) now_ms: i64,
}

/// A claimed parcel as the settlements before have left it.
struct Open {
    epoch: i64,
    batch_no: i64,
    provider: String,
    states: Vec<Status>,
}

/// What a group of settlements comes to.
#[derive(Default)]
struct Changes {
    script: Script,
    deltas: BTreeMap<i64, Delta>,
    /// The last settlement that touched a batch.
    by: HashMap<i64, usize>,
    /// Parcels that are done, and sends that ended with the parcels they belong to.
    done: Vec<i64>,
    ended: Vec<i64>,
    ended_of: Vec<i64>,
}

impl Work for Settle {
    type Answer = Settlement;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "settle.before_commit", after: "settle.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Settlement> {
        Ok(Self::run_all(&[self], conn).await?.pop().unwrap_or_default())
    }

    async fn run_all(works: &[&Self], conn: &mut SqliteConnection) -> Result<Vec<Settlement>> {
        let mut parcels = open_parcels(works, conn).await?;
        let mut changes = Changes::default();
        let mut answers = Vec::with_capacity(works.len());
        for (by, work) in works.iter().enumerate() {
            let mut answer = Settlement::default();
            for settled in &work.parcels {
                answer.held.push(changes.settle_parcel(settled, by, &mut parcels)?);
            }
            answers.push(answer);
        }
        std::mem::take(&mut changes.script).run(conn, "cannot settle parcels").await?;
        changes.end_sends(conn).await?;
        let by = |batch_no: i64| changes.by.get(&batch_no).copied().unwrap_or_default();
        let when = |batch_no: i64| works.get(by(batch_no)).map_or(0, |work| work.now_ms);
        for (batch_no, batch_id) in apply_all(conn, &changes.deltas, when).await? {
            if let Some(answer) = answers.get_mut(by(batch_no)) {
                answer.batches_settled.push(batch_id);
            }
        }
        Ok(answers)
    }

    fn bytes(&self) -> usize {
        self.parcels.iter().map(|settled| settled.record.len() + settled.states.len()).sum()
    }
}

async fn open_parcels(works: &[&Settle], conn: &mut SqliteConnection) -> Result<HashMap<i64, Open>> {
    type Row = (i64, i64, i64, String, Vec<u8>);
    let ids: Vec<i64> =
        works.iter().flat_map(|work| &work.parcels).map(|settled| settled.claim.parcel).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, epoch, batch_no, provider, states FROM parcel
         WHERE id IN (SELECT value FROM json_each($1)) AND claimed = 1",
    )
    .bind(id_list(&ids))
    .fetch_all(conn)
    .await
    .map_err(failed("cannot settle parcel"))?;
    rows.into_iter()
        .map(|(id, epoch, batch_no, provider, states)| {
            Ok((id, Open { epoch, batch_no, provider, states: states_from_blob(&states)? }))
        })
        .collect()
}

impl Changes {
    /// Adds what a settlement changes; says whether its claim held.
    fn settle_parcel(
        &mut self,
        settled: &Settled,
        by: usize,
        parcels: &mut HashMap<i64, Open>,
    ) -> Result<bool> {
        let id = settled.claim.parcel;
        let Some(open) = parcels.get_mut(&id).filter(|open| open.epoch == settled.claim.epoch) else {
            return Ok(false);
        };
        if open.states.len() != settled.states.len() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "cannot settle parcel with another number of messages",
            )
            .with("parcel", id)
            .with("stored", open.states.len())
            .with("given", settled.states.len()));
        }
        let done = settled.states.iter().all(|status| status.is_final());
        let claimed = !done && settled.release_at_ms.is_none();
        self.write_parcel(settled, (done, claimed));

        self.by.insert(open.batch_no, by);
        let delta = self.deltas.entry(open.batch_no).or_default();
        let closed = delta.change_messages(&open.states, &settled.states);
        delta.calls += i64::from(settled.calls);
        if closed != 0 {
            delta.touched.push(id);
        }
        if done || closed != 0 {
            delta.add_waiting(&open.provider, -i64::from(done), -closed);
        }
        if let (Some(release_at_ms), false) = (settled.release_at_ms, done) {
            delta.due(&open.provider, release_at_ms);
        }
        if claimed {
            open.states.clone_from(&settled.states);
        } else {
            parcels.remove(&id);
        }
        Ok(true)
    }

    fn write_parcel(&mut self, settled: &Settled, (done, claimed): (bool, bool)) {
        let id = settled.claim.parcel;
        self.script
            .add("UPDATE parcel SET states = ?, done = ?, claimed = ?, due_ms = coalesce(?, due_ms) WHERE id = ?")
            .bind(states_to_blob(&settled.states))
            .bind(done)
            .bind(claimed)
            .bind(settled.release_at_ms)
            .bind(id);
        if !settled.record.is_empty() {
            self.script
                .add("INSERT INTO record (parcel_id, blob) VALUES (?, ?)")
                .bind(id)
                .bind(settled.record.as_slice());
        }
        if done {
            self.done.push(id);
        }
        if !settled.sending.is_empty() {
            self.ended.extend(&settled.sending);
            self.ended_of.push(id);
        }
    }

    async fn end_sends(&self, conn: &mut SqliteConnection) -> Result<()> {
        if self.done.is_empty() && self.ended.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "DELETE FROM sending WHERE parcel_id IN (SELECT value FROM json_each($1));
             DELETE FROM sending WHERE id IN (SELECT value FROM json_each($2))
                AND parcel_id IN (SELECT value FROM json_each($3))",
        )
        .bind(id_list(&self.done))
        .bind(id_list(&self.ended))
        .bind(id_list(&self.ended_of))
        .execute(conn)
        .await
        .map(drop)
        .map_err(failed("cannot end sends"))
    }
}

/// Corrects unknowns after a late answer.
#[derive(Debug)]
pub(crate) struct Revise {
    pub(crate) revision: Revision,
    pub(crate) now_ms: i64,
}

impl Work for Revise {
    type Answer = bool;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "revise.before_commit", after: "revise.after_commit" });

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
        delta.touched.push(*parcel);
        apply(conn, batch_no, delta, self.now_ms).await?;
        Ok(true)
    }
}
