//! Batches that are stored before they are sent, from whole bodies; and how their messages become the
//! ledger's rows, whatever way they came. The caller's answer means: on disk.

use std::collections::{BTreeMap, BTreeSet};

use interline_core::error::{ErrorCode, FieldError};
use interline_core::id;
use interline_core::message::{Head, Message};
use interline_core::options::Validation;
use interline_core::outcome::Status;
use interline_core::pack::{Item, Packer, Parcel};
use interline_core::read::{self, Path, Problems};
use interline_core::record::{CallRecord, Note, time_text};
use interline_ledger::{Accepted as Stored, IdempotencyKey, NewParcel};
use tokio::time::Instant;

use crate::clock;
use crate::denied::{Denied, Errors};
use crate::engine::{self, ASK_AGAIN, Engine};
use crate::intake::{self, Bad, Intake, Seen, Wrong};
use crate::migration::Taking;
use crate::view::{Accepted, Caller};

/// The provider of messages that none can take.
const NOBODY: &str = "";

/// Packs good and bad messages of one batch into the ledger's rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) packer: Packer,
    bad: Packer,
    bad_notes: Vec<Note>,
    /// Messages of open parcels by provider, and which of them may have arrived before.
    again: BTreeMap<String, (u16, Vec<Note>)>,
    next_seq: u32,
    pub(crate) done: Vec<NewParcel>,
    pub(crate) refused: Vec<FieldError>,
    providers: BTreeSet<String>,
    begins_ms: i64,
    send_at_ms: Option<i64>,
    now_ms: i64,
    pub(crate) messages: u64,
}

impl Rows {
    pub(crate) fn of(head: &Head, now_ms: i64) -> Self {
        let begins_ms = head.send_at_ms.map_or(now_ms, |send_at| send_at.max(now_ms));
        Self { send_at_ms: head.send_at_ms, begins_ms, now_ms, ..Self::default() }
    }

    pub(crate) fn good(&mut self, provider: &str, item: Item<'_>) {
        self.messages += 1;
        if !self.providers.contains(provider) {
            self.providers.insert(provider.to_owned());
        }
        if let Some(parcel) = self.packer.push(provider, item) {
            self.close(parcel);
        }
    }

    /// The same for a message of an earlier batch. That it may have arrived then is written down here,
    /// where no caller can say so or leave it out.
    pub(crate) fn again(&mut self, provider: &str, item: Item<'_>, may_be_duplicate: bool) {
        self.good(provider, item);
        let (next, notes) = self.again.entry(provider.to_owned()).or_default();
        if may_be_duplicate {
            notes.push(Note { position: *next, may_be_duplicate: true, ..Note::default() });
        }
        *next += 1;
    }

    pub(crate) fn bad(&mut self, item: Item<'_>, bad: Bad) {
        self.messages += 1;
        if let Some(parcel) = self.bad.push(NOBODY, item) {
            self.close_bad(parcel);
        }
        let position = u16::try_from(self.bad_notes.len()).unwrap_or(u16::MAX);
        let failure = Some(Box::new(bad.failure()));
        self.bad_notes.push(Note { position, status: Status::Rejected, failure, ..Note::default() });
        self.list(bad.errors);
    }

    /// Lists what was refused under `permissive`, as far as there is room.
    pub(crate) fn list(&mut self, errors: Vec<FieldError>) {
        let room = read::MAX_LISTED.saturating_sub(self.refused.len());
        self.refused.extend(errors.into_iter().take(room));
    }

    /// Why a message cannot be sent in time, if that is so.
    pub(crate) fn too_late(&self, message: &Message, head: &Head, path: &Path<'_>) -> Option<Bad> {
        // What the head says is judged with the head.
        let own = message.expires_at_ms.filter(|_| message.expires_at_ms != head.expires_at_ms)?;
        let detail = expired(own, self.begins_ms)?;
        Some(Bad::one(ErrorCode::InvalidMessage, &Path::Key(path, "expires_at"), detail))
    }

