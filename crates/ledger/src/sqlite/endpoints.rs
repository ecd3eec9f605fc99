//! The receivers of callbacks: how they are doing, what came of attempts, what is told again, who is forgotten.

use sqlx::sqlite::SqliteConnection;
use sqlx::{FromRow, Row as _};

use super::events::GATHER_MS;
use super::failed;
use super::share::NEVER;
use super::writer::Work;
use crate::boundary::Around;
use crate::callbacks::{Attempt, Attempted, Ended, Endpoint};
use crate::error::Result;

/// Events that one transaction takes up again.
const SLICE: i64 = 1_000;
/// Failures in a row from which on an endpoint as a whole is left alone for a while after each.
const IN_A_ROW: i64 = 3;
/// How long an endpoint only failed that counts as away. Shorter, and what failed may as well be what it refuses.
const AWAY_MS: i64 = 300_000;

/// `callback_event.state`.
const WAITS: i64 = 0;
const DELIVERED: i64 = 1;
const GIVEN_UP: i64 = 2;

/// Finds out when an endpoint is to be looked at again.
pub(super) async fn rest(conn: &mut SqliteConnection, endpoint: i64) -> Result<()> {
    sqlx::query(
        "UPDATE callback_endpoint SET due_ms = CASE WHEN disabled_ms IS NOT NULL THEN $2 ELSE
            max(not_before_ms, min(
                coalesce((SELECT min(formed_ms) + $3 FROM callback WHERE endpoint = $1 AND open = 1), $2),
                coalesce((SELECT min(due_ms) FROM callback_event WHERE endpoint = $1 AND state = 0), $2))) END
         WHERE id = $1",
    )
    .bind(endpoint)
    .bind(NEVER)
    .bind(GATHER_MS)
    .execute(conn)
    .await
    .map(drop)
    .map_err(failed("cannot note when a callback is due"))
}

/// Records what came of an attempt.
#[derive(Debug)]
pub(crate) struct EndAttempt(pub(crate) Attempt);

impl Work for EndAttempt {
    type Answer = Ended;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "end_attempt.before_commit", after: "end_attempt.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Ended> {
        let ended = match &self.0.came_of {
            Attempted::Delivered => {
                self.event_ends(conn, DELIVERED, None).await?;
                self.delivered(conn).await?;
                Ended::default()
            }
            Attempted::Failed { retry_ms, .. } => {
                let state = if retry_ms.is_some() { WAITS } else { GIVEN_UP };
                let given_up = self.event_ends(conn, state, *retry_ms).await? == Some(GIVEN_UP);
                Ended { disabled: self.failed(conn, given_up).await?, given_up }
            }
        };
        rest(conn, self.0.endpoint).await?;
        Ok(ended)
    }
}

impl EndAttempt {
    /// Notes what becomes of the event, and says it. One that was replayed meanwhile is told again, whatever came of
    /// this attempt. One that was tried out of turn and failed waits as it did before.
    async fn event_ends(
        &self,
        conn: &mut SqliteConnection,
        state: i64,
        retry_ms: Option<i64>,
    ) -> Result<Option<i64>> {
        let failure = failed("cannot record callback");
        let became = sqlx::query_scalar(
            "UPDATE callback_event SET planned_ms = NULL,
                state = CASE WHEN $3 <> 1 AND planned_ms > $5 THEN 0 ELSE $3 END,
                step = step + ($3 <> 1 AND coalesce(planned_ms, 0) <= $5),
                due_ms = CASE WHEN planned_ms > $5 THEN planned_ms ELSE coalesce($4, due_ms) END
             WHERE id = $1 AND state = 0 AND replays = $2 RETURNING state",
        )
        .bind(self.0.event)
        .bind(self.0.replays)
        .bind(state)
        .bind(retry_ms)
        .bind(self.0.now_ms)
        .fetch_optional(&mut *conn)
        .await
        .map_err(&failure)?;
        sqlx::query(
            "UPDATE callback_event SET attempts = attempts + 1 WHERE id = $1;
             UPDATE callback SET open = 1 WHERE open = 2
                AND batch_no = (SELECT batch_no FROM callback_event WHERE id = $1)",
        )
        .bind(self.0.event)
        .execute(conn)
        .await
        .map_err(failure)?;
        Ok(became)
    }

    async fn delivered(&self, conn: &mut SqliteConnection) -> Result<()> {
        let Attempt { endpoint, now_ms, answer, .. } = &self.0;
        // Once one gets through after an outage, what waits for its time is tried at once: one attempt more, which
        // takes nothing from its retries and puts them off by nothing. A pause that was asked for while this one
        // was under way stays.
        sqlx::query(
            "UPDATE callback_event SET planned_ms = coalesce(planned_ms, due_ms), due_ms = $2
                WHERE endpoint = $1 AND state = 0 AND due_ms > $2
                    AND (SELECT failures >= $4 AND failing_since_ms <= $5 FROM callback_endpoint WHERE id = $1);
             UPDATE callback_endpoint SET delivered = delivered + 1, failures = 0, failing_since_ms = NULL,
                last_ms = $2, last_answer = $3 WHERE id = $1",
        )
        .bind(endpoint)
        .bind(now_ms)
        .bind(answer)
        .bind(IN_A_ROW)
        .bind(now_ms.saturating_sub(AWAY_MS))
        .execute(conn)
        .await
        .map(drop)
        .map_err(failed("cannot record callback"))
    }

