//! A browser's session.

use serde_json::json;

use super::Operation;
use crate::problem::Code;

fn about(operation: Operation) -> Operation {
    operation.tag("Session").refuses(&[
        Code::InvalidParameter,
        Code::Forbidden,
        Code::NotFound,
        Code::Internal,
    ])
}

pub(crate) fn begin_session() -> Operation {
    let examples = json!({ "key": { "summary": "A key", "value": { "key": "il_0a1b2c3d_secret" } } });
    about(Operation::new("beginSession", "Exchanges a key for a session"))
        .text("The cookie is for browsers: no script can read it, and no other site's page can use it.")
        .body("SessionRequest", &examples)
        .answer(200, "Who one is.", "Session", Some(SESSION))
        .tells(&[200], "Set-Cookie", "The session.")
        .refuses(&[Code::Unauthorized])
}

pub(crate) fn show_session() -> Operation {
    about(Operation::new("showSession", "Says who one is"))
        .text("By key, by session, or as nobody.")
        .answer(200, "Who one is.", "Session", Some(SESSION))
        .refuses(&[Code::Unauthorized])
}

pub(crate) fn end_session() -> Operation {
    about(Operation::new("endSession", "Ends a session"))
        .answers(204, "It is over.", serde_json::Value::Null)
        .tells(&[204], "Set-Cookie", "A cookie that is over.")
}

const SESSION: &str =
    r#"{ "auth": "keys", "app": "shop", "may": ["send", "read"], "expires": "2026-12-01T21:00:00Z" }"#;
