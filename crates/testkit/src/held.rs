//! A ledger that stands still: somebody else has begun to write and does not end.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

/// Keeps everybody else from writing until it is let go, or dropped.
#[derive(Debug)]
pub struct HeldLedger(SqliteConnection);

impl HeldLedger {
    /// Takes the only place of a writer.
    ///
    /// # Panics
    /// When it is not to be had within five seconds.
    pub async fn of(file: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(5));
        let mut connection = options.connect().await.expect("the ledger's file");
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.expect("nobody else writes");
        Self(connection)
    }

    /// Lets it go.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn let_go(self) {
        self.0.close().await.expect("a connection to close");
    }
}