    fn close(&mut self, parcel: Parcel) {
        let (_, notes) = self.again.remove(&parcel.provider).unwrap_or_default();
        let row = self.row(parcel);
        self.push(row, notes);
    }

    fn close_bad(&mut self, parcel: Parcel) {
        let notes = std::mem::take(&mut self.bad_notes);
        let mut row = self.row(parcel);
        row.states = vec![Status::Rejected; row.states.len()];
        self.push(row, notes);
    }

    fn row(&mut self, parcel: Parcel) -> NewParcel {
        let row = engine::new_parcel(self.next_seq, parcel, self.send_at_ms);
        self.next_seq += 1;
        row
    }

    fn push(&mut self, mut row: NewParcel, notes: Vec<Note>) {
        if !notes.is_empty() {
            row.record =
                Some(CallRecord::decision(NOBODY.into(), NOBODY.into(), self.now_ms, notes).to_bytes());
        }
        self.done.push(row);
    }

    pub(crate) fn finish(&mut self) {
        for parcel in std::mem::take(&mut self.packer).finish() {
            self.close(parcel);
        }
        for parcel in std::mem::take(&mut self.bad).finish() {
            self.close_bad(parcel);
        }
    }
}

/// Why what expires then is too late for what begins then.
fn expired(expires_ms: i64, begins_ms: i64) -> Option<String> {
    let (expires, begins) = (time_text(expires_ms), time_text(begins_ms));
    (expires_ms <= begins_ms).then(|| format!("{expires} is not after {begins}, when sending begins"))
}

/// Notes a batch that expires before it is sent.
pub(crate) fn check_times(head: &Head, now_ms: i64, path: &Path<'_>, problems: &mut Problems) {
    let begins_ms = head.send_at_ms.map_or(now_ms, |send_at| send_at.max(now_ms));
    if let Some(detail) = head.expires_at_ms.and_then(|expires| expired(expires, begins_ms)) {
        problems.add(&Path::Key(path, "expires_at"), detail);
    }
}

pub(crate) fn item<'t>(text: &'t str, message: &Message) -> Item<'t> {
    Item {
        index: message.index,
        json: text,
        recipient: message.to.fingerprint(),
        id: message.id_given.then(|| id::message_fingerprint(&message.id)),
        shares_content: message.inherits_content,
    }
}

pub(crate) const fn bad_item(text: &str, index: u64) -> Item<'_> {
    Item { index, json: text, recipient: 0, id: None, shares_content: false }
}

impl Engine {
    /// Stores a JSON body durably.
    ///
    /// # Errors
    /// Nothing was stored and nothing will be sent.
    pub async fn accept(&self, caller: &Caller, body: &str, key: Option<&str>) -> Result<Accepted, Denied> {
        let now_ms = clock::now_ms();
        let key =
            key.map(|key| engine::key_row(&caller.app, key, engine::body_hash("batches", body), now_ms));
        match self.accept_whole(caller, body, key.clone(), now_ms).await {
            Err(denied) => self.unless_earlier(key, denied).await,
            accepted => accepted,
        }
    }

