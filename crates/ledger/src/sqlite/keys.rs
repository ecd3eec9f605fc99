//! Idempotency keys.
//!
//! A key is looked up and written in the transaction that stores what it stands for, so a crash leaves both
//! or neither. An entry past its time counts as absent everywhere, pruned or not.

use std::collections::HashMap;

use sqlx::FromRow;
use sqlx::sqlite::SqliteConnection;

use super::failed;
use super::script::Script;
use super::writer::Work;
use crate::error::Result;
use crate::model::{Accepted, IdempotencyKey};

/// What keys stand for, and what they come to stand for in this transaction.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    by_key: HashMap<(String, String), Entry>,
}

#[derive(Debug)]
struct Entry {
    body_hash: Vec<u8>,
    batch_id: String,
    running: bool,
    answer: Option<Vec<u8>>,
}

impl Lookup {
    /// Looks keys up.
    pub(super) async fn of(
        conn: &mut SqliteConnection,
        keys: impl Iterator<Item = &IdempotencyKey>,
    ) -> Result<Self> {
        let mut script = Script::default();
        for key in keys {
            script
                .add(
                    "SELECT app, key, body_hash, batch_id, running, answer FROM idempotency
                     WHERE app = ? AND key = ? AND expires_ms > ?",
                )
                .bind(&key.app)
                .bind(&key.key)
                .bind(key.now_ms);
        }
        let attempted = "cannot look up idempotency key";
        let mut lookup = Self::default();
        for row in script.run(conn, attempted).await? {
            let (app, key, body_hash, batch_id, running, answer) =
                FromRow::from_row(&row).map_err(failed(attempted))?;
            lookup.by_key.insert((app, key), Entry { body_hash, batch_id, running, answer });
        }
        Ok(lookup)
    }

    /// What the key stands for already, as the answer to one who comes with it.
    pub(super) fn earlier(&self, key: &IdempotencyKey) -> Option<Accepted> {
        let entry = self.by_key.get(&(key.app.clone(), key.key.clone()))?;
        Some(match entry.running {
            _ if entry.body_hash != key.body_hash => Accepted::Mismatch,
            true => Accepted::InProgress,
            false => Accepted::Replay { batch_id: entry.batch_id.clone(), answer: entry.answer.clone() },
        })
    }

    /// Remembers that the key is taken by a batch of the same transaction.
    pub(super) fn take(&mut self, key: &IdempotencyKey, batch_id: &str) {
        let entry = Entry {
            body_hash: key.body_hash.clone(),
            batch_id: batch_id.to_owned(),
            running: false,
            answer: key.answer.clone(),
        };
        self.by_key.insert((key.app.clone(), key.key.clone()), entry);
    }
}

/// Says what the key already stands for, if anything.
pub(super) async fn look_up(conn: &mut SqliteConnection, key: &IdempotencyKey) -> Result<Option<Accepted>> {
    Ok(Lookup::of(conn, std::iter::once(key)).await?.earlier(key))
}

/// Writes the key down; the caller has looked it up in the same transaction.
pub(super) fn write(script: &mut Script, key: &IdempotencyKey, batch_id: &str, running: bool) {
    script
        .add("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(&key.app)
        .bind(&key.key)
        .bind(&key.body_hash)
        .bind(batch_id)
        .bind(key.now_ms)
        .bind(key.expires_ms)
        .bind(running)
        .bind(key.answer.as_deref());
}

/// Says what a key stands for already, if anything.
#[derive(Debug)]
pub(crate) struct EarlierKey(pub(crate) IdempotencyKey);

impl Work for EarlierKey {
    type Answer = Option<Accepted>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Option<Accepted>> {
        look_up(conn, &self.0).await
    }
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
        let mut script = Script::default();
        write(&mut script, &self.key, &self.batch_id, true);
        script.run(conn, "cannot store idempotency key").await?;
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
