//! Batches that are stored before they are sent: whole bodies, and NDJSON uploads line by line in
//! bounded memory. The caller's answer means: on disk.

use interline_core::error::FieldError;
use interline_core::id;
use interline_core::message::Head;
use std::sync::Arc;

use interline_core::options::{Results, Validation};
use interline_core::outcome::Status;
use interline_core::pack::{Item, Packer};
use interline_core::read::{self, Path};
use interline_core::record::{CallRecord, Note};
use interline_ledger::{Accepted as Stored, NewParcel};
use sha2::{Digest as _, Sha256};

use crate::clock;
use crate::denied::{Denied, Errors};
use crate::engine::{self, ASK_AGAIN, Engine};
use crate::intake::{Bad, Intake, Seen, Wrong};
use crate::view::{Accepted, Caller};

/// Parcels that are staged in one transaction.
const STAGE_AT_ONCE: usize = 16;
/// The provider of messages that none can take.
const NOBODY: &str = "";

/// Packs good and bad messages of one batch into the ledger's rows.
#[derive(Debug, Default)]
struct Rows {
    packer: Packer,
    bad: Packer,
    bad_notes: Vec<Note>,
    next_seq: u32,
    done: Vec<NewParcel>,
    refused: Vec<FieldError>,
    providers: std::collections::BTreeSet<String>,
    send_at_ms: Option<i64>,
    now_ms: i64,
    messages: u64,
}

impl Rows {
    fn good(&mut self, provider: &str, item: Item<'_>) {
        self.messages += 1;
        if !self.providers.contains(provider) {
            self.providers.insert(provider.to_owned());
        }
        if let Some(parcel) = self.packer.push(provider, item) {
            self.close(parcel, None);
        }
    }

    fn bad(&mut self, item: Item<'_>, bad: Bad) {
        self.messages += 1;
        if let Some(parcel) = self.bad.push(NOBODY, item) {
            let notes = std::mem::take(&mut self.bad_notes);
            self.close(parcel, Some(notes));
        }
        let position = u16::try_from(self.bad_notes.len()).unwrap_or(u16::MAX);
        let failure = Some(Box::new(bad.failure()));
        self.bad_notes.push(Note { position, status: Status::Rejected, failure, ..Note::default() });
        let room = read::MAX_LISTED.saturating_sub(self.refused.len());
        self.refused.extend(bad.errors.into_iter().take(room));
    }

    fn close(&mut self, parcel: interline_core::pack::Parcel, notes: Option<Vec<Note>>) {
        let mut row = engine::new_parcel(self.next_seq, parcel, self.send_at_ms);
        self.next_seq += 1;
        if let Some(notes) = notes {
            row.states = vec![Status::Rejected; row.states.len()];
            row.record =
                Some(CallRecord::decision(NOBODY.into(), NOBODY.into(), self.now_ms, notes).to_bytes());
        }
        self.done.push(row);
    }

    fn finish(&mut self) {
        for parcel in std::mem::take(&mut self.packer).finish() {
            self.close(parcel, None);
        }
        for parcel in std::mem::take(&mut self.bad).finish() {
            let notes = std::mem::take(&mut self.bad_notes);
            self.close(parcel, Some(notes));
        }
    }
}

fn item<'t>(text: &'t str, message: &interline_core::message::Message) -> Item<'t> {
    Item {
        index: message.index,
        json: text,
        recipient: message.to.fingerprint(),
        id: message.id_given.then(|| id::message_fingerprint(&message.id)),
        shares_content: message.inherits_content,
    }
}

const fn bad_item(text: &str, index: u64) -> Item<'_> {
    Item { index, json: text, recipient: 0, id: None, shares_content: false }
}