    async fn accept_whole(
        &self,
        caller: &Caller,
        body: &str,
        key: Option<IdempotencyKey>,
        now_ms: i64,
    ) -> Result<Accepted, Denied> {
        let began = Instant::now();
        self.refuse_when_crowded()?;
        let batch_id = engine::new_batch_id(now_ms);
        let book = &*self.book();
        let document = read::read_document(body)
            .map_err(|error| Denied::Invalid(Errors { listed: vec![error], total: 1 }))?;
        let head_text = read::head_text(&document);
        let mut wrong = Wrong::default();
        let root = Path::Root("");
        let head = intake::head(book, &batch_id, &head_text, root, &mut wrong);
        let texts = document.messages.unwrap_or_default();
        check_count(texts.len() as u64, book.max_batch_messages, &mut wrong)?;
        let Some(head) = head else { return Err(refused(wrong)) };
        check_times(&head, now_ms, &root, wrong.invalid());
        intake::check_callback(book, &caller.app, &head, &root, &mut wrong);
        let permissive = head.validation == Validation::Permissive;
        let intake = Intake::new(book, caller, &batch_id, &head);
        let mut rows = Rows::of(&head, now_ms);
        let mut seen = Seen::of(&head, texts.iter().copied());
        let mut batch = engine::new_batch(&batch_id, &caller.app, &head, &head_text, now_ms);
        let mut taking = Taking::of(book, &batch);
        let root = Path::Root("/messages");
        for (index, text) in (0u64..).zip(texts) {
            let path = Path::Index(&root, index);
            let taken = intake.take(text, index, path, &mut seen);
            let late = taken.as_ref().ok().and_then(|routed| rows.too_late(&routed.message, &head, &path));
            match late.map_or(taken, Err) {
                Ok(routed) => {
                    taking.hear(book, &routed, text.get(), seen.results());
                    rows.good(&routed.provider.settings.name, item(text.get(), &routed.message));
                }
                Err(bad) if permissive => rows.bad(bad_item(text.get(), index), bad),
                Err(bad) => wrong.add(bad),
            }
        }
        wrong.verdict()?;
        rows.finish();
        batch.copies = taking.whole();
        let stored = self.inner.ledger.accept(batch, std::mem::take(&mut rows.done), key).await?;
        if stored == Stored::Stored {
            self.heard(taking);
            self.inner.metrics.overheads.stored.add(began.elapsed());
        }
        self.answer(stored, &batch_id, rows).await
    }

    /// What would be refused now may be the repeat of what was taken earlier: time has passed since, and
    /// the configuration may be another.
    pub(crate) async fn unless_earlier(
        &self,
        key: Option<IdempotencyKey>,
        denied: Denied,
    ) -> Result<Accepted, Denied> {
        let Some(key) = key else { return Err(denied) };
        match self.inner.ledger.earlier(key).await {
            Ok(Some(stored)) => self.repeat(stored).await,
            // Where the ledger cannot say, what was found before stands.
            Ok(None) | Err(_) => Err(denied),
        }
    }

    /// The answer to a request that came before.
    pub(crate) async fn repeat(&self, stored: Stored) -> Result<Accepted, Denied> {
        self.answer(stored, "", Rows::default()).await
    }

    /// Tells whom it concerns that rows were stored.
    pub(crate) fn stored(&self, rows: &Rows) {
        self.inner.room.fill(rows.messages);
        self.wake(&rows.providers);
    }

    pub(crate) async fn answer(
        &self,
        stored: Stored,
        batch_id: &str,
        rows: Rows,
    ) -> Result<Accepted, Denied> {
        let (batch_id, replayed) = match stored {
            Stored::Stored => (batch_id.to_owned(), false),
            Stored::Replay { batch_id, .. } => (batch_id, true),
            Stored::Mismatch => return Err(Denied::Mismatch),
            // Of a batch without marks there are none.
            Stored::InProgress | Stored::Marked(_) => {
                return Err(Denied::InProgress { retry_after: ASK_AGAIN });
            }
        };
        if !replayed {
            self.stored(&rows);
        }
        let batch = self.batch(&batch_id).await?.ok_or(Denied::NotFound)?;
        Ok(Accepted { batch, refused: rows.refused, replayed })
    }
}

pub(crate) fn check_count(count: u64, allowed: u64, wrong: &mut Wrong) -> Result<(), Denied> {
    if count == 0 {
        wrong.invalid().add(&Path::Root("/messages"), "required: an array with at least one message");
    }
    if count > allowed {
        return Err(Denied::TooLarge(format!(
            "a batch may hold {allowed} messages at most; this one holds more"
        )));
    }
    Ok(())
}

pub(crate) fn refused(mut wrong: Wrong) -> Denied {
    if wrong.is_empty() {
        wrong.invalid().add(&Path::Root(""), "expected a batch");
    }
    match wrong.verdict() {
        Err(denied) => denied,
        Ok(()) => Denied::NotFound,
    }
}