    async fn failed(&self, conn: &mut SqliteConnection, given_up: bool) -> Result<bool> {
        let Attempt { endpoint, now_ms, answer, came_of, .. } = &self.0;
        let Attempted::Failed {
            hold_ms: (shortest, longest), wait_until_ms, disable, disable_after_ms, ..
        } = came_of
        else {
            return Ok(false);
        };
        let failure = failed("cannot record callback");
        sqlx::query(
            "UPDATE callback_endpoint SET failures = failures + 1, given_up = given_up + $2,
                failing_since_ms = coalesce(failing_since_ms, $3), last_ms = $3, last_answer = $4,
                not_before_ms = max(not_before_ms, $5, CASE WHEN failures + 1 < $6 THEN 0
                    ELSE $3 + min($8, max($7, $3 - coalesce(failing_since_ms, $3))) END)
                WHERE id = $1",
        )
        .bind(endpoint)
        .bind(given_up)
        .bind(now_ms)
        .bind(answer)
        .bind(wait_until_ms.unwrap_or(0))
        .bind(IN_A_ROW)
        .bind(shortest)
        .bind(longest)
        .execute(&mut *conn)
        .await
        .map_err(&failure)?;
        sqlx::query(
            "UPDATE callback_endpoint SET disabled_ms = $2,
                disabled_why = coalesce($3, 'every attempt failed for too long: ' || $4)
             WHERE id = $1 AND disabled_ms IS NULL AND ($3 IS NOT NULL OR $2 - failing_since_ms >= $5)",
        )
        .bind(endpoint)
        .bind(now_ms)
        .bind(disable.as_deref())
        .bind(answer)
        .bind(disable_after_ms)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() > 0)
        .map_err(failure)
    }
}

/// Lists endpoints by their ids, from after one on.
#[derive(Debug)]
pub(crate) struct ListEndpoints {
    pub(crate) app: Option<String>,
    pub(crate) id: Option<i64>,
    pub(crate) after: i64,
    pub(crate) limit: i64,
}

impl Work for ListEndpoints {
    type Answer = Vec<Endpoint>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<Endpoint>> {
        let failure = failed("cannot read callbacks");
        let rows = sqlx::query(
            "SELECT id, app, url, created_ms, not_before_ms, failures, failing_since_ms, disabled_ms, disabled_why,
                delivered, given_up, last_ms, last_answer,
                (SELECT count(*) FROM callback_event WHERE endpoint = e.id AND state = 0),
                (SELECT count(*) FROM callback WHERE endpoint = e.id AND open = 1)
             FROM callback_endpoint AS e
             WHERE id > $1 AND ($2 IS NULL OR app = $2) AND ($3 IS NULL OR id = $3) ORDER BY id LIMIT $4",
        )
        .bind(self.after)
        .bind(self.app.as_deref())
        .bind(self.id)
        .bind(self.limit)
        .fetch_all(conn)
        .await
        .map_err(&failure)?;
        rows.iter().map(|row| Shown::from_row(row).map(|shown| shown.0).map_err(&failure)).collect()
    }
}

struct Shown(Endpoint);

impl<'r> FromRow<'r, sqlx::sqlite::SqliteRow> for Shown {
    fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> {
        let count = |column: usize| row.try_get::<i64, _>(column).map(|count| count.max(0).unsigned_abs());
        Ok(Self(Endpoint {
            id: row.try_get(0)?,
            app: row.try_get(1)?,
            url: row.try_get(2)?,
            created_ms: row.try_get(3)?,
            not_before_ms: row.try_get(4)?,
            failures: count(5)?,
            failing_since_ms: row.try_get(6)?,
            disabled_ms: row.try_get(7)?,
            disabled_why: row.try_get(8)?,
            delivered: count(9)?,
            given_up: count(10)?,
            last_ms: row.try_get(11)?,
            last_answer: row.try_get(12)?,
            waiting: count(13)? + count(14)?,
        }))
    }
}

/// Endpoints that are disabled, and events that wait, made or not, over all.
#[derive(Debug)]
pub(crate) struct CountCallbacks;

impl Work for CountCallbacks {
    type Answer = (u64, u64);

