//! Repeats of façade requests, message by message: what each is recognised by, and what became of the
//! message that had the mark before. Whether a mark is free is decided in the ledger's transaction alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Mark, Told};
use interline_core::id;
use interline_core::outcome::Status;
use interline_core::record::MessageResult;
use interline_ledger::{ErrorKind, MarkKey, Marked, NewMark, ParcelQuery, Place, TakenFrom};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::clock;
use crate::denied::Denied;
use crate::engine::Engine;
use crate::forward::{Forward, GRACE};
use crate::results;

/// How long one is remembered that is told from others by its body alone.
const WITHOUT_ID_MS: i64 = 60 * 1000;
/// Parcels that are read at once.
const PARCELS: usize = 16;

/// What tells a request from others.
#[derive(Debug, Clone, Copy)]
pub struct RequestKey<'a> {
    /// The id that its caller gave it and gives its repeats, and how long they are known by it.
    pub id: Option<&'a Mark>,
    /// Where it was sent.
    pub path: &'a str,
    /// What it says.
    pub body: &'a [u8],
}

fn digest(parts: &[&[u8]]) -> MarkKey {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut key = MarkKey::default();
    for (byte, of_hash) in key.iter_mut().zip(hash.finalize()) {
        *byte = of_hash;
    }
    key
}

/// The key of a mark of one façade.
fn key_of(scope: &str, mark: &Mark) -> MarkKey {
    digest(&[b"message", scope.as_bytes(), mark.key.as_bytes()])
}

fn millis(mark: &Mark) -> i64 {
    i64::try_from(mark.lasts.as_millis()).unwrap_or(i64::MAX)
}

/// What one message is recognised by.
#[derive(Debug)]
struct Marks {
    keys: Vec<(MarkKey, i64)>,
    /// The one of the request, where its caller gave it an id.
    request: Option<MarkKey>,
}

/// What is remembered of the messages of one request.
#[derive(Debug)]
pub(crate) struct Memory {
    /// By index.
    marks: Vec<Marks>,
    /// Messages that have a mark of one before them in the same request.
    same: BTreeMap<usize, usize>,
    known: BTreeMap<usize, Told>,
    /// The marks of known ones that were not final yet.
    waiting: Vec<Marked>,
    /// Messages that surely did not arrive, by the mark that they leave.
    left: HashMap<MarkKey, Place>,
    /// What the first message is found by, and until when.
    name: Option<(MarkKey, i64)>,
}

impl Memory {
    /// The marks of a request with so many messages.
    pub(crate) fn of(ask: &Forward<'_>, count: usize, now_ms: i64) -> Self {
        let Forward { scope, request, marks: given, name, .. } = ask;
        let id = request.id.map_or(&[][..], |id| id.key.as_bytes());
        let with = [u8::from(request.id.is_some())];
        let whole = digest(&[b"request", scope.as_bytes(), &with, id, request.path.as_bytes(), request.body]);
        let lasts_ms = request.id.map_or(WITHOUT_ID_MS, millis);
        let mut memory = Self {
            marks: Vec::with_capacity(count),
            same: BTreeMap::new(),
            known: BTreeMap::new(),
            waiting: Vec::new(),
            left: HashMap::new(),
            name: name.map(|name| (key_of(scope, name), now_ms.saturating_add(millis(name)))),
        };
        let mut seen: HashMap<MarkKey, usize> = HashMap::new();
        for index in 0..count {
            let mut marks = Vec::with_capacity(1);
            let mut longest_ms = 0;
            if let Some(mark) = given.get(index).and_then(Option::as_ref) {
                let key = key_of(scope, mark);
                longest_ms = millis(mark);
                marks.push((key, now_ms.saturating_add(longest_ms)));
                let first = *seen.entry(key).or_insert(index);
                if first != index {
                    memory.same.insert(index, first);
                }
            }
            // A repeat of the request is one of each message: a mark of its own that lasts covers that. But one
            // whose caller gave it an id wants its first answer, which may not be that to a repeated message.
            let own = digest(&[&whole, &(index as u64).to_le_bytes()]);
            if request.id.is_some() || longest_ms < lasts_ms {
                marks.push((own, now_ms.saturating_add(lasts_ms)));
            }
            memory.marks.push(Marks { keys: marks, request: request.id.map(|_| own) });
        }
        memory
    }

