//! What could be claimed and is not: how much of it waits for each provider, and since when.

use sqlx::sqlite::SqliteConnection;

use super::codec::narrow;
use super::failed;
use super::writer::Work;
use crate::error::Result;
use crate::model::stored::Waiting;

/// Finds what is due; what is paused, scheduled or held under a lease is not.
#[derive(Debug)]
pub(crate) struct ReadWaiting {
    pub(crate) now_ms: i64,
}

impl Work for ReadWaiting {
    type Answer = Vec<Waiting>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<Waiting>> {
        let found: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT provider, sum(messages), min(max(created_ms, coalesce(send_at_ms, 0)))
             FROM share JOIN batch ON no = batch_no WHERE open = 1 AND due_ms <= $1 GROUP BY provider",
        )
        .bind(self.now_ms)
        .fetch_all(conn)
        .await
        .map_err(failed("cannot read what is due"))?;
        let found = found.into_iter().map(|(provider, messages, since_ms)| {
            Ok(Waiting { provider, messages: narrow(messages, "messages")?, since_ms })
        });
        found.collect()
    }
}
