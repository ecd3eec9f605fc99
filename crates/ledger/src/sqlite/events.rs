//! From what became of batches to events, and from events to attempts. An event is made once, with the places of
//! the messages that it tells of, and keeps its number: however often it is sent, a receiver knows it again.
//!
//! Few events of a batch wait at a time. Of what is not told yet only its parcels are known, so a receiver that
//! is away for long costs no memory and little disk.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{FromRow as _, Row as _};

use super::codec::{narrow, states_from_blob, states_to_blob};
use super::failed;
use super::writer::Work;
use crate::boundary::Around;
use crate::callbacks::{Event, EventKind, Taken, Unreadable};
use crate::error::{Error, ErrorKind, Result};
use interline_core::outcome::Status;

/// Messages of one event.
const PAGE: usize = 100;
/// Events of one batch that wait at a time.
const WAITING: usize = 16;
/// Batches that one step makes events of.
const BATCHES: i64 = 16;
/// Parcels that are looked at for one batch in one step.
const PARCELS: usize = 128;
/// How long an event with less than a page of messages gathers more while its batch is under way.
pub(super) const GATHER_MS: i64 = 500;

/// Makes events of what is to be told at an endpoint, and answers those that are due.
#[derive(Debug)]
pub(crate) struct TakeEvents {
    pub(crate) endpoint: i64,
    pub(crate) now_ms: i64,
    pub(crate) limit: i64,
    /// Events that are under way.
    pub(crate) busy: Vec<i64>,
}

/// A batch of which something is to be told.
struct Open {
    batch_no: i64,
    each: bool,
    told: bool,
    next: i64,
    settled: bool,
    /// Whether a page that is not full is told.
    flush: bool,
}

/// A parcel as it is and as it was told.
struct Fresh {
    id: i64,
    seq: u32,
    states: Vec<Status>,
    told: Vec<Status>,
    /// Whether any of it was told now.
    changed: bool,
}

/// A message: which of the parcels looked at, and where in it.
type Spot = (usize, usize);

impl Work for TakeEvents {
    type Answer = Option<Taken>;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "take_events.before_commit", after: "take_events.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Option<Taken>> {
        let failure = failed("cannot find what is to be told");
        let row: Option<(String, String, i64)> = sqlx::query_as(
            "SELECT app, url, failures FROM callback_endpoint
             WHERE id = $1 AND disabled_ms IS NULL AND not_before_ms <= $2",
        )
        .bind(self.endpoint)
        .bind(self.now_ms)
        .fetch_optional(&mut *conn)
        .await
        .map_err(&failure)?;
        let Some((app, url, failures)) = row else {
            super::endpoints::rest(conn, self.endpoint).await?;
            return Ok(None);
        };
        let at_once = if failures > 0 { self.limit.min(1) } else { self.limit };
        let room = at_once.saturating_sub(i64::try_from(self.busy.len()).unwrap_or(i64::MAX));
        if room <= 0 {
            return Ok(Some(Taken { app, url, events: Vec::new(), unreadable: Vec::new() }));
        }
        let open: Vec<(i64, i64, bool, i64, bool, i64)> = sqlx::query_as(
            "SELECT c.batch_no, b.callback, c.told, c.next, b.settled_ms IS NOT NULL, c.formed_ms
             FROM callback AS c JOIN batch AS b ON b.no = c.batch_no
             WHERE c.endpoint = $1 AND c.open = 1 ORDER BY c.formed_ms, c.batch_no LIMIT $2",
        )
        .bind(self.endpoint)
        .bind(BATCHES)
        .fetch_all(&mut *conn)
        .await
        .map_err(&failure)?;
        for (batch_no, callback, told, next, settled, formed_ms) in open {
            let flush = settled || self.now_ms.saturating_sub(formed_ms) >= GATHER_MS;
            let each = callback == super::callbacks::EACH;
            self.form(conn, Open { batch_no, each, told, next, settled, flush }).await?;
        }
        let (events, unreadable) = self.due(conn, room).await?;
        if events.is_empty() && unreadable.is_empty() {
            super::endpoints::rest(conn, self.endpoint).await?;
        }
        Ok(Some(Taken { app, url, events, unreadable }))
    }
}