impl Engine {
    /// Stores a JSON body durably.
    ///
    /// # Errors
    /// Nothing was stored and nothing will be sent.
    pub async fn accept(&self, caller: &Caller, body: &str, key: Option<&str>) -> Result<Accepted, Denied> {
        let now_ms = clock::now_ms();
        let batch_id = engine::new_batch_id(now_ms);
        let book = &self.inner.book;
        let document = read::read_document(body)
            .map_err(|error| Denied::Invalid(Errors { listed: vec![error], total: 1 }))?;
        let head_text = read::head_text(&document);
        let mut wrong = Wrong::default();
        let head = crate::intake::head(book, &batch_id, &head_text, Path::Root(""), &mut wrong);
        let texts = document.messages.unwrap_or_default();
        check_count(texts.len() as u64, book.max_batch_messages, &mut wrong)?;
        let Some(head) = head else { return Err(refused(wrong)) };
        let permissive = head.validation == Validation::Permissive;
        let intake = Intake::new(book, caller, &batch_id, &head);
        let mut rows = Rows { send_at_ms: head.send_at_ms, now_ms, ..Rows::default() };
        let mut seen = Seen::of(&head, texts.iter().map(|text| text.get()));
        let root = Path::Root("/messages");
        for (index, text) in (0u64..).zip(texts) {
            let path = Path::Index(&root, index);
            match intake.take(text.get(), index, path, &mut seen) {
                Ok(routed) => rows.good(&routed.provider.settings.name, item(text.get(), &routed.message)),
                Err(bad) if permissive => rows.bad(bad_item(text.get(), index), bad),
                Err(bad) => wrong.add(bad),
            }
        }
        wrong.verdict()?;
        rows.finish();
        let batch = engine::new_batch(&batch_id, &caller.app, &head, &head_text, now_ms);
        let key =
            key.map(|key| engine::key_row(&caller.app, key, engine::body_hash("batches", body), now_ms));
        let stored = self.inner.ledger.accept(batch, std::mem::take(&mut rows.done), key).await?;
        self.answer(stored, &batch_id, rows).await
    }

    async fn answer(&self, stored: Stored, batch_id: &str, rows: Rows) -> Result<Accepted, Denied> {
        let (batch_id, replayed) = match stored {
            Stored::Stored => (batch_id.to_owned(), false),
            Stored::Replay { batch_id, .. } => (batch_id, true),
            Stored::Mismatch => return Err(Denied::Mismatch),
            Stored::InProgress => return Err(Denied::InProgress { retry_after: ASK_AGAIN }),
        };
        if !replayed {
            self.wake(&rows.providers);
        }
        let batch = self.batch(&batch_id).await?.ok_or(Denied::NotFound)?;
        Ok(Accepted { batch, refused: rows.refused, replayed })
    }

    /// Begins an NDJSON upload with its first line.
    ///
    /// # Errors
    /// The head is wrong, or the ledger cannot take it.
    pub async fn upload(&self, caller: &Caller, head: &str, key: Option<&str>) -> Result<Upload, Denied> {
        let now_ms = clock::now_ms();
        let batch_id = engine::new_batch_id(now_ms);
        let mut wrong = Wrong::default();
        let path = Path::Root("line 1 ");
        let read = crate::intake::head(&self.inner.book, &batch_id, head, path, &mut wrong);
        let Some(read) = read else { return Err(refused(wrong)) };
        wrong.verdict()?;
        let batch = engine::new_batch(&batch_id, &caller.app, &read, head, now_ms);
        self.inner.ledger.stage(batch).await?;
        let rows = Rows { send_at_ms: read.send_at_ms, now_ms, ..Rows::default() };
        Ok(Upload {
            engine: self.clone(),
            caller: caller.clone(),
            batch_id,
            head: read,
            key: key.map(str::to_owned),
            hash: Sha256::new().chain_update(head),
            rows,
            wrong: Wrong::default(),
            wrong_if_many: Vec::new(),
            lines: 1,
        })
    }
}

