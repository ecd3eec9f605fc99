//! Which receivers of callbacks there is something for now. A read: the one writing connection is left to those
//! who have something to write. App by app, so that the many receivers of one never stand before those of another.

use sqlx::sqlite::SqliteConnection;

use super::codec::id_list;
use super::events::GATHER_MS;
use super::failed;
use super::share::NEVER;
use super::writer::Work;
use crate::callbacks::{DueEndpoint, DueEndpoints, Underway};
use crate::error::Result;

/// Endpoints to look at now, and when to look for others.
#[derive(Debug)]
pub(crate) struct FindDue {
    pub(crate) now_ms: i64,
    /// Most of one app.
    pub(crate) limit: i64,
    pub(crate) underway: Underway,
}

impl Work for FindDue {
    type Answer = DueEndpoints;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<DueEndpoints> {
        let failure = failed("cannot find due callbacks");
        // One step of the index an app, however many endpoints each has.
        let apps: Vec<String> = sqlx::query_scalar(
            "WITH RECURSIVE a(app) AS (SELECT min(app) FROM callback_endpoint UNION ALL
                SELECT (SELECT min(app) FROM callback_endpoint WHERE app > a.app) FROM a WHERE a.app IS NOT NULL)
             SELECT app FROM a WHERE app IS NOT NULL",
        )
        .fetch_all(&mut *conn)
        .await
        .map_err(&failure)?;
        let mut found = DueEndpoints::default();
        for app in apps {
            if self.underway.apps.contains(&app) {
                continue;
            }
            let due = self.of(conn, &app).await?;
            found.due.extend(due.into_iter().map(|id| DueEndpoint { id, app: app.clone() }));
            let next_ms: Option<i64> = sqlx::query_scalar(
                "SELECT min(due_ms) FROM callback_endpoint WHERE app = $1 AND due_ms > $2 AND due_ms < $3",
            )
            .bind(&app)
            .bind(self.now_ms)
            .bind(NEVER)
            .fetch_one(&mut *conn)
            .await
            .map_err(&failure)?;
            found.next_ms = [found.next_ms, next_ms].into_iter().flatten().min();
        }
        Ok(found)
    }
}

impl FindDue {
    /// The endpoints of an app. One that is being told counts if there is more for it than that, and it does not
    /// fail: one that fails is asked for one event at a time.
    async fn of(&self, conn: &mut SqliteConnection, app: &str) -> Result<Vec<i64>> {
        let (busy, events): (Vec<i64>, Vec<i64>) = self.underway.events.iter().copied().unzip();
        sqlx::query_scalar(
            "SELECT id FROM callback_endpoint AS e WHERE app = $1 AND due_ms <= $2
                AND id NOT IN (SELECT value FROM json_each($3))
                AND (id NOT IN (SELECT value FROM json_each($4)) OR (failures = 0 AND (
                    EXISTS (SELECT 1 FROM callback_event AS v WHERE v.endpoint = e.id AND v.state = 0
                        AND v.due_ms <= $2 AND v.id NOT IN (SELECT value FROM json_each($5)))
                    OR EXISTS (SELECT 1 FROM callback AS c JOIN batch AS b ON b.no = c.batch_no
                        WHERE c.endpoint = e.id AND c.open = 1
                            AND (b.settled_ms IS NOT NULL OR c.formed_ms <= $2 - $6)))))
             ORDER BY last_ms, id LIMIT $7",
        )
        .bind(app)
        .bind(self.now_ms)
        .bind(id_list(&self.underway.endpoints))
        .bind(id_list(&busy))
        .bind(id_list(&events))
        .bind(GATHER_MS)
        .bind(self.limit)
        .fetch_all(conn)
        .await
        .map_err(failed("cannot find due callbacks"))
    }
}