    async fn run(&self, conn: &mut SqliteConnection) -> Result<(u64, u64)> {
        let (disabled, waiting): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM callback_endpoint WHERE disabled_ms IS NOT NULL),
                (SELECT count(*) FROM callback_event WHERE state = 0)
                + (SELECT count(*) FROM callback WHERE open = 1)",
        )
        .fetch_one(conn)
        .await
        .map_err(failed("cannot count callbacks"))?;
        Ok((disabled.unsigned_abs(), waiting.unsigned_abs()))
    }
}

/// Lets a disabled endpoint go on: what waits goes at once.
#[derive(Debug)]
pub(crate) struct Enable {
    pub(crate) endpoint: i64,
    pub(crate) now_ms: i64,
}

impl Work for Enable {
    type Answer = bool;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<bool> {
        let failure = failed("cannot enable callback");
        let enabled = sqlx::query(
            "UPDATE callback_endpoint SET disabled_ms = NULL, disabled_why = NULL, failures = 0,
                failing_since_ms = NULL, not_before_ms = 0, due_ms = 0 WHERE id = $1",
        )
        .bind(self.endpoint)
        .execute(&mut *conn)
        .await
        .map_err(&failure)?;
        sqlx::query(
            "UPDATE callback_event SET due_ms = min(due_ms, $2), step = 0, planned_ms = NULL
             WHERE endpoint = $1 AND state = 0 AND (due_ms > $2 OR step > 0)",
        )
        .bind(self.endpoint)
        .bind(self.now_ms)
        .execute(conn)
        .await
        .map_err(failure)?;
        Ok(enabled.rows_affected() > 0)
    }
}

/// A slice of an endpoint's events by the times at which they were made.
pub(super) const MADE: &str = "
    SELECT created_ms, id FROM callback_event
    WHERE endpoint = $1 AND (created_ms, id) > ($2, $3) AND created_ms <= $4
    ORDER BY created_ms, id LIMIT $5";

/// Takes up again a slice of an endpoint's events that were made in a span of time; answers how many, and the
/// last one while there may be more.
#[derive(Debug)]
pub(crate) struct ReplayStep {
    pub(crate) endpoint: i64,
    /// Time and id of the last one that was taken up; those that follow are next.
    pub(crate) after: (i64, i64),
    pub(crate) until_ms: i64,
    pub(crate) now_ms: i64,
}

impl Work for ReplayStep {
    type Answer = (u64, Option<(i64, i64)>);

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Self::Answer> {
        let failure = failed("cannot replay callback");
        let made: Vec<(i64, i64)> = sqlx::query_as(MADE)
            .bind(self.endpoint)
            .bind(self.after.0)
            .bind(self.after.1)
            .bind(self.until_ms)
            .bind(SLICE)
            .fetch_all(&mut *conn)
            .await
            .map_err(&failure)?;
        let ids: Vec<i64> = made.iter().map(|(_, id)| *id).collect();
        sqlx::query(
            "UPDATE callback_event SET state = 0, step = 0, due_ms = $2, planned_ms = NULL, replays = replays + 1
                WHERE id IN (SELECT value FROM json_each($1));
             UPDATE callback_endpoint SET due_ms = min(due_ms, max($2, not_before_ms)) WHERE id = $3",
        )
        .bind(super::codec::id_list(&ids))
        .bind(self.now_ms)
        .bind(self.endpoint)
        .execute(conn)
        .await
        .map_err(failure)?;
        let more = made.last().copied().filter(|_| made.len() as i64 == SLICE);
        Ok((made.len() as u64, more))
    }
}

/// Lists endpoints that no batch names any more and that were not asked, and not disabled, since a time.
#[derive(Debug)]
pub(crate) struct OldEndpoints {
    pub(crate) before_ms: i64,
}

impl Work for OldEndpoints {
    type Answer = Vec<i64>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<i64>> {
        sqlx::query_scalar(
            "SELECT id FROM callback_endpoint AS e
             WHERE max(created_ms, coalesce(last_ms, 0), coalesce(disabled_ms, 0)) < $1
                AND NOT EXISTS (SELECT 1 FROM callback WHERE endpoint = e.id) LIMIT $2",
        )
        .bind(self.before_ms)
        .bind(SLICE)
        .fetch_all(conn)
        .await
        .map_err(failed("cannot find old callbacks"))
    }
}

/// Forgets those of these endpoints that no batch names still.
#[derive(Debug)]
pub(crate) struct ForgetEndpoints {
    pub(crate) ids: Vec<i64>,
}

impl Work for ForgetEndpoints {
    type Answer = ();

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        sqlx::query(
            "DELETE FROM callback_endpoint WHERE id IN (SELECT value FROM json_each($1))
                AND NOT EXISTS (SELECT 1 FROM callback WHERE endpoint = callback_endpoint.id)",
        )
        .bind(super::codec::id_list(&self.ids))
        .execute(conn)
        .await
        .map(drop)
        .map_err(failed("cannot forget callbacks"))
    }
}
