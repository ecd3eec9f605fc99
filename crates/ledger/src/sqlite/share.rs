//! Keeping the sums true: a batch's counts, and what it has waiting at each provider.
//!
//! Whoever changes parcels collects the differences in a [`Delta`] a batch and applies them once, in the same
//! transaction; nothing is ever counted by walking over parcels.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::sqlite::SqliteConnection;

use super::callbacks::{self, EACH};
use super::failed;
use super::round::join_round;
use crate::error::Result;
use crate::model::BatchState;
use interline_core::outcome::Status;

/// A time that never comes.
pub(super) const NEVER: i64 = i64::MAX;

/// What changed in one batch.
#[derive(Debug, Default)]
pub(super) struct Delta {
    by_status: [i64; Status::ALL.len()],
    /// Messages that are new.
    pub(super) total: i64,
    /// Vendor calls made.
    pub(super) calls: i64,
    /// Parcels whose messages became final, or something else than they were told to be.
    pub(super) touched: Vec<i64>,
    shares: BTreeMap<String, ShareDelta>,
}

#[derive(Debug)]
struct ShareDelta {
    parcels: i64,
    messages: i64,
    due_ms: i64,
}

impl Default for ShareDelta {
    fn default() -> Self {
        Self { parcels: 0, messages: 0, due_ms: NEVER }
    }
}

impl Delta {
    /// Nothing yet but calls made.
    pub(super) fn of_calls(calls: u32) -> Self {
        Self { calls: i64::from(calls), ..Self::default() }
    }

    /// Counts messages that were not there before.
    pub(super) fn add_messages(&mut self, states: &[Status]) {
        for status in states {
            self.total += 1;
            *self.count(*status) += 1;
        }
    }

    /// Counts the way from one list to the next, and says how many fewer messages are open.
    pub(super) fn change_messages(&mut self, before: &[Status], after: &[Status]) -> i64 {
        let mut closed = 0;
        for (old, new) in before.iter().zip(after) {
            *self.count(*old) -= 1;
            *self.count(*new) += 1;
            closed += i64::from(new.is_final()) - i64::from(old.is_final());
        }
        closed
    }

    /// Counts what a provider has to do; negative when it has done it.
    pub(super) fn add_waiting(&mut self, provider: &str, parcels: i64, messages: i64) {
        let share = self.share(provider);
        share.parcels += parcels;
        share.messages += messages;
    }

    /// Makes the provider look again at this time.
    pub(super) fn due(&mut self, provider: &str, due_ms: i64) {
        let share = self.share(provider);
        share.due_ms = share.due_ms.min(due_ms.max(0));
    }

    /// How many of the messages are not final.
    pub(super) fn open(&self) -> i64 {
        let [total, accepted, rejected, unknown, cancelled, expired, _] = self.counts();
        total - accepted - rejected - unknown - cancelled - expired
    }

    /// All messages, those of each final status, and calls: as the batch row has them.
    pub(super) fn counts(&self) -> [i64; 7] {
        let of = |status: Status| self.by_status[status as usize];
        [
            self.total,
            of(Status::Accepted),
            of(Status::Rejected),
            of(Status::Unknown),
            of(Status::Cancelled),
            of(Status::Expired),
            self.calls,
        ]
    }

    fn count(&mut self, status: Status) -> &mut i64 {
        &mut self.by_status[status as usize]
    }

    fn share(&mut self, provider: &str) -> &mut ShareDelta {
        if !self.shares.contains_key(provider) {
            self.shares.insert(provider.to_owned(), ShareDelta::default());
        }
        self.shares.entry(provider.to_owned()).or_default()
    }
}

/// Stores what changed in one batch, and settles it when no message is left open.
pub(super) async fn apply(
    conn: &mut SqliteConnection,
    batch_no: i64,
    delta: Delta,
    now_ms: i64,
) -> Result<()> {
    apply_all(conn, &BTreeMap::from([(batch_no, delta)]), |_| now_ms).await.map(drop)
}

