//! What became of the messages, as the vendor would say it. Success is `RC` 0 with 200; everything else is
//! a real status of 400 or more with the same number as `RC`, because one client takes any 2xx for success
//! and another waits forever for an `RC` of 0.

use interline_core::error::{ErrorCode, Failure, Fate};
use interline_core::facade::{Answer, Report, Told};
use interline_core::outcome::Status;
use interline_core::recipient::RecipientKind;
use serde_json::{Map, Value, json};

use crate::extensions::VENDOR;

/// Seconds after which a caller that was told to wait may ask again.
const RETRY_AFTER: u32 = 5;

/// What stands for the vendor's name of the app where another vendor delivered.
const APP_ID: &str = "interline";

/// An error as the vendor's endpoints write it.
pub(super) fn problem(status: u16, code: &str, words: &str) -> Answer {
    let mut body = Map::new();
    body.insert("RC".to_owned(), json!(status));
    body.insert("RM".to_owned(), json!(reason(status, code)));
    body.insert("error".to_owned(), json!({"code": code, "message": words}));
    if status != 429 {
        return Answer::json(status, &Value::Object(body));
    }
    body.insert("retryAfter".to_owned(), json!(RETRY_AFTER));
    let mut answer = Answer::json(status, &Value::Object(body));
    answer.headers.push(("Retry-After", RETRY_AFTER.to_string()));
    answer
}

fn reason(status: u16, code: &str) -> &'static str {
    match (status, code) {
        (404, "ROOM_NOT_FOUND") => "Room not found",
        (404, "USER_NOT_FOUND") => "User not found",
        (400, _) => "Bad Request",
        (401, _) => "Unauthorized",
        (403, _) => "Forbidden",
        (404, _) => "Not Found",
        (409, _) => "Conflict",
        (413, _) => "Payload Too Large",
        (429, _) => "Too Many Requests",
        _ => "Gateway Timeout",
    }
}

/// The answer to a request of which nothing was sent.
pub(super) fn failed(failure: &Failure) -> Answer {
    refused(failure, false)
}

/// The table from Interline's codes to the vendor's. `room` tells which of two kinds of recipient it was.
///
/// What may have arrived is a 504, and nothing else is one of 500 and more: of those nobody knows how far
/// the request came. What is worth a repeat is a 429.
const fn named(failure: &Failure, room: bool) -> (u16, &'static str) {
    match failure.fate {
        Fate::Unknown => return (504, "OUTCOME_UNKNOWN"),
        Fate::NotSent | Fate::Refused => {}
    }
    match failure.code {
        ErrorCode::RateLimited
        | ErrorCode::VendorUnavailable
        | ErrorCode::Timeout
        | ErrorCode::ConnectionLost
        | ErrorCode::BadVendorReply
        | ErrorCode::Expired
        | ErrorCode::Cancelled
        | ErrorCode::Internal => (429, "RATE_LIMIT_EXCEEDED"),
        ErrorCode::VendorError if failure.retryable => (429, "RATE_LIMIT_EXCEEDED"),
        ErrorCode::InvalidMessage | ErrorCode::Unsupported | ErrorCode::Moderated => (400, "INVALID_BODY"),
        // Keys of the delivering vendor are no business of the caller's: its own one was right.
        ErrorCode::Unauthorized | ErrorCode::Forbidden | ErrorCode::NotRoutable => {
            (403, "INSUFFICIENT_PERMISSIONS")
        }
        ErrorCode::RecipientRefused | ErrorCode::Muted if room => (403, "NOT_ROOM_MEMBER"),
        ErrorCode::RecipientRefused | ErrorCode::Muted => (403, "INSUFFICIENT_PERMISSIONS"),
        ErrorCode::RecipientNotFound if room => (404, "ROOM_NOT_FOUND"),
        ErrorCode::RecipientNotFound | ErrorCode::SenderInvalid => (404, "USER_NOT_FOUND"),
        ErrorCode::Duplicate => (409, "MESSAGE_ALREADY_SENT"),
        ErrorCode::VendorError => (409, "MESSAGE_REFUSED"),
        ErrorCode::TooLarge => (413, "PAYLOAD_TOO_LARGE"),
    }
}

fn refused(failure: &Failure, room: bool) -> Answer {
    let (status, code) = named(failure, room);
    problem(status, code, &failure.message)
}

/// Why a message was not taken; none if it was.
fn failure(told: &Told) -> Option<Failure> {
    let given = told.result.error.as_deref().cloned();
    match told.result.status {
        Status::Accepted | Status::Queued => None,
        Status::Rejected => Some(given.unwrap_or_else(|| {
            Failure::refused(ErrorCode::VendorError, "the message was refused without a reason")
        })),
        // Withdrawn before anything left: whatever the record says, a repeat is welcome.
        Status::Expired => {
            Some(Failure::not_sent(ErrorCode::Expired, "withdrawn: there was no time to send it"))
        }
        Status::Cancelled => Some(Failure::not_sent(ErrorCode::Cancelled, "withdrawn before it was sent")),
        Status::Unknown | Status::Sending => {
            let words = given.map_or_else(|| "no answer came in time".to_owned(), |given| given.message);
            Some(Failure::unknown(ErrorCode::Timeout, words))
        }
    }
}

