//! Storing a batch with its parcels and its idempotency key in one transaction.
//!
//! [`Rows`] is also what staging and direct sends insert with.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;

use super::codec::{hashes_to_blob, states_to_blob};
use super::script::Script;
use super::share::{Delta, apply_shares};
use super::writer::Work;
use super::{callbacks, failed, keys, marks};
use crate::boundary::Around;
use crate::error::Result;
use crate::model::{Accepted, BatchState, IdempotencyKey, NewBatch, NewCopy, NewParcel};

/// Stores a whole batch.
#[derive(Debug)]
pub(crate) struct Accept {
    pub(crate) batch: NewBatch,
    pub(crate) parcels: Vec<NewParcel>,
    pub(crate) key: Option<IdempotencyKey>,
}

impl Work for Accept {
    type Answer = Accepted;

    const BOUNDARY: Option<Around> =
        Some(Around { before: "accept.before_commit", after: "accept.after_commit" });

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Accepted> {
        let taken = marks::taken(conn, &self.batch).await?;
        if !taken.is_empty() {
            return Ok(Accepted::Marked(taken));
        }
        Ok(Self::store(&[self], conn).await?.pop().unwrap_or(Accepted::InProgress))
    }

    /// Batches with marks go one after the other: each has to see what the one before it took.
    async fn run_all(works: &[&Self], conn: &mut SqliteConnection) -> Result<Vec<Accepted>> {
        if works.iter().all(|work| work.batch.marks.is_empty()) {
            return Self::store(works, conn).await;
        }
        let mut answers = Vec::with_capacity(works.len());
        for work in works {
            answers.push(work.run(conn).await?);
        }
        Ok(answers)
    }

    fn bytes(&self) -> usize {
        self.batch.head.len() + parcel_bytes(&self.parcels) + copies_bytes(&self.batch)
    }
}

impl Accept {
    /// Stores batches whose marks are free.
    async fn store(works: &[&Self], conn: &mut SqliteConnection) -> Result<Vec<Accepted>> {
        let mut keys = keys::Lookup::of(conn, works.iter().filter_map(|work| work.key.as_ref())).await?;
        let mut rows = Rows::begin(conn).await?;
        let mut deltas = BTreeMap::new();
        let mut answers = Vec::with_capacity(works.len());
        let mut told = Vec::new();
        for Self { batch, parcels, key } in works {
            if let Some(key) = key {
                if let Some(earlier) = keys.earlier(key) {
                    answers.push(earlier);
                    continue;
                }
                keys.take(key, &batch.id);
                keys::write(&mut rows.script, key, &batch.id, false);
            }
            let form = Form {
                state: waiting_state(batch.send_at_ms, batch.created_ms),
                direct: false,
                calls: 0,
                now_ms: batch.created_ms,
            };
            let (no, delta) = rows.add_whole(batch, parcels, form);
            marks::write(&mut rows.script, &batch.marks, no);
            deltas.insert(no, delta);
            if batch.callback.is_some() {
                told.push((no, batch));
            }
            rows.add_copies(batch, &mut deltas);
            answers.push(Accepted::Stored);
        }
        rows.script.run(conn, "cannot store batch").await?;
        for (no, batch) in told {
            callbacks::begin(conn, no, batch).await?;
        }
        apply_shares(conn, &deltas).await?;
        Ok(answers)
    }
}

/// Whether a complete batch waits for its time or for a lane.
pub(super) fn waiting_state(send_at_ms: Option<i64>, now_ms: i64) -> BatchState {
    match send_at_ms {
        Some(send_at) if send_at > now_ms => BatchState::Scheduled,
        _ => BatchState::Queued,
    }
}

/// What parcels need to know of the batch they belong to.
#[derive(Debug)]
pub(super) struct BatchRow {
    pub(super) no: i64,
    pub(super) created_ms: i64,
    pub(super) send_at_ms: Option<i64>,
    /// Sent at once: its parcels are never claimed.
    pub(super) direct: bool,
}

/// How a batch is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Its state, unless it is settled already.
    pub(super) state: BatchState,
    pub(super) direct: bool,
    pub(super) calls: u32,
    /// When it settled, if it is.
    pub(super) now_ms: i64,
}

/// New rows, numbered here so that rows that belong together travel in one script.
pub(super) struct Rows {
    pub(super) script: Script,
    last_batch: i64,
    last_parcel: i64,
}

impl Rows {
    /// Goes on from the highest numbers ever given; there is one writer, so nobody else gives any.
    pub(super) async fn begin(conn: &mut SqliteConnection) -> Result<Self> {
        let last: (Option<i64>, Option<i64>) = sqlx::query_as(
            "SELECT max(seq) FILTER (WHERE name = 'batch'), max(seq) FILTER (WHERE name = 'parcel')
             FROM sqlite_sequence",
        )
        .fetch_one(conn)
        .await
        .map_err(failed("cannot number new rows"))?;
        Ok(Self {
            script: Script::default(),
            last_batch: last.0.unwrap_or_default(),
            last_parcel: last.1.unwrap_or_default(),
        })
    }

