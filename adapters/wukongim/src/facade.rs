//! The vendor's sending endpoints, served: an app changes its base URL and keeps everything else. Requests
//! are bound as the servers bind them ([`bind`], [`draft`]), payloads become canonical contents
//! ([`payload`]), reports become the servers' answers ([`told`], [`answer`]). Shapes are those of v2.

mod answer;
mod batch;
mod bind;
mod draft;
mod payload;
mod repeat;
mod shapes;
mod single;
mod told;

use std::time::Duration;

use interline_core::adapter::Settings;
use interline_core::error::{ErrorCode, Failure, FieldError};
use interline_core::facade::{Answer, Asking, Endpoint, Facade, Incoming, Served};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::NAME;

/// The header and the credential of the same name.
const TOKEN: &str = "token";

/// Within how long it answers: callers of the vendor give up after 10 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// The façade.
pub static FACADE: Facade = Facade {
    vendor: NAME,
    credentials: &[TOKEN],
    prefix: "",
    answer_within: ANSWER_WITHIN,
    // v2 answers 200 once a message stands in its memory.
    queues: true,
    endpoints: &[
        Endpoint { method: "POST", path: "/message/sendbatch", serve: batch::serve },
        Endpoint { method: "POST", path: "/message/send", serve: single::serve },
        Endpoint { method: "GET", path: "/health", serve: health },
    ],
    broadcasts: &[],
    check,
    admit,
    is_ours,
    fail,
    absent,
};

fn check(settings: &Settings) -> Vec<FieldError> {
    let fits = |token: &Value| {
        let token = token.as_str().unwrap_or_default();
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match settings.get(TOKEN) {
        Some(token) if !fits(token) => {
            vec![FieldError::new("/token", "must be printable ASCII without spaces, and not empty")]
        }
        Some(_) | None => Vec::new(),
    }
}

/// Servers without a manager token ask nobody for one; with one they answer 401 and nothing more, whatever
/// the path.
fn admit(asking: &Asking<'_>) -> Result<(), Answer> {
    let Some(wanted) = asking.settings.get(TOKEN) else { return Ok(()) };
    let wanted = wanted.as_str().unwrap_or_default();
    let given = asking.request.header(TOKEN).unwrap_or_default();
    let same = bool::from(wanted.as_bytes().ct_eq(given.as_bytes()));
    if same && !wanted.is_empty() { Ok(()) } else { Err(Answer { status: 401, ..Answer::default() }) }
}

/// What else the servers' API has, by the beginning of its paths. A name ends at its end or at a slash.
const OTHER_PATHS: [&str; 12] = [
    "/message",
    "/messages",
    "/channel",
    "/conversation/sync",
    "/conversations",
    "/user/token",
    "/user/device_quit",
    "/user/onlinestatus",
    "/user/systemuids",
    "/user/systemuids_add",
    "/route",
    "/varz",
];

/// Another vendor sends a `token` too, always beside an `operationID`. Apps without a token are known by
/// the path alone.
fn is_ours(request: &Incoming) -> bool {
    if request.header("operationid").is_some() {
        return false;
    }
    let served = FACADE.endpoints.iter().map(|endpoint| endpoint.path);
    let below = |known: &str| {
        request.path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    request.header(TOKEN).is_some() || served.chain(OTHER_PATHS).any(below)
}

/// The servers have no limit of a body; whatever stands in front of them answers 413.
fn fail(failure: &Failure) -> Answer {
    let why = told::Why::of(failure);
    let status = if failure.code == ErrorCode::TooLarge { 413 } else { why.status };
    answer::refusal(status, &why.msg)
}

fn absent(words: &str) -> Answer {
    answer::refusal(404, words)
}

fn health(_: &Asking<'_>) -> Served {
    Served::Answer(Answer::json(200, &json!({"status": "ok"})))
}
