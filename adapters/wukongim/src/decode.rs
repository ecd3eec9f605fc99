//! Reads replies into outcomes. Each dialect has its own shape of success, and all of them are told
//! apart by content: a v1 or v2 answer of `/message/send` has `data`, a v3 answer a `reason`. Answers
//! other than 2xx are in [`refusal`], the page's array is in [mod@array].
//! Whatever cannot be read leaves its messages unknown.

mod array;
mod plain;
mod refusal;

use std::collections::HashMap;

use interline_core::adapter::{Call, CallMessage, Reply, Signal, Verdict};
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::{ClientId, Outcome, Receipt};

use crate::dialect::Dialect;
use crate::wire::{FanOutAnswer, Id, Ids, Name, SendAnswer};
use crate::{SENDBATCH, reason};

pub(crate) fn decode(dialect: Dialect, call: &Call, reply: &Reply) -> Verdict {
    if !(200..300).contains(&reply.status) {
        let listed = if dialect == Dialect::Published { array::listed(call, reply) } else { None };
        return listed.unwrap_or_else(|| refusal::verdict(dialect, call, reply));
    }
    match dialect {
        Dialect::Published => array::verdict(call, reply),
        Dialect::V1 | Dialect::V2 if call.class == SENDBATCH => fan_out(dialect, call, reply),
        Dialect::V1 | Dialect::V2 | Dialect::V3 => single(dialect, call, reply),
    }
}

fn bad_reply(why: &str) -> Failure {
    Failure::unknown(ErrorCode::BadVendorReply, format!("the vendor's answer {why}"))
}

fn receipt(message: &CallMessage, ids: Ids<'_>) -> Receipt {
    let text = |id: Option<Id<'_>>| id.and_then(|id| id.0).map(Into::into);
    let client_id = ids.client_msg_no.and_then(|id| id.0);
    Receipt {
        message_id: text(ids.message_id),
        client_id: client_id.map(|id| ClientId::of(&id, &message.message.client_id)),
        seq: text(ids.message_seq),
        ..Receipt::default()
    }
}

/// Who stands in `fail_uids` was refused, everybody else was taken; nobody gets an id.
fn fan_out(dialect: Dialect, call: &Call, reply: &Reply) -> Verdict {
    let Ok(FanOutAnswer { fail_uids: Some(failed), reason }) = serde_json::from_slice(&reply.body) else {
        return Verdict::all(call, &bad_reply("has no list of failed recipients"));
    };
    // Reasons go by position, and only where each failure has one.
    let reasons = reason.filter(|reasons| reasons.len() == failed.len()).unwrap_or_default();
    let why: HashMap<&str, Option<&String>> =
        failed.iter().enumerate().map(|(index, uid)| (uid.as_str(), reasons.get(index))).collect();
    let outcome = |message: &CallMessage| match why.get(message.recipient_id()) {
        Some(words) => Outcome::failed(refusal::of_recipient(dialect, words.map(String::as_str))),
        None => Outcome::Accepted(Receipt::default()),
    };
    Verdict { outcomes: call.messages.iter().map(outcome).collect(), signal: Signal::None }
}

fn single(dialect: Dialect, call: &Call, reply: &Reply) -> Verdict {
    let ([message], Ok(answer)) = (&*call.messages, serde_json::from_slice::<SendAnswer<'_>>(&reply.body))
    else {
        return Verdict::all(call, &bad_reply("to a single send cannot be read"));
    };
    let (mut outcome, speaks) = match answer {
        SendAnswer { reason: Some(reason::SUCCESS), message_id: Some(id), message_seq, .. } => {
            let ids = Ids { message_id: Some(id), message_seq, ..Ids::default() };
            (Outcome::Accepted(receipt(message, ids)), Some(Dialect::V3))
        }
        SendAnswer { reason: Some(reason::SUCCESS), .. } => {
            (Outcome::Unknown(bad_reply("holds no message id")), None)
        }
        SendAnswer { reason: Some(code), .. } => (Outcome::failed(reason::failure(code)), Some(Dialect::V3)),
        SendAnswer { status: None | Some(200), data: Some(ids), .. } => {
            (enveloped(message, ids), Some(Dialect::V2))
        }
        SendAnswer { status: None | Some(200), message_id: Some(Id(Some(id))), message_seq, .. } => {
            let ids = Ids { message_id: Some(Id(Some(id))), message_seq, ..Ids::default() };
            (Outcome::Accepted(receipt(message, ids)), None)
        }
        SendAnswer { status: Some(code), .. } if code != 200 => {
            let failure =
                Failure::unknown(ErrorCode::VendorError, "the vendor answered with a code of its own");
            (Outcome::Unknown(failure.vendor(code, "")), None)
        }
        SendAnswer { .. } => (Outcome::Unknown(bad_reply("holds no message id")), None),
    };
    let other = speaks.is_some_and(|speaks| (speaks == Dialect::V3) != (dialect == Dialect::V3));
    let mut signal = if other { Signal::WrongDialect } else { Signal::None };
    if answer_is_rate_limit(&outcome) {
        signal = Signal::Freeze(call.class, refusal::pause(reply));
    }
    // A single send always carries the client id, whether the dialect echoes it or not.
    if let Outcome::Accepted(receipt) = &mut outcome {
        receipt.client_id.get_or_insert(ClientId::Own);
    }
    Verdict { outcomes: vec![outcome], signal }
}

fn enveloped(message: &CallMessage, ids: Ids<'_>) -> Outcome {
    if ids.message_id.is_none() {
        return Outcome::Unknown(bad_reply("holds no message id"));
    }
    match &ids.client_msg_no {
        Some(Name(Some(echoed))) if **echoed != *message.message.client_id => {
            Outcome::Unknown(bad_reply("is for another message"))
        }
        Some(_) | None => Outcome::Accepted(receipt(message, ids)),
    }
}

fn answer_is_rate_limit(outcome: &Outcome) -> bool {
    outcome.failure().is_some_and(|failure| failure.code == ErrorCode::RateLimited)
}
