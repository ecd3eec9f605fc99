//! What the holder of a parcel does with it: keep it, write down that its messages are about to leave, give it
//! back. Each names the epoch of its claim, and does nothing once somebody else has claimed the parcel.

use std::collections::{BTreeMap, HashMap};

use sqlx::sqlite::SqliteConnection;

use super::codec::{self, batch_state, indexes_to_blob};
use super::failed;
use super::script::Script;
use super::share::{Delta, apply_shares};
use super::writer::Work;
use crate::boundary::{self, Around};
use crate::error::Result;
use crate::model::BatchState;
use crate::model::claimed::{Claim, Held, SendingStart};

/// Makes claims last longer.
#[derive(Debug)]
pub(crate) struct Renew {
    pub(crate) claims: Vec<Claim>,
    pub(crate) lease_until_ms: i64,
}

impl Work for Renew {
    type Answer = Vec<Held>;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "renew.before_commit", after: "renew.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<Held>> {
        let claims: Vec<serde_json::Value> =
            self.claims.iter().map(|claim| serde_json::json!([claim.parcel, claim.epoch])).collect();
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "UPDATE parcel SET due_ms = $2 FROM json_each($1) AS claim
             WHERE parcel.id = (claim.value ->> 0) AND parcel.epoch = (claim.value ->> 1) AND claimed = 1
             RETURNING id, epoch, (SELECT state FROM batch WHERE no = batch_no)",
        )
        .bind(serde_json::Value::from(claims).to_string())
        .bind(self.lease_until_ms)
        .fetch_all(conn)
        .await
        .map_err(failed("cannot renew lease"))?;
        let mut held = HashMap::with_capacity(rows.len());
        for (parcel, epoch, state) in rows {
            held.insert(Claim { parcel, epoch }, batch_state(state)?);
        }
        let answer = |claim| match held.get(claim) {
            None => Held::Lost,
            Some(BatchState::Cancelled) => Held::Cancelled,
            Some(BatchState::Paused) => Held::Paused,
            Some(_) => Held::Yes,
        };
        Ok(self.claims.iter().map(answer).collect())
    }
}

/// Writes down that messages are about to leave.
#[derive(Debug)]
pub(crate) struct Begin(pub(crate) Vec<SendingStart>);

impl Work for Begin {
    type Answer = Vec<Option<i64>>;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "begin_sending.before_commit", after: "begin_sending.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<Option<i64>>> {
        Ok(Self::run_all(&[self], conn).await?.pop().unwrap_or_default())
    }

    async fn run_all(works: &[&Self], conn: &mut SqliteConnection) -> Result<Vec<Vec<Option<i64>>>> {
        let starts: Vec<&SendingStart> = works.iter().flat_map(|work| &work.0).collect();
        let allowed = allowed_batches(conn, &starts).await?;
        let mut last = last_sending(conn).await?;
        let mut script = Script::default();
        let mut ids = Vec::with_capacity(starts.len());
        for (place, start) in starts.iter().enumerate() {
            let Some(batch_no) = allowed.get(&place) else {
                ids.push(None);
                continue;
            };
            last += 1;
            ids.push(Some(last));
            if boundary::skips("sending") {
                continue;
            }
            script
                .add("INSERT INTO sending VALUES (?, ?, ?, ?, ?, ?, ?)")
                .bind(last)
                .bind(start.claim.parcel)
                .bind(batch_no)
                .bind(start.at_ms)
                .bind(&start.provider)
                .bind(indexes_to_blob(&start.indexes))
                .bind(start.blob.as_slice());
        }
        script.run(conn, "cannot begin sending").await?;
        let mut ids = ids.into_iter();
        Ok(works.iter().map(|work| ids.by_ref().take(work.0.len()).collect()).collect())
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|start| start.blob.len()).sum()
    }
}

/// The batch number of each start whose claim holds and whose batch may go on, by place.
async fn allowed_batches(
    conn: &mut SqliteConnection,
    starts: &[&SendingStart],
) -> Result<HashMap<usize, i64>> {
    let claims: Vec<serde_json::Value> =
        starts.iter().map(|start| serde_json::json!([start.claim.parcel, start.claim.epoch])).collect();
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT start.key, parcel.batch_no
         FROM json_each($1) AS start JOIN parcel ON parcel.id = (start.value ->> 0)
            JOIN batch ON batch.no = parcel.batch_no
         WHERE parcel.epoch = (start.value ->> 1) AND parcel.claimed = 1 AND batch.state NOT IN ($2, $3)",
    )
    .bind(serde_json::Value::from(claims).to_string())
    .bind(BatchState::Paused.number())
    .bind(BatchState::Cancelled.number())
    .fetch_all(conn)
    .await
    .map_err(failed("cannot begin sending"))?;
    rows.into_iter().map(|(place, batch_no)| Ok((codec::narrow(place, "place")?, batch_no))).collect()
}

/// The highest id ever given to a send; there is one writer, so nobody else gives any.
async fn last_sending(conn: &mut SqliteConnection) -> Result<i64> {
    sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'sending'")
        .fetch_one(conn)
        .await
        .map_err(failed("cannot begin sending"))
}

/// Gives a parcel back.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) claim: Claim,
    pub(crate) not_before_ms: i64,
}

impl Work for Release {
    type Answer = bool;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "release.before_commit", after: "release.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<bool> {
        let row: Option<(i64, String)> = sqlx::query_as(
            "UPDATE parcel SET claimed = 0, due_ms = $3 WHERE id = $1 AND epoch = $2 AND claimed = 1
             RETURNING batch_no, provider",
        )
        .bind(self.claim.parcel)
        .bind(self.claim.epoch)
        .bind(self.not_before_ms)
        .fetch_optional(&mut *conn)
        .await
        .map_err(failed("cannot release parcel"))?;
        let Some((batch_no, provider)) = row else {
            return Ok(false);
        };
        let mut delta = Delta::default();
        delta.due(&provider, self.not_before_ms);
        apply_shares(conn, &BTreeMap::from([(batch_no, delta)])).await?;
        Ok(true)
    }
}
