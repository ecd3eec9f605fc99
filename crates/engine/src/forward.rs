//! What façades hand over: sent at once and waited for, or stored and answered. Each message is marked
//! before its first byte leaves, so that a repeat is answered from memory and never sent a second time,
//! whatever happened in between.

use std::sync::Arc;
use std::time::Duration;

use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Mark, Told};
use interline_core::id;
use interline_core::message::Head;
use interline_core::read::{self, Path};
use interline_core::record::MessageResult;
use interline_ledger::{Accepted as Stored, NewBatch};
use tokio::time::Instant;

use crate::accept::{self, Rows};
use crate::clock;
use crate::denied::{Denied, Errors};
use crate::direct::{self, Ending, Prepared};
use crate::engine::{self, ASK_AGAIN, Engine};
use crate::intake::{self, Intake, Wrong};
use crate::lane::{BatchRef, deadline};
use crate::marks::{Memory, Patience, RequestKey, Then};
use crate::migration::Taking;
use crate::trace;
use crate::view::Caller;

/// How often the marks of a request may be found taken anew before its caller is asked to come again.
const ROUNDS: usize = 8;
/// Most messages of a request: their marks are written in one transaction.
const MOST: u64 = 10_000;
/// What its caller may wait for longer than asked for: the time to take back what has not left, and to write
/// down what became of the rest.
pub(crate) const GRACE: Duration = Duration::from_millis(250);

/// What a façade hands over.
#[derive(Debug, Clone, Copy)]
pub struct Forward<'a> {
    /// Whose limits and routes apply.
    pub caller: &'a Caller,
    /// Names the façade: marks of different ones never meet.
    pub scope: &'a str,
    /// The body of `POST /v1/send`.
    pub batch: &'a str,
    /// What repeats of its messages are recognised by, in their order.
    pub marks: &'a [Option<Mark>],
    /// What the first message is found by, which keeps nothing from being sent.
    pub name: Option<&'a Mark>,
    /// What a repeat of the whole is recognised by.
    pub request: RequestKey<'a>,
    /// Within how long it is answered.
    pub within: Duration,
    /// Whether the answer comes after storing, and not after sending.
    pub durable: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Forwarded {
    /// The batch that was made; empty where none was.
    pub batch_id: String,
    /// What became of each message, in the order asked for; or why nothing was sent.
    pub told: Result<Vec<Told>, Failure>,
}

impl Forwarded {
    /// Whether all of it had been sent before.
    #[must_use]
    pub fn repeated(&self) -> bool {
        self.told.as_ref().is_ok_and(|told| !told.is_empty() && told.iter().all(|told| told.repeated))
    }

    /// The providers that something was tried at, or that decided.
    #[must_use]
    pub fn providers(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::with_capacity(1);
        for result in self.told.iter().flatten().map(|told| &told.result) {
            for name in result.attempts.iter().map(|attempt| &attempt.provider).chain(&result.provider) {
                if !names.contains(name) {
                    names.push(Arc::clone(name));
                }
            }
        }
        names
    }
}

/// A request that was read.
struct Opened<'a> {
    batch_id: &'a str,
    head: &'a Head,
    row: NewBatch,
    prepared: Prepared<'a>,
    until: Instant,
    began: Instant,
}

impl Engine {
    /// Sends what a façade hands over, apart from what was sent before.
    pub async fn forward(&self, ask: Forward<'_>) -> Forwarded {
        let until = Instant::now() + ask.within;
        match self.forward_new(&ask, until).await {
            Ok(forwarded) => forwarded,
            Err(denied) => self.unless_remembered_by(until, ask, failure(&denied)).await,
        }
    }

    /// The answer to what is refused: where all of it was sent before, what became of it then. It may be refused
    /// now for no fault of its own: the configuration may be another since, or too much is asked for.
    pub async fn unless_remembered(&self, ask: Forward<'_>, failure: Failure) -> Forwarded {
        self.unless_remembered_by(Instant::now() + ask.within, ask, failure).await
    }

    async fn unless_remembered_by(&self, until: Instant, ask: Forward<'_>, failure: Failure) -> Forwarded {
        let patience = if ask.durable { Patience::None } else { Patience::Until(until) };
        let messages = read::read_document(ask.batch).ok().and_then(|document| document.messages);
        let memory = Memory::of(&ask, messages.map_or(0, |messages| messages.len()), clock::now_ms());
        let recalled = tokio::time::timeout_at(until + GRACE, self.recall(memory, patience)).await;
        let told = recalled.ok().flatten().ok_or(failure);
        Forwarded { batch_id: String::new(), told }
    }