fn check_count(count: u64, allowed: u64, wrong: &mut Wrong) -> Result<(), Denied> {
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

fn refused(mut wrong: Wrong) -> Denied {
    if wrong.is_empty() {
        wrong.invalid().add(&Path::Root(""), "expected a batch");
    }
    match wrong.verdict() {
        Err(denied) => denied,
        Ok(()) => Denied::NotFound,
    }
}

/// An NDJSON upload under way. It is invisible until it is finished; one that is dropped is discarded.
#[derive(Debug)]
pub struct Upload {
    engine: Engine,
    caller: Caller,
    batch_id: String,
    head: Head,
    key: Option<String>,
    hash: Sha256,
    rows: Rows,
    wrong: Wrong,
    /// What is wrong with the first messages if more than a few share the batch's content.
    wrong_if_many: Vec<Bad>,
    lines: u64,
}

impl Upload {
    /// Adds one message line, without its newline. An empty line is skipped.
    ///
    /// # Errors
    /// Too many messages, or the ledger cannot take them; the upload is to be discarded then.
    pub async fn line(&mut self, text: &str) -> Result<(), Denied> {
        self.lines += 1;
        self.hash.update(b"\n");
        self.hash.update(text);
        if text.trim().is_empty() {
            return Ok(());
        }
        let index = self.rows.messages;
        let book = &self.engine.inner.book;
        if index >= book.max_batch_messages {
            let allowed = book.max_batch_messages;
            return Err(Denied::TooLarge(format!(
                "a batch may hold {allowed} messages at most; this one holds more"
            )));
        }
        let intake = Intake::new(book, &self.caller, &self.batch_id, &self.head);
        let prefix = format!("line {} ", self.lines);
        let path = Path::Root(&prefix);
        let results = self.rows.packer.results();
        match intake.read_and_route(text, index, path, results) {
            Ok(routed) => {
                // Until there are many, nobody knows whether these will be sent as few or as many.
                if results == Results::Each && routed.message.inherits_content {
                    let many = intake.route(Arc::clone(&routed.message), Results::Fast, path);
                    self.wrong_if_many.extend(many.err());
                }
                self.rows.good(&routed.provider.settings.name, item(text, &routed.message));
            }
            Err(bad) if self.head.validation == Validation::Permissive => {
                self.rows.bad(bad_item(text, index), bad);
            }
            Err(bad) => {
                self.wrong.add(bad);
                self.rows.messages += 1;
            }
        }
        // Under `permissive` the lane refuses what cannot be sent as one of many.
        if self.rows.packer.results() == Results::Fast && self.head.validation == Validation::Strict {
            std::mem::take(&mut self.wrong_if_many).into_iter().for_each(|bad| self.wrong.add(bad));
        }
        if self.rows.done.len() >= STAGE_AT_ONCE {
            self.stage().await?;
        }
        Ok(())
    }

    async fn stage(&mut self) -> Result<(), Denied> {
        let rows = std::mem::take(&mut self.rows.done);
        if rows.is_empty() || !self.wrong.is_empty() {
            return Ok(());
        }
        self.engine.inner.ledger.stage_parcels(&self.batch_id, rows).await?;
        Ok(())
    }

    /// The last line arrived: checks what only the whole can tell, and publishes.
    ///
    /// # Errors
    /// Nothing was published; the upload is discarded.
    pub async fn finish(mut self) -> Result<Accepted, Denied> {
        match self.publish().await {
            Ok((stored, true)) => {
                let rows = std::mem::take(&mut self.rows);
                self.engine.answer(stored, &self.batch_id, rows).await
            }
            Ok((stored, false)) => {
                let (engine, batch_id) = (self.engine.clone(), self.batch_id.clone());
                let rows = std::mem::take(&mut self.rows);
                self.discard().await;
                engine.answer(stored, &batch_id, rows).await
            }
            Err(denied) => {
                self.discard().await;
                Err(denied)
            }
        }
    }

    async fn publish(&mut self) -> Result<(Stored, bool), Denied> {
        if self.rows.messages == 0 {
            self.wrong
                .invalid()
                .add(&Path::Root("line 2 "), "required: at least one message line after the head");
        }
        std::mem::take(&mut self.wrong).verdict()?;
        self.rows.finish();
        self.stage().await?;
        self.refuse_duplicates().await?;
        let now_ms = clock::now_ms();
        let hash = std::mem::take(&mut self.hash).finalize().to_vec();
        let key = self.key.as_deref().map(|key| engine::key_row(&self.caller.app, key, hash, now_ms));
        let stored = self.engine.inner.ledger.publish(&self.batch_id, now_ms, key).await?;
        let published = stored == Stored::Stored;
        Ok((stored, published))
    }

    async fn refuse_duplicates(&self) -> Result<(), Denied> {
        let duplicates = self.engine.inner.ledger.duplicate_ids(&self.batch_id).await?;
        if duplicates.total == 0 {
            return Ok(());
        }
        let hashes: Vec<u64> = duplicates.found.iter().map(|found| found.hash).collect();
        let listed = self.engine.named_twice(&self.batch_id, &hashes).await?;
        if listed.is_empty() {
            return Ok(());
        }
        let total = usize::try_from(duplicates.total).unwrap_or(usize::MAX).max(listed.len());
        Err(Denied::Invalid(Errors { listed, total }))
    }

    /// Forgets everything.
    pub async fn discard(self) {
        if let Err(error) = self.engine.inner.ledger.discard(&self.batch_id).await {
            tracing::warn!(batch.id = self.batch_id, error = %error, "a broken upload could not be deleted; the next start deletes it");
        }
    }
}