/// Stores what changed in batches, by their numbers, and settles those without an open message. `when` says
/// at what time; the answer names the batches that settled.
///
/// All changes travel as one list, so that the statements stay the same and stay prepared.
pub(super) async fn apply_all(
    conn: &mut SqliteConnection,
    deltas: &BTreeMap<i64, Delta>,
    when: impl Fn(i64) -> i64,
) -> Result<Vec<(i64, String)>> {
    apply_shares(conn, deltas).await?;
    let changes: Vec<serde_json::Value> = deltas
        .iter()
        .map(|(no, delta)| {
            let [total, accepted, rejected, unknown, cancelled, expired, calls] = delta.counts();
            json!([no, total, accepted, rejected, unknown, cancelled, expired, calls])
        })
        .collect();
    let rows: Vec<(i64, String, bool, i64, bool)> = sqlx::query_as(
        "UPDATE batch SET total = total + (change.value ->> 1), accepted = accepted + (change.value ->> 2),
            rejected = rejected + (change.value ->> 3), unknown = unknown + (change.value ->> 4),
            cancelled = cancelled + (change.value ->> 5), expired = expired + (change.value ->> 6),
            calls = calls + (change.value ->> 7)
         FROM json_each($1) AS change WHERE batch.no = (change.value ->> 0)
         RETURNING no, id, settled_ms IS NULL AND state <> 0
            AND total = accepted + rejected + unknown + cancelled + expired, callback, state <> 0",
    )
    .bind(serde_json::Value::from(changes).to_string())
    .fetch_all(&mut *conn)
    .await
    .map_err(failed("cannot count messages of batch"))?;
    for (no, _, complete, callback, published) in &rows {
        let told = *complete || (*callback == EACH && *published);
        if *callback != 0 {
            let touched = deltas.get(no).map(|delta| delta.touched.as_slice()).unwrap_or_default();
            callbacks::note(conn, *no, if *callback == EACH { touched } else { &[] }, told).await?;
        }
    }
    let complete: Vec<(i64, String)> =
        rows.into_iter().filter(|(_, _, complete, ..)| *complete).map(|(no, id, ..)| (no, id)).collect();
    for (no, _) in &complete {
        settle(conn, *no, when(*no)).await?;
    }
    Ok(complete)
}

/// Stores what changed at the providers alone.
pub(super) async fn apply_shares(conn: &mut SqliteConnection, deltas: &BTreeMap<i64, Delta>) -> Result<()> {
    let mut changes = Vec::new();
    let mut ready = false;
    for (no, delta) in deltas {
        for (provider, share) in &delta.shares {
            ready |= share.due_ms == 0;
            changes.push(json!([no, provider, share.parcels, share.messages, share.due_ms]));
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    let text = sqlx::AssertSqlSafe(if ready { format!("{WAITING};{JOINING}") } else { WAITING.to_owned() });
    sqlx::query(text)
        .bind(serde_json::Value::from(changes).to_string())
        .execute(conn)
        .await
        .map(drop)
        .map_err(failed("cannot count what waits for provider"))
}

/// What waits at providers changes, in places that may be new.
const WAITING: &str = "
    INSERT INTO share (batch_no, provider, open, priority, app, turn, due_ms, parcels, messages)
        SELECT no, change.value ->> 1, state NOT IN (0, 4), priority, app,
            (SELECT coalesce(max(reached) + 1, 0) FROM round WHERE provider = (change.value ->> 1)
                AND round.priority = batch.priority AND round.app = batch.app),
            max(change.value ->> 4, coalesce(send_at_ms, 0)), change.value ->> 2, change.value ->> 3
        FROM json_each($1) AS change JOIN batch ON batch.no = (change.value ->> 0)
        WHERE true
        ON CONFLICT (batch_no, provider) DO UPDATE SET parcels = parcels + excluded.parcels,
            messages = messages + excluded.messages, due_ms = min(due_ms, excluded.due_ms);
    DELETE FROM share WHERE parcels <= 0 AND (batch_no, provider) IN
        (SELECT value ->> 0, value ->> 1 FROM json_each($1))";

/// Apps that have something ready now.
const JOINING: &str = join_round!(
    "open = 1 AND due_ms = 0 AND (batch_no, provider) IN
        (SELECT value ->> 0, value ->> 1 FROM json_each($1))"
);

async fn settle(conn: &mut SqliteConnection, batch_no: i64, now_ms: i64) -> Result<()> {
    sqlx::query(
        "UPDATE batch SET settled_ms = $2, state = CASE state WHEN $3 THEN $3 ELSE $4 END WHERE no = $1",
    )
    .bind(batch_no)
    .bind(now_ms)
    .bind(BatchState::Cancelled.number())
    .bind(BatchState::Settled.number())
    .execute(conn)
    .await
    .map(drop)
    .map_err(failed("cannot settle batch"))
}