    async fn forward_new(&self, ask: &Forward<'_>, until: Instant) -> Result<Forwarded, Denied> {
        let began = Instant::now();
        if ask.durable {
            self.refuse_when_crowded()?;
        }
        let now_ms = clock::now_ms();
        let batch_id = engine::new_batch_id(now_ms);
        let book = &*self.book();
        let document = read::read_document(ask.batch)
            .map_err(|error| Denied::Invalid(Errors { listed: vec![error], total: 1 }))?;
        let head_text = read::head_text(&document);
        let mut wrong = Wrong::default();
        let head = intake::head(book, &batch_id, &head_text, Path::Root(""), &mut wrong);
        let texts = document.messages.unwrap_or_default();
        accept::check_count(texts.len() as u64, book.max_batch_messages.min(MOST), &mut wrong)?;
        let Some(head) = head else { return Err(accept::refused(wrong)) };
        accept::check_times(&head, now_ms, &Path::Root(""), wrong.invalid());
        if head.send_at_ms.is_some() && !ask.durable {
            wrong.invalid().add(&Path::Root("/send_at"), "a façade that waits cannot schedule");
        }
        let intake = Intake::new(book, ask.caller, &batch_id, &head);
        let prepared = direct::prepare(&intake, texts, head.validation, &mut wrong);
        wrong.verdict()?;
        let memory = Memory::of(ask, prepared.routed.len(), now_ms);
        let row = engine::new_batch(&batch_id, &ask.caller.app, &head, &head_text, now_ms);
        let opened = Opened { batch_id: &batch_id, head: &head, row, prepared, until, began };
        if ask.durable {
            return self.store(opened, memory).await;
        }
        self.refuse_when_full(&opened.prepared)?;
        let attempts_allowed = book.delivery.attempts;
        let within_ms = i64::try_from(ask.within.as_millis()).unwrap_or(i64::MAX);
        let batch = BatchRef {
            app: id::message_fingerprint(&ask.caller.app),
            flow: id::message_fingerprint(&batch_id),
            app_name: Arc::clone(&ask.caller.app),
            id: batch_id.clone(),
            deadline_ms: deadline(now_ms, &head, book).min(now_ms.saturating_add(within_ms)),
            attempts_allowed,
            head: head.clone(),
            begins_ms: now_ms,
            origin: trace::origin(),
        };
        self.send_marked(opened, memory, Arc::new(batch)).await
    }

    /// Sends what was not sent before and waits for it.
    async fn send_marked(
        &self,
        opened: Opened<'_>,
        mut memory: Memory,
        batch: Arc<BatchRef>,
    ) -> Result<Forwarded, Denied> {
        let Opened { batch_id, mut row, mut prepared, until, began, .. } = opened;
        let all = prepared.members.clone();
        let mut taking = Taking::again(batch_id);
        for round in 0.. {
            prepared.members.clone_from(&all);
            prepared.leave_out(|index| memory.has(index));
            row.marks = memory.to_write(prepared.good());
            if row.marks.is_empty() {
                if memory.is_waiting() {
                    // What is new has to wait for nobody, and here nothing is.
                    self.catch_up(&mut memory, until, Then::Send).await;
                    continue;
                }
                break;
            }
            taking = self.taking(&prepared, &row, |index| memory.left_ms(index));
            row.copies = taking.whole();
            match self.begin_by(until, &row, direct::parcels(&prepared)).await? {
                Stored::Stored => break,
                Stored::Marked(marked) if round < ROUNDS => {
                    self.remember(&mut memory, marked, Patience::None).await?;
                }
                Stored::Marked(_) | Stored::Replay { .. } | Stored::Mismatch | Stored::InProgress => {
                    return Err(Denied::Busy { retry_after: ASK_AGAIN });
                }
            }
        }
        if prepared.members.is_empty() {
            let results = prepared.routed.iter().map(|_| MessageResult::queued("", "", "")).collect();
            return Ok(Forwarded { batch_id: String::new(), told: Ok(memory.told(batch_id, results)) });
        }
        self.heard(taking);
        let shares = self.depart(&batch, &prepared);
        let handed = Instant::now();
        let ended = self.wait(shares, until, GRACE).await;
        let away = direct::away(handed, &ended);
        let ending = Ending { row, key: None, by: Some(until + GRACE) };
        let sent = self.conclude(&batch, prepared, ended, ending).await?;
        self.inner.metrics.overheads.facade.add(began.elapsed().saturating_sub(away));
        self.catch_up(&mut memory, until, Then::Tell).await;
        Ok(Forwarded { batch_id: batch_id.to_owned(), told: Ok(memory.told(batch_id, sent.results())) })
    }

