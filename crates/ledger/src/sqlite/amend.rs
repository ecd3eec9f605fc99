//! Changes to an upload before it is published: messages that turn out to be refused only when the whole is
//! there, such as the second of two with one id.

use sqlx::sqlite::SqliteConnection;

use super::codec::{states_from_blob, states_to_blob};
use super::failed;
use super::share::{Delta, apply};
use super::stage::receiving;
use super::writer::Work;
use crate::boundary::Around;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Amendment;

/// Changes what became of messages of an upload.
#[derive(Debug)]
pub(crate) struct Amend {
    pub(crate) batch_id: String,
    pub(crate) amendments: Vec<Amendment>,
}

impl Work for Amend {
    type Answer = ();

    const BOUNDARY: Option<Around> =
        Some(Around { before: "amend.before_commit", after: "amend.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<()> {
        let batch = receiving(conn, &self.batch_id).await?;
        let mut delta = Delta::default();
        for amendment in &self.amendments {
            amend(conn, batch.no, amendment, &mut delta).await?;
        }
        apply(conn, batch.no, delta, batch.created_ms).await
    }

    fn bytes(&self) -> usize {
        self.amendments.iter().map(|amendment| amendment.states.len() + amendment.record.len()).sum()
    }
}

async fn amend(
    conn: &mut SqliteConnection,
    batch_no: i64,
    amendment: &Amendment,
    delta: &mut Delta,
) -> Result<()> {
    let failure = failed("cannot amend upload");
    let row: Option<(i64, String, Vec<u8>)> =
        sqlx::query_as("SELECT id, provider, states FROM parcel WHERE batch_no = $1 AND seq = $2")
            .bind(batch_no)
            .bind(amendment.seq)
            .fetch_optional(&mut *conn)
            .await
            .map_err(&failure)?;
    let Some((id, provider, before)) = row else {
        return Err(Error::new(ErrorKind::NotFound, "cannot amend upload").with("seq", amendment.seq));
    };
    let before = states_from_blob(&before)?;
    if before.len() != amendment.states.len() {
        return Err(Error::new(ErrorKind::Invalid, "cannot amend parcel with another number of messages")
            .with("seq", amendment.seq)
            .with("stored", before.len())
            .with("given", amendment.states.len()));
    }
    let open = amendment.states.iter().any(|status| !status.is_final());
    let was_open = before.iter().any(|status| !status.is_final());
    let closed = delta.change_messages(&before, &amendment.states);
    delta.touched.push(id);
    if was_open {
        delta.add_waiting(&provider, -i64::from(!open), -closed);
    }
    sqlx::query(
        "UPDATE parcel SET states = $2, done = $3 WHERE id = $1;
         INSERT INTO record (parcel_id, blob) SELECT $1, $4 WHERE length($4) > 0",
    )
    .bind(id)
    .bind(states_to_blob(&amendment.states))
    .bind(!open)
    .bind(amendment.record.as_slice())
    .execute(conn)
    .await
    .map(drop)
    .map_err(failure)
}
