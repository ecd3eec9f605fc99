//! Keeping the sums true: a batch's counts, and what it has waiting at each provider.
//!
//! Whoever changes parcels collects the differences in a [`Delta`] and applies it once a batch, in the same
//! transaction; nothing is ever counted by walking over parcels.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;

use super::failed;
use crate::error::{Error, ErrorKind, Result};
use crate::model::BatchState;
use crate::status::Status;

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

/// A batch whose row was just changed.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) batch_id: String,
    /// Whether its last message became final with this change.
    pub(super) settled_now: bool,
}

impl Delta {
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
        share.due_ms = share.due_ms.min(due_ms);
    }

    fn count(&mut self, status: Status) -> &mut i64 {
        &mut self.by_status[usize::from(status.byte())]
    }

    fn share(&mut self, provider: &str) -> &mut ShareDelta {
        if !self.shares.contains_key(provider) {
            self.shares.insert(provider.to_owned(), ShareDelta::default());
        }
        self.shares.entry(provider.to_owned()).or_default()
    }

    /// Stores it all; settles the batch when no message is left open.
    pub(super) async fn apply(
        &self,
        conn: &mut SqliteConnection,
        batch_no: i64,
        now_ms: i64,
    ) -> Result<Applied> {
        self.apply_shares(conn, batch_no).await?;
        let count = |status: Status| self.by_status[usize::from(status.byte())];
        let row: Option<(i64, i64, bool, String)> = sqlx::query_as(
            "UPDATE batch SET total = total + $2, accepted = accepted + $3, rejected = rejected + $4,
                unknown = unknown + $5, cancelled = cancelled + $6, expired = expired + $7, calls = calls + $8
             WHERE no = $1
             RETURNING total - accepted - rejected - unknown - cancelled - expired, state, settled_ms IS NULL, id",
        )
        .bind(batch_no)
        .bind(self.total)
        .bind(count(Status::Accepted))
        .bind(count(Status::Rejected))
        .bind(count(Status::Unknown))
        .bind(count(Status::Cancelled))
        .bind(count(Status::Expired))
        .bind(self.calls)
        .fetch_optional(&mut *conn)
        .await
        .map_err(failed("cannot count messages of batch"))?;
        let Some((open, state, unsettled, batch_id)) = row else {
            return Err(
                Error::new(ErrorKind::NotFound, "cannot count messages of batch").with("no", batch_no)
            );
        };
        let settled_now = open == 0 && unsettled && state != BatchState::Receiving.number();
        if settled_now {
            settle(conn, batch_no, now_ms).await?;
        }
        Ok(Applied { batch_id, settled_now })
    }

    /// Stores what changed at the providers alone.
    pub(super) async fn apply_shares(&self, conn: &mut SqliteConnection, batch_no: i64) -> Result<()> {
        for (provider, share) in &self.shares {
            // A batch that joins gets its turn after everyone's next one: neither it nor the others starve.
            sqlx::query(
                "INSERT INTO share (batch_no, provider, open, priority, turn, due_ms, parcels, messages)
                 SELECT no, $2, state NOT IN (0, 4), priority,
                    (SELECT coalesce(min(turn) + 1, 0) FROM share AS other
                     WHERE other.provider = $2 AND other.open = 1 AND other.priority = batch.priority),
                    max($5, coalesce(send_at_ms, 0)), $3, $4
                 FROM batch WHERE no = $1
                 ON CONFLICT (batch_no, provider) DO UPDATE SET parcels = parcels + excluded.parcels,
                    messages = messages + excluded.messages, due_ms = min(due_ms, excluded.due_ms);
                 DELETE FROM share WHERE batch_no = $1 AND provider = $2 AND parcels <= 0",
            )
            .bind(batch_no)
            .bind(provider)
            .bind(share.parcels)
            .bind(share.messages)
            .bind(share.due_ms)
            .execute(&mut *conn)
            .await
            .map_err(failed("cannot count what waits for provider"))?;
        }
        Ok(())
    }
}

async fn settle(conn: &mut SqliteConnection, batch_no: i64, now_ms: i64) -> Result<()> {
    sqlx::query(
        "UPDATE batch SET settled_ms = $2, state = CASE state WHEN $3 THEN state ELSE $4 END WHERE no = $1",
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
