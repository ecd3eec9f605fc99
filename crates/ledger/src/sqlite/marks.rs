//! Marks: what repeats of single messages are recognised by.
//!
//! A mark is looked up and written in the transaction that stores its message, so of two requests with one
//! mark exactly one is stored. An entry past its time counts as absent everywhere, pruned or not; a batch is
//! kept as long as one of its marks counts.

use std::collections::HashSet;

use sqlx::FromRow;
use sqlx::sqlite::SqliteConnection;

use super::codec::{id_list, narrow};
use super::failed;
use super::script::Script;
use super::writer::Work;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{MarkKey, Marked, NewBatch, NewMark, Place, TakenFrom};

/// The marks that are taken, of those that are asked for.
async fn look_up(
    conn: &mut SqliteConnection,
    keys: impl Iterator<Item = &MarkKey>,
    now_ms: i64,
) -> Result<Vec<Marked>> {
    let mut script = Script::default();
    for key in keys {
        script
            .add(
                "SELECT mark.key, batch.id, mark.idx FROM mark JOIN batch ON batch.no = mark.batch_no
                 WHERE mark.key = ? AND mark.expires_ms > ?",
            )
            .bind(key.as_slice())
            .bind(now_ms);
    }
    let attempted = "cannot look up marks";
    let mut found = Vec::new();
    for row in script.run(conn, attempted).await? {
        let (key, batch_id, index): (Vec<u8>, String, i64) =
            FromRow::from_row(&row).map_err(failed(attempted))?;
        let key = MarkKey::try_from(key)
            .map_err(|key| Error::new(ErrorKind::Corrupt, attempted).with("bytes", key.len()))?;
        found.push(Marked { key, place: Place { batch_id, index: narrow(index, "index of a mark")? } });
    }
    Ok(found)
}

/// The marks of a new batch that belong to other messages than those that it takes them over from.
pub(super) async fn taken(conn: &mut SqliteConnection, batch: &NewBatch) -> Result<Vec<Marked>> {
    if batch.marks.is_empty() {
        return Ok(Vec::new());
    }
    let mut left: HashSet<(&MarkKey, &Place)> = HashSet::new();
    let mut wanted = Vec::with_capacity(batch.marks.len());
    for mark in &batch.marks {
        match &mark.from {
            TakenFrom::Nobody => {}
            TakenFrom::Message(place) => {
                left.insert((&mark.key, place));
            }
            TakenFrom::Anybody => continue,
        }
        wanted.push(&mark.key);
    }
    let mut found = look_up(conn, wanted.into_iter(), batch.created_ms).await?;
    found.retain(|marked| !left.contains(&(&marked.key, &marked.place)));
    Ok(found)
}

/// Writes marks down; the caller has looked them up in the same transaction.
pub(super) fn write(script: &mut Script, marks: &[NewMark], batch_no: i64) {
    for mark in marks {
        script
            .add("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)")
            .bind(mark.key.as_slice())
            .bind(batch_no)
            .bind(mark.index)
            .bind(mark.expires_ms);
    }
    let Some(until_ms) = marks.iter().map(|mark| mark.expires_ms).max() else { return };
    script.add("UPDATE batch SET marked_until_ms = ? WHERE no = ?").bind(until_ms).bind(batch_no);
}

/// Gives the marks of messages to the batch that sends them again, under the same indexes, in place of the one
/// that it is redriven from.
pub(super) async fn move_here(
    conn: &mut SqliteConnection,
    batch_no: i64,
    again: &[u32],
    now_ms: i64,
) -> Result<()> {
    if again.is_empty() {
        return Ok(());
    }
    let failure = failed("cannot move marks");
    let from: Option<(i64, i64)> = sqlx::query_as(
        "SELECT no, marked_until_ms FROM batch
         WHERE id = (SELECT redriven_from FROM batch WHERE no = $1) AND marked_until_ms > $2",
    )
    .bind(batch_no)
    .bind(now_ms)
    .fetch_optional(&mut *conn)
    .await
    .map_err(&failure)?;
    let Some((from, until_ms)) = from else { return Ok(()) };
    let indexes: Vec<i64> = again.iter().map(|index| i64::from(*index)).collect();
    // Looks through all marks: no index is worth its price to every message for what people seldom ask for.
    sqlx::query(
        "UPDATE mark SET batch_no = $1 WHERE batch_no = $2 AND idx IN (SELECT value FROM json_each($3));
         UPDATE batch SET marked_until_ms = $4 WHERE no = $1",
    )
    .bind(batch_no)
    .bind(from)
    .bind(id_list(&indexes))
    .bind(until_ms)
    .execute(conn)
    .await
    .map(drop)
    .map_err(failure)
}

/// Says which of these marks are taken.
#[derive(Debug)]
pub(crate) struct FindMarks {
    pub(crate) keys: Vec<MarkKey>,
    pub(crate) now_ms: i64,
}

impl Work for FindMarks {
    type Answer = Vec<Marked>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<Marked>> {
        look_up(conn, self.keys.iter(), self.now_ms).await
    }
}

/// Deletes some of the marks whose time is over.
#[derive(Debug)]
pub(crate) struct PruneMarks {
    pub(crate) now_ms: i64,
    pub(crate) limit: i64,
}

impl Work for PruneMarks {
    type Answer = u64;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<u64> {
        sqlx::query("DELETE FROM mark WHERE key IN (SELECT key FROM mark WHERE expires_ms <= $1 LIMIT $2)")
            .bind(self.now_ms)
            .bind(self.limit)
            .execute(conn)
            .await
            .map(|done| done.rows_affected())
            .map_err(failed("cannot prune marks"))
    }
}
