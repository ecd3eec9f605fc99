//! OpenIM's sending endpoints, served: the order of its checks, its texts and its quirks, whichever vendor
//! then delivers. This file is the way in: who may ask, and which path is whose. The README's section "The
//! façade" has the tables.

mod bind;
mod codes;
mod content;
mod element;
mod reply;
mod request;
mod send;
mod token;
mod told;
mod verbatim;

use std::time::Duration;

use interline_core::adapter::Settings;
use interline_core::error::{ErrorCode, Failure, FieldError};
use interline_core::facade::{Answer, Asking, Endpoint, Facade, Incoming, Served};
use serde_json::Value;

use crate::extensions::VENDOR;
use reply::refused;
use token::Caller;

/// What [`crate::VENDOR`] serves.
pub static FACADE: Facade = Facade {
    vendor: VENDOR,
    credentials: &[ADMIN_USER_ID, SECRET],
    prefix: "",
    // The vendor's own Go caller gives up after ten seconds.
    answer_within: Duration::from_secs(8),
    queues: true,
    endpoints: &ENDPOINTS,
    broadcasts: &[],
    check,
    admit,
    is_ours,
    fail,
    absent,
};

/// Key of the administrator whose tokens are given out.
const ADMIN_USER_ID: &str = "admin_user_id";
/// Key of the secret that tokens are signed with.
const SECRET: &str = "secret";

const SEND: &str = "/msg/send_msg";
const BATCH: &str = "/msg/batch_send_msg";
const NOTIFY: &str = "/msg/send_business_notification";
const TOKEN: &str = "/auth/get_admin_token";
const STATUS: &str = "/msg/check_msg_is_send_success";

static ENDPOINTS: [Endpoint; 5] = [
    Endpoint { method: "POST", path: SEND, serve: |asking| served(asking, send::single) },
    Endpoint { method: "POST", path: BATCH, serve: |asking| served(asking, send::batch) },
    Endpoint { method: "POST", path: NOTIFY, serve: |asking| served(asking, send::notification) },
    Endpoint { method: "POST", path: TOKEN, serve: |asking| served(asking, token::endpoint) },
    Endpoint { method: "POST", path: STATUS, serve: |asking| served(asking, send::status) },
];

/// An endpoint's own work, which either comes to something or is answered with an error.
type Work = fn(&Asking<'_>, operation_id: &str) -> Result<Served, Answer>;

/// The trace id is asked for on every path, also where anybody may ask.
fn served(asking: &Asking<'_>, work: Work) -> Served {
    operation_id(asking.request).and_then(|id| work(asking, id)).unwrap_or_else(Served::Answer)
}

fn operation_id(request: &Incoming) -> Result<&str, Answer> {
    let given = request.header("operationid").filter(|id| !id.is_empty());
    given.ok_or_else(|| refused(1001, "header must have operationID"))
}

fn check(settings: &Settings) -> Vec<FieldError> {
    let given = |key: &str| settings.get(key).filter(|value| !value.is_null());
    let mut errors = Vec::new();
    for key in [ADMIN_USER_ID, SECRET] {
        let filled = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        if given(key).is_some_and(|value| !filled(value)) {
            errors.push(FieldError::new(format!("/{key}"), "expected a string that is not empty"));
        }
    }
    if given(ADMIN_USER_ID).is_some() && given(SECRET).is_none() {
        errors.push(FieldError::new("/secret", "required with admin_user_id: tokens are signed with it"));
    }
    errors
}

/// The vendor looks at the trace id, then at the token, then at the body, and last at whose token it is.
fn admit(asking: &Asking<'_>) -> Result<(), Answer> {
    if token::is_open(asking.settings) {
        return Ok(());
    }
    let path = asking.request.path.as_str();
    operation_id(asking.request)?;
    // On a path that façades share, the secret tells whose request it is.
    if path == TOKEN {
        return token::login(asking).map(drop);
    }
    match token::caller(asking)? {
        Caller::Admin => Ok(()),
        // The endpoint itself says what is wrong with the body.
        Caller::Other if !request::binds(path, &asking.request.body) => Ok(()),
        Caller::Other => Err(refused(1002, "only app manager can send message")),
    }
}

fn is_ours(request: &Incoming) -> bool {
    request.header("operationid").is_some()
}

/// The vendor's Go callers look at `errCode` alone: without one they take the answer for success.
fn absent(words: &str) -> Answer {
    Answer { status: 404, ..refused(1001, words) }
}

fn fail(failure: &Failure) -> Answer {
    // No server of this vendor has a limit; what every HTTP client understands must do.
    if failure.code == ErrorCode::TooLarge {
        return Answer { status: 413, ..refused(1001, &failure.message) };
    }
    if failure.code == ErrorCode::InvalidMessage {
        return reply::unbound(&failure.message);
    }
    codes::answer(failure, None)
}
