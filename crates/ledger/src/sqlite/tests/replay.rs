//! A replay of very many events goes slice by slice, and each slice costs what is in it.

use super::super::endpoints::MADE;
use super::*;
use crate::ledger::Ledger;

/// Says how SQLite finds a slice.
struct Plan;

impl Work for Plan {
    type Answer = Vec<String>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<String>> {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {MADE}"));
        let rows: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(explain).fetch_all(conn).await.map_err(failed("cannot explain"))?;
        Ok(rows.into_iter().map(|(.., step)| step).collect())
    }
}

#[tokio::test]
async fn a_slice_is_found_by_its_index_and_nothing_is_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let plan = open(&folder).await.read(Plan).await.unwrap();
    assert_eq!(
        plan,
        ["SEARCH callback_event USING COVERING INDEX callback_event_by_time \
          (endpoint=? AND created_ms>? AND created_ms<?)"]
    );
}

#[tokio::test]
async fn slices_miss_nothing_and_take_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    // Four at each time, those made last with the lowest ids, and others around them.
    let made = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 4000)
        INSERT INTO callback_event (batch_no, sequence, endpoint, kind, created_ms, state, due_ms, items)
            SELECT 1, n, 1 + (n > 3600), 2, 1000 - n / 4, 1, 0, '[]' FROM n";
    store.write(Sql(made.to_owned())).await.unwrap();
    let ledger = Ledger { store: crate::ledger::Store::Sqlite(store.clone()) };
    assert_eq!(ledger.replay_endpoint(1, (101, 990), 7).await.unwrap(), 3_560);
    let wrong = store
        .read(Count(
            "SELECT count(*) FROM callback_event WHERE replays <>
        (endpoint = 1 AND created_ms BETWEEN 101 AND 990)",
        ))
        .await
        .unwrap();
    assert_eq!(wrong, 0);
}

/// Counts rows.
struct Count(&'static str);

impl Work for Count {
    type Answer = i64;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<i64> {
        sqlx::query_scalar(self.0).fetch_one(conn).await.map_err(failed("cannot count"))
    }
}
