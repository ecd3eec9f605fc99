//! Small facts that outlive the process, by kind and name.

use sqlx::sqlite::SqliteConnection;

use super::failed;
use super::writer::Work;
use crate::error::Result;
use crate::model::Fact;

/// Stores a fact, in place of an earlier one of that name.
#[derive(Debug)]
pub(crate) struct Remember(pub(crate) Fact);

impl Work for Remember {
    type Answer = ();

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        sqlx::query("INSERT OR REPLACE INTO fact (kind, name, value, changed_ms) VALUES ($1, $2, $3, $4)")
            .bind(&self.0.kind)
            .bind(&self.0.name)
            .bind(self.0.value.as_slice())
            .bind(self.0.changed_ms)
            .execute(conn)
            .await
            .map(drop)
            .map_err(failed("cannot store fact"))
    }
}

/// Deletes a fact.
#[derive(Debug)]
pub(crate) struct Forget {
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl Work for Forget {
    type Answer = ();

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        sqlx::query("DELETE FROM fact WHERE kind = $1 AND name = $2")
            .bind(&self.kind)
            .bind(&self.name)
            .execute(conn)
            .await
            .map(drop)
            .map_err(failed("cannot forget fact"))
    }
}

/// Lists the facts of a kind by name.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) kind: String,
}

impl Work for Facts {
    type Answer = Vec<Fact>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<Fact>> {
        let rows: Vec<(String, String, Vec<u8>, i64)> =
            sqlx::query_as("SELECT kind, name, value, changed_ms FROM fact WHERE kind = $1 ORDER BY name")
                .bind(&self.kind)
                .fetch_all(conn)
                .await
                .map_err(failed("cannot read facts"))?;
        Ok(rows
            .into_iter()
            .map(|(kind, name, value, changed_ms)| Fact { kind, name, value, changed_ms })
            .collect())
    }
}
