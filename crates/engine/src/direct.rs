//! Direct sends: checked, queued in the lanes' memory, waited for, and recorded afterwards. With an
//! idempotency key the batch is written down before its first byte leaves.

mod prepared;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use interline_core::error::{ErrorCode, Failure};
use interline_core::id;
use interline_core::outcome::{Counts, Status};
use interline_core::read::{self, Path};
use interline_core::record::{CallRecord, Note};
use interline_ledger::{Accepted as Stored, DirectResult, ErrorKind as LedgerError, NewBatch};
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::prepared::settled_parcels;
pub(crate) use self::prepared::{Prepared, parcels, prepare, refused_result};
use crate::clock;
use crate::denied::{Denied, Errors};
use crate::engine::{self, ASK_AGAIN, Engine};
use crate::intake::{Intake, Wrong};
use crate::lane::{BatchRef, DirectDone, DirectSink, Entry, Event, HeldParcel, Origin, deadline};
use crate::provider::Provider;
use crate::told::Told;
use crate::trace;
use crate::view::{Caller, Sent};

/// Most messages of a direct send.
pub(crate) const MOST: usize = 1_000;
/// The pause before the ledger is offered again what it could not take.
pub(crate) const OFFER_AGAIN: Duration = Duration::from_millis(500);
/// Messages that may wait in a lane before direct sends are turned away.
const MOST_WAITING: usize = 200_000;
/// How long the lanes may take to give a withdrawn parcel back.
const WITHDRAWAL: Duration = Duration::from_secs(2);

/// How a send that is over is recorded.
pub(crate) struct Ending<'a> {
    pub(crate) row: NewBatch,
    pub(crate) key: Option<&'a str>,
    /// When its caller is answered, recorded or not.
    pub(crate) by: Option<tokio::time::Instant>,
}

/// The messages of one provider, under way.
pub(crate) struct Share {
    provider: Arc<Provider>,
    /// Indexes into the batch.
    members: Vec<usize>,
    id: u64,
    /// None when the lane has stopped and took nothing.
    done: Option<oneshot::Receiver<DirectDone>>,
}

/// What became of a provider's share, and which messages were in it.
pub(crate) type Ended = (Arc<Provider>, Vec<usize>, DirectDone);

impl Engine {
    /// Sends a JSON body at once and waits for its outcome, at most `timeout`.
    ///
    /// # Errors
    /// Nothing was sent.
    pub async fn send(
        &self,
        caller: &Caller,
        body: &str,
        timeout: Duration,
        key: Option<&str>,
    ) -> Result<Sent, Denied> {
        let sent = self.send_new(caller, body, timeout, key).await;
        let (Err(denied), Some(key)) = (&sent, key) else { return sent };
        if matches!(denied, Denied::Ledger(_)) {
            return sent;
        }
        // What is refused now may be the repeat of what was sent: the configuration may be another since.
        let key = engine::key_row(&caller.app, key, engine::body_hash("send", body), clock::now_ms());
        match self.inner.ledger.earlier(key).await {
            Ok(Some(earlier)) => self.repeat_of(earlier).await.unwrap_or(sent),
            Ok(None) | Err(_) => sent,
        }
    }

