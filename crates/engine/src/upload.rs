//! Batches that come message by message and are stored in bounded memory: NDJSON uploads, and messages of
//! an earlier batch that are sent again. Nothing is visible before the last one is stored.

use std::sync::Arc;

use interline_core::message::Head;
use interline_core::options::{Results, Validation};
use interline_core::read::Path;
use interline_ledger::{Accepted as Stored, Along, IdempotencyKey};
use sha2::{Digest as _, Sha256};

use crate::accept::{Rows, bad_item, check_times, item, refused};
use crate::clock;
use crate::denied::Denied;
use crate::engine::{self, Engine};
use crate::intake::{self, Bad, Intake, Wrong};
use crate::migration::Taking;
use crate::provider::Book;
use crate::view::{Accepted, Caller};

/// Parcels that are staged in one transaction.
const STAGE_AT_ONCE: usize = 16;

/// The first line of an upload.
#[derive(Debug)]
pub(crate) struct Begin<'t> {
    pub(crate) head: &'t str,
    /// Where errors in the head stand.
    pub(crate) path: &'static str,
    pub(crate) redriven_from: Option<String>,
    /// Whether these are copies, which no route takes.
    pub(crate) copies: bool,
}

/// A batch under way into the ledger. It is invisible until it is finished; one that is dropped has to be
/// discarded.
#[derive(Debug)]
pub struct Upload {
    engine: Engine,
    /// All of it is routed by what was in force when it began; what changes meanwhile counts when it leaves.
    book: Arc<Book>,
    caller: Caller,
    batch_id: String,
    head: Head,
    /// Where errors in the head stand.
    head_path: &'static str,
    key: Option<String>,
    hash: Sha256,
    rows: Rows,
    pub(crate) wrong: Wrong,
    /// What is wrong with the first messages if more than a few share the batch's content.
    wrong_if_many: Vec<Bad>,
    lines: u64,
    taking: Taking,
    /// The indexes of messages of an earlier batch.
    again: Vec<u32>,
}

impl Engine {
    /// Begins an NDJSON upload with its first line.
    ///
    /// # Errors
    /// The head is wrong, or the ledger cannot take it.
    pub async fn upload(&self, caller: &Caller, head: &str, key: Option<&str>) -> Result<Upload, Denied> {
        let begin = Begin { head, path: "line 1 ", redriven_from: None, copies: false };
        let mut upload = self.begin(caller, begin).await?;
        upload.key = key.map(str::to_owned);
        Ok(upload)
    }

    pub(crate) async fn begin(&self, caller: &Caller, begin: Begin<'_>) -> Result<Upload, Denied> {
        self.refuse_when_crowded()?;
        let now_ms = clock::now_ms();
        let batch_id = engine::new_batch_id(now_ms);
        let mut wrong = Wrong::default();
        let path = Path::Root(begin.path);
        let book = self.book();
        let read = if begin.copies { intake::head_of_copies } else { intake::head };
        let head = read(&book, &batch_id, begin.head, path, &mut wrong);
        let Some(head) = head else { return Err(refused(wrong)) };
        check_times(&head, now_ms, &path, wrong.invalid());
        intake::check_callback(&book, &caller.app, &head, &path, &mut wrong);
        wrong.verdict()?;
        let mut batch = engine::new_batch(&batch_id, &caller.app, &head, begin.head, now_ms);
        // What is sent again was copied when it was first sent.
        let taking = match &begin.redriven_from {
            Some(_) => Taking::again(&batch_id),
            None => Taking::of(&self.book(), &batch),
        };
        batch.redriven_from = begin.redriven_from;
        self.inner.ledger.stage(batch).await?;
        Ok(Upload {
            engine: self.clone(),
            book,
            caller: caller.clone(),
            taking,
            again: Vec::new(),
            batch_id,
            rows: Rows::of(&head, now_ms),
            head,
            head_path: begin.path,
            key: None,
            hash: Sha256::new().chain_update(begin.head),
            wrong: Wrong::default(),
            wrong_if_many: Vec::new(),
            lines: 1,
        })
    }
}

impl Upload {
    /// Adds one message line, without its newline. An empty line is skipped.
    ///
    /// # Errors
    /// Too many messages, or the ledger cannot take them; the upload is to be discarded then.
    pub async fn line(&mut self, text: &str) -> Result<(), Denied> {
        // Empty lines count, so that an index always tells the line.
        let index = self.lines - 1;
        self.lines += 1;
        self.hash.update(b"\n");
        self.hash.update(text);
        if text.trim().is_empty() {
            return Ok(());
        }
        let prefix = format!("line {} ", self.lines);
        self.add(text, index, Path::Root(&prefix), None).await
    }