    /// Whether a message is not to be sent: it was before, or stands before in the same request.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.known.contains_key(&index) || self.same.contains_key(&index)
    }

    /// The marks to be written for these messages.
    pub(crate) fn to_write(&self, indexes: impl Iterator<Item = usize>) -> Vec<NewMark> {
        let mut all = Vec::new();
        for index in indexes {
            let Some(Marks { keys: marks, .. }) = self.marks.get(index) else { continue };
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            all.extend(marks.iter().map(|(key, expires_ms)| NewMark {
                key: *key,
                index: number,
                expires_ms: *expires_ms,
                from: self.left.get(key).cloned().map_or(TakenFrom::Nobody, TakenFrom::Message),
            }));
            if let (0, Some((key, expires_ms))) = (index, self.name) {
                all.push(NewMark { key, index: number, expires_ms, from: TakenFrom::Anybody });
            }
        }
        all
    }

    fn keys(&self) -> Vec<MarkKey> {
        self.marks.iter().flat_map(|marks| marks.keys.iter().map(|(key, _)| *key)).collect()
    }

    /// When the message was handed over whose mark this one takes over, if there is one.
    pub(crate) fn left_ms(&self, index: usize) -> Option<i64> {
        let marks = self.marks.get(index)?;
        let place = marks.keys.iter().find_map(|(key, _)| self.left.get(key))?;
        id::made_ms(&place.batch_id)
    }

    /// Whether it is open of any message what becomes of it.
    pub(crate) const fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The marks of messages of which it is still open what becomes of them. They count as unknown to this from
    /// now on.
    fn take_waiting(&mut self) -> Vec<Marked> {
        self.known.retain(|_, told| told.result.status.is_final());
        std::mem::take(&mut self.waiting)
    }

    /// Takes in what became of the messages that have the marks. Those that surely did not arrive leave
    /// theirs, unless that is to be told and no more.
    fn learn(&mut self, marked: Vec<Marked>, results: &BTreeMap<Place, MessageResult>, then: Then) {
        let by_key: HashMap<MarkKey, Place> =
            marked.into_iter().map(|marked| (marked.key, marked.place)).collect();
        for (index, Marks { keys, request }) in self.marks.iter().enumerate() {
            let same = request.and_then(|key| by_key.get(&key));
            for place in keys.iter().filter_map(|(key, _)| by_key.get(key)) {
                let result = results.get(place).cloned().unwrap_or_else(forgotten);
                if !result.status.is_final() {
                    self.waiting.extend(keys.iter().filter_map(|(key, _)| {
                        let own = by_key.get(key).filter(|own| *own == place)?;
                        Some(Marked { key: *key, place: own.clone() })
                    }));
                }
                if then == Then::Tell || !surely_not_sent(result.status) {
                    let own_id = id::own_id(&place.batch_id, u64::from(place.index));
                    let told = Told { result, own_id, repeated: true, same_request: same == Some(place) };
                    self.known.entry(index).or_insert(told);
                }
            }
        }
        self.left.extend(by_key);
    }

    /// What is told of each message: what is remembered, else what became of it now.
    pub(crate) fn told(self, batch_id: &str, results: Vec<MessageResult>) -> Vec<Told> {
        let mut told: Vec<Told> = Vec::with_capacity(results.len());
        for (index, result) in results.into_iter().enumerate() {
            let before = self.same.get(&index).and_then(|first| told.get(*first));
            let known = self.known.get(&index).or(before).cloned();
            told.push(match known {
                Some(known) => Told { repeated: true, ..known },
                None => Told {
                    result,
                    own_id: id::own_id(batch_id, index as u64),
                    repeated: false,
                    same_request: false,
                },
            });
        }
        told
    }

    /// What is told where nothing is new; none where something would be.
    fn all(self) -> Option<Vec<Told>> {
        let count = self.marks.len();
        if count == 0 || !(0..count).all(|index| self.has(index)) {
            return None;
        }
        let nothing = (0..count).map(|_| forgotten()).collect();
        Some(self.told("", nothing))
    }
}

/// Whether a message may be sent anew: nobody took it, and nobody will.
const fn surely_not_sent(status: Status) -> bool {
    match status {
        Status::Rejected | Status::Cancelled | Status::Expired => true,
        Status::Queued | Status::Sending | Status::Accepted | Status::Unknown => false,
    }
}

/// What can be told of a message whose record is gone.
fn forgotten() -> MessageResult {
    unknown(MessageResult::queued("", "", ""), "what became of it is not recorded any more")
}

fn unknown(mut result: MessageResult, why: &str) -> MessageResult {
    result.status = Status::Unknown;
    result.error = Some(Box::new(Failure::unknown(ErrorCode::Timeout, why)));
    result
}

/// Until when an earlier message is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// Not at all: that it waits is an answer.
    None,
    /// Until it is final; at the end of the time it is unknown.
    Until(Instant),
}

