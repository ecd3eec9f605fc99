//! NetEase Yunxin (CommsEase), server API v1: form posts, a signature in the headers, and HTTP 200
//! for everything with the verdict in the body's `code`.
//!
//! This file routes, checks the signature and the rate limits; `room` and `user` send.

mod form;
mod room;
mod seen;
mod sign;
mod user;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::Method;
use serde_json::json;

use crate::call::{Answer, Call, Emulation};
use crate::clock::Dice;
use crate::fault::Fault;
use crate::limit::{Allowance, Window};
use form::{Form, Refused};
use seen::Seen;

const PER_SECOND: Allowance = Allowance { calls: 100, window_ms: 1_000, block_ms: 10_000 };
const USER_BATCH: Allowance = Allowance { calls: 120, window_ms: 60_000, block_ms: 60_000 };
const BROADCAST: Allowance = Allowance { calls: 10, window_ms: 60_000, block_ms: 60_000 };

/// A sending route, its limit and its handler.
struct Route {
    path: &'static str,
    allowance: Allowance,
    handler: fn(&NetEase, &Call<'_>, &Form<'_>) -> Result<Answer, Refused>,
}

const ROUTES: [Route; 7] = [
    Route { path: "/chatroom/batchSendMsg.action", allowance: PER_SECOND, handler: room::send_batch },
    Route { path: "/chatroom/sendMsg.action", allowance: PER_SECOND, handler: room::send },
    Route {
        path: "/chatroom/batchSendMsgToSomeone.action",
        allowance: PER_SECOND,
        handler: room::send_batch_to_some,
    },
    Route { path: "/chatroom/sendMsgToSomeone.action", allowance: PER_SECOND, handler: room::send_to_some },
    Route { path: "/msg/sendMsg.action", allowance: PER_SECOND, handler: user::send },
    Route { path: "/msg/sendBatchMsg.action", allowance: USER_BATCH, handler: user::send_batch },
    Route { path: "/msg/broadcastMsg.action", allowance: BROADCAST, handler: user::broadcast },
];

/// The emulated service, one app.
#[derive(Debug)]
pub(crate) struct NetEase {
    limited: bool,
    windows: [Window; ROUTES.len()],
    seen: Mutex<Seen>,
    issued: AtomicU64,
    dice: Dice,
}

impl NetEase {
    pub(crate) fn new(limited: bool) -> Self {
        Self {
            limited,
            windows: ROUTES.map(|route| Window::new(route.allowance)),
            seen: Mutex::default(),
            issued: AtomicU64::new(0),
            dice: Dice::seeded(0x126),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server message id; the service's own are 64-bit too.
    fn issue(&self) -> u64 {
        18_014_398_509_481_984 + self.issued.fetch_add(1, Ordering::Relaxed)
    }

    fn send(&self, call: &Call<'_>, path: &str) -> Result<Answer, Refused> {
        sign::verify(call)?;
        let Some(index) = ROUTES.iter().position(|route| route.path == path) else {
            return Ok(other(call, path));
        };
        if self.limited && self.windows.get(index).is_some_and(|window| !window.admit(call.arrived_us)) {
            return Err(Refused::new(416, "api call frequency limit exceeded"));
        }
        let form = Form::of(call);
        match ROUTES.get(index) {
            Some(route) => (route.handler)(self, call, &form),
            None => Ok(other(call, path)),
        }
    }
}

impl Emulation for NetEase {
    fn sends(&self, path: &str) -> bool {
        ROUTES.iter().any(|route| route.path == without_prefix(path))
    }

    fn answer(&self, call: &Call<'_>) -> Answer {
        let path = without_prefix(call.path);
        if call.method == Method::GET && path == "/health/liveness.action" {
            return Answer::json(200, &json!({"code": 200}));
        }
        if !call.is_post() || !path.ends_with(".action") {
            return Answer::text(404, "Not Found");
        }
        self.send(call, path).unwrap_or_else(|refused| refused.answer())
    }

    fn status_fault(&self, _call: &Call<'_>, status: u16, _fault: &Fault) -> Answer {
        Answer::json(status, &json!({"code": status, "desc": "twin fault"}))
    }

    fn code_fault(&self, _call: &Call<'_>, code: Option<i64>) -> Answer {
        let code = code.unwrap_or(500);
        let desc = match code {
            403 => "illegal operation",
            408 => "timeout",
            414 => "parameter error",
            416 => "api call frequency limit exceeded",
            503 => "server busy",
            _ => "twin fault",
        };
        Refused::new(code, desc).answer()
    }

    fn forget(&self) {
        *self.seen() = Seen::default();
        for window in &self.windows {
            window.forget();
        }
    }
}

/// The vendor's documents and clients put `/nimserver` before every path; it may be left out.
fn without_prefix(path: &str) -> &str {
    path.strip_prefix("/nimserver").unwrap_or(path)
}

/// A call that sends nothing, answered so that set-up code goes on.
fn other(call: &Call<'_>, path: &str) -> Answer {
    if path != "/user/create.action" {
        return Answer::text(404, "Not Found");
    }
    let form = Form::of(call);
    let accid = form.get("accid").unwrap_or_default();
    let info = json!({"accid": accid, "name": form.get("name").unwrap_or(accid), "token": "twin"});
    Answer::json(200, &json!({"code": 200, "info": info}))
}
