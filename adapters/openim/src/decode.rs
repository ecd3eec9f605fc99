//! Reads replies: any bytes under any status become exactly one outcome a message. A batch says success
//! whatever became of its recipients, so they are matched by id; who is in neither list is unknown.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use interline_core::adapter::{Call, CallMessage, Finding, Reply, Signal, Token, Verdict};
use interline_core::content::Object;
use interline_core::error::{Error, ErrorCode, ErrorKind, Failure};
use interline_core::outcome::{ClientId, Outcome, Receipt};
use interline_core::recipient::RecipientKind;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check::{Way, way};
use crate::codes::{Source, is_of_token, meaning, rate_limited, words};
use crate::dialect::Dialect;
use crate::wire::{AdminToken, BatchSent, Envelope, SendStatus, Sent};

/// Failed users of a broadcast that a result names; the rest are counted.
const NAMED_FAILURES: usize = 100;

/// Reads the reply to a call.
pub(crate) fn decode(call: &Call, reply: &Reply, dialect: Dialect, can_login: bool) -> Verdict {
    let source = Source { dialect, class: call.class, can_login, retry_after: reply.retry_after };
    let envelope = serde_json::from_slice::<Envelope<'_>>(&reply.body).ok();
    match (reply.status, envelope) {
        (200..=299, Some(envelope)) if envelope.code == 0 => success(call, &envelope, dialect),
        (200..=299 | 400, Some(envelope)) if envelope.code != 0 => {
            let (failure, signal) = meaning(&envelope, source);
            Verdict::all(call, &failure).signal(signal)
        }
        (429, envelope) => {
            let (failure, signal) = rate_limited(source);
            let failure = match &envelope {
                Some(envelope) => failure.vendor(envelope.code, words(envelope)),
                None => failure.vendor("HTTP 429", ""),
            };
            Verdict::all(call, &failure).signal(signal)
        }
        (status, _) => by_status(call, status),
    }
}

/// Whether the server stopped at the token: it looks at that before it does anything.
pub(crate) fn refuses_token(reply: &Reply) -> bool {
    serde_json::from_slice::<Envelope<'_>>(&reply.body).is_ok_and(|envelope| is_of_token(envelope.code))
}

/// A reply that is not the API's own.
fn by_status(call: &Call, status: u16) -> Verdict {
    use ErrorCode as Code;
    let all = |failure: Failure| Verdict::all(call, &failure.vendor(format!("HTTP {status}"), ""));
    match status {
        400 => all(Failure::refused(Code::InvalidMessage, "the server could not read the request")),
        401 | 403 => all(Failure::refused(Code::Unauthorized, "something before the server denies access")),
        404 | 405 => all(Failure::not_sent(Code::VendorUnavailable, "the server has no such route"))
            .signal(Signal::WrongDialect),
        // These repeat the request elsewhere, so it was not acted upon here.
        301 | 307 | 308 => all(Failure::not_sent(
            Code::VendorUnavailable,
            "the address redirects; see the provider's base_url",
        )),
        413 => all(Failure::refused(Code::TooLarge, "the request is too large for the server")),
        500..=599 => all(Failure::unknown(Code::VendorUnavailable, "the server failed without a word")),
        _ => all(bad_reply("the reply is not the API's")),
    }
}

fn bad_reply(message: &str) -> Failure {
    Failure::unknown(ErrorCode::BadVendorReply, message)
}

fn read<'b, T: Deserialize<'b>>(envelope: &Envelope<'b>) -> Option<T> {
    serde_json::from_str(envelope.data?.get()).ok()
}

fn success(call: &Call, envelope: &Envelope<'_>, dialect: Dialect) -> Verdict {
    let everyone =
        call.messages.first().is_some_and(|first| first.message.to.kind() == RecipientKind::Everyone);
    let batch = |message: &CallMessage| way(&message.message, call.results, dialect) == Way::Batch;
    if !call.messages.first().is_some_and(batch) {
        let outcome = match read::<Sent<'_>>(envelope) {
            Some(sent) => single(&sent, dialect),
            None if dialect == Dialect::Published && without_ids(envelope) => {
                Outcome::Accepted(Receipt::default())
            }
            None => Outcome::Unknown(bad_reply("the reply says success and holds no ids")),
        };
        let outcomes = call.messages.iter().map(|_| outcome.clone()).collect();
        return Verdict { outcomes, signal: Signal::None };
    }
    let sent = match read::<BatchSent<'_>>(envelope) {
        Some(sent) => sent,
        None if dialect == Dialect::Published && envelope.data.is_none() => BatchSent::default(),
        None => return Verdict::all(call, &bad_reply("the reply says success and cannot be read")),
    };
    // The page promises no lists; there the code alone speaks.
    if dialect == Dialect::Published && sent.results.is_none() && sent.failed.is_none() {
        return Verdict::accepted(call, |_| Receipt::default());
    }
    if everyone {
        let outcomes = call.messages.iter().map(|_| broadcast(&sent, dialect)).collect();
        return Verdict { outcomes, signal: Signal::None };
    }
    matched(call, &sent, dialect)
}

/// Whether `data` holds nothing of what real servers tell of one message.
fn without_ids(envelope: &Envelope<'_>) -> bool {
    envelope.data.is_none() || read::<Object>(envelope).is_some_and(|data| !data.contains_key("serverMsgID"))
}

