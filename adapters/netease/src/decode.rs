//! Any reply becomes exactly one outcome a message. The vendor answers HTTP 200 for everything, so
//! other statuses are the network's; the body's `code` decides, and in rooms each message's own entry.
//! Results are matched by id, never by position, and what cannot be read is unknown.

use std::collections::HashSet;

use interline_core::adapter::{Call, CallMessage, Reply, Signal, Verdict};
use interline_core::content::Object;
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::{ClientId, Outcome, Receipt};
use serde_json::Value;

use crate::codes::{self, Meaning, NOT_SENT};
use crate::route::{BROADCAST, ROOM, USER_BATCH, class_named, penalty};
use crate::wire::Answer;

/// The one reason that the vendor documents for a failed room message, in lower case.
const RESEND: &str = "resendflag should be used for resend";
/// How much of the vendor's words a failure keeps, in characters.
const WORDS: usize = 500;

/// Reads a reply.
pub(crate) fn decode(call: &Call, reply: &Reply) -> Verdict {
    match reply.status {
        200..=299 => match answer(reply) {
            Some((code, answer)) => coded(call, code, answer),
            None => Verdict::all(call, &unreadable("the answer cannot be read")),
        },
        404 => {
            let message = "no such path at the base URL (HTTP 404)";
            Verdict::all(call, &Failure::not_sent(ErrorCode::VendorUnavailable, message))
        }
        401 | 403 | 407 => status(call, reply.status, ErrorCode::Unauthorized),
        413 => {
            let signal = if call.messages.len() > 1 { Signal::Bisect } else { Signal::None };
            status(call, 413, ErrorCode::TooLarge).signal(signal)
        }
        429 => {
            let class = class_named(call.class);
            let failure = Failure::refused(ErrorCode::RateLimited, "HTTP 429").for_now();
            let pause = reply.retry_after.unwrap_or_else(|| penalty(class));
            Verdict::all(call, &failure).signal(Signal::Freeze(class, pause))
        }
        408 => Verdict::all(call, &Failure::unknown(ErrorCode::Timeout, "HTTP 408")),
        400..=499 => match answer(reply) {
            Some((code, answer)) if code != 200 => coded(call, code, answer),
            Some(_) | None => status(call, reply.status, ErrorCode::VendorError),
        },
        // These say that the same request belongs elsewhere, so it was not acted on.
        301 | 307 | 308 => status(call, reply.status, ErrorCode::VendorUnavailable),
        other => {
            let message = format!("HTTP {other} without a verdict");
            Verdict::all(call, &Failure::unknown(ErrorCode::VendorUnavailable, message))
        }
    }
}

fn status(call: &Call, status: u16, code: ErrorCode) -> Verdict {
    Verdict::all(call, &Failure::refused(code, format!("refused with HTTP {status}")))
}

fn unreadable(message: &str) -> Failure {
    Failure::unknown(ErrorCode::BadVendorReply, message)
}

/// The body and its code. Only an object is an answer.
fn answer(reply: &Reply) -> Option<(i64, Answer)> {
    let body = reply.body.trim_ascii_start();
    let object = body.first() == Some(&b'{');
    let answer: Answer = if object { serde_json::from_slice(body).ok()? } else { return None };
    Some((whole(&answer.code)?, answer))
}

/// A whole number, which may come as text.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// An id as text. A number that is no integer has lost digits and is no id.
fn id_text(value: &Value) -> Option<Box<str>> {
    if let Some(text) = value.as_str() {
        return (!text.is_empty()).then(|| text.into());
    }
    (value.is_i64() || value.is_u64()).then(|| value.to_string().into_boxed_str())
}

/// The value itself, or what stands in it when it is a text that holds JSON.
fn unfolded(value: Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other
        }
    }
}

fn object(value: Value) -> Object {
    match unfolded(value) {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Object::new(),
    }
}

/// The vendor's words, bounded.
fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.chars().take(WORDS).collect(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.to_string().chars().take(WORDS).collect()
        }
    }
}

fn coded(call: &Call, code: i64, answer: Answer) -> Verdict {
    if code == 200 {
        return match call.class {
            ROOM => room(call, answer),
            USER_BATCH => users(call, answer),
            BROADCAST => broadcast(call, answer),
            _ => single(call, answer),
        };
    }
    let desc = words(&answer.desc);
    match codes::meaning(code, &desc, call) {
        Meaning::Failed(failure, signal) => Verdict::all(call, &failure.vendor(code, desc)).signal(signal),
        Meaning::Repeated => {
            let outcome = |one: &CallMessage| repeated(one, call.class, code, &desc);
            Verdict { outcomes: call.messages.iter().map(outcome).collect(), signal: Signal::None }
        }
    }
}

/// The vendor has seen it before. That is a yes where our own earlier attempt may have arrived under
/// the same id; without ids nobody can tell.
fn repeated(one: &CallMessage, class: &str, code: i64, desc: &str) -> Outcome {
    if !one.prior_unknown {
        let failure = Failure::refused(ErrorCode::Duplicate, "the vendor has seen this request before");
        return Outcome::failed(failure.vendor(code, desc));
    }
    if class == ROOM {
        return Outcome::Accepted(already(desc));
    }
    let message = "the vendor says that this repeats an earlier request";
    Outcome::failed(Failure::unknown(ErrorCode::Duplicate, message).vendor(code, desc))
}

