//! Claims: which parcels a lane gets.
//!
//! Higher priority first; among equals apps take turns, and batches within an app (see [`super::round`]). A
//! parcel may be claimed when its `due_ms` has come: the time before which it must wait, or, while somebody
//! holds it, the end of the lease. Each claim raises the epoch, and every later change names the epoch it was
//! made under.
//!
//! However many batches wait, a claim reads as many rows as it takes parcels, and some more: ready shares are
//! found by an index in the order of their turns, and those whose time has come are made ready beforehand.

use sqlx::sqlite::SqliteConnection;

use super::failed;
use super::round::join_round;
use super::share::NEVER;
use super::writer::Work;
use crate::boundary::Around;
use crate::error::Result;
use crate::model::BatchState;
use crate::model::claimed::{Claim, ClaimRequest};

/// Shares that one claim makes ready; the next one goes on.
const READIED: i64 = 256;
/// Apps, and batches of each, that are looked at together.
const WIDTH: usize = 64;
/// How often a claim looks for more while some of what it found had nothing to give.
const PASSES: usize = 16;

/// Takes parcels for a lane.
#[derive(Debug)]
pub(crate) struct ClaimParcels(pub(crate) ClaimRequest);

/// An app in the round of a provider.
struct Member {
    priority: i64,
    app: String,
    turn: i64,
    reached: i64,
    /// A batch of it may still be ready.
    active: bool,
}

/// A batch in its turn.
struct Share {
    /// The place of its app among those of this pass.
    member: usize,
    batch_no: i64,
    turn: i64,
    /// What it may give.
    quota: usize,
    taken: usize,
    /// It gave all that it has.
    empty: bool,
}

/// What a claim may still take.
struct Room {
    parcels: usize,
    bytes: i64,
    /// Nothing was taken yet: the first parcel is given whatever its size.
    untouched: bool,
}

impl Work for ClaimParcels {
    type Answer = Vec<Claim>;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "claim.before_commit", after: "claim.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<Claim>> {
        let bytes = i64::try_from(self.0.max_bytes).unwrap_or(i64::MAX);
        let mut room = Room { parcels: self.0.max_parcels, bytes, untouched: true };
        let mut claims = Vec::new();
        for pass in 0..PASSES {
            let mut members = self.members(conn, pass == 0).await?;
            let Some(first) = members.first() else { break };
            let priority = first.priority;
            let equals = members.iter().take_while(|member| member.priority == priority).count();
            let more = members.len() > equals;
            members.truncate(equals);
            let mut shares = self.shares(conn, &mut members, &room).await?;
            let taken = self.take(conn, &mut shares, &mut room).await?;
            self.advance(conn, &mut members, &shares, &taken).await?;
            claims.extend(taken);
            if room.parcels == 0 || !(more || members.iter().any(|member| member.active)) {
                break;
            }
        }
        Ok(claims)
    }
}

impl ClaimParcels {
    /// The apps whose turn it is, highest priority first; beforehand, if asked to, makes ready what is due.
    async fn members(&self, conn: &mut SqliteConnection, ready: bool) -> Result<Vec<Member>> {
        const MEMBERS: &str = "SELECT priority, app, turn, reached FROM round
             WHERE provider = $1 AND active = 1 ORDER BY priority DESC, turn, app LIMIT $4";
        let text = if ready { READY_AND_MEMBERS } else { MEMBERS };
        let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(text)
            .bind(&self.0.provider)
            .bind(self.0.now_ms)
            .bind(READIED)
            .bind(count(self.0.max_parcels.min(WIDTH)))
            .bind(BatchState::Queued.number())
            .bind(BatchState::Scheduled.number())
            .fetch_all(conn)
            .await
            .map_err(failed("cannot claim parcels"))?;
        let member = |(priority, app, turn, reached)| Member { priority, app, turn, reached, active: true };
        Ok(rows.into_iter().map(member).collect())
    }

