//! Direct sends: checked, queued in the lanes' memory, waited for, and recorded afterwards. With an
//! idempotency key the batch is written down before its first byte leaves.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use interline_core::error::{ErrorCode, Failure};
use interline_core::id;
use interline_core::options::{Results, Validation};
use interline_core::outcome::{Counts, Status};
use interline_core::pack::{Item, Packer};
use interline_core::read::{self, Path};
use interline_core::record::{CallRecord, MessageResult, Note};
use interline_ledger::{Accepted as Stored, DirectResult, NewBatch, NewParcel};
use tokio::sync::oneshot;

use crate::clock;
use crate::denied::{Denied, Errors};
use crate::engine::{self, ASK_AGAIN, Engine};
use crate::intake::{Bad, Intake, Routed, Seen, Wrong};
use crate::lane::{BatchRef, DirectDone, DirectSink, Entry, Event, HeldParcel, Origin, deadline};
use crate::provider::Provider;
use crate::view::{Caller, Sent};

/// Most messages of a direct send.
const MOST: usize = 1_000;
/// The pause before the ledger is offered again what it could not take.
const OFFER_AGAIN: Duration = Duration::from_millis(500);
/// Messages that may wait in a lane before direct sends are turned away.
const MOST_WAITING: usize = 200_000;
/// How long the lanes may take to give a withdrawn parcel back.
const WITHDRAWAL: Duration = Duration::from_secs(2);

/// The messages of one provider, under way.
struct Share {
    provider: Arc<Provider>,
    /// Indexes into the batch.
    members: Vec<usize>,
    id: u64,
    done: oneshot::Receiver<DirectDone>,
}