/// What became of each recipient of a batch.
fn matched(call: &Call, sent: &BatchSent<'_>, dialect: Dialect) -> Verdict {
    let results: HashMap<&str, &Sent<'_>> =
        sent.results.iter().flatten().map(|result| (&*result.recv_id, result)).collect();
    let failed: HashSet<&str> = sent.failed.iter().flatten().map(|id| &**id).collect();
    let outcome = |message: &CallMessage| {
        let id = message.recipient_id();
        match (results.get(id), failed.contains(id)) {
            (Some(result), false) => single(result, dialect),
            (None, true) => Outcome::Rejected(failed_without_reason()),
            (None, false) => Outcome::Unknown(bad_reply("the reply does not name the recipient")),
            (Some(_), true) => {
                Outcome::Unknown(bad_reply("the reply names the recipient as reached and as failed"))
            }
        }
    };
    Verdict { outcomes: call.messages.iter().map(outcome).collect(), signal: Signal::None }
}

fn failed_without_reason() -> Failure {
    Failure::refused(ErrorCode::VendorError, "the server lists the recipient as failed and gives no reason")
}

/// One message that the server says it took.
fn single(sent: &Sent<'_>, dialect: Dialect) -> Outcome {
    if sent.server_msg_id.is_empty() {
        return match dialect.may_be_old() {
            true => Outcome::Rejected(Failure::refused(
                ErrorCode::RecipientRefused,
                "the recipient takes no messages: the server answered success without an id",
            )),
            false => Outcome::Unknown(bad_reply("the reply says success without an id")),
        };
    }
    let mut receipt = Receipt {
        message_id: Some(sent.server_msg_id.as_ref().into()),
        client_id: client_id(sent),
        time_ms: sent.send_time.filter(|time| *time != 0),
        ..Receipt::default()
    };
    if let Some(modify) = &sent.modify {
        receipt.data.insert("modify".to_owned(), Value::Object(modify.clone()));
    }
    Outcome::Accepted(receipt)
}

fn client_id(sent: &Sent<'_>) -> Option<ClientId> {
    (!sent.client_msg_id.is_empty()).then(|| ClientId::Other(sent.client_msg_id.as_ref().into()))
}

/// A broadcast is one message here: it was accepted if it reached anybody.
fn broadcast(sent: &BatchSent<'_>, dialect: Dialect) -> Outcome {
    let results = sent.results.as_deref().unwrap_or_default();
    let failed = sent.failed.as_deref().unwrap_or_default();
    let reached = || results.iter().filter(|result| matches!(single(result, dialect), Outcome::Accepted(_)));
    let Some(first) = reached().next() else {
        return Outcome::Rejected(match failed.is_empty() {
            true => Failure::refused(ErrorCode::VendorError, "the server had nobody to send to"),
            false => failed_without_reason(),
        });
    };
    let count = reached().count();
    let mut receipt = Receipt {
        client_id: client_id(first),
        time_ms: first.send_time.filter(|time| *time != 0),
        ..Receipt::default()
    };
    receipt.data.insert("reached".to_owned(), json!(count));
    receipt.data.insert("failed".to_owned(), json!(results.len() - count + failed.len()));
    if !failed.is_empty() {
        let named: Vec<_> = failed.iter().take(NAMED_FAILURES).collect();
        receipt.data.insert("failedUserIDs".to_owned(), json!(named));
    }
    Outcome::Accepted(receipt)
}

fn envelope(reply: &Reply) -> Result<Envelope<'_>, Error> {
    // The parser's own words quote what stood there, which may be a token.
    let envelope: Envelope<'_> = serde_json::from_slice(&reply.body).map_err(|error| {
        let place = format!("{}:{}", error.line(), error.column());
        Error::new(ErrorKind::Decode, "cannot read the reply").with("status", reply.status).with("at", place)
    })?;
    if envelope.code == 0 && (200..=299).contains(&reply.status) {
        return Ok(envelope);
    }
    // What the server says to a wrong secret or a user that is no administrator.
    let kind = match envelope.code {
        1001 | 1002 => ErrorKind::Config,
        _ => ErrorKind::Decode,
    };
    let error = Error::new(kind, "the server said no").with("status", reply.status);
    Err(error.with("errCode", envelope.code).with("errMsg", words(&envelope)))
}

fn no_data() -> Error {
    Error::new(ErrorKind::Decode, "cannot read `data` of the reply")
}

/// Reads an administrator's token.
pub(crate) fn token(reply: &Reply) -> Result<Token, Error> {
    let token: AdminToken = read(&envelope(reply)?).ok_or_else(no_data)?;
    if !crate::settings::header_safe(&token.token) {
        return Err(Error::new(ErrorKind::Decode, "the token is empty or cannot stand in a header"));
    }
    Ok(Token { secret: token.token, lasts: Duration::from_secs(token.expires_in) })
}

/// Reads whether a message was sent. The note is written after the message went out, so its absence
/// proves nothing.
pub(crate) fn finding(reply: &Reply) -> Result<Finding, Error> {
    let status: SendStatus = read(&envelope(reply)?).ok_or_else(no_data)?;
    Ok(match status.status {
        2 => Finding::Arrived(Receipt::default()),
        0 | 1 => Finding::Absent,
        _ => Finding::CannotTell,
    })
}
