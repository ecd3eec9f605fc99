//! The envelope that every answer stands in: `errCode`, `errMsg`, `errDlt`, and `data` where all went well.
//! Nearly everything is HTTP 200; a body that does not bind is 400 and too many requests are 429.

use interline_core::facade::Answer;
use serde::Serialize;
use serde_json::Value;

/// As the server labels it.
const JSON: &str = "application/json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    err_code: i64,
    err_msg: &'a str,
    err_dlt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

fn answer(status: u16, envelope: &Envelope<'_>) -> Answer {
    Answer {
        status,
        content_type: JSON,
        headers: Vec::new(),
        body: serde_json::to_vec(envelope).unwrap_or_default(),
    }
}

/// Success with its data.
pub(super) fn success(data: &Value) -> Answer {
    answer(200, &Envelope { err_code: 0, err_msg: "", err_dlt: "", data: Some(data) })
}

/// An error with the name of its code.
pub(super) fn refused(code: i64, detail: &str) -> Answer {
    refused_with(code, name_of(code), detail)
}

/// An error in the words of whoever chose the code.
pub(super) fn refused_with(code: i64, name: &str, detail: &str) -> Answer {
    answer(200, &Envelope { err_code: code, err_msg: name, err_dlt: detail, data: None })
}

/// A body that cannot be read, or lacks what is required, on a path that sends.
pub(super) fn unbound(detail: &str) -> Answer {
    Answer { status: 400, ..refused(1001, detail) }
}

/// Nothing was sent, and the same request may be made again.
pub(super) fn busy(detail: &str) -> Answer {
    Answer { status: 429, headers: vec![("Retry-After", "1".to_owned())], ..refused(429, detail) }
}

/// The short names of the codes: they are stable where details are not.
pub(super) const fn name_of(code: i64) -> &'static str {
    match code {
        429 => "too many requests, please try again later",
        500 => "ServerInternalError",
        1001 => "ArgsError",
        1002 => "NoPermissionError",
        1003 => "DuplicateKeyError",
        1004 => "RecordNotFoundError",
        1101 => "UserIDNotFoundError",
        1201 => "GroupIDNotFoundError",
        1203 => "NotInGroupYetError",
        1204 => "DismissedAlreadyError",
        1302 => "BlockedByPeer",
        1303 => "NotPeersFriend",
        1402 => "MutedInGroup",
        1403 => "MutedGroup",
        1501 => "TokenExpiredError",
        1503 => "TokenMalformedError",
        1504 => "TokenNotValidYetError",
        1505 => "TokenUnknownError",
        90004 => "NetworkError",
        90007 => "DataError",
        _ => "CallbackError",
    }
}
