//! A ledger that stands still: another process has begun to write and does not end.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::runtime::Runtime;

/// Keeps everybody else from writing until it goes out of scope.
#[derive(Debug)]
pub struct HeldLedger {
    connection: Option<SqliteConnection>,
    runtime: Runtime,
}

impl HeldLedger {
    /// Takes the only place of a writer.
    ///
    /// # Panics
    /// When it is not to be had within five seconds.
    pub fn of(file: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(5));
        let connection = runtime.block_on(async {
            let mut connection = options.connect().await?;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
            Ok::<_, sqlx::Error>(connection)
        });
        Self { connection: Some(connection.expect("nobody else writes")), runtime }
    }
}

impl Drop for HeldLedger {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            // What is not rolled back here is when the connection closes.
            self.runtime.block_on(async { sqlx::query("ROLLBACK").execute(&mut connection).await.ok() });
        }
    }
}