    /// Adds a batch with all its parcels, its counts written as they come out: what is left to store is what
    /// waits at providers.
    pub(super) fn add_whole(
        &mut self,
        batch: &NewBatch,
        parcels: &[NewParcel],
        mut form: Form,
    ) -> (i64, Delta) {
        let no = self.last_batch + 1;
        let mut delta = Delta::of_calls(form.calls);
        let Form { direct, now_ms, .. } = form;
        let row = BatchRow { no, created_ms: batch.created_ms, send_at_ms: batch.send_at_ms, direct };
        self.add_parcels(&row, parcels, &mut delta);
        let settled_ms = (delta.open() == 0).then_some(now_ms);
        if settled_ms.is_some() {
            form.state = BatchState::Settled;
        }
        self.add_batch(batch, form, (&delta, settled_ms));
        (no, delta)
    }

    /// Adds the batches that are stored together with this one.
    pub(super) fn add_copies(&mut self, batch: &NewBatch, deltas: &mut BTreeMap<i64, Delta>) {
        for NewCopy { batch, parcels } in &*batch.copies {
            let state = waiting_state(batch.send_at_ms, batch.created_ms);
            let form = Form { state, direct: false, calls: 0, now_ms: batch.created_ms };
            let (no, delta) = self.add_whole(batch, parcels, form);
            deltas.insert(no, delta);
        }
    }

    /// Adds a batch whose parcels come later.
    pub(super) fn add_empty(&mut self, batch: &NewBatch) -> i64 {
        let form = Form { state: BatchState::Receiving, direct: false, calls: 0, now_ms: batch.created_ms };
        self.add_batch(batch, form, (&Delta::default(), None));
        self.last_batch
    }

    fn add_batch(&mut self, batch: &NewBatch, form: Form, (delta, settled_ms): (&Delta, Option<i64>)) {
        self.last_batch += 1;
        let mut binder = self
            .script
            .add(
                "INSERT INTO batch (no, id, app, state, direct, created_ms, send_at_ms, expires_at_ms, settled_ms,
                    priority, redriven_from, labels, head, callback, total, accepted, rejected, unknown, cancelled,
                    expired, calls)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(self.last_batch)
            .bind(&batch.id)
            .bind(&batch.app)
            .bind(form.state.number())
            .bind(form.direct)
            .bind(batch.created_ms)
            .bind(batch.send_at_ms)
            .bind(batch.expires_at_ms)
            .bind(settled_ms)
            .bind(batch.priority)
            .bind(batch.redriven_from.as_deref())
            .bind(labels(batch))
            .bind(batch.head.as_slice())
            .bind(callbacks::mode(batch));
        for count in delta.counts() {
            binder = binder.bind(count);
        }
    }

    pub(super) fn add_parcels(&mut self, batch: &BatchRow, parcels: &[NewParcel], delta: &mut Delta) {
        for parcel in parcels {
            let open = parcel.states.iter().filter(|status| !status.is_final()).count() as i64;
            let done = batch.direct || open == 0;
            let due_ms = parcel.not_before_ms.max(batch.send_at_ms.unwrap_or(0));
            self.last_parcel += 1;
            self.add_parcel(batch, parcel, (done, due_ms));
            delta.add_messages(&parcel.states);
            if open < parcel.states.len() as i64 {
                delta.touched.push(self.last_parcel);
            }
            if !done {
                delta.add_waiting(&parcel.provider, 1, open);
                delta.due(&parcel.provider, due_ms);
            }
        }
    }

    fn add_parcel(&mut self, batch: &BatchRow, parcel: &NewParcel, (done, due_ms): (bool, i64)) {
        let id = self.last_parcel;
        self.script
            .add(
                "INSERT INTO parcel (id, batch_no, seq, provider, done, due_ms, first_index, bytes, states)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(id)
            .bind(batch.no)
            .bind(parcel.seq)
            .bind(&parcel.provider)
            .bind(done)
            .bind(due_ms)
            .bind(parcel.first_index)
            .bind(parcel.body.len() as i64)
            .bind(states_to_blob(&parcel.states));
        self.script
            .add("INSERT INTO parcel_body VALUES (?, ?, ?)")
            .bind(id)
            .bind(parcel.body.as_slice())
            .bind(parcel.record.as_deref());
        self.script
            .add("INSERT INTO parcel_index VALUES (?, ?, ?, ?)")
            .bind(id)
            .bind(batch.created_ms)
            .bind(hashes_to_blob(&parcel.recipients))
            .bind(hashes_to_blob(&parcel.ids));
    }
}

fn labels(batch: &NewBatch) -> Cow<'static, str> {
    if batch.labels.is_empty() {
        return Cow::Borrowed("{}");
    }
    let labels: serde_json::Map<String, serde_json::Value> =
        batch.labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    Cow::Owned(serde_json::Value::Object(labels).to_string())
}

/// Roughly what the batches take on disk that are stored together with this one.
pub(super) fn copies_bytes(batch: &NewBatch) -> usize {
    batch.copies.iter().map(|copy| copy.batch.head.len() + parcel_bytes(&copy.parcels)).sum()
}

/// Roughly what the parcels take on disk.
pub(super) fn parcel_bytes(parcels: &[NewParcel]) -> usize {
    parcels.iter().map(|parcel| parcel.body.len() + parcel.states.len() * 20).sum()
}
