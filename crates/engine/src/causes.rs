//! Why messages of a batch failed: like failures together, with the vendor's own words. Read parcel by parcel,
//! and only those that hold a failure; what is kept does not grow with the batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use interline_core::error::Failure;
use interline_core::outcome::Status;
use interline_core::pack;
use interline_core::record::CallRecord;
use interline_ledger::{ParcelQuery, StoredParcel};
use serde::Serialize;

use crate::denied::Denied;
use crate::engine::Engine;
use crate::results::{named, untold};

/// Causes that are told apart. Vendors put numbers and times into their words: beyond this, words are left out.
const MOST: usize = 100;
/// Messages that are named under each.
const NAMED: usize = 5;
/// Parcels that are read at once.
const PARCELS: usize = 16;

/// Statuses that need a reason.
const FAILED: [Status; 4] = [Status::Rejected, Status::Unknown, Status::Expired, Status::Cancelled];

/// One reason, and how many messages have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct Cause {
    pub count: u64,
    pub status: Status,
    /// Who tried last; none where nobody did.
    pub provider: Option<Arc<str>>,
    pub vendor: Option<Arc<str>>,
    /// As the first of them tells it.
    #[serde(flatten)]
    pub failure: Failure,
    /// What to do about it.
    pub hint: &'static str,
    /// The first few of them.
    pub messages: Vec<Box<str>>,
}

/// Why messages of a batch failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Causes {
    /// Most frequent first.
    pub causes: Vec<Cause>,
    /// How many messages failed for reasons beyond those that are listed.
    pub others: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    status: u8,
    provider: Arc<str>,
    code: &'static str,
    vendor_code: Option<String>,
    words: Option<String>,
}

#[derive(Debug, Default)]
struct Sorter {
    found: BTreeMap<Key, Cause>,
    others: u64,
}

/// What is known of one message of a parcel.
#[derive(Debug, Clone, Default)]
struct Last {
    failure: Option<Box<Failure>>,
    provider: Arc<str>,
    vendor: Arc<str>,
}

/// The last word on each message of a parcel.
fn last_words(parcel: &StoredParcel) -> Vec<Last> {
    let mut all = vec![Last::default(); parcel.states.len()];
    for record in parcel.records.iter().flat_map(|bytes| CallRecord::read_all(bytes).unwrap_or_default()) {
        for note in record.notes {
            let Some(last) = all.get_mut(usize::from(note.position)) else { continue };
            last.failure = note.failure;
            if !record.provider.is_empty() {
                last.provider = Arc::clone(&record.provider);
                last.vendor = Arc::clone(&record.vendor);
            }
        }
    }
    all
}

impl Sorter {
    fn add_all(&mut self, batch: &str, parcel: &StoredParcel, status: Status) {
        let unpacked = pack::unpack(&parcel.body).map(|unpacked| unpacked.messages).unwrap_or_default();
        for (position, last) in last_words(parcel).into_iter().enumerate() {
            if parcel.states.get(position) != Some(&status) {
                continue;
            }
            let name = || {
                let (index, json) = unpacked.get(position)?;
                Some(named(json, batch, *index).id)
            };
            self.add(status, last, name);
        }
    }

    fn add(&mut self, status: Status, last: Last, name: impl Fn() -> Option<Box<str>>) {
        let Some(failure) = last.failure.map(|failure| *failure).or_else(|| untold(status)) else {
            self.others += 1;
            return;
        };
        let mut key = Key {
            status: status as u8,
            provider: last.provider,
            code: failure.code.as_str(),
            vendor_code: failure.vendor_code.clone(),
            words: failure.vendor_message.clone(),
        };
        if self.found.len() >= MOST && !self.found.contains_key(&key) {
            key.words = None;
            if self.found.len() >= 2 * MOST && !self.found.contains_key(&key) {
                self.others += 1;
                return;
            }
        }
        let named = |text: &Arc<str>| (!text.is_empty()).then(|| Arc::clone(text));
        let (provider, vendor) = (named(&key.provider), named(&last.vendor));
        let words = key.words.clone();
        let cause = self.found.entry(key).or_insert_with(|| {
            let failure = Failure { vendor_message: words, ..failure };
            let hint = failure.code.hint();
            Cause { count: 0, status, provider, vendor, failure, hint, messages: Vec::new() }
        });
        cause.count += 1;
        if cause.messages.len() < NAMED {
            cause.messages.extend(name());
        }
    }

    fn causes(self) -> Causes {
        let mut causes: Vec<Cause> = self.found.into_values().collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        Causes { causes, others: self.others }
    }
}

impl Engine {
    /// Why messages of a batch failed.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn causes(&self, id: &str) -> Result<Causes, Denied> {
        let mut sorter = Sorter::default();
        for status in FAILED {
            let mut after_seq = None;
            loop {
                let query = ParcelQuery { after_seq, limit: PARCELS, status: Some(status) };
                let parcels = self.inner.ledger.parcels_of(id, query).await?;
                let Some(last) = parcels.last() else { break };
                after_seq = Some(last.seq);
                parcels.iter().for_each(|parcel| sorter.add_all(id, parcel, status));
                tokio::task::yield_now().await;
            }
        }
        Ok(sorter.causes())
    }
}

#[cfg(test)]
mod tests {
    use interline_core::error::ErrorCode;

    use super::*;

    fn refused(words: &str) -> Last {
        let failure = Failure::not_sent(ErrorCode::Muted, "the vendor says no");
        let failure = Failure { vendor_message: Some(words.to_owned()), ..failure };
        Last { failure: Some(Box::new(failure)), provider: "ne".into(), vendor: "netease".into() }
    }

    #[test]
    fn like_failures_are_one_cause_with_a_few_names() {
        let mut sorter = Sorter::default();
        for index in 0..1_000 {
            sorter.add(Status::Rejected, refused("muted"), || Some(format!("m{index}").into()));
        }
        sorter.add(Status::Unknown, Last::default(), || None);
        let causes = sorter.causes();
        assert_eq!((causes.causes.len(), causes.others), (2, 0));
        let first = &causes.causes[0];
        assert_eq!(
            (first.count, first.messages.len(), first.provider.as_deref()),
            (1_000, NAMED, Some("ne"))
        );
        assert_eq!(first.hint, ErrorCode::Muted.hint());
        assert_eq!(causes.causes[1].failure.code, ErrorCode::ConnectionLost);
    }

    #[test]
    fn words_that_never_repeat_are_bounded_and_nothing_is_lost() {
        let mut sorter = Sorter::default();
        for index in 0..10_000 {
            sorter.add(Status::Rejected, refused(&format!("request {index}")), || None);
        }
        assert!(sorter.found.len() <= 2 * MOST);
        let causes = sorter.causes();
        let all: u64 = causes.causes.iter().map(|cause| cause.count).sum();
        assert_eq!(all + causes.others, 10_000);
        assert_eq!(causes.causes[0].failure.vendor_message, None, "those beyond are told without words");
    }
}