/// A direct send before it leaves.
struct Prepared<'t> {
    texts: Vec<&'t str>,
    routed: Vec<Result<Routed, Bad>>,
    results: Results,
}

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
        let now_ms = clock::now_ms();
        let batch_id = engine::new_batch_id(now_ms);
        let book = &self.inner.book;
        let document = read::read_document(body)
            .map_err(|error| Denied::Invalid(Errors { listed: vec![error], total: 1 }))?;
        let head_text = read::head_text(&document);
        let mut wrong = Wrong::default();
        let head = crate::intake::head(book, &batch_id, &head_text, Path::Root(""), &mut wrong);
        let texts: Vec<&str> =
            document.messages.unwrap_or_default().into_iter().map(|text| text.get()).collect();
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
        let intake = Intake::new(book, caller, &batch_id, &head);
        let prepared = prepare(&intake, texts, head.validation, &mut wrong);
        wrong.verdict()?;
        self.refuse_when_full(&prepared)?;
        let until_ms = now_ms.saturating_add(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
        let batch = Arc::new(BatchRef {
            app: id::message_fingerprint(&caller.app),
            flow: id::message_fingerprint(&batch_id),
            id: batch_id.clone(),
            deadline_ms: deadline(now_ms, &head, book).min(until_ms),
            attempts_allowed: book.delivery.attempts,
            head,
        });
        let row = engine::new_batch(&batch_id, &caller.app, &batch.head, &head_text, now_ms);
        if let Some(key) = key {
            let key = engine::key_row(&caller.app, key, engine::body_hash("send", body), now_ms);
            let parcels = parcels(&prepared, &BTreeMap::new());
            match self.inner.ledger.begin_direct(row.clone(), parcels, key).await? {
                Stored::Stored => {}
                Stored::Replay { batch_id, .. } => return self.replay(&batch_id).await,
                Stored::Mismatch => return Err(Denied::Mismatch),
                Stored::InProgress => return Err(Denied::InProgress { retry_after: ASK_AGAIN }),
            }
        }
        let shares = self.depart(&batch, &prepared);
        let ended = self.wait(shares, timeout).await;
        let sent = self.conclude(&batch, prepared, ended, (row, key)).await?;
        Ok(sent)
    }

    fn refuse_when_full(&self, prepared: &Prepared<'_>) -> Result<(), Denied> {
        for (name, lane) in &self.inner.lanes {
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
    fn depart(&self, batch: &Arc<BatchRef>, prepared: &Prepared<'_>) -> Vec<Share> {
        let mut members: BTreeMap<&Arc<str>, (&Arc<Provider>, Vec<usize>)> = BTreeMap::new();
        for (index, routed) in prepared.routed.iter().enumerate() {
            let Ok(routed) = routed else { continue };
            let name = &routed.provider.settings.name;
            members.entry(name).or_insert_with(|| (&routed.provider, Vec::new())).1.push(index);
        }
        let mut shares = Vec::new();
        for (name, (provider, members)) in members {
            let (done, wait) = oneshot::channel();
            let entries: Vec<Entry> = members
                .iter()
                .filter_map(|index| prepared.routed.get(*index)?.as_ref().ok())
                .map(|routed| {
                    let results = routed.message.results(prepared.results);
                    let mut entry = Entry::new(Arc::clone(&routed.message), results, routed.on_loss);
                    entry.losses.clone_from(&routed.losses);
                    entry.fallback.clone_from(&routed.fallback);
                    entry
                })
                .collect();
            let id = self.next_direct_id();
            let sink = DirectSink { id, records: Vec::new(), calls: 0, done: Some(done) };
            let parcel = HeldParcel::new(Arc::clone(batch), entries, Origin::Direct(sink));
            if let Some(lane) = self.inner.lanes.get(name) {
                // A lane that has stopped drops the parcel without a word: its messages are unknown.
                drop(lane.events.send(Event::Direct(Box::new(parcel))));
            }
            shares.push(Share { provider: Arc::clone(provider), members, id, done: wait });
        }
        shares
    }

    /// Waits for the lanes; at the timeout what is not final is withdrawn.
    async fn wait(
        &self,
        shares: Vec<Share>,
        timeout: Duration,
    ) -> Vec<(Arc<Provider>, Vec<usize>, Option<DirectDone>)> {
        let until = tokio::time::Instant::now() + timeout;
        let mut ended = Vec::with_capacity(shares.len());
        for mut share in shares {
            let mut done = tokio::time::timeout_at(until, &mut share.done).await.ok();
            if done.is_none() {
                if let Some(lane) = self.inner.lanes.get(&share.provider.settings.name) {
                    drop(lane.events.send(Event::Withdraw(share.id)));
                }
                done = tokio::time::timeout(WITHDRAWAL, &mut share.done).await.ok();
            }
            ended.push((share.provider, share.members, done.and_then(Result::ok)));
        }
        ended
    }

    /// Folds what the lanes noted into results and has it recorded.
    async fn conclude(
        &self,
        batch: &BatchRef,
        prepared: Prepared<'_>,
        ended: Vec<(Arc<Provider>, Vec<usize>, Option<DirectDone>)>,
        (row, key): (NewBatch, Option<&str>),
    ) -> Result<Sent, Denied> {
        let mut results: Vec<MessageResult> = Vec::with_capacity(prepared.routed.len());
        for (index, (routed, text)) in (0u64..).zip(prepared.routed.iter().zip(&prepared.texts)) {
            results.push(match routed {
                Ok(routed) => {
                    let message = &routed.message;
                    MessageResult::queued(message.id.clone(), message.to.as_str(), message.client_id.clone())
                }
                Err(bad) => refused_result(text, &batch.id, index, bad),
            });
        }
        let mut counts = Counts { total: results.len() as u64, ..Counts::default() };
        let mut records = BTreeMap::new();
        for (provider, members, done) in ended {
            let done = done.unwrap_or_else(|| lost(&provider, members.len()));
            counts.calls += u64::from(done.calls);
            records.insert(provider.settings.name.to_string(), CallRecord::join(&done.records));
            for mut record in done.records {
                let at = record.at();
                for note in std::mem::take(&mut record.notes) {
                    let index = members.get(usize::from(note.position));
                    if let Some(result) = index.and_then(|index| results.get_mut(*index)) {
                        result.apply(&record, &at, note);
                    }
                }
            }
        }
        for result in &results {
            *counts.of(result.status) += 1;
        }
        let done = DirectResult {
            batch: row,
            parcels: settled_parcels(&prepared, &results, records),
            calls: u32::try_from(counts.calls).unwrap_or(u32::MAX),
            now_ms: clock::now_ms(),
            answer: key.map(|key| (key.to_owned(), Vec::new())),
        };
        self.record(&batch.id, done, key.is_some()).await;
        let providers = used(&results);
        Ok(Sent { id: batch.id.clone(), counts, results, providers, replayed: false })
    }

    /// Has a send that is over recorded. Under an idempotency key the record is offered until it is
    /// taken: without it the key would seem to be running until the next start.
    async fn record(&self, batch_id: &str, done: DirectResult, under_key: bool) {
        let ledger = self.inner.ledger.clone();
        if !under_key {
            if let Err(error) = ledger.post_direct(done).await {
                tracing::error!(batch.id = batch_id, %error, "a direct send could not be recorded; its caller has the results");
            }
            return;
        }
        let Err(error) = ledger.record_direct(done.clone()).await else { return };
        tracing::error!(batch.id = batch_id, %error, "a direct send could not be recorded; offering it again");
        tokio::spawn(async move {
            while ledger.record_direct(done.clone()).await.is_err() {
                tokio::time::sleep(OFFER_AGAIN).await;
            }
        });
    }

    /// The answer of an earlier send under the same key, from the ledger.
    async fn replay(&self, batch_id: &str) -> Result<Sent, Denied> {
        let batch = self.batch(batch_id).await?.ok_or(Denied::NotFound)?;
        let query = crate::MessageQuery { status: None, limit: MOST };
        let results = self.messages(batch_id, query, None).await?.items;
        let providers = used(&results);
        Ok(Sent { id: batch.id, counts: batch.counts, results, providers, replayed: true })
    }
}

/// The providers that something was tried at, or that decided.
fn used(results: &[MessageResult]) -> Vec<Arc<str>> {
    let mut used: Vec<Arc<str>> = Vec::new();
    for result in results {
        for name in result.attempts.iter().map(|attempt| &attempt.provider).chain(&result.provider) {
            if !used.contains(name) {
                used.push(Arc::clone(name));
            }
        }
    }
    used
}

fn prepare<'t>(
    intake: &Intake<'_>,
    texts: Vec<&'t str>,
    validation: Validation,
    wrong: &mut Wrong,
) -> Prepared<'t> {
    let permissive = validation == Validation::Permissive;
    let mut seen = Seen::of(intake.head, texts.iter().copied());
    let mut routed = Vec::with_capacity(texts.len());
    let root = Path::Root("/messages");
    for (index, text) in (0u64..).zip(&texts) {
        match intake.take(text, index, Path::Index(&root, index), &mut seen) {
            Ok(good) => routed.push(Ok(good)),
            Err(bad) if permissive => routed.push(Err(bad)),
            Err(bad) => wrong.add(bad),
        }
    }
    Prepared { texts, routed, results: seen.results() }
}

