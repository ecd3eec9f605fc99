//! The envelope: errCode, errMsg, errDlt and data, under HTTP 200 for nearly everything.

use serde::Serialize;
use serde_json::json;

use super::Dialect;
use crate::call::{Answer, TEXT};
use crate::gojson::Mismatch;

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    status: u16,
    pub(crate) code: i64,
    detail: String,
}

impl Failure {
    pub(crate) fn new(code: i64, detail: impl Into<String>) -> Self {
        Self { status: 200, code, detail: detail.into() }
    }

    /// A body that does not bind on a send route: the only 400 there is, with the usual envelope.
    pub(crate) fn binding(detail: impl Into<String>) -> Self {
        Self { status: 400, code: 1001, detail: detail.into() }
    }

    pub(crate) fn answer(&self, dialect: Dialect) -> Answer {
        let name = name_of(self.code);
        // The older page shows the code inside the detail.
        let detail = match dialect {
            Dialect::Published => format!(": [{}]{name}", self.code),
            Dialect::V383 | Dialect::Main => self.detail.clone(),
        };
        Answer::json(self.status, &json!({"errCode": self.code, "errMsg": name, "errDlt": detail}))
    }
}

impl From<Mismatch> for Failure {
    fn from(Mismatch(why): Mismatch) -> Self {
        Self::binding(why)
    }
}

/// The short names of the codes; they are stable where the details are not.
pub(crate) fn name_of(code: i64) -> &'static str {
    match code {
        429 => "too many requests, please try again later",
        500 => "ServerInternalError",
        1001 => "ArgsError",
        1002 => "NoPermissionError",
        1003 => "DuplicateKeyError",
        1004 => "RecordNotFoundError",
        1101 => "UserIDNotFoundError",
        1102 => "RegisteredAlreadyError",
        1201 => "GroupIDNotFoundError",
        1203 => "NotInGroupYetError",
        1204 => "DismissedAlreadyError",
        1302 => "BlockedByPeer",
        1303 => "NotPeersFriend",
        1402 => "MutedInGroup",
        1403 => "MutedGroup",
        1501 => "TokenExpiredError",
        1502 => "TokenInvalidError",
        1503 => "TokenMalformedError",
        1504 => "TokenNotValidYetError",
        1505 => "TokenUnknownError",
        1506 => "TokenKickedError",
        1507 => "TokenNotExistError",
        90002 => "DatabaseError",
        90004 => "NetworkError",
        90007 => "DataError",
        _ => "rpc error",
    }
}

pub(crate) fn success(data: &impl Serialize) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope<'a, T> {
        err_code: i64,
        err_msg: &'static str,
        err_dlt: &'static str,
        data: &'a T,
    }
    Answer::json(200, &Envelope { err_code: 0, err_msg: "", err_dlt: "", data })
}

pub(crate) fn success_without_data() -> Answer {
    Answer::json(200, &json!({"errCode": 0, "errMsg": "", "errDlt": ""}))
}

/// The rate limiter of the main line; it answers before anything has set a JSON content type.
pub(crate) fn too_many_requests(retry_after: u64) -> Answer {
    let body = json!({"errCode": 429, "errMsg": name_of(429), "errDlt": ""});
    Answer::new(429, TEXT, body.to_string())
        .with_header("retry-after", &retry_after.to_string())
        .with_header("x-ratelimit-policy", "BBR")
        .with_header("x-ratelimit-limit", "100")
        .with_header("x-ratelimit-remaining", "0")
}
