//! Reading batches, and how the ledger as a whole is doing.

use sqlx::sqlite::SqliteConnection;
use sqlx::{FromRow, Row as _};

use super::codec::{batch_state, id_list, narrow};
use super::writer::Work;
use super::{failed, schema, survey};
use crate::error::{Error, ErrorKind, Result};
use crate::model::BatchHead;
use crate::model::stored::{BatchFilter, LedgerStatus, StoredBatch};
use interline_core::outcome::Counts;

type HeadRow = (String, String, i64, i64, Option<i64>, i32, Option<String>, Vec<u8>);

/// Reads what the messages of a batch share.
pub(super) async fn head(conn: &mut SqliteConnection, batch_no: i64) -> Result<BatchHead> {
    let row: HeadRow = sqlx::query_as(
        "SELECT id, app, state, created_ms, expires_at_ms, priority, redriven_from, head FROM batch WHERE no = $1",
    )
    .bind(batch_no)
    .fetch_one(conn)
    .await
    .map_err(failed("cannot read batch"))?;
    to_head(row)
}

fn to_head(row: HeadRow) -> Result<BatchHead> {
    let (id, app, state, created_ms, expires_at_ms, priority, redriven_from, head) = row;
    let state = batch_state(state)?;
    Ok(BatchHead { id, app, state, created_ms, expires_at_ms, priority, redriven_from, head })
}

/// Reads batches with their counts, newest first.
async fn batches(conn: &mut SqliteConnection, numbers: &[i64]) -> Result<Vec<StoredBatch>> {
    let failure = failed("cannot read batches");
    let rows = sqlx::query(
        "SELECT id, app, state, created_ms, expires_at_ms, priority, redriven_from, head,
            no, send_at_ms, settled_ms, labels, direct, total, accepted, rejected, unknown, cancelled, expired, calls,
            (SELECT coalesce(sum(length(indexes) / 2), 0) FROM sending WHERE batch_no = no)
         FROM batch WHERE no IN (SELECT value FROM json_each($1)) ORDER BY no DESC",
    )
    .bind(id_list(numbers))
    .fetch_all(conn)
    .await
    .map_err(&failure)?;
    let mut batches = Vec::with_capacity(rows.len());
    for row in rows {
        let head = to_head(FromRow::from_row(&row).map_err(&failure)?)?;
        let direct = row.try_get(12).map_err(&failure)?;
        let labels: String = row.try_get(11).map_err(&failure)?;
        let mut numbers = [0_i64; 8];
        for (number, column) in numbers.iter_mut().zip(13..) {
            *number = row.try_get(column).map_err(&failure)?;
        }
        batches.push(StoredBatch {
            head,
            send_at_ms: row.try_get(9).map_err(&failure)?,
            settled_ms: row.try_get(10).map_err(&failure)?,
            counts: counts(numbers, direct)?,
            labels: parse_labels(&labels)?,
            direct,
            cursor: row.try_get(8).map_err(&failure)?,
        });
    }
    Ok(batches)
}

fn counts(numbers: [i64; 8], direct: bool) -> Result<Counts> {
    let [total, accepted, rejected, unknown, cancelled, expired, calls, sending] = numbers;
    let open = total - accepted - rejected - unknown - cancelled - expired;
    // A direct send is on its way from the start; for others the open sends say what is.
    let sending = if direct { open } else { sending.min(open) };
    Ok(Counts {
        total: narrow(total, "total")?,
        queued: narrow(open - sending, "queued")?,
        sending: narrow(sending, "sending")?,
        accepted: narrow(accepted, "accepted")?,
        rejected: narrow(rejected, "rejected")?,
        unknown: narrow(unknown, "unknown")?,
        cancelled: narrow(cancelled, "cancelled")?,
        expired: narrow(expired, "expired")?,
        calls: narrow(calls, "calls")?,
    })
}

fn parse_labels(text: &str) -> Result<Vec<(String, String)>> {
    let labels: std::collections::BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorKind::Corrupt, "cannot read labels of batch").caused_by(error))?;
    Ok(labels.into_iter().collect())
}

/// Reads one batch.
#[derive(Debug)]
pub(crate) struct ReadBatch {
    pub(crate) id: String,
}

impl Work for ReadBatch {
    type Answer = Option<StoredBatch>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Option<StoredBatch>> {
        let no: Option<i64> = sqlx::query_scalar("SELECT no FROM batch WHERE id = $1")
            .bind(&self.id)
            .fetch_optional(&mut *conn)
            .await
            .map_err(failed("cannot read batch"))?;
        match no {
            Some(no) => Ok(batches(conn, &[no]).await?.pop()),
            None => Ok(None),
        }
    }
}

/// Lists batches, newest first.
#[derive(Debug)]
pub(crate) struct ListBatches {
    pub(crate) filter: BatchFilter,
    pub(crate) cursor: Option<i64>,
    pub(crate) limit: usize,
}

impl Work for ListBatches {
    type Answer = Vec<StoredBatch>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Vec<StoredBatch>> {
        let (label, value) = match &self.filter.label {
            Some((label, value)) => (Some(label), value.as_ref()),
            None => (None, None),
        };
        let numbers: Vec<i64> = sqlx::query_scalar(
            "SELECT no FROM batch WHERE no < $1 AND ($2 IS NULL OR state = $2) AND ($3 IS NULL OR app = $3)
                AND ($4 IS NULL OR EXISTS (SELECT 1 FROM json_each(labels) AS label
                    WHERE label.key = $4 AND ($5 IS NULL OR label.value = $5)))
             ORDER BY no DESC LIMIT $6",
        )
        .bind(self.cursor.unwrap_or(i64::MAX))
        .bind(self.filter.state.map(|state| state.number()))
        .bind(self.filter.app.as_ref())
        .bind(label)
        .bind(value)
        .bind(i64::try_from(self.limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *conn)
        .await
        .map_err(failed("cannot list batches"))?;
        batches(conn, &numbers).await
    }
}

/// Says when a provider should look for work.
#[derive(Debug)]
pub(crate) struct NextDue {
    pub(crate) provider: String,
}

impl Work for NextDue {
    type Answer = Option<i64>;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Option<i64>> {
        sqlx::query_scalar("SELECT min(due_ms) FROM share WHERE provider = $1 AND open = 1")
            .bind(&self.provider)
            .fetch_one(conn)
            .await
            .map_err(failed("cannot read when work is due"))
    }
}

/// Says how the ledger is doing.
#[derive(Debug)]
pub(crate) struct ReadStatus;

impl Work for ReadStatus {
    type Answer = LedgerStatus;

    async fn run(&self, conn: &mut SqliteConnection) -> Result<LedgerStatus> {
        let failure = failed("cannot read ledger status");
        // Batches are numbered without gaps, so nothing has to be counted.
        let (page, pages, free, batches): (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT s.page_size, c.page_count, f.freelist_count,
                coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'batch'), 0)
                    - (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'deleted_batches')
             FROM pragma_page_size AS s, pragma_page_count AS c, pragma_freelist_count AS f",
        )
        .fetch_one(&mut *conn)
        .await
        .map_err(failure)?;
        let queues = survey::queues(conn).await?;
        Ok(LedgerStatus {
            schema_version: schema::version(),
            bytes: narrow(page * pages, "bytes")?,
            free_bytes: narrow(page * free, "free bytes")?,
            batches: narrow(batches, "batches")?,
            queues,
        })
    }
}
