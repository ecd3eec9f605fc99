//! A direct send as it is before it leaves, who gets what of it, and the rows that it is written down as: all
//! on its way when it begins, settled when it is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use interline_core::options::{Guarantee, Results, Validation};
use interline_core::outcome::Status;
use interline_core::pack::{Item, Parcel};
use interline_core::read::{MessageText, Path};
use interline_core::record::{CallRecord, MessageResult, Note};
use interline_ledger::NewParcel;

use crate::clock;
use crate::engine;
use crate::intake::{Bad, Intake, Routed, Seen, Wrong};
use crate::provider::Provider;

/// A direct send before it leaves.
pub(crate) struct Prepared<'t> {
    pub(crate) texts: Vec<MessageText<'t>>,
    pub(crate) routed: Vec<Result<Routed<'t>, Bad>>,
    pub(crate) results: Results,
    /// Indexes into the batch, by provider; none takes what was refused.
    pub(crate) members: Vec<(Option<Arc<Provider>>, Vec<usize>)>,
}

pub(crate) fn prepare<'t>(
    intake: &Intake<'t>,
    texts: Vec<MessageText<'t>>,
    validation: Validation,
    wrong: &mut Wrong,
) -> Prepared<'t> {
    let permissive = validation == Validation::Permissive;
    let mut seen = Seen::of(intake.head, texts.iter().copied());
    let mut routed: Vec<Result<Routed<'t>, Bad>> = Vec::with_capacity(texts.len());
    let root = Path::Root("/messages");
    for (index, text) in (0u64..).zip(texts.iter().copied()) {
        match intake.take(text, index, Path::Index(&root, index), &mut seen) {
            Ok(good) => routed.push(Ok(good)),
            Err(bad) if permissive => routed.push(Err(bad)),
            Err(bad) => wrong.add(bad),
        }
    }
    let members = shared_out(&routed);
    Prepared { texts, routed, results: seen.results(), members }
}

/// Which messages go to which provider; neighbours mostly go to the same.
fn shared_out(routed: &[Result<Routed<'_>, Bad>]) -> Vec<(Option<Arc<Provider>>, Vec<usize>)> {
    let mut members: Vec<(Option<Arc<Provider>>, Vec<usize>)> = Vec::new();
    let mut last = 0;
    for (index, routed) in routed.iter().enumerate() {
        let provider = routed.as_ref().ok().map(|routed| routed.provider);
        let same = |(other, _): &(Option<Arc<Provider>>, _)| match (other, provider) {
            (Some(other), Some(provider)) => Arc::ptr_eq(other, provider),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !members.get(last).is_some_and(same) {
            last = members.iter().position(same).unwrap_or(members.len());
        }
        match members.get_mut(last) {
            Some((_, indexes)) => indexes.push(index),
            None => members.push((provider.cloned(), vec![index])),
        }
    }
    members
}

pub(crate) fn refused_result(text: &str, batch_id: &str, index: u64, bad: &Bad) -> MessageResult {
    let mut result = crate::results::named(text, batch_id, index);
    result.status = Status::Rejected;
    result.error = Some(Box::new(bad.failure()));
    result
}

/// The rows of a send that has not left: everything on its way.
pub(crate) fn parcels(prepared: &Prepared<'_>) -> Vec<NewParcel> {
    let mut rows = Vec::with_capacity(prepared.members.len());
    for (seq, (provider, members)) in (0u32..).zip(&prepared.members) {
        let mut row = engine::new_parcel(seq, packed(prepared, provider.as_deref(), members), None);
        match provider {
            Some(provider) => {
                row.states.fill(Status::Sending);
                row.record = repeatable(prepared, provider, members).map(|record| record.to_bytes());
            }
            None => {
                row.states.fill(Status::Rejected);
                row.record = Some(refusals(prepared, members).to_bytes());
            }
        }
        rows.push(row);
    }
    rows
}

/// What holds of a send that is never heard of again: what may be sent twice may have been.
fn repeatable(prepared: &Prepared<'_>, provider: &Provider, members: &[usize]) -> Option<CallRecord> {
    let routed = members.iter().filter_map(|index| prepared.routed.get(*index)?.as_ref().ok());
    let notes: Vec<Note> = (0u16..)
        .zip(routed)
        .filter(|(_, routed)| routed.terms.guarantee == Guarantee::AtLeastOnce)
        .map(|(position, _)| Note {
            position,
            status: Status::Sending,
            may_be_duplicate: true,
            ..Note::default()
        })
        .collect();
    let (name, vendor) = (Arc::clone(&provider.settings.name), provider.settings.vendor.name.into());
    (!notes.is_empty()).then(|| CallRecord::decision(name, vendor, clock::now_ms(), notes))
}

/// The rows of a send that is over.
pub(super) fn settled_parcels(
    prepared: &Prepared<'_>,
    states: &[Status],
    mut records: BTreeMap<Arc<str>, Vec<u8>>,
) -> Vec<NewParcel> {
    let mut rows = Vec::with_capacity(prepared.members.len());
    for (seq, (provider, members)) in (0u32..).zip(&prepared.members) {
        let mut row = engine::new_parcel(seq, packed(prepared, provider.as_deref(), members), None);
        row.states = members.iter().filter_map(|index| states.get(*index)).copied().collect();
        let record = provider.as_ref().and_then(|provider| records.remove(&provider.settings.name));
        row.record = record.or_else(|| Some(refusals(prepared, members).to_bytes()));
        rows.push(row);
    }
    rows
}

/// Why messages were not taken.
fn refusals(prepared: &Prepared<'_>, members: &[usize]) -> CallRecord {
    let bad = members.iter().filter_map(|index| prepared.routed.get(*index)?.as_ref().err());
    let notes = (0u16..).zip(bad).map(|(position, bad)| Note {
        position,
        status: Status::Rejected,
        failure: Some(Box::new(bad.failure())),
        ..Note::default()
    });
    let nobody: Arc<str> = "".into();
    CallRecord::decision(Arc::clone(&nobody), nobody, 0, notes.collect())
}

/// One parcel a provider, so that the positions in the lanes' records hold.
fn packed(prepared: &Prepared<'_>, provider: Option<&Provider>, members: &[usize]) -> Parcel {
    let items = members.iter().filter_map(|index| {
        let routed = prepared.routed.get(*index)?.as_ref().ok();
        Some(Item {
            index: *index as u64,
            json: prepared.texts.get(*index)?.get(),
            recipient: routed.map_or(0, |routed| routed.message.to.fingerprint()),
            // Ids are only looked for in uploads that are not complete yet.
            id: None,
            shares_content: routed.is_some_and(|routed| routed.message.inherits_content),
        })
    });
    Parcel::whole(provider.map_or("", |provider| &*provider.settings.name), prepared.results, items)
}