/// What follows for messages that surely did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// They are sent anew.
    Send,
    /// That is told.
    Tell,
}

impl Engine {
    /// Finds out what became of the messages that have marks of this request.
    pub(crate) async fn remember(
        &self,
        memory: &mut Memory,
        marked: Vec<Marked>,
        patience: Patience,
    ) -> Result<(), Denied> {
        let results = self.results_of(&marked, patience).await?;
        memory.learn(marked, &results, Then::Send);
        Ok(())
    }

    /// Waits for the earlier messages of which it was still open what becomes of them. What cannot be found out
    /// in time is unknown.
    pub(crate) async fn catch_up(&self, memory: &mut Memory, until: Instant, then: Then) {
        let waiting = memory.take_waiting();
        if waiting.is_empty() {
            return;
        }
        let found = self.results_of(&waiting, Patience::Until(until));
        let found = tokio::time::timeout_at(until + GRACE, found).await;
        let results = found.ok().and_then(Result::ok).unwrap_or_default();
        memory.learn(waiting, &results, then);
    }

    async fn results_of(
        &self,
        marked: &[Marked],
        patience: Patience,
    ) -> Result<BTreeMap<Place, MessageResult>, Denied> {
        let mut by_batch: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for Marked { place, .. } in marked {
            by_batch.entry(&place.batch_id).or_default().insert(place.index);
        }
        let mut results = BTreeMap::new();
        for (batch_id, indexes) in by_batch {
            for (index, result) in self.results_at(batch_id, &indexes, patience).await? {
                results.insert(Place { batch_id: batch_id.to_owned(), index }, result);
            }
        }
        Ok(results)
    }

    /// The results of some messages of a batch, which is waited for as far as may be.
    async fn results_at(
        &self,
        batch_id: &str,
        indexes: &BTreeSet<u32>,
        patience: Patience,
    ) -> Result<Vec<(u32, MessageResult)>, Denied> {
        let found = self.results_now(batch_id, indexes).await?;
        let Patience::Until(until) = patience else { return Ok(found) };
        if found.iter().all(|(_, result)| result.status.is_final()) {
            return Ok(found);
        }
        match self.settled(batch_id, until.saturating_duration_since(Instant::now())).await {
            Ok(_) | Err(Denied::NotFound) => {}
            Err(denied) => return Err(denied),
        }
        let mut found = self.results_now(batch_id, indexes).await?;
        for (_, result) in found.iter_mut().filter(|(_, result)| !result.status.is_final()) {
            let earlier = std::mem::replace(result, forgotten());
            *result = unknown(earlier, "an earlier request for it is still under way");
        }
        Ok(found)
    }

    async fn results_now(
        &self,
        batch_id: &str,
        indexes: &BTreeSet<u32>,
    ) -> Result<Vec<(u32, MessageResult)>, Denied> {
        let mut found = Vec::with_capacity(indexes.len());
        let mut after_seq = None;
        loop {
            let ask = ParcelQuery { after_seq, limit: PARCELS, status: None };
            let parcels = match self.inner.ledger.parcels_of(batch_id, ask).await {
                Ok(parcels) => parcels,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
                Err(error) => return Err(error.into()),
            };
            let Some(last) = parcels.last() else { return Ok(found) };
            after_seq = Some(last.seq);
            for (index, result) in parcels.iter().flat_map(|parcel| results::fold(batch_id, parcel)) {
                if let Some(index) = u32::try_from(index).ok().filter(|index| indexes.contains(index)) {
                    found.push((index, result));
                }
            }
        }
    }

    /// What is told of a request that would be refused now, where all of it was sent before.
    pub(crate) async fn recall(&self, mut memory: Memory, patience: Patience) -> Option<Vec<Told>> {
        let marked = self.inner.ledger.marked(memory.keys(), clock::now_ms()).await.ok()?;
        self.remember(&mut memory, marked, patience).await.ok()?;
        memory.all()
    }

    /// What became of a message that was marked; none when there is none.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn find_marked(&self, scope: &str, mark: &Mark) -> Result<Option<Told>, Denied> {
        let key = key_of(scope, mark);
        let marked = self.inner.ledger.marked(vec![key], clock::now_ms()).await?;
        let Some(Marked { place, .. }) = marked.into_iter().next() else { return Ok(None) };
        let found = self.results_now(&place.batch_id, &BTreeSet::from([place.index])).await?;
        let own_id = id::own_id(&place.batch_id, u64::from(place.index));
        let result = found.into_iter().next().map_or_else(forgotten, |(_, result)| result);
        Ok(Some(Told { result, own_id, repeated: true, same_request: false }))
    }
}
