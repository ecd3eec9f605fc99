//! Idempotency keys.
//!
//! A key is looked up and written in the transaction that stores what it stands for, so a crash leaves both
//! or neither. An entry past its time counts as absent everywhere, pruned or not.

use sqlx::sqlite::SqliteConnection;

use super::failed;
use super::writer::Work;
use crate::error::Result;
use crate::model::{Accepted, IdempotencyKey};

/// Says what the key already stands for, if anything.
pub(super) async fn look_up(conn: &mut SqliteConnection, key: &IdempotencyKey) -> Result<Option<Accepted>> {
    type Row = (Vec<u8>, String, bool, Option<Vec<u8>>);
    let row: Option<Row> = sqlx::query_as(
        "SELECT body_hash, batch_id, running, answer FROM idempotency
         WHERE app = $1 AND key = $2 AND expires_ms > $3",
    )
    .bind(&key.app)
    .bind(&key.key)
    .bind(key.now_ms)
    .fetch_optional(conn)
    .await
    .map_err(failed("cannot look up idempotency key"))?;
    let Some((body_hash, batch_id, running, answer)) = row else {
        return Ok(None);
    };
    Ok(Some(match running {
        _ if body_hash != key.body_hash => Accepted::Mismatch,
        true => Accepted::InProgress,
        false => Accepted::Replay { batch_id, answer },
    }))
}

/// Writes the key down; the caller has looked it up in the same transaction.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    key: &IdempotencyKey,
    batch_id: &str,
    running: bool,
) -> Result<()> {
    sqlx::query("INSERT OR REPLACE INTO idempotency VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(&key.app)
        .bind(&key.key)
        .bind(&key.body_hash)
        .bind(batch_id)
        .bind(key.now_ms)
        .bind(key.expires_ms)
        .bind(running)
        .bind(key.answer.as_deref())
        .execute(conn)
        .await
        .map(drop)
        .map_err(failed("cannot store idempotency key"))
}

/// Takes a key for a request that is under way.
#[derive(Debug)]
pub(crate) struct ReserveKey {
    pub(crate) key: IdempotencyKey,
    pub(crate) batch_id: String,
}

impl Work for ReserveKey {
    type Answer = Accepted;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Accepted> {
        if let Some(earlier) = look_up(conn, &self.key).await? {
            return Ok(earlier);
        }
        insert(conn, &self.key, &self.batch_id, true).await?;
        Ok(Accepted::Stored)
    }
}

/// Records the answer that replays get.
#[derive(Debug)]
pub(crate) struct AnswerKey {
    pub(crate) app: String,
    pub(crate) key: String,
    pub(crate) answer: Vec<u8>,
}

impl Work for AnswerKey {
    type Answer = bool;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<bool> {
        answer(conn, &self.app, &self.key, &self.answer).await
    }

    fn bytes(&self) -> usize {
        self.answer.len()
    }
}

/// Records an answer; says whether the key was known.
pub(super) async fn answer(conn: &mut SqliteConnection, app: &str, key: &str, answer: &[u8]) -> Result<bool> {
    sqlx::query("UPDATE idempotency SET answer = $3, running = 0 WHERE app = $1 AND key = $2")
        .bind(app)
        .bind(key)
        .bind(answer)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() > 0)
        .map_err(failed("cannot store answer under idempotency key"))
}

/// Gives a key up.
#[derive(Debug)]
pub(crate) struct ForgetKey {
    pub(crate) app: String,
    pub(crate) key: String,
}

impl Work for ForgetKey {
    type Answer = ();

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        sqlx::query("DELETE FROM idempotency WHERE app = $1 AND key = $2")
            .bind(&self.app)
            .bind(&self.key)
            .execute(conn)
            .await
            .map(drop)
            .map_err(failed("cannot forget idempotency key"))
    }
}

/// Deletes some of the keys whose time is over.
#[derive(Debug)]
pub(crate) struct PruneKeys {
    pub(crate) now_ms: i64,
    pub(crate) limit: i64,
}

impl Work for PruneKeys {
    type Answer = u64;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<u64> {
        sqlx::query(
            "DELETE FROM idempotency WHERE rowid IN
             (SELECT rowid FROM idempotency WHERE expires_ms <= $1 AND running = 0 LIMIT $2)",
        )
        .bind(self.now_ms)
        .bind(self.limit)
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
        .map_err(failed("cannot prune idempotency keys"))
    }
}