impl TakeEvents {
    /// Makes events of what is to be told of a batch, as far as there is room.
    async fn form(&self, conn: &mut SqliteConnection, mut open: Open) -> Result<()> {
        let failure = failed("cannot make events");
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM callback_event WHERE batch_no = $1 AND state = 0")
                .bind(open.batch_no)
                .fetch_one(&mut *conn)
                .await
                .map_err(&failure)?;
        let mut room = WAITING.saturating_sub(usize::try_from(waiting).unwrap_or(WAITING));
        let first = open.next;
        let mut all = true;
        if open.each {
            all = self.form_pages(conn, &mut open, &mut room).await?;
        }
        // Where all goes well it comes last: it waits until each of the others was tried.
        let untried =
            if all && open.settled && !open.told { untried(conn, open.batch_no).await? } else { false };
        if untried {
            all = false;
            room = 0;
        }
        if all && open.settled && !open.told && room > 0 {
            self.insert(conn, &mut open, EventKind::BatchSettled, "[]").await?;
            room -= 1;
            open.told = true;
        }
        let state = match (all && (open.told || !open.settled), room) {
            (true, _) => 0,
            (false, 0) => 2,
            (false, _) => 1,
        };
        sqlx::query(
            "UPDATE callback SET open = $2, told = $3, next = $4,
                formed_ms = CASE WHEN $5 THEN $6 ELSE formed_ms END WHERE batch_no = $1",
        )
        .bind(open.batch_no)
        .bind(state)
        .bind(open.told)
        .bind(open.next)
        .bind(open.next > first)
        .bind(self.now_ms)
        .execute(conn)
        .await
        .map(drop)
        .map_err(failure)
    }

    /// Makes events of messages; says whether all that is known is told.
    async fn form_pages(
        &self,
        conn: &mut SqliteConnection,
        open: &mut Open,
        room: &mut usize,
    ) -> Result<bool> {
        let (mut parcels, more) = fresh(conn, open.batch_no).await?;
        let (mut settled, mut revised) = (Vec::new(), Vec::new());
        for (number, parcel) in parcels.iter().enumerate() {
            for (position, (now, told)) in parcel.states.iter().zip(&parcel.told).enumerate() {
                if !now.is_final() || now == told {
                    continue;
                }
                if told.is_final() { &mut revised } else { &mut settled }.push((number, position));
            }
        }
        let mut all = !more;
        for (kind, spots) in [(EventKind::MessagesSettled, settled), (EventKind::MessagesRevised, revised)] {
            for page in spots.chunks(PAGE) {
                if *room == 0 || (page.len() < PAGE && !open.flush && !more) {
                    all = false;
                    break;
                }
                *room -= 1;
                let items = items(page, &parcels);
                self.insert(conn, open, kind, &items).await?;
                for (number, position) in page {
                    let Some(parcel) = parcels.get_mut(*number) else { continue };
                    parcel.changed = true;
                    if let (Some(told), Some(now)) =
                        (parcel.told.get_mut(*position), parcel.states.get(*position))
                    {
                        *told = *now;
                    }
                }
            }
        }
        for parcel in &parcels {
            let left =
                parcel.states.iter().zip(&parcel.told).any(|(now, told)| now.is_final() && now != told);
            if left && !parcel.changed {
                continue;
            }
            sqlx::query("UPDATE callback_parcel SET told = $2, fresh = $3 WHERE parcel_id = $1")
                .bind(parcel.id)
                .bind(states_to_blob(&parcel.told))
                .bind(left)
                .execute(&mut *conn)
                .await
                .map_err(failed("cannot note what was told"))?;
        }
        Ok(all)
    }

    async fn insert(
        &self,
        conn: &mut SqliteConnection,
        open: &mut Open,
        kind: EventKind,
        items: &str,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO callback_event (batch_no, sequence, endpoint, kind, created_ms, due_ms, items)
             VALUES ($1, $2, $3, $4, $5, $5, $6)",
        )
        .bind(open.batch_no)
        .bind(open.next)
        .bind(self.endpoint)
        .bind(kind as i64)
        .bind(self.now_ms)
        .bind(items)
        .execute(conn)
        .await
        .map_err(failed("cannot store event"))?;
        open.next += 1;
        Ok(())
    }

    /// The events that are due and not under way, the oldest due first; those that cannot be read apart.
    async fn due(&self, conn: &mut SqliteConnection, room: i64) -> Result<(Vec<Event>, Vec<Unreadable>)> {
        let failure = failed("cannot read events");
        let rows = sqlx::query(
            "SELECT v.id, CAST(v.replays AS INTEGER), CAST(v.step AS INTEGER), b.id, v.sequence, v.kind, v.created_ms,
                v.attempts, v.items
             FROM callback_event AS v JOIN batch AS b ON b.no = v.batch_no
             WHERE v.endpoint = $1 AND v.state = 0 AND v.due_ms <= $2
                AND v.id NOT IN (SELECT value FROM json_each($3))
             ORDER BY v.due_ms, v.id LIMIT $4",
        )
        .bind(self.endpoint)
        .bind(self.now_ms)
        .bind(super::codec::id_list(&self.busy))
        .bind(room)
        .fetch_all(conn)
        .await
        .map_err(&failure)?;
        let (mut events, mut unreadable) = (Vec::new(), Vec::new());
        for row in rows {
            match event(&row) {
                Ok(event) => events.push(event),
                Err(error) => {
                    let number = |column: usize| row.try_get::<i64, _>(column).map_err(&failure);
                    let small = |column: usize| number(column).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
                    unreadable.push(Unreadable {
                        id: number(0)?,
                        replays: small(1)?,
                        step: small(2)?,
                        error,
                    });
                }
            }
        }
        Ok((events, unreadable))
    }
}