    /// The batches of these apps whose turn it is, with what each may give.
    async fn shares(
        &self,
        conn: &mut SqliteConnection,
        members: &mut [Member],
        room: &Room,
    ) -> Result<Vec<Share>> {
        let Some(first) = members.first() else { return Ok(Vec::new()) };
        let most = room.parcels.div_ceil(members.len()).min(WIDTH);
        let apps: Vec<&str> = members.iter().map(|member| member.app.as_str()).collect();
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT member.key, share.batch_no, share.turn FROM json_each($2) AS member
                CROSS JOIN share ON share.provider = $1 AND share.batch_no IN
                    (SELECT batch_no FROM share WHERE provider = $1 AND priority = $3 AND app = member.value
                        AND open = 1 AND due_ms = 0 ORDER BY turn, batch_no LIMIT $4)
             ORDER BY member.key, share.turn, share.batch_no",
        )
        .bind(&self.0.provider)
        .bind(serde_json::Value::from(apps).to_string())
        .bind(first.priority)
        .bind(count(most + 1))
        .fetch_all(conn)
        .await
        .map_err(failed("cannot claim parcels"))?;
        Ok(quotas(&rows, members, room.parcels, most))
    }

    /// Claims what the shares may give, in their order, until the room is taken.
    async fn take(
        &self,
        conn: &mut SqliteConnection,
        shares: &mut [Share],
        room: &mut Room,
    ) -> Result<Vec<Claim>> {
        let Some(most) = shares.iter().map(|share| share.quota).max() else { return Ok(Vec::new()) };
        let batches: Vec<i64> = shares.iter().map(|share| share.batch_no).collect();
        let candidates: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT turn.key, parcel.id, parcel.epoch, parcel.bytes FROM json_each($2) AS turn
                CROSS JOIN parcel ON parcel.id IN
                    (SELECT id FROM parcel WHERE batch_no = turn.value AND provider = $1 AND done = 0
                        AND due_ms <= $3 ORDER BY seq LIMIT $4)
             ORDER BY turn.key, parcel.seq",
        )
        .bind(&self.0.provider)
        .bind(super::codec::id_list(&batches))
        .bind(self.0.now_ms)
        .bind(count(most + 1))
        .fetch_all(conn)
        .await
        .map_err(failed("cannot claim parcels"))?;
        let mut candidates = candidates.into_iter().peekable();
        let mut claims = Vec::new();
        for (place, share) in (0..).zip(shares) {
            share.empty = true;
            while let Some((_, parcel, epoch, bytes)) = candidates.next_if(|(key, ..)| *key == place) {
                if bytes > room.bytes && !room.untouched {
                    room.parcels = 0;
                }
                if share.taken == share.quota || room.parcels == 0 {
                    share.empty = false;
                    continue;
                }
                room.bytes -= bytes;
                room.parcels -= 1;
                room.untouched = false;
                share.taken += 1;
                claims.push(Claim { parcel, epoch: epoch + 1 });
            }
        }
        Ok(claims)
    }

    /// Writes the claims down, moves batches and apps back by what they took, and puts to sleep what has
    /// nothing more to give.
    async fn advance(
        &self,
        conn: &mut SqliteConnection,
        members: &mut [Member],
        shares: &[Share],
        taken: &[Claim],
    ) -> Result<()> {
        let mut moved: Vec<serde_json::Value> = Vec::with_capacity(shares.len());
        for share in shares {
            let Some(member) = members.get_mut(share.member) else { continue };
            let begins = if share.taken > 0 { share.turn.max(member.reached) } else { share.turn };
            if share.taken > 0 {
                member.reached = begins;
            }
            member.turn += count(share.taken);
            member.active |= !share.empty;
            let turn = begins + count(share.taken);
            moved.push(serde_json::json!([share.batch_no, turn, share.empty, share.taken]));
        }
        let apps: Vec<serde_json::Value> = members
            .iter()
            .map(|member| serde_json::json!([member.app, member.turn, member.reached, member.active]))
            .collect();
        let claimed: Vec<i64> = taken.iter().map(|claim| claim.parcel).collect();
        sqlx::query(ADVANCE)
            .bind(super::codec::id_list(&claimed))
            .bind(self.0.lease_until_ms)
            .bind(serde_json::Value::from(moved).to_string())
            .bind(&self.0.provider)
            .bind(NEVER)
            .bind(BatchState::Sending.number())
            .bind(BatchState::Scheduled.number())
            .bind(BatchState::Queued.number())
            .bind(serde_json::Value::from(apps).to_string())
            .bind(members.first().map(|member| member.priority))
            .execute(conn)
            .await
            .map(drop)
            .map_err(failed("cannot claim parcels"))
    }
}

