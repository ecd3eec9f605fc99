//! The page's answer: an array of ids, matched to the call by the client's. Servers answer in the call's
//! order, so that order is tried first; it only saves the search, each answer still has to name its
//! message.

use std::collections::HashMap;

use interline_core::adapter::{Call, CallMessage, Reply, Signal, Verdict};
use interline_core::outcome::{ClientId, Outcome, Receipt};

use serde::Deserialize;

use super::{bad_reply, plain, receipt};
use crate::reason;
use crate::wire::{Id, Ids, Name};

type Answers<'r> = Vec<Option<Ids<'r>>>;

pub(super) fn verdict(call: &Call, reply: &Reply) -> Verdict {
    let most = call.messages.len();
    let answers = plain::read(&reply.body, most).map_or_else(|| serde_json::from_slice(&reply.body), Ok);
    let Ok(answers) = answers else {
        return Verdict::all(call, &bad_reply("is no array of messages"));
    };
    Verdict { outcomes: outcomes(call, answers), signal: Signal::None }
}

/// What an error tells of each message, where it lists them all, in order: one that is no success as a whole
/// though some of it was taken.
pub(super) fn listed(call: &Call, reply: &Reply) -> Option<Verdict> {
    let Listed { data } = serde_json::from_slice(&reply.body).ok()?;
    let whole = data.iter().all(|answer| answer.as_ref().is_some_and(tells)) && in_order(call, &data);
    whole.then(|| Verdict { outcomes: outcomes(call, data), signal: Signal::None })
}

/// The error that lists messages.
#[derive(Deserialize)]
struct Listed<'r> {
    #[serde(borrow)]
    data: Answers<'r>,
}

/// Whether an element says by itself what became of its message.
fn tells(ids: &Ids<'_>) -> bool {
    ids.reason.is_some_and(|code| code != reason::SUCCESS) || matches!(ids.message_id, Some(Id(Some(_))))
}

fn outcomes(call: &Call, answers: Answers<'_>) -> Vec<Outcome> {
    if in_order(call, &answers) {
        let outcome =
            |(message, answer): (_, Option<_>)| answer.map_or_else(unnamed, |ids| told(message, ids));
        call.messages.iter().zip(answers).map(outcome).collect()
    } else {
        searched(call, answers)
    }
}

/// Whether each answer names the message of its place, and no two messages have one name.
fn in_order(call: &Call, answers: &Answers<'_>) -> bool {
    let named = |(message, answer): (&CallMessage, &Option<Ids<'_>>)| {
        answer.as_ref().and_then(named).is_some_and(|client_id| *client_id == *message.message.client_id)
    };
    if answers.len() != call.messages.len() || !call.messages.iter().zip(answers).all(named) {
        return false;
    }
    let mut prints: Vec<u64> =
        call.messages.iter().map(|message| print(&message.message.client_id)).collect();
    prints.sort_unstable();
    prints.array_windows().all(|[one, next]| one != next)
}

/// A number that tells most names apart. Two names with one number only cost the search.
fn print(name: &str) -> u64 {
    let (words, rest) = name.as_bytes().as_chunks();
    let last = rest.iter().fold(name.len() as u64, |sum, byte| (sum << 8) | u64::from(*byte));
    words
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .chain([last])
        .fold(0, |sum: u64, word| (sum.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The client's id in an answer that has the server's as well.
fn named<'i>(ids: &'i Ids<'_>) -> Option<&'i str> {
    match ids {
        Ids { client_msg_no: Some(Name(Some(client_id))), message_id: Some(_), .. } => Some(client_id),
        Ids { .. } => None,
    }
}

/// How often a client id stands in a call and in its answer, and where in the answer.
#[derive(Default)]
struct Named {
    messages: usize,
    answers: usize,
    at: usize,
}

/// Two messages may carry the same client id: then all or none of them arrived, and whose id is whose
/// cannot be told.
fn searched(call: &Call, mut answers: Answers<'_>) -> Vec<Outcome> {
    let mut names: HashMap<&str, Named> = HashMap::with_capacity(call.messages.len());
    for message in &call.messages {
        names.entry(&message.message.client_id).or_default().messages += 1;
    }
    for (at, answer) in answers.iter().enumerate() {
        if let Some(name) = answer.as_ref().and_then(named).and_then(|client_id| names.get_mut(client_id)) {
            *name = Named { answers: name.answers + 1, at, ..*name };
        }
    }
    let outcome = |message: &CallMessage| {
        let client_id = &*message.message.client_id;
        match names.get(client_id) {
            Some(Named { messages: 1, answers: 1, at }) => {
                answers.get_mut(*at).and_then(Option::take).map_or_else(unnamed, |ids| told(message, ids))
            }
            Some(name) if name.answers >= name.messages => {
                Outcome::Accepted(Receipt { client_id: Some(ClientId::Own), ..Receipt::default() })
            }
            Some(_) | None => unnamed(),
        }
    };
    call.messages.iter().map(outcome).collect()
}

fn unnamed() -> Outcome {
    Outcome::Unknown(bad_reply("does not name the message"))
}

/// The page has no form for a refused message; a `reason` is what the vendor's newer servers use.
fn told(message: &CallMessage, ids: Ids<'_>) -> Outcome {
    match ids.reason {
        None | Some(reason::SUCCESS) => Outcome::Accepted(receipt(message, ids)),
        Some(code) => Outcome::failed(reason::failure(code)),
    }
}
