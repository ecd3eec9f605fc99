//! Moving parcels between providers: one that its holder routes anew, or everything that waits for a
//! provider that goes away.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;

use super::codec::{id_list, states_from_blob};
use super::failed;
use super::share::{Delta, apply_shares};
use super::writer::Work;
use crate::boundary::Around;
use crate::error::Result;
use crate::model::claimed::Claim;

/// Parcels that one transaction moves.
const SLICE: i64 = 256;

/// Gives a claimed parcel to another provider.
#[derive(Debug)]
pub(crate) struct Reassign {
    pub(crate) claim: Claim,
    pub(crate) provider: String,
    pub(crate) not_before_ms: i64,
}

impl Work for Reassign {
    type Answer = bool;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "reassign.before_commit", after: "reassign.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<bool> {
        let failure = failed("cannot reassign parcel");
        let row: Option<(i64, String, Vec<u8>)> = sqlx::query_as(
            "SELECT batch_no, provider, states FROM parcel WHERE id = $1 AND epoch = $2 AND claimed = 1",
        )
        .bind(self.claim.parcel)
        .bind(self.claim.epoch)
        .fetch_optional(&mut *conn)
        .await
        .map_err(&failure)?;
        let Some((batch_no, from, states)) = row else {
            return Ok(false);
        };
        sqlx::query("UPDATE parcel SET provider = $2, claimed = 0, due_ms = $3 WHERE id = $1")
            .bind(self.claim.parcel)
            .bind(&self.provider)
            .bind(self.not_before_ms)
            .execute(&mut *conn)
            .await
            .map_err(failure)?;
        let mut delta = Delta::default();
        move_share(&mut delta, (&from, &self.provider), &states, self.not_before_ms)?;
        apply_shares(conn, &BTreeMap::from([(batch_no, delta)])).await?;
        Ok(true)
    }
}

fn move_share(delta: &mut Delta, (from, to): (&str, &str), states: &[u8], due_ms: i64) -> Result<()> {
    let open = states_from_blob(states)?.iter().filter(|status| !status.is_final()).count() as i64;
    delta.add_waiting(from, -1, -open);
    delta.add_waiting(to, 1, open);
    delta.due(to, due_ms);
    Ok(())
}

/// Moves a slice of what waits for a provider to another one; says whether there may be more.
#[derive(Debug)]
pub(crate) struct DrainStep {
    pub(crate) from: String,
    pub(crate) to: String,
}

impl Work for DrainStep {
    type Answer = bool;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<bool> {
        let failure = failed("cannot drain provider");
        let parcels: Vec<(i64, i64, Vec<u8>, i64)> = sqlx::query_as(
            "SELECT id, batch_no, states, due_ms FROM parcel
             WHERE batch_no IN (SELECT batch_no FROM share WHERE provider = $1)
                AND provider = $1 AND done = 0 AND claimed = 0 LIMIT $2",
        )
        .bind(&self.from)
        .bind(SLICE)
        .fetch_all(&mut *conn)
        .await
        .map_err(&failure)?;
        let mut deltas: BTreeMap<i64, Delta> = BTreeMap::new();
        let mut ids = Vec::with_capacity(parcels.len());
        for (id, batch_no, states, due_ms) in &parcels {
            let delta = deltas.entry(*batch_no).or_default();
            move_share(delta, (&self.from, &self.to), states, *due_ms)?;
            ids.push(*id);
        }
        sqlx::query("UPDATE parcel SET provider = $2 WHERE id IN (SELECT value FROM json_each($1))")
            .bind(id_list(&ids))
            .bind(&self.to)
            .execute(&mut *conn)
            .await
            .map_err(failure)?;
        apply_shares(conn, &deltas).await?;
        Ok(parcels.len() as i64 == SLICE)
    }
}
