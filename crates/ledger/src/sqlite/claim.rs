//! Claims: which parcels a lane gets, and how it holds, gives back and passes on what it has.
//!
//! Batches of equal priority take turns. A parcel may be claimed when its `due_ms` has come: the time before
//! which it must wait, or, while somebody holds it, the end of the lease. Each claim raises the epoch, and
//! every later change names the epoch it was made under.

use std::collections::{BTreeMap, HashMap};

use sqlx::sqlite::SqliteConnection;

use super::codec::{batch_state, indexes_to_blob};
use super::script::Script;
use super::share::{Delta, NEVER, apply_shares};
use super::writer::Work;
use super::{codec, failed};
use crate::boundary::{self, Around};
use crate::error::Result;
use crate::model::{BatchState, Claim, ClaimRequest, Held, SendingStart};

/// How far behind the others a batch may stand and still catch up.
const ARREARS: i64 = 64;
/// Batches looked at in one claim.
const BATCHES: i64 = 64;

/// Takes parcels for a lane.
#[derive(Debug)]
pub(crate) struct ClaimParcels(pub(crate) ClaimRequest);

struct Share {
    batch_no: i64,
    priority: i64,
    turn: i64,
}

/// What a batch got in its turn, of how much, and how far the batch that is furthest ahead has come.
struct Round {
    taken: usize,
    quota: usize,
    last_turn: i64,
}

/// What a claim may still take.
struct Room {
    parcels: usize,
    bytes: i64,
}

impl Work for ClaimParcels {
    type Answer = Vec<Claim>;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "claim.before_commit", after: "claim.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<Claim>> {
        let shares = self.ready_shares(conn).await?;
        let mut room =
            Room { parcels: self.0.max_parcels, bytes: i64::try_from(self.0.max_bytes).unwrap_or(i64::MAX) };
        let mut claims = Vec::new();
        for (index, share) in shares.iter().enumerate() {
            if room.parcels == 0 {
                break;
            }
            let equals = shares.iter().skip(index).take_while(|other| other.priority == share.priority);
            let (waiting, last_turn) =
                equals.fold((0, share.turn), |(n, turn), other| (n + 1, turn.max(other.turn)));
            let quota = room.parcels.div_ceil(waiting);
            let taken = self.take(conn, share, quota, &mut room).await?;
            let round = Round { taken: taken.len(), quota, last_turn };
            self.advance(conn, share, &round).await?;
            claims.extend(taken);
        }
        Ok(claims)
    }
}

impl ClaimParcels {
    async fn ready_shares(&self, conn: &mut SqliteConnection) -> Result<Vec<Share>> {
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT batch_no, priority, turn FROM share
             WHERE provider = $1 AND open = 1 AND due_ms <= $2
             ORDER BY priority DESC, turn, batch_no LIMIT $3",
        )
        .bind(&self.0.provider)
        .bind(self.0.now_ms)
        .bind(BATCHES)
        .fetch_all(conn)
        .await
        .map_err(failed("cannot claim parcels"))?;
        Ok(rows.into_iter().map(|(batch_no, priority, turn)| Share { batch_no, priority, turn }).collect())
    }

    /// Claims up to `quota` parcels of one batch, and closes the room when bytes run out.
    async fn take(
        &self,
        conn: &mut SqliteConnection,
        share: &Share,
        quota: usize,
        room: &mut Room,
    ) -> Result<Vec<Claim>> {
        let candidates: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT id, epoch, bytes FROM parcel
             WHERE batch_no = $1 AND provider = $2 AND done = 0 AND due_ms <= $3 ORDER BY seq LIMIT $4",
        )
        .bind(share.batch_no)
        .bind(&self.0.provider)
        .bind(self.0.now_ms)
        .bind(i64::try_from(quota).unwrap_or(i64::MAX))
        .fetch_all(&mut *conn)
        .await
        .map_err(failed("cannot claim parcels"))?;
        let mut claims = Vec::new();
        for (id, epoch, bytes) in candidates {
            let first = room.parcels == self.0.max_parcels;
            if bytes > room.bytes && !first {
                room.parcels = 0;
                break;
            }
            room.bytes -= bytes;
            room.parcels -= 1;
            claims.push(Claim { parcel: id, epoch: epoch + 1 });
        }
        let ids: Vec<i64> = claims.iter().map(|claim| claim.parcel).collect();
        sqlx::query(
            "UPDATE parcel SET epoch = epoch + 1, claimed = 1, due_ms = $2
             WHERE id IN (SELECT value FROM json_each($1))",
        )
        .bind(codec::id_list(&ids))
        .bind(self.0.lease_until_ms)
        .execute(conn)
        .await
        .map_err(failed("cannot claim parcels"))?;
        Ok(claims)
    }

    /// Moves a batch back in the round by what it got, and to sleep when it has nothing more to give.
    async fn advance(&self, conn: &mut SqliteConnection, share: &Share, round: &Round) -> Result<()> {
        let taken = i64::try_from(round.taken).unwrap_or(ARREARS);
        sqlx::query(
            "UPDATE share SET turn = $3, due_ms = CASE WHEN $4 THEN
                (SELECT coalesce(min(due_ms), $5) FROM parcel
                 WHERE parcel.batch_no = share.batch_no AND parcel.provider = share.provider AND done = 0)
                ELSE due_ms END
             WHERE batch_no = $1 AND provider = $2;
             UPDATE batch SET state = $6 WHERE no = $1 AND state IN ($7, $8) AND $9 > 0",
        )
        .bind(share.batch_no)
        .bind(&self.0.provider)
        .bind(share.turn.max(round.last_turn - ARREARS) + taken)
        .bind(round.taken < round.quota)
        .bind(NEVER)
        .bind(BatchState::Sending.number())
        .bind(BatchState::Scheduled.number())
        .bind(BatchState::Queued.number())
        .bind(taken)
        .execute(conn)
        .await
        .map(drop)
        .map_err(failed("cannot claim parcels"))
    }
}

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
        let mut answers = Vec::with_capacity(self.claims.len());
        for claim in &self.claims {
            let state: Option<i64> = sqlx::query_scalar(
                "UPDATE parcel SET due_ms = $3 WHERE id = $1 AND epoch = $2 AND claimed = 1
                 RETURNING (SELECT state FROM batch WHERE no = batch_no)",
            )
            .bind(claim.parcel)
            .bind(claim.epoch)
            .bind(self.lease_until_ms)
            .fetch_optional(&mut *conn)
            .await
            .map_err(failed("cannot renew lease"))?;
            answers.push(match state.map(batch_state).transpose()? {
                None => Held::Lost,
                Some(BatchState::Cancelled) => Held::Cancelled,
                Some(BatchState::Paused) => Held::Paused,
                Some(_) => Held::Yes,
            });
        }
        Ok(answers)
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