/// An event as it is stored.
fn event(row: &SqliteRow) -> Result<Event> {
    type Row = (i64, i64, i64, String, i64, i64, i64, i64, String);
    let (id, replays, step, batch_id, sequence, kind, created_ms, attempts, items) =
        Row::from_row(row).map_err(failed("cannot read event"))?;
    let corrupt = || Error::new(ErrorKind::Corrupt, "cannot read event");
    Ok(Event {
        id,
        batch_id,
        sequence,
        kind: EventKind::from_number(kind).ok_or_else(|| corrupt().with("kind", kind))?,
        created_ms,
        attempts: narrow(attempts, "attempts")?,
        step: narrow(step, "step")?,
        replays: narrow(replays, "replays")?,
        items: serde_json::from_str(&items).map_err(|error| corrupt().caused_by(error))?,
    })
}

/// Whether an event of the batch was not sent yet.
async fn untried(conn: &mut SqliteConnection, batch_no: i64) -> Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM callback_event WHERE batch_no = $1 AND state = 0 AND attempts = 0)",
    )
    .bind(batch_no)
    .fetch_one(conn)
    .await
    .map_err(failed("cannot make events"))
}

/// Parcels of a batch that may hold what was not told, and whether there are more. What cannot be read is said
/// once and left out, so that the others are told.
async fn fresh(conn: &mut SqliteConnection, batch_no: i64) -> Result<(Vec<Fresh>, bool)> {
    let failure = failed("cannot find what is to be told");
    let rows = sqlx::query(
        "SELECT p.id, p.seq, p.states, c.told FROM callback_parcel AS c JOIN parcel AS p ON p.id = c.parcel_id
         WHERE c.batch_no = $1 AND c.fresh = 1 ORDER BY c.parcel_id LIMIT $2",
    )
    .bind(batch_no)
    .bind(PARCELS as i64)
    .fetch_all(&mut *conn)
    .await
    .map_err(&failure)?;
    let more = rows.len() == PARCELS;
    let (mut parcels, mut unreadable) = (Vec::new(), Vec::new());
    for row in rows {
        match parcel(&row) {
            Ok(parcel) => parcels.push(parcel),
            Err(error) => {
                let id: i64 = row.try_get(0).map_err(&failure)?;
                tracing::error!(%error, parcel = id, "what became of a parcel cannot be read; no callback tells of it");
                unreadable.push(id);
            }
        }
    }
    if !unreadable.is_empty() {
        sqlx::query(
            "UPDATE callback_parcel SET fresh = 0 WHERE parcel_id IN (SELECT value FROM json_each($1))",
        )
        .bind(super::codec::id_list(&unreadable))
        .execute(conn)
        .await
        .map_err(failure)?;
    }
    Ok((parcels, more))
}

/// A parcel as it is stored.
fn parcel(row: &SqliteRow) -> Result<Fresh> {
    type Row = (i64, i64, Vec<u8>, Option<Vec<u8>>);
    let (id, seq, states, told) = Row::from_row(row).map_err(failed("cannot read parcel"))?;
    let states = states_from_blob(&states)?;
    let mut told = told.map(|told| states_from_blob(&told)).transpose()?.unwrap_or_default();
    told.resize(states.len(), Status::Queued);
    Ok(Fresh { id, seq: narrow(seq, "seq")?, states, told, changed: false })
}

/// Places of messages as they are stored: parcel by parcel.
fn items(page: &[Spot], parcels: &[Fresh]) -> String {
    let mut items: Vec<(u32, Vec<usize>)> = Vec::new();
    for (number, position) in page {
        let Some(seq) = parcels.get(*number).map(|parcel| parcel.seq) else { continue };
        match items.last_mut() {
            Some((last, positions)) if *last == seq => positions.push(*position),
            Some(_) | None => items.push((seq, vec![*position])),
        }
    }
    serde_json::Value::from(
        items.into_iter().map(|(seq, positions)| serde_json::json!([seq, positions])).collect::<Vec<_>>(),
    )
    .to_string()
}