    /// Stores what was not sent before; it is answered as queued.
    async fn store(&self, opened: Opened<'_>, mut memory: Memory) -> Result<Forwarded, Denied> {
        let Opened { batch_id, head, mut row, mut prepared, until, .. } = opened;
        for _ in 0..ROUNDS {
            prepared.leave_out(|index| memory.has(index));
            row.marks = memory.to_write(prepared.good());
            let mut rows = queued(&prepared, head, row.created_ms);
            if rows.messages == 0 {
                break;
            }
            let mut taking = self.taking(&prepared, &row, |index| memory.left_ms(index));
            row.copies = taking.whole();
            let parcels = std::mem::take(&mut rows.done);
            let Some(stored) = self.store_by(until, &row, parcels).await? else {
                // It may be stored yet, and is sent then.
                let late = Failure::unknown(ErrorCode::Timeout, "it was not written down in time");
                return Ok(Forwarded { batch_id: batch_id.to_owned(), told: Err(late) });
            };
            match stored {
                Stored::Marked(marked) => self.remember(&mut memory, marked, Patience::None).await?,
                Stored::Stored => {
                    self.stored(&rows);
                    self.heard(taking);
                    let told = memory.told(batch_id, prepared.at_first(batch_id));
                    return Ok(Forwarded { batch_id: batch_id.to_owned(), told: Ok(told) });
                }
                Stored::Replay { .. } | Stored::Mismatch | Stored::InProgress => break,
            }
        }
        if prepared.members.is_empty() {
            let told = memory.told(batch_id, prepared.at_first(batch_id));
            return Ok(Forwarded { batch_id: String::new(), told: Ok(told) });
        }
        Err(Denied::Busy { retry_after: ASK_AGAIN })
    }
}

/// The rows of messages that wait for a lane.
fn queued(prepared: &Prepared<'_>, head: &Head, now_ms: i64) -> Rows {
    let mut rows = Rows::of(head, now_ms);
    let root = Path::Root("/messages");
    for index in prepared.members.iter().flat_map(|(_, members)| members) {
        let (Some(text), Some(routed)) = (prepared.texts.get(*index), prepared.routed.get(*index)) else {
            continue;
        };
        let number = *index as u64;
        match routed {
            Ok(routed) => match rows.too_late(&routed.message, head, &Path::Index(&root, number)) {
                None => {
                    rows.good(&routed.provider.settings.name, accept::item(text.get(), &routed.message));
                }
                Some(late) => rows.bad(accept::bad_item(text.get(), number), late),
            },
            Err(bad) => rows.bad(accept::bad_item(text.get(), number), bad.clone()),
        }
    }
    rows.finish();
    rows
}

/// Why nothing was sent, as a result would say it.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is left is never said of a request to send")]
fn failure(denied: &Denied) -> Failure {
    let (code, for_good) = match denied {
        Denied::Invalid(_) | Denied::NotFound => (ErrorCode::InvalidMessage, true),
        Denied::NotRoutable(_) => (ErrorCode::NotRoutable, true),
        Denied::Forbidden(_) => (ErrorCode::Forbidden, true),
        Denied::TooLarge(_) => (ErrorCode::TooLarge, true),
        Denied::Busy { .. } | Denied::InProgress { .. } => (ErrorCode::VendorUnavailable, false),
        Denied::Ledger(error) => {
            tracing::error!(%error, "the ledger cannot take a façade's request");
            (ErrorCode::VendorUnavailable, false)
        }
        _ => (ErrorCode::Internal, false),
    };
    let failure = Failure::not_sent(code, denied.to_string());
    if for_good { failure.for_good() } else { failure }
}

impl Prepared<'_> {
    /// Takes messages out of what is to be sent.
    fn leave_out(&mut self, is_out: impl Fn(usize) -> bool) {
        for (_, members) in &mut self.members {
            members.retain(|index| !is_out(*index));
        }
        self.members.retain(|(_, members)| !members.is_empty());
    }

    /// The messages that are to be sent and can be.
    fn good(&self) -> impl Iterator<Item = usize> {
        let sent = self.members.iter().filter(|(provider, _)| provider.is_some());
        sent.flat_map(|(_, members)| members.iter().copied())
    }

    /// The results of messages that wait.
    fn at_first(&self, batch_id: &str) -> Vec<MessageResult> {
        let numbered = (0u64..).zip(self.routed.iter().zip(&self.texts));
        numbered
            .map(|(index, (routed, text))| match routed {
                Ok(routed) => MessageResult::of(&routed.message),
                Err(bad) => direct::refused_result(text.get(), batch_id, index, bad),
            })
            .collect()
    }
}
