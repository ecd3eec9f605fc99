//! Many statements in one trip to the connection's thread.
//!
//! A trip costs more than most statements, so commands that share a commit share trips as well. Statements
//! are written with their own `$1`, `$2`, …; adding one moves its numbers behind those already there.

use std::fmt::Write as _;

use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments as _, Encode, Sqlite, Type};

use super::failed;
use crate::error::{Error, ErrorKind, Result};

/// Statements sent at once; more go in several trips.
const PER_TRIP: usize = 256;

/// Statements with their parameters, in order.
#[derive(Default)]
pub(super) struct Script {
    done: Vec<Trip>,
    open: Trip,
}

#[derive(Default)]
struct Trip {
    sql: String,
    arguments: SqliteArguments,
    statements: usize,
    unencodable: Option<String>,
}

impl Script {
    /// Adds a statement; its parameters are bound to the answer.
    pub(super) fn add(&mut self, sql: &str) -> Binder<'_> {
        if self.open.statements == PER_TRIP {
            self.done.push(std::mem::take(&mut self.open));
        }
        let trip = &mut self.open;
        let base = trip.arguments.len();
        let mut parts = sql.split('$');
        trip.sql.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (number, rest) = part.split_at(end);
            let number: usize = number.parse().unwrap_or(0);
            // Writing to a string cannot fail.
            write!(trip.sql, "${}{rest}", base + number).ok();
        }
        trip.sql.push(';');
        trip.statements += 1;
        Binder(trip)
    }

    /// Runs everything, and answers the rows of all statements in order.
    pub(super) async fn run(
        self,
        conn: &mut SqliteConnection,
        attempted: &'static str,
    ) -> Result<Vec<SqliteRow>> {
        let mut rows = Vec::new();
        for trip in self.done.into_iter().chain([self.open]) {
            if let Some(value) = trip.unencodable {
                return Err(Error::new(ErrorKind::Invalid, attempted).with("value", value));
            }
            if trip.statements > 0 {
                let query = sqlx::query_with(sqlx::AssertSqlSafe(trip.sql), trip.arguments);
                // Only the shape that comes up again and again is worth keeping prepared.
                rows.extend(
                    query
                        .persistent(trip.statements == 1)
                        .fetch_all(&mut *conn)
                        .await
                        .map_err(failed(attempted))?,
                );
            }
        }
        Ok(rows)
    }
}

/// Binds the parameters of the statement that was just added.
pub(super) struct Binder<'a>(&'a mut Trip);

impl Binder<'_> {
    pub(super) fn bind<'q, T: Encode<'q, Sqlite> + Type<Sqlite>>(self, value: T) -> Self {
        if let Err(error) = self.0.arguments.add(value) {
            self.0.unencodable = Some(error.to_string());
        }
        self
    }
}