/// Shares the room out among the apps, and what an app may give among its batches. Says of each app whether
/// it has more batches than were looked at.
fn quotas(rows: &[(i64, i64, i64)], members: &mut [Member], room: usize, most: usize) -> Vec<Share> {
    let (mut left, mut apps) = (room, members.len());
    let mut shares = Vec::with_capacity(rows.len());
    let mut rows = rows;
    for (place, member) in members.iter_mut().enumerate() {
        let own = rows.iter().take_while(|(key, ..)| *key == count(place)).count();
        let (mine, rest) = rows.split_at(own);
        rows = rest;
        member.active = own > most;
        let mut for_app = left.div_ceil(apps);
        left -= for_app;
        apps -= 1;
        let looked_at = own.min(most);
        for (nth, (_, batch_no, turn)) in mine.iter().take(looked_at).enumerate() {
            let quota = for_app.div_ceil(looked_at - nth);
            for_app -= quota;
            // Left without a quota, it keeps its turn and stays ready.
            member.active |= quota == 0;
            if quota > 0 {
                let (batch_no, turn) = (*batch_no, *turn);
                shares.push(Share { member: place, batch_no, turn, quota, taken: 0, empty: false });
            }
        }
    }
    shares
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What is due joins the round, scheduled batches are queued, and their shares are ready.
const READY_AND_MEMBERS: &str = concat!(
    join_round!(
        "provider = $1 AND batch_no IN (SELECT batch_no FROM share WHERE provider = $1 AND open = 1
            AND due_ms > 0 AND due_ms <= $2 ORDER BY due_ms, batch_no LIMIT $3)"
    ),
    ";
    UPDATE batch SET state = $5 WHERE state = $6 AND no IN (SELECT batch_no FROM share WHERE provider = $1
        AND open = 1 AND due_ms > 0 AND due_ms <= $2 ORDER BY due_ms, batch_no LIMIT $3);
    UPDATE share SET due_ms = 0 WHERE provider = $1 AND batch_no IN (SELECT batch_no FROM share
        WHERE provider = $1 AND open = 1 AND due_ms > 0 AND due_ms <= $2 ORDER BY due_ms, batch_no LIMIT $3);
    SELECT priority, app, turn, reached FROM round
        WHERE provider = $1 AND active = 1 ORDER BY priority DESC, turn, app LIMIT $4"
);

/// Claimed parcels are due again when the lease ends, and a share without anything to give when the first of
/// its parcels is.
const ADVANCE: &str = "
    UPDATE parcel SET epoch = epoch + 1, claimed = 1, due_ms = $2 WHERE id IN (SELECT value FROM json_each($1));
    UPDATE share SET turn = moved.value ->> 1, due_ms = CASE WHEN moved.value ->> 2 THEN
            (SELECT coalesce(min(due_ms), $5) FROM parcel
             WHERE parcel.batch_no = share.batch_no AND parcel.provider = share.provider AND done = 0)
            ELSE 0 END
        FROM json_each($3) AS moved WHERE share.batch_no = (moved.value ->> 0) AND share.provider = $4;
    UPDATE batch SET state = $6 WHERE state IN ($7, $8)
        AND no IN (SELECT value ->> 0 FROM json_each($3) WHERE (value ->> 3) > 0);
    UPDATE round SET turn = moved.value ->> 1, reached = moved.value ->> 2, active = moved.value ->> 3
        FROM json_each($9) AS moved
        WHERE round.provider = $4 AND round.priority = $10 AND round.app = (moved.value ->> 0)";
