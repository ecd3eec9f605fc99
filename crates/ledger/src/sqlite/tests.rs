//! Tests that need to reach below the handle: bad commands and full disks inside the writer.

mod full;
mod loading;
mod replay;
mod steps;
mod unreadable;
mod upgrade;

use tempfile::TempDir;

use super::*;
use crate::model::Fact;

/// Runs any SQL.
struct Sql(String);

impl Work for Sql {
    type Answer = ();

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(self.0.clone()))
            .execute(conn)
            .await
            .map(drop)
            .map_err(failed("cannot test"))
    }
}

fn fact(name: &str, size: usize) -> Fact {
    Fact { kind: "test".to_owned(), name: name.to_owned(), value: vec![7; size], changed_ms: 1 }
}

async fn names(store: &Store) -> Vec<String> {
    let facts = store.read(Facts { kind: "test".to_owned() }).await.unwrap();
    facts.into_iter().map(|fact| fact.name).collect()
}

async fn open(folder: &TempDir) -> Store {
    Store::open_file(&folder.path().join("ledger.db")).await.unwrap()
}

#[tokio::test]
async fn bad_command_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let bad = "INSERT INTO fact VALUES ('test', 'half', x'00', 1); INSERT INTO nowhere VALUES (1)";
    // Polled together, the three share a group.
    let (first, refused, last) = tokio::join!(
        store.write(Remember(fact("a", 1))),
        store.write(Sql(bad.to_owned())),
        store.write(Remember(fact("b", 1))),
    );
    first.unwrap();
    last.unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(names(&store).await, ["a", "b"]);
}

#[tokio::test]
async fn full_disk_is_an_error_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.write(Remember(fact("before", 1))).await.unwrap();
    store.write(Sql("PRAGMA max_page_count = 1".to_owned())).await.unwrap();
    let (large, other) = tokio::join!(
        store.write(Remember(fact("large", 1 << 20))),
        store.write(Remember(fact("large too", 1 << 20)))
    );
    assert_eq!(large.unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Full);
    store.write(Sql("PRAGMA max_page_count = 1000000".to_owned())).await.unwrap();
    store.write(Remember(fact("later", 1 << 20))).await.unwrap();
    assert_eq!(names(&store).await, ["before", "later"]);
}

#[tokio::test]
async fn caller_that_leaves_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.post(Remember(fact("posted", 1))).await.unwrap();
    store.post(Sql("INSERT INTO nowhere VALUES (1)".to_owned())).await.unwrap();
    store.write(Remember(fact("waited", 1))).await.unwrap();
    assert_eq!(names(&store).await, ["posted", "waited"]);
}

#[tokio::test]
async fn newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.write(Sql("UPDATE meta SET value = '99' WHERE key = 'schema'".to_owned())).await.unwrap();
    store.close().await;
    let error = Store::open_file(&folder.path().join("ledger.db")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("99"), "{error}");
}

#[tokio::test]
async fn foreign_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.write(Sql("DROP TABLE meta".to_owned())).await.unwrap();
    store.close().await;
    let error = Store::open_file(&folder.path().join("ledger.db")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn closed_ledger_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.close().await;
    let error = store.write(Remember(fact("late", 1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn commits_reach_the_disk_before_they_are_answered() {
    struct Pragmas;
    impl Work for Pragmas {
        type Answer = (String, i64);
        async fn run(&self, conn: &mut SqliteConnection) -> Result<(String, i64)> {
            sqlx::query_as(
                "SELECT j.journal_mode, s.synchronous FROM pragma_journal_mode j, pragma_synchronous s",
            )
            .fetch_one(conn)
            .await
            .map_err(failed("cannot test"))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    assert_eq!(store.write(Pragmas).await.unwrap(), ("wal".to_owned(), 2));
}

#[tokio::test]
async fn queries_of_the_handbook_run() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let book = include_str!("../../../../docs/LEDGER.md");
    let blocks: Vec<&str> =
        book.split("```sql").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 5, "the handbook has queries");
    for block in blocks {
        store.read(Sql(block.to_owned())).await.unwrap_or_else(|error| panic!("{error:?} in {block}"));
    }
}