    /// Adds a message. One of an earlier batch tells whether it may have arrived then.
    pub(crate) async fn add(
        &mut self,
        text: &str,
        index: u64,
        path: Path<'_>,
        again: Option<bool>,
    ) -> Result<(), Denied> {
        let book = Arc::clone(&self.book);
        if self.rows.messages >= book.max_batch_messages {
            let allowed = book.max_batch_messages;
            return Err(Denied::TooLarge(format!(
                "a batch may hold {allowed} messages at most; this one holds more"
            )));
        }
        let intake = Intake::new(&book, &self.caller, &self.batch_id, &self.head);
        let results = self.rows.packer.results();
        let taken = intake.read_and_route(text, index, path, results);
        let late =
            taken.as_ref().ok().and_then(|routed| self.rows.too_late(&routed.message, &self.head, &path));
        match late.map_or(taken, Err) {
            Ok(routed) => {
                // Until there are many, nobody knows whether these will be sent as few or as many.
                if results == Results::Each && routed.message.inherits_content {
                    let many = intake.route(Arc::clone(&routed.message), Results::Fast, path);
                    self.wrong_if_many.extend(many.err().map(|bad| bad.with_head_at(self.head_path)));
                }
                self.taking.hear(&book, &routed, text, results);
                let (provider, item) = (&routed.provider.settings.name, item(text, &routed.message));
                match again {
                    None => self.rows.good(provider, item),
                    Some(may_be_duplicate) => {
                        self.rows.again(provider, item, may_be_duplicate);
                        self.again.extend(u32::try_from(index));
                    }
                }
            }
            Err(bad) if self.permissive() => self.rows.bad(bad_item(text, index), bad),
            Err(bad) => {
                self.wrong.add(bad.with_head_at(self.head_path));
                self.rows.messages += 1;
            }
        }
        // Under `permissive` the lane refuses what cannot be sent as one of many.
        if self.rows.packer.results() == Results::Fast && !self.permissive() {
            std::mem::take(&mut self.wrong_if_many).into_iter().for_each(|bad| self.wrong.add(bad));
        }
        if self.wrong.is_empty() {
            self.taking.show_some(&self.engine.inner.shadow);
        }
        if self.rows.done.len() >= STAGE_AT_ONCE || self.taking.is_much(STAGE_AT_ONCE) {
            self.stage().await?;
        }
        Ok(())
    }

    fn permissive(&self) -> bool {
        self.head.validation == Validation::Permissive
    }

    /// How many messages came so far.
    pub(crate) const fn messages(&self) -> u64 {
        self.rows.messages
    }

    async fn stage(&mut self) -> Result<(), Denied> {
        let rows = std::mem::take(&mut self.rows.done);
        if !self.wrong.is_empty() {
            return Ok(());
        }
        let ledger = &self.engine.inner.ledger;
        if !rows.is_empty() {
            ledger.stage_parcels(&self.batch_id, rows).await?;
        }
        self.taking.stage(ledger).await
    }

    /// The last line arrived: checks what only the whole can tell, and publishes.
    ///
    /// # Errors
    /// Nothing was published; the upload is discarded.
    pub async fn finish(mut self) -> Result<Accepted, Denied> {
        if self.rows.messages == 0 {
            self.wrong
                .invalid()
                .add(&Path::Root("line 2 "), "required: at least one message line after the head");
        }
        let hash = std::mem::take(&mut self.hash).finalize().to_vec();
        let app = Arc::clone(&self.caller.app);
        let key = self.key.as_deref().map(|key| engine::key_row(&app, key, hash, clock::now_ms()));
        self.end(key).await
    }

    /// Checks what only the whole can tell, and publishes.
    pub(crate) async fn end(mut self, key: Option<IdempotencyKey>) -> Result<Accepted, Denied> {
        let published = self.publish(key.clone()).await;
        let (engine, batch_id) = (self.engine.clone(), self.batch_id.clone());
        let rows = std::mem::take(&mut self.rows);
        match published {
            Ok(Stored::Stored) => {
                engine.heard(std::mem::replace(&mut self.taking, Taking::again(&batch_id)));
                engine.answer(Stored::Stored, &batch_id, rows).await
            }
            Ok(stored) => {
                self.discard().await;
                engine.answer(stored, &batch_id, rows).await
            }
            Err(denied) => {
                self.discard().await;
                engine.unless_earlier(key, denied).await
            }
        }
    }

    async fn publish(&mut self, key: Option<IdempotencyKey>) -> Result<Stored, Denied> {
        std::mem::take(&mut self.wrong).verdict()?;
        self.rows.finish();
        self.taking.finish();
        self.stage().await?;
        let repeated = self.engine.refuse_repeats(&self.batch_id, self.permissive()).await?;
        self.rows.list(repeated);
        let copies: Vec<String> = self.taking.staged().map(str::to_owned).collect();
        for copy in &copies {
            self.engine.refuse_repeats(copy, true).await?;
        }
        self.engine.refuse_when_crowded()?;
        let along = Along { copies, again: std::mem::take(&mut self.again) };
        Ok(self.engine.inner.ledger.publish_all(&self.batch_id, along, clock::now_ms(), key).await?)
    }

    /// Forgets everything.
    pub async fn discard(self) {
        for batch_id in self.taking.staged().chain([&*self.batch_id]) {
            if let Err(error) = self.engine.inner.ledger.discard(batch_id).await {
                tracing::warn!(batch.id = batch_id, error = %error, "a broken upload could not be deleted; the next start deletes it");
            }
        }
    }
}