fn is_room(told: &Told) -> bool {
    !told.result.to.starts_with(RecipientKind::User.as_str())
}

/// The answer to a batch. The vendor has one answer for all: `count` is how many recipients were taken, and
/// the batch is refused only where none was and none may have been.
pub(super) fn batch(report: &Report<'_>) -> Answer {
    let told = match report.told {
        Ok(told) => told,
        Err(failure) => return failed(failure),
    };
    let failures: Vec<(&Told, Failure)> =
        told.iter().filter_map(|told| Some((told, failure(told)?))).collect();
    let taken = told.len() - failures.len();
    if taken == 0 {
        return none_taken(&failures);
    }
    let mut result = Map::new();
    result.insert("batchID".to_owned(), json!(batch_id(told, report.batch_id)));
    result.insert("count".to_owned(), json!(taken));
    if !failures.is_empty() {
        let failed = failures.iter().map(|(told, failure)| failed_entry(told, failure)).collect();
        result.insert("failed".to_owned(), failed);
    }
    Answer::json(200, &json!({"RC": 0, "RM": "OK", "result": result}))
}

/// The failure that speaks for all: first what leaves open whether a message arrived, then what is worth a
/// repeat, which is safe because nothing was sent.
fn none_taken(failures: &[(&Told, Failure)]) -> Answer {
    let open = failures.iter().find(|(_, failure)| failure.fate == Fate::Unknown);
    let temporary = || failures.iter().find(|(told, failure)| named(failure, is_room(told)).0 == 429);
    let Some((told, failure)) = open.or_else(temporary).or_else(|| failures.first()) else {
        return problem(400, "MISSING_PARAMETER", "paras names no recipient");
    };
    refused(failure, is_room(told))
}

/// A recipient that was not taken: an addition of Interline's, for who cares to look.
fn failed_entry(told: &Told, failure: &Failure) -> Value {
    let room = is_room(told);
    let id = told.result.to.split_once(':').map_or("", |(_, id)| id);
    let (_, code) = named(failure, room);
    let target = if room { "room" } else { "receiver" };
    json!({target: id, "code": code, "message": failure.message})
}

/// The vendor's own task where it made one for all; else Interline's id of the batch.
fn batch_id(told: &[Told], batch_id: &str) -> String {
    let mut ids = told.iter().map(|told| {
        let home = told.result.vendor.as_deref() == Some(VENDOR);
        told.result.vendor_batch_id.as_deref().filter(|_| home)
    });
    let first = ids.next().flatten();
    if let Some(first) = first.filter(|first| ids.all(|id| id == Some(first))) {
        return first.to_owned();
    }
    if batch_id.is_empty() {
        let first = told.first().map_or(0, |told| told.own_id);
        return format!("batch-{first:016x}");
    }
    batch_id.to_owned()
}

/// What the answer to a single send repeats of the request.
#[derive(Debug)]
pub(super) struct Echo {
    /// `room`.
    pub(super) room: String,
    /// `sender`.
    pub(super) sender: String,
    /// `message`, as it came.
    pub(super) message: Value,
    /// `messageType`.
    pub(super) kind: String,
}

/// The answer to a single send: the message as it was created.
pub(super) fn single(echo: &Echo, report: &Report<'_>) -> Answer {
    let told = match report.told {
        Ok([told, ..]) => told,
        Ok([]) => return failed(&Failure::unknown(ErrorCode::Internal, "nothing is known of the message")),
        Err(failure) => return failed(failure),
    };
    if let Some(failure) = failure(told) {
        return refused(&failure, true);
    }
    let result = &told.result;
    let home = result.vendor.as_deref() == Some(VENDOR);
    let id = result.vendor_message_id.as_deref().filter(|_| home);
    let time = result.vendor_time_ms.unwrap_or(report.now_ms);
    let own = |key: &str| result.vendor_data.get(key).filter(|value| home && !value.is_null()).cloned();
    let message = json!({
        "_id": id.map_or_else(|| format!("{:024x}", told.own_id), str::to_owned),
        "room": echo.room,
        "message": echo.message,
        "messageType": echo.kind,
        "sender": echo.sender,
        "appID": own("appID").unwrap_or_else(|| json!(APP_ID)),
        "messageTimeMS": time,
        "updatedAtMS": own("updatedAtMS").unwrap_or_else(|| json!(time)),
        "createdAtMS": own("createdAtMS").unwrap_or_else(|| json!(time)),
    });
    Answer::json(200, &json!({"RC": 0, "RM": "OK", "result": message}))
}