/// A lane that ended without a word: nothing of the share is known to have left.
fn lost(provider: &Provider, count: usize) -> DirectDone {
    let failure = Failure::unknown(ErrorCode::Internal, "the lane ended before it reported");
    let notes = (0u16..)
        .take(count)
        .map(|position| Note {
            position,
            status: Status::Unknown,
            failure: Some(Box::new(failure.clone())),
            ..Note::default()
        })
        .collect();
    let (name, vendor) = (Arc::clone(&provider.settings.name), provider.settings.vendor.name.into());
    let records = vec![CallRecord::decision(name, vendor, clock::now_ms(), notes)];
    DirectDone { records, calls: 0 }
}

fn refused_result(text: &str, batch_id: &str, index: u64, bad: &Bad) -> MessageResult {
    let mut result = crate::results::named(text, batch_id, index);
    result.status = Status::Rejected;
    result.error = Some(Box::new(bad.failure()));
    result
}

/// The rows of a send that has not left: everything on its way.
fn parcels(prepared: &Prepared<'_>, records: &BTreeMap<String, Vec<u8>>) -> Vec<NewParcel> {
    let rows = packed(prepared);
    let mut new = Vec::with_capacity(rows.len());
    for (seq, (parcel, _)) in (0u32..).zip(rows) {
        let provider = parcel.provider.clone();
        let mut row = engine::new_parcel(seq, parcel, None);
        row.states = vec![Status::Sending; row.states.len()];
        row.record = records.get(&provider).cloned();
        new.push(row);
    }
    new
}

/// The rows of a send that is over.
fn settled_parcels(
    prepared: &Prepared<'_>,
    results: &[MessageResult],
    mut records: BTreeMap<String, Vec<u8>>,
) -> Vec<NewParcel> {
    let mut new = Vec::new();
    for (seq, (parcel, members)) in (0u32..).zip(packed(prepared)) {
        let provider = parcel.provider.clone();
        let mut row = engine::new_parcel(seq, parcel, None);
        row.states =
            members.iter().filter_map(|index| results.get(*index)).map(|result| result.status).collect();
        row.record = records.remove(&provider).or_else(|| {
            let notes = (0u16..).zip(&members).filter_map(|(position, index)| {
                let result = results.get(*index)?;
                Some(Note {
                    position,
                    status: result.status,
                    failure: result.error.clone(),
                    ..Note::default()
                })
            });
            let nobody: Arc<str> = "".into();
            Some(CallRecord::decision(Arc::clone(&nobody), nobody, 0, notes.collect()).to_bytes())
        });
        new.push(row);
    }
    new
}

/// One parcel a provider, so that the positions in the lanes' records hold.
fn packed(prepared: &Prepared<'_>) -> Vec<(interline_core::pack::Parcel, Vec<usize>)> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, routed) in prepared.routed.iter().enumerate() {
        let provider = routed.as_ref().map_or("", |routed| &*routed.provider.settings.name);
        members.entry(provider).or_default().push(index);
    }
    let mut packed = Vec::new();
    for (provider, members) in members {
        let mut packer = Packer::whole();
        for index in &members {
            let (Some(text), Some(routed)) = (prepared.texts.get(*index), prepared.routed.get(*index)) else {
                continue;
            };
            let message = routed.as_ref().ok().map(|routed| &routed.message);
            let item = Item {
                index: *index as u64,
                json: text,
                recipient: message.map_or(0, |message| message.to.fingerprint()),
                id: message
                    .and_then(|message| message.id_given.then(|| id::message_fingerprint(&message.id))),
                shares_content: message.is_some_and(|message| message.inherits_content),
            };
            // A whole packer never closes a parcel before its end.
            drop(packer.push(provider, item));
        }
        packed.extend(packer.finish().into_iter().map(|parcel| (parcel, members.clone())));
    }
    packed
}
