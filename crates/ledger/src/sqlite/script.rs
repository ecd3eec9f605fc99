//! Many statements in few trips to the connection's thread.
//!
//! A trip costs more than most statements, and preparing a statement more than running it. So equal statements
//! travel together, in texts of a few fixed lengths that stay prepared. A text that is longer than what there
//! is to do has nulls left over: such rows are not inserted, and no row is found by them.

use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments as _, Encode, Sqlite, Type};

use super::failed;
use crate::error::{Error, ErrorKind, Result};

/// How many equal statements there are in one text.
const LENGTHS: [usize; 4] = [1, 4, 16, 64];
/// How many go at most in one trip.
const PER_TRIP: usize = 64;

/// Statements with their parameters. Equal ones keep their order; different ones do not.
#[derive(Default)]
pub(super) struct Script {
    kinds: Vec<Kind>,
    unencodable: Option<String>,
}

struct Kind {
    sql: &'static str,
    trips: Vec<Trip>,
}

#[derive(Default)]
struct Trip {
    arguments: SqliteArguments,
    statements: usize,
}

impl Script {
    /// Adds a statement with `?` parameters, which are bound to the answer in order. A row to be inserted
    /// begins with a value that is not null, and other statements do nothing when all is null.
    pub(super) fn add(&mut self, sql: &'static str) -> Binder<'_> {
        let found = self.kinds.iter().position(|kind| std::ptr::eq(kind.sql, sql) || kind.sql == sql);
        let place = found.unwrap_or_else(|| {
            self.kinds.push(Kind { sql, trips: Vec::new() });
            self.kinds.len() - 1
        });
        let trips = &mut self.kinds[place].trips;
        if trips.last().is_none_or(|trip| trip.statements == PER_TRIP) {
            trips.push(Trip::default());
        }
        let last = trips.len() - 1;
        let trip = &mut trips[last];
        trip.statements += 1;
        Binder { arguments: &mut trip.arguments, unencodable: &mut self.unencodable }
    }

    /// Runs everything, and answers the rows of all statements.
    pub(super) async fn run(
        self,
        conn: &mut SqliteConnection,
        attempted: &'static str,
    ) -> Result<Vec<SqliteRow>> {
        if let Some(value) = self.unencodable {
            return Err(Error::new(ErrorKind::Invalid, attempted).with("value", value));
        }
        let mut rows = Vec::new();
        for kind in self.kinds {
            for trip in kind.trips {
                let text = sqlx::AssertSqlSafe(text(kind.sql, trip.statements));
                let query = sqlx::query_with(text, trip.arguments);
                rows.extend(query.fetch_all(&mut *conn).await.map_err(failed(attempted))?);
            }
        }
        Ok(rows)
    }
}

/// The statement as often as it is needed, or more often.
fn text(sql: &str, statements: usize) -> String {
    let length = LENGTHS.into_iter().find(|length| *length >= statements).unwrap_or(PER_TRIP);
    if length == 1 {
        return sql.to_owned();
    }
    match sql.split_once(" VALUES ") {
        Some((head, row)) => {
            let rows = vec![row; length].join(",");
            format!("{head} SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL")
        }
        None => vec![sql; length].join(";"),
    }
}

/// Binds the parameters of the statement that was just added.
pub(super) struct Binder<'a> {
    arguments: &'a mut SqliteArguments,
    unencodable: &'a mut Option<String>,
}

impl Binder<'_> {
    pub(super) fn bind<'q, T: Encode<'q, Sqlite> + Type<Sqlite>>(self, value: T) -> Self {
        if let Err(error) = self.arguments.add(value) {
            *self.unencodable = Some(error.to_string());
        }
        self
    }
}
