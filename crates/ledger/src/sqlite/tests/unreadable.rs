//! Rows of callbacks that cannot be read hold up no others.

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::callbacks::{Attempt, Attempted, EventKind, NewCallback, Taken};
use crate::ledger::Ledger;
use crate::model::{NewBatch, NewParcel};
use interline_core::outcome::Status;

fn parcel(seq: u32) -> NewParcel {
    NewParcel { seq, provider: "p".to_owned(), states: vec![Status::Rejected], ..NewParcel::default() }
}

#[tokio::test]
async fn what_cannot_be_read_is_given_up_and_the_rest_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&format!("sqlite:{}", path.display())).await.unwrap();
    let callback = Some(NewCallback { url: "https://example.com/".to_owned(), each: true });
    let batch = NewBatch { id: "b".to_owned(), callback, ..NewBatch::default() };
    ledger.accept(batch, vec![parcel(0), parcel(1)], None).await.unwrap();
    let mut conn = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    let take = async || -> Taken { ledger.take_events(1, 9_000, 8, Vec::new()).await.unwrap().unwrap() };

    sqlx::raw_sql("UPDATE parcel SET states = x'63' WHERE seq = 0").execute(&mut conn).await.unwrap();
    let told = take().await.events;
    assert_eq!(told.iter().map(|event| event.items.clone()).collect::<Vec<_>>(), [[(1, vec![0])]]);

    for (damage, kept) in
        [("items = '['", "items = '[]'"), ("kind = 77", "kind = 0"), ("step = -1", "step = 0")]
    {
        for (change, readable) in [(damage, 0), (kept, 1)] {
            let sql = format!("UPDATE callback_event SET {change}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
            let Taken { events, unreadable, .. } = take().await;
            assert_eq!((events.len(), unreadable.len()), (readable, 1 - readable), "{change}");
        }
    }
    sqlx::raw_sql("UPDATE callback_event SET items = 7").execute(&mut conn).await.unwrap();
    let row = take().await.unreadable.remove(0);
    let came_of = Attempted::Failed {
        retry_ms: None,
        hold_ms: (0, 0),
        wait_until_ms: None,
        disable: None,
        disable_after_ms: 9_000,
    };
    let (answer, now_ms) = (String::new(), 9_000);
    let done = Attempt { event: row.id, replays: row.replays, endpoint: 1, now_ms, answer, came_of };
    assert!(ledger.end_attempt(done).await.unwrap().given_up);
    let rest = take().await.events;
    assert_eq!(rest.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::BatchSettled]);
}
