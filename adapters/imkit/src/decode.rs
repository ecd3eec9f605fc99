//! A reply becomes one outcome a message. The HTTP status is judged first, then `RC`, then the error's
//! code; two error shapes are published and both are read. A batch is one task: all of its messages
//! share an outcome, and a refusal that blames one recipient asks for the call to be halved.

use std::time::Duration;

use interline_core::adapter::{Call, Reply, Signal, Verdict};
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Receipt;
use interline_core::recipient::RecipientKind;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::SEND;
use crate::settings::Secret;
use crate::wire::{Answer, Problem, Stored, Task};

/// How long a class rests after 429 when the reply does not say.
const REST: Duration = Duration::from_secs(60);

/// The longest rest that a reply may ask for.
const LONGEST_REST: Duration = Duration::from_secs(3_600);

/// Reads a reply.
pub(crate) fn decode(call: &Call, reply: &Reply, key: &Secret) -> Verdict {
    let answer: Option<Answer<'_>> = serde_json::from_slice(&reply.body).ok();
    let said = Said::of(answer.as_ref(), reply.status, key);
    let unknown = |code, message: &str| Verdict::all(call, &said.by(Failure::unknown(code, message)));
    match reply.status {
        200..=299 => match answer {
            Some(answer) => success(call, &answer, reply, &said),
            None => unreadable(call, &said),
        },
        status if refuses(status) => refusal(call, status, reply, &said),
        408 | 499 => unknown(ErrorCode::Timeout, "the vendor gave up on the request"),
        502..=504 => unknown(ErrorCode::VendorUnavailable, "a gateway answered in the vendor's place"),
        500..=599 => unknown(ErrorCode::VendorError, "the vendor failed within"),
        _ => unreadable(call, &said),
    }
}

fn unreadable(call: &Call, said: &Said) -> Verdict {
    let failure = Failure::unknown(ErrorCode::BadVendorReply, "cannot read the vendor's reply");
    Verdict::all(call, &said.by(failure))
}

/// What a reply says of an error, in either shape.
#[derive(Debug, Default)]
struct Said {
    /// Whether the reply is the vendor's and not some proxy's.
    vendor: bool,
    /// Whether there is an error at all.
    error: bool,
    rc: Option<i64>,
    code: Option<String>,
    words: String,
    status: u16,
    rest: Option<Duration>,
}

impl Said {
    fn of(answer: Option<&Answer<'_>>, status: u16, key: &Secret) -> Self {
        let Some(answer) = answer else { return Self { status, ..Self::default() } };
        let nested: Option<Problem<'_>> = answer.error.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let nested = nested.unwrap_or_default();
        let code = answer.error.and_then(text).or_else(|| nested.code.and_then(text));
        let code = code.filter(|code| !code.is_empty()).map(|code| key.mask(&code));
        let words = [nested.message, answer.message, answer.rm].into_iter().flatten().find_map(text);
        let rc = answer.rc.and_then(whole);
        Self {
            vendor: rc.is_some() || code.is_some(),
            error: answer.error.is_some(),
            rc,
            code,
            words: key.mask(&words.unwrap_or_default()),
            status,
            rest: answer.retry_after.and_then(seconds),
        }
    }

    /// Adds the vendor's code and words to a failure.
    fn by(&self, failure: Failure) -> Failure {
        let code = self.code.clone().or_else(|| self.rc.map(|rc| rc.to_string()));
        failure.vendor(code.unwrap_or_else(|| self.status.to_string()), self.words.clone())
    }

    fn cause(&self) -> Option<Cause> {
        self.code.as_deref().and_then(Cause::of)
    }
}

/// Why the vendor refuses, by the codes that its pages show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Key,
    Permission,
    /// The sender is not in one of the rooms.
    Membership,
    Room,
    /// A user: a receiver, or the sender.
    Person,
    Request,
    Rate,
    Size,
}