    async fn send_new(
        &self,
        caller: &Caller,
        body: &str,
        timeout: Duration,
        key: Option<&str>,
    ) -> Result<Sent, Denied> {
        let (began, now_ms) = (Instant::now(), clock::now_ms());
        let batch_id = engine::new_batch_id(now_ms);
        let book = &*self.book();
        let document = read::read_document(body)
            .map_err(|error| Denied::Invalid(Errors { listed: vec![error], total: 1 }))?;
        let head_text = read::head_text(&document);
        let mut wrong = Wrong::default();
        let head = crate::intake::head(book, &batch_id, &head_text, Path::Root(""), &mut wrong);
        let texts = document.messages.unwrap_or_default();
        if texts.is_empty() {
            wrong.invalid().add(&Path::Root("/messages"), "required: an array with at least one message");
        }
        if texts.len() > MOST {
            let detail = format!("a direct send takes {MOST} messages at most; use /v1/batches for more");
            return Err(Denied::TooLarge(detail));
        }
        let Some(head) = head else {
            return wrong.verdict().and(Err(Denied::NotFound));
        };
        if head.send_at_ms.is_some() {
            wrong
                .invalid()
                .add(&Path::Root("/send_at"), "a direct send leaves at once; use /v1/batches to schedule");
        }
        crate::intake::check_callback(book, &caller.app, &head, &Path::Root(""), &mut wrong);
        let intake = Intake::new(book, caller, &batch_id, &head);
        let prepared = prepare(&intake, texts, head.validation, &mut wrong);
        wrong.verdict()?;
        self.refuse_when_full(&prepared)?;
        let until_ms = now_ms.saturating_add(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
        let batch = Arc::new(BatchRef {
            app: id::message_fingerprint(&caller.app),
            flow: id::message_fingerprint(&batch_id),
            app_name: Arc::clone(&caller.app),
            id: batch_id.clone(),
            deadline_ms: deadline(now_ms, &head, book).min(until_ms),
            attempts_allowed: book.delivery.attempts,
            head: head.clone(),
            begins_ms: now_ms,
            origin: trace::origin(),
        });
        let mut row = engine::new_batch(&batch_id, &caller.app, &batch.head, &head_text, now_ms);
        let mut taking = self.taking(&prepared, &row, |_| None);
        row.copies = taking.whole();
        if let Some(key) = key {
            let key = engine::key_row(&caller.app, key, engine::body_hash("send", body), now_ms);
            let parcels = parcels(&prepared);
            let stored = self.inner.ledger.begin_direct(row.clone(), parcels, key).await?;
            if let Some(repeat) = self.repeat_of(stored).await {
                return repeat;
            }
        } else if !row.copies.is_empty() {
            // Once its copies are on their way the send itself is not forgotten either.
            self.inner.ledger.begin_marked(row.clone(), parcels(&prepared)).await?;
        }
        self.heard(taking);
        let shares = self.depart(&batch, &prepared);
        let until = tokio::time::Instant::now() + timeout;
        let handed = Instant::now();
        let ended = self.wait(shares, until, WITHDRAWAL).await;
        let away = away(handed, &ended);
        let sent = self.conclude(&batch, prepared, ended, Ending { row, key, by: None }).await?;
        self.inner.metrics.overheads.direct.add(began.elapsed().saturating_sub(away));
        Ok(sent)
    }

    pub(crate) fn refuse_when_full(&self, prepared: &Prepared<'_>) -> Result<(), Denied> {
        for (name, lane) in &*self.lanes() {
            let full = lane.view.lock().unwrap_or_else(PoisonError::into_inner).waiting > MOST_WAITING;
            let wanted =
                || prepared.routed.iter().flatten().any(|routed| routed.provider.settings.name == *name);
            if full && wanted() {
                return Err(Denied::Busy { retry_after: ASK_AGAIN });
            }
        }
        Ok(())
    }

    /// Gives each lane its messages.
    pub(crate) fn depart(&self, batch: &Arc<BatchRef>, prepared: &Prepared<'_>) -> Vec<Share> {
        let lanes = self.lanes();
        let mut shares = Vec::new();
        for (provider, members) in &prepared.members {
            let Some(provider) = provider else { continue };
            let (done, wait) = oneshot::channel();
            let entries: Vec<Entry> = members
                .iter()
                .filter_map(|index| prepared.routed.get(*index)?.as_ref().ok())
                .map(|routed| {
                    let results = routed.message.results(prepared.results);
                    let mut entry = Entry::new(Arc::clone(&routed.message), results, routed.terms);
                    entry.mapped.clone_from(&routed.mapped);
                    entry.losses.clone_from(&routed.losses);
                    entry.fallback.clone_from(&routed.fallback);
                    entry.migration = routed.migration.cloned();
                    entry
                })
                .collect();
            let id = self.next_direct_id();
            let sink =
                DirectSink { id, records: Vec::new(), calls: 0, own: Duration::ZERO, done: Some(done) };
            let parcel = HeldParcel::new(Arc::clone(batch), entries, Origin::Direct(sink));
            let lane = lanes.get(&provider.settings.name);
            let taken = lane.is_some_and(|lane| lane.events.send(Event::Direct(Box::new(parcel))).is_ok());
            let done = taken.then_some(wait);
            shares.push(Share { provider: Arc::clone(provider), members: members.clone(), id, done });
        }
        shares
    }

    /// Waits for the lanes; what is not final by then is withdrawn, which may take so long for all together.
    pub(crate) async fn wait(
        &self,
        shares: Vec<Share>,
        until: tokio::time::Instant,
        withdrawal: Duration,
    ) -> Vec<Ended> {
        let mut ended = Vec::with_capacity(shares.len());
        let mut late = Vec::new();
        for share in shares {
            let Share { provider, members, id, done } = share;
            let Some(mut wait) = done else {
                let done = not_taken(&provider, members.len());
                ended.push((provider, members, done));
                continue;
            };
            let Ok(done) = tokio::time::timeout_at(until, &mut wait).await else {
                if let Some(lane) = self.lanes().get(&provider.settings.name) {
                    drop(lane.events.send(Event::Withdraw(id)));
                }
                late.push((provider, members, wait));
                continue;
            };
            let done = done.unwrap_or_else(|_| lost(&provider, members.len()));
            ended.push((provider, members, done));
        }
        let end = until + withdrawal;
        for (provider, members, wait) in late {
            let done = tokio::time::timeout_at(end, wait).await.ok().and_then(Result::ok);
            let done = done.unwrap_or_else(|| lost(&provider, members.len()));
            ended.push((provider, members, done));
        }
        ended
    }

    /// Gathers what the lanes noted and has it recorded.
    pub(crate) async fn conclude(
        &self,
        batch: &BatchRef,
        prepared: Prepared<'_>,
        ended: Vec<Ended>,
        Ending { row, key, by }: Ending<'_>,
    ) -> Result<Sent, Denied> {
        let at_first = |routed: &Result<_, _>| if routed.is_ok() { Status::Queued } else { Status::Rejected };
        let mut states: Vec<Status> = prepared.routed.iter().map(at_first).collect();
        let mut told = Told::default();
        let mut counts = Counts { total: states.len() as u64, ..Counts::default() };
        let mut records = BTreeMap::new();
        for (provider, members, done) in ended {
            counts.calls += u64::from(done.calls);
            records.insert(Arc::clone(&provider.settings.name), CallRecord::join(&done.records));
            told.add(done.records, &members, &mut states);
        }
        for state in &states {
            *counts.of(*state) += 1;
        }
        let done = DirectResult {
            batch: row,
            parcels: settled_parcels(&prepared, &states, records),
            calls: u32::try_from(counts.calls).unwrap_or(u32::MAX),
            now_ms: clock::now_ms(),
            answer: key.map(|key| (key.to_owned(), Vec::new())),
        };
        // What repeats are recognised by was written down when it began.
        let begun = key.is_some() || !done.batch.marks.is_empty() || !done.batch.copies.is_empty();
        self.record(done, begun, by).await;
        let messages = (0u64..).zip(prepared.routed.into_iter().zip(prepared.texts));
        let taken = messages.map(|(index, (routed, text))| match routed {
            Ok(routed) => Ok(routed.message),
            Err(bad) => Err(Box::new(refused_result(text.get(), &batch.id, index, &bad))),
        });
        let told = told.of(taken.collect());
        let providers = told.providers();
        Ok(Sent { id: batch.id.clone(), counts, told, providers, replayed: false })
    }

    /// Has a send that is over recorded. What was begun is waited for until it is recorded, or was offered in
    /// vain once, but no longer than its caller's time lasts.
    async fn record(&self, done: DirectResult, begun: bool, by: Option<tokio::time::Instant>) {
        if begun {
            let recorded = self.keep_recording(done);
            match by {
                None => drop(recorded.await),
                Some(by) => drop(tokio::time::timeout_at(by, recorded).await),
            }
            return;
        }
        let batch_id = done.batch.id.clone();
        if let Err(error) = self.inner.ledger.post_direct(done).await {
            tracing::error!(batch.id = batch_id, %error, "a direct send could not be recorded; its caller has the results");
        }
    }

    /// Offers what was begun, under a key or with marks, until it is recorded: without that it would seem to be
    /// running until the next start. Answers once it was offered; goes on whether or not anybody waits.
    pub(crate) fn keep_recording(&self, done: DirectResult) -> oneshot::Receiver<()> {
        let (ledger, announce) = (self.inner.ledger.clone(), self.inner.announce.clone());
        let (tell, offered) = oneshot::channel();
        let mut tell = Some(tell);
        tokio::spawn(async move {
            let batch_id = done.batch.id.clone();
            loop {
                let recorded = ledger.record_direct(done.clone()).await;
                if recorded.is_ok() {
                    // Somebody may be waiting with a repeat.
                    drop(announce.send(batch_id.clone()));
                }
                let first = tell.take().map(|tell| tell.send(())).is_some();
                let Err(error) = recorded else { return };
                if first {
                    tracing::error!(batch.id = batch_id, %error, "a direct send could not be recorded; offering it again where that may help");
                }
                let for_good = [LedgerError::Invalid, LedgerError::Conflict, LedgerError::NotFound];
                if for_good.contains(&error.kind()) {
                    return;
                }
                tokio::time::sleep(OFFER_AGAIN).await;
            }
        });
        offered
    }

    /// The answer to what is no new request; none for one that is.
    async fn repeat_of(&self, stored: Stored) -> Option<Result<Sent, Denied>> {
        match stored {
            Stored::Stored => None,
            Stored::Replay { batch_id, .. } => Some(self.replay(&batch_id).await),
            Stored::Mismatch => Some(Err(Denied::Mismatch)),
            // Of a send without marks there are none.
            Stored::InProgress | Stored::Marked(_) => {
                Some(Err(Denied::InProgress { retry_after: ASK_AGAIN }))
            }
        }
    }

    /// The answer of an earlier send under the same key, from the ledger.
    async fn replay(&self, batch_id: &str) -> Result<Sent, Denied> {
        let batch = self.batch(batch_id).await?.ok_or(Denied::NotFound)?;
        let query = crate::MessageQuery { status: None, limit: MOST };
        let told = Told::known(self.messages(batch_id, query, None).await?.items);
        let providers = told.providers();
        Ok(Sent { id: batch.id, counts: batch.counts, told, providers, replayed: true })
    }
}

/// How much of the time since messages were handed over was spent in queues and at vendors.
pub(crate) fn away(handed: Instant, ended: &[Ended]) -> Duration {
    let own = ended.iter().map(|(.., done)| done.own).max().unwrap_or_default();
    handed.elapsed().saturating_sub(own)
}

/// A lane that ended without a word: nothing of the share is known to have left.
fn lost(provider: &Provider, count: usize) -> DirectDone {
    let failure = Failure::unknown(ErrorCode::Internal, "the lane ended before it reported");
    alike(provider, count, Status::Unknown, &failure)
}

/// A lane that has stopped: nothing of the share left.
fn not_taken(provider: &Provider, count: usize) -> DirectDone {
    let failure = Failure::not_sent(ErrorCode::Cancelled, "Interline is stopping; send it again");
    alike(provider, count, Status::Rejected, &failure)
}

/// The same for every message of a share.
fn alike(provider: &Provider, count: usize, status: Status, failure: &Failure) -> DirectDone {
    let notes = (0u16..)
        .take(count)
        .map(|position| Note {
            position,
            status,
            failure: Some(Box::new(failure.clone())),
            ..Note::default()
        })
        .collect();
    let (name, vendor) = (Arc::clone(&provider.settings.name), provider.settings.vendor.name.into());
    let records = vec![CallRecord::decision(name, vendor, clock::now_ms(), notes)];
    DirectDone { records, calls: 0, own: Duration::ZERO }
}
