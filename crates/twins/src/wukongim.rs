//! WuKongIM: `published` (what its page says), `v1`, `v2` (the server in use), `v3` (the rewrite).
//!
//! This file routes and answers the small things; sending is in `send` (up to v2) and `v3`, reading
//! back in `lookup`. Handlers of all versions answer 400 with a body; 403 exists on the page only.

mod draft;
mod history;
mod lookup;
mod person;
mod send;
mod v3;

use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::Method;
use serde_json::json;

use crate::call::{Answer, Call, Emulation};
use crate::clock::Dice;
use crate::fault::Fault;
use history::History;

/// Who sends when nobody is named (v2).
const SYSTEM_UID: &str = "____system";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Published,
    V1,
    V2,
    V3,
}

impl Dialect {
    fn of(call: &Call<'_>) -> Self {
        match call.dialect {
            "published" => Self::Published,
            "v1" => Self::V1,
            "v3" => Self::V3,
            _ => Self::V2,
        }
    }
}

/// The emulated server.
#[derive(Debug)]
pub(crate) struct WuKongIm {
    token: Option<String>,
    history: Mutex<History>,
    dice: Dice,
}

impl WuKongIm {
    pub(crate) fn new(token: Option<String>) -> Self {
        Self { token, history: Mutex::default(), dice: Dice::seeded(0x5001) }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number that the server makes when the caller gave none: 32 hex digits and a zero.
    fn made_client_msg_no(&self) -> String {
        self.dice.hex_id() + "0"
    }
}

impl Emulation for WuKongIm {
    fn sends(&self, path: &str) -> bool {
        matches!(path, "/message/send" | "/message/sendbatch")
    }

    fn answer(&self, call: &Call<'_>) -> Answer {
        let dialect = Dialect::of(call);
        let refused = self.token.as_deref().is_some_and(|token| call.header("token") != token);
        if refused && dialect != Dialect::V3 {
            return Answer::empty(401);
        }
        match (call.method, call.path, dialect) {
            (&Method::POST, "/message/send", Dialect::V3) => v3::send(self, call),
            (&Method::POST, "/message/send", _) => send::send(self, call, dialect),
            (&Method::POST, "/message/sendbatch", Dialect::Published) => send::send_array(self, call),
            (&Method::POST, "/message/sendbatch", Dialect::V1 | Dialect::V2) => send::send_batch(self, call),
            (&Method::POST, "/channel/messagesync", _) => lookup::message_sync(self, call),
            (&Method::GET, "/message/byclientmsgno", Dialect::V2) => lookup::by_client_msg_no(self, call),
            (&Method::GET, path, _) => probe(path, dialect).unwrap_or_else(Answer::no_such_page),
            (&Method::POST, path, _) if is_setup(path) => Answer::json(200, &json!({"status": 200})),
            _ => Answer::no_such_page(),
        }
    }

    fn status_fault(&self, call: &Call<'_>, status: u16, _fault: &Fault) -> Answer {
        match status {
            401 => Answer::empty(401),
            404 => Answer::no_such_page(),
            500 if Dialect::of(call) != Dialect::V3 => Answer::empty(500),
            503 if Dialect::of(call) == Dialect::V3 => Answer::json(503, &json!({"error": "retry required"})),
            _ => refusal(Dialect::of(call), status, "twin fault"),
        }
    }

    fn code_fault(&self, call: &Call<'_>, code: Option<i64>) -> Answer {
        if Dialect::of(call) == Dialect::V3 {
            let reason = code.unwrap_or(15);
            return Answer::json(200, &json!({"message_id": 0, "message_seq": 0, "reason": reason}));
        }
        Answer::json(400, &json!({"msg": "系统错误！", "status": code.unwrap_or(400)}))
    }

    fn forget(&self) {
        *self.history() = History::default();
    }
}

/// A refusal in the dialect's error shape.
fn refusal(dialect: Dialect, status: u16, why: &str) -> Answer {
    match dialect {
        Dialect::V3 => Answer::json(status, &json!({"error": why})),
        Dialect::Published => Answer::json(status, &json!({"error": "invalid_request", "message": why})),
        Dialect::V1 | Dialect::V2 => Answer::json(status, &json!({"msg": why, "status": status})),
    }
}

/// The routes by which the versions can be told apart.
fn probe(path: &str, dialect: Dialect) -> Option<Answer> {
    let body = match (path, dialect) {
        ("/health", Dialect::V2 | Dialect::Published) => json!({"status": "ok"}),
        ("/healthz", Dialect::V3) => json!({"status": "ok"}),
        ("/readyz", Dialect::V3) => json!({"status": "ready"}),
        ("/varz", Dialect::V1) => json!({"version": "v1.2.6", "server_name": "WuKongIM"}),
        ("/varz", Dialect::V2) => json!({"version": "v2.2.5-20260422", "server_name": "WuKongIM"}),
        ("/route", _) => {
            json!({"tcp_addr": "127.0.0.1:5100", "ws_addr": "ws://127.0.0.1:5200", "wss_addr": ""})
        }
        _ => return None,
    };
    Some(Answer::json(200, &body))
}

/// Calls that prepare users and channels; channels need not exist, so nothing is kept of them.
fn is_setup(path: &str) -> bool {
    const SETUP: [&str; 6] = [
        "/user/token",
        "/user/systemuids_add",
        "/channel",
        "/channel/info",
        "/channel/subscriber_add",
        "/channel/subscriber_remove",
    ];
    SETUP.contains(&path)
}

#[cfg(test)]
pub(crate) use person::joined as joined_for_tests;