impl Cause {
    fn of(code: &str) -> Option<Self> {
        Some(match code {
            "INVALID_API_KEY"
            | "MISSING_API_KEY"
            | "INVALID_CLIENT_KEY"
            | "MISSING_CLIENT_KEY"
            | "CLIENT_KEY_MISMATCH"
            | "INVALID_TOKEN"
            | "INVALID_AUTH"
            | "UNAUTHORIZED" => Self::Key,
            "INSUFFICIENT_PERMISSIONS" | "INSUFFICIENT_PERMISSION" | "PERMISSION_DENIED" => Self::Permission,
            "NOT_ROOM_MEMBER" => Self::Membership,
            "ROOM_NOT_FOUND" => Self::Room,
            "USER_NOT_FOUND" | "CLIENT_NOT_FOUND" | "ROOM_OR_USER_NOT_FOUND" | "INVALID_USER_ID" => {
                Self::Person
            }
            "MISSING_PARAMETER" | "INVALID_BODY" | "INVALID_REQUEST" => Self::Request,
            "RATE_LIMIT_EXCEEDED" => Self::Rate,
            "RESULT_TOO_LARGE" => Self::Size,
            _ => return None,
        })
    }

    /// What a status or an `RC` says without a code.
    const fn of_status(status: u16) -> Option<Self> {
        match status {
            400 | 422 => Some(Self::Request),
            401 | 403 => Some(Self::Key),
            413 => Some(Self::Size),
            429 => Some(Self::Rate),
            _ => None,
        }
    }
}

fn success(call: &Call, answer: &Answer<'_>, reply: &Reply, said: &Said) -> Verdict {
    match said.rc {
        Some(0) if !said.error => return accepted(call, answer),
        // No RC, but a task or a message: the answer is there.
        None if !said.error && answer.rc.is_none() && names_result(call, answer) => {
            return accepted(call, answer);
        }
        // Success and an error in one reply.
        Some(0) => return unreadable(call, said),
        Some(_) | None => {}
    }
    // RC is the HTTP status where the pages show one; a 200 around it is guarded against by clients.
    let status = said.rc.and_then(|rc| u16::try_from(rc).ok()).filter(|status| refuses(*status));
    if said.cause().is_some() || status.is_some() {
        return refusal(call, status.unwrap_or(400), reply, said);
    }
    if said.rc.is_none() {
        return unreadable(call, said);
    }
    let failure =
        Failure::unknown(ErrorCode::VendorError, "the vendor answered with a code that is not known");
    Verdict::all(call, &said.by(failure))
}

/// Whether the status is a no. After 408 and 499 nobody knows how much of the request was read.
fn refuses(status: u16) -> bool {
    (400..500).contains(&status) && status != 408 && status != 499
}

fn names_result(call: &Call, answer: &Answer<'_>) -> bool {
    let Some(result) = answer.result else { return false };
    if call.class == SEND { stored(result).id.is_some() } else { task(result).batch_id.is_some() }
}

fn task(result: &RawValue) -> Task<'_> {
    serde_json::from_str(result.get()).unwrap_or_default()
}

fn stored(result: &RawValue) -> Stored<'_> {
    serde_json::from_str(result.get()).unwrap_or_default()
}

fn accepted(call: &Call, answer: &Answer<'_>) -> Verdict {
    if call.class == SEND {
        let receipt = answer.result.map(|result| receipt_of_message(&stored(result))).unwrap_or_default();
        return Verdict::accepted(call, |_| receipt.clone());
    }
    let task = answer.result.map(task).unwrap_or_default();
    let count = task.count.and_then(whole);
    let batch_id = task.batch_id.and_then(identifier);
    let sent = call.messages.len();
    if let Some(count) = count.filter(|count| usize::try_from(*count).is_ok_and(|count| count < sent)) {
        let task = batch_id.as_deref().unwrap_or("a task without an id");
        let message =
            format!("the vendor queued {task} for {count} of {sent} recipients and does not say for which");
        return Verdict::all(call, &Failure::unknown(ErrorCode::BadVendorReply, message));
    }
    let data: Map<String, Value> =
        count.map(|count| ("count".to_owned(), count.into())).into_iter().collect();
    Verdict::accepted(call, |_| Receipt {
        batch_id: batch_id.clone(),
        data: data.clone(),
        ..Receipt::default()
    })
}