/// The receipt of a message whose earlier attempt had arrived after all.
fn already(words: &str) -> Receipt {
    let mut receipt = Receipt { client_id: Some(ClientId::Own), ..Receipt::default() };
    receipt.data.insert("already_accepted".to_owned(), words.into());
    receipt
}

fn room(call: &Call, answer: Answer) -> Verdict {
    let (mut success, mut fail) = (by_id(answer.success), by_id(answer.fail));
    let outcome = |one: &CallMessage| {
        let id = &*one.message.client_id;
        match (success.remove(id), fail.remove(id)) {
            (Some(record), None) => Outcome::Accepted(room_receipt(id, record)),
            (None, Some(reason)) => failed(one, &words(&reason)),
            (Some(_), Some(_)) => {
                Outcome::failed(unreadable("the answer names the message as taken and as failed"))
            }
            (None, None) => Outcome::failed(unreadable("the answer does not name the message")),
        }
    };
    Verdict { outcomes: call.messages.iter().map(outcome).collect(), signal: Signal::None }
}

/// Entries by message id: an array of objects with one key each, or a text that holds one.
fn by_id(list: Value) -> Object {
    match unfolded(list) {
        Value::Array(items) => items.into_iter().flat_map(object).collect(),
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Object::new(),
    }
}

fn room_receipt(id: &str, record: Value) -> Receipt {
    let data = object(record);
    let client_id = data.get("msgid_client").and_then(Value::as_str).unwrap_or(id);
    Receipt {
        client_id: Some(ClientId::of(client_id, id)),
        time_ms: data.get("time").and_then(whole),
        data,
        ..Receipt::default()
    }
}

fn failed(one: &CallMessage, reason: &str) -> Outcome {
    if reason.starts_with(NOT_SENT) {
        return Outcome::failed(codes::unsent().vendor(200, reason));
    }
    let seen = reason.to_ascii_lowercase().contains(RESEND);
    match (seen, one.prior_unknown) {
        (true, true) => Outcome::Accepted(already(reason)),
        (true, false) => {
            let message = "the room holds a message of this id already";
            Outcome::failed(Failure::refused(ErrorCode::Duplicate, message).vendor(200, reason))
        }
        (false, _) => {
            let message = "the vendor lists the message as failed";
            Outcome::failed(Failure::refused(ErrorCode::VendorError, message).vendor(200, reason))
        }
    }
}

fn single(call: &Call, answer: Answer) -> Verdict {
    let data = object(answer.data);
    let moderated = data.get("antispam").is_some_and(|hit| *hit == Value::Bool(true) || *hit == "true");
    if moderated {
        let failure = Failure::refused(ErrorCode::Moderated, "moderation stopped the message");
        return Verdict::all(call, &failure.vendor(200, ""));
    }
    Verdict::accepted(call, |_| Receipt {
        message_id: data.get("msgid").and_then(id_text).map(Into::into),
        time_ms: data.get("timetag").and_then(whole),
        data: data.clone(),
        ..Receipt::default()
    })
}

fn users(call: &Call, answer: Answer) -> Verdict {
    let Some(unknown) = Unregistered::read(unfolded(answer.unregister), call) else {
        return Verdict::all(call, &unreadable("the list of unregistered accounts cannot be read"));
    };
    let ids = object(answer.msgids);
    let time_ms = whole(&answer.timetag);
    let outcome = |one: &CallMessage| {
        let accid = one.recipient_id();
        if unknown.has(accid) {
            let failure = Failure::refused(ErrorCode::RecipientNotFound, "the account does not exist");
            return Outcome::failed(failure.vendor(200, ""));
        }
        let message_id = ids.get(accid).and_then(id_text);
        Outcome::Accepted(Receipt { message_id: message_id.map(Into::into), time_ms, ..Receipt::default() })
    };
    Verdict { outcomes: call.messages.iter().map(outcome).collect(), signal: Signal::None }
}

/// The accounts that do not exist. The vendor may write an account in lower case; such an entry counts
/// only where no recipient is spelt exactly so.
#[derive(Debug, Default)]
struct Unregistered {
    exact: HashSet<String>,
    folded: HashSet<String>,
}

impl Unregistered {
    fn read(list: Value, call: &Call) -> Option<Self> {
        let items = match list {
            Value::Array(items) => items,
            Value::Null => return Some(Self::default()),
            Value::String(text) if text.trim().is_empty() => return Some(Self::default()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => return None,
        };
        let recipients: HashSet<&str> = call.messages.iter().map(CallMessage::recipient_id).collect();
        let mut unregistered = Self::default();
        for item in items {
            let accid = id_text(&item)?.into_string();
            if !recipients.contains(accid.as_str()) {
                unregistered.folded.insert(accid.to_ascii_lowercase());
            }
            unregistered.exact.insert(accid);
        }
        Some(unregistered)
    }

    fn has(&self, accid: &str) -> bool {
        self.exact.contains(accid)
            || (!self.folded.is_empty() && self.folded.contains(&accid.to_ascii_lowercase()))
    }
}

fn broadcast(call: &Call, answer: Answer) -> Verdict {
    let data = object(answer.msg);
    Verdict::accepted(call, |_| Receipt {
        message_id: data.get("broadcastId").and_then(id_text).map(Into::into),
        time_ms: data.get("createTime").and_then(whole),
        data: data.clone(),
        ..Receipt::default()
    })
}