fn receipt_of_message(message: &Stored<'_>) -> Receipt {
    let mut data = Map::new();
    let mut keep = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            data.insert(key.to_owned(), value);
        }
    };
    keep("appID", message.app_id.and_then(text).map(Value::from));
    keep("createdAtMS", message.created_at_ms.and_then(whole).map(Value::from));
    keep("updatedAtMS", message.updated_at_ms.and_then(whole).map(Value::from));
    Receipt {
        message_id: message.id.and_then(identifier).map(Into::into),
        time_ms: message.message_time_ms.and_then(whole),
        data,
        ..Receipt::default()
    }
}

fn refusal(call: &Call, status: u16, reply: &Reply, said: &Said) -> Verdict {
    let cause = said.cause().or_else(|| Cause::of_status(status));
    let Some(cause) = cause else {
        let failure = if status == 404 && !said.vendor {
            Failure::not_sent(ErrorCode::VendorError, "there is no such route at the provider's base_url")
        } else {
            Failure::refused(ErrorCode::VendorError, "the vendor refused the call")
        };
        return Verdict::all(call, &said.by(failure));
    };
    let (failure, blames_one) = match cause {
        Cause::Key => (Failure::refused(ErrorCode::Unauthorized, "the vendor refused the API key"), false),
        Cause::Permission => {
            (Failure::refused(ErrorCode::Forbidden, "the API key may not make this call"), false)
        }
        Cause::Membership => (Failure::refused(ErrorCode::Forbidden, "the sender is not in the room"), true),
        Cause::Room => {
            (Failure::refused(ErrorCode::RecipientNotFound, "the vendor knows no such room"), true)
        }
        Cause::Person => person(call),
        Cause::Request => {
            (Failure::refused(ErrorCode::InvalidMessage, "the vendor cannot read the request"), false)
        }
        Cause::Size => (Failure::refused(ErrorCode::TooLarge, "the vendor finds the call too large"), true),
        Cause::Rate => {
            (Failure::refused(ErrorCode::RateLimited, "the vendor's limit is reached").for_now(), false)
        }
    };
    let signal = match cause {
        Cause::Rate => Signal::Freeze(call.class, rest(said, reply)),
        _ if blames_one && call.messages.len() > 1 => Signal::Bisect,
        Cause::Key
        | Cause::Permission
        | Cause::Membership
        | Cause::Room
        | Cause::Person
        | Cause::Request
        | Cause::Size => Signal::None,
    };
    Verdict::all(call, &said.by(failure)).signal(signal)
}

/// A user is unknown. In a call for rooms alone it can only be the sender.
fn person(call: &Call) -> (Failure, bool) {
    if call.messages.iter().all(|of| of.message.to.kind() != RecipientKind::User) {
        return (Failure::refused(ErrorCode::SenderInvalid, "the vendor does not know the sender"), false);
    }
    let words = "the vendor does not know the recipient, or the sender";
    (Failure::refused(ErrorCode::RecipientNotFound, words), true)
}

fn rest(said: &Said, reply: &Reply) -> Duration {
    let asked = said.rest.or(reply.retry_after).unwrap_or(REST);
    asked.clamp(Duration::from_secs(1), LONGEST_REST)
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// A whole number, also one written as a string.
fn whole(raw: &RawValue) -> Option<i64> {
    serde_json::from_str(raw.get()).ok().or_else(|| text(raw)?.trim().parse().ok())
}

/// Seconds, of which a broken one is rounded up.
fn seconds(raw: &RawValue) -> Option<Duration> {
    let number: f64 = serde_json::from_str(raw.get()).ok().or_else(|| text(raw)?.trim().parse().ok())?;
    Duration::try_from_secs_f64(number.min(LONGEST_REST.as_secs_f64()).ceil()).ok()
}

/// An id as it stands: a number keeps all of its digits.
fn identifier(raw: &RawValue) -> Option<Box<str>> {
    let id = match text(raw) {
        Some(id) => id,
        None if raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            raw.get().to_owned()
        }
        None => return None,
    };
    (!id.is_empty()).then(|| id.into_boxed_str())
}
