//! OpenIM: `v3.8.3` (the line in use), `main` (its successor) and `published` (the older page).
//!
//! This file is the way in: the order of the checks (operationID, token, body, admin), the routes and
//! the small ones among them. Sending is in `send`, what content may be in `content`.

mod content;
mod reply;
mod send;
mod token;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::call::{Answer, Call, Emulation};
use crate::clock::Dice;
use crate::fault::Fault;
use crate::gojson::{Fields, Mismatch};
use reply::Failure;
use token::Tokens;

/// The administrator of a fresh installation.
const ADMIN: &str = "imAdmin";
const SECRET: &str = "openIM123";
/// How long "was it sent?" can be asked.
const STATUS_KEPT_MS: u64 = 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Published,
    V383,
    Main,
}

impl Dialect {
    fn of(call: &Call<'_>) -> Self {
        match call.dialect {
            "published" => Self::Published,
            "main" => Self::Main,
            _ => Self::V383,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    users: HashSet<String>,
    sent: HashMap<String, u64>,
}

/// The emulated server.
#[derive(Debug)]
pub(crate) struct OpenIm {
    tokens: Tokens,
    state: Mutex<State>,
    dice: Dice,
}

impl OpenIm {
    pub(crate) fn new() -> Self {
        Self { tokens: Tokens::default(), state: Mutex::default(), dice: Dice::seeded(0x10002) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let dialect = Dialect::of(call);
        if call.header("operationid").is_empty() {
            return Err(Failure::new(1001, "header must have operationID"));
        }
        if call.path == "/auth/get_admin_token" {
            return self.admin_token(call, dialect);
        }
        let token = call.header("token");
        if token.is_empty() {
            return Err(Failure::new(1001, "header must have token"));
        }
        let user = self.tokens.owner(token, call.now_ms, dialect == Dialect::Main)?;
        match (call.path, dialect) {
            ("/msg/send_msg", _) => send::send(self, call, &user),
            ("/msg/batch_send_msg", _) => send::send_batch(self, call, &user),
            ("/msg/send_business_notification", _) => send::notify(self, call, &user),
            ("/msg/send_simple_msg", Dialect::Main) => send::send_simple(self, call, &user),
            ("/msg/check_msg_is_send_success", _) => Ok(self.send_status(call)),
            ("/auth/get_user_token", _) => self.user_token(call, &user),
            ("/user/user_register", _) => self.register(call, &user),
            ("/user/account_check", _) => self.account_check(call),
            _ => Ok(Answer::no_such_page()),
        }
    }

    fn admin_token(&self, call: &Call<'_>, dialect: Dialect) -> Result<Answer, Failure> {
        let fields = Fields::parse(call.body).map_err(soft_binding)?;
        let secret = fields.string("secret").map_err(soft_binding)?;
        let user = fields.string("userID").map_err(soft_binding)?;
        if user.is_empty() {
            return Err(Failure::new(1001, "userID is empty"));
        }
        if secret != SECRET {
            return Err(Failure::new(1002, "secret invalid"));
        }
        if !is_admin(&user, dialect) {
            return Err(Failure::new(1001, "userID is not in admin list"));
        }
        let token = self.tokens.issue(&user, 10, call.now_ms);
        Ok(reply::success(&json!({"token": token, "expireTimeSeconds": token::LIFETIME_S})))
    }

    fn user_token(&self, call: &Call<'_>, user: &str) -> Result<Answer, Failure> {
        let fields = Fields::parse(call.body).map_err(soft_binding)?;
        let wanted = fields.string("userID").map_err(soft_binding)?;
        let platform = fields.int("platformID", 1, 9).map_err(soft_binding)?;
        require_admin(user, Dialect::of(call))?;
        if wanted.is_empty() || wanted == ADMIN {
            return Err(Failure::new(1002, "app account can`t get token"));
        }
        let token = self.tokens.issue_user(&wanted, platform, call.now_ms);
        Ok(reply::success(&json!({"token": token, "expireTimeSeconds": token::LIFETIME_S})))
    }

    fn register(&self, call: &Call<'_>, user: &str) -> Result<Answer, Failure> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Users {
            users: Vec<User>,
        }
        #[derive(serde::Deserialize)]
        struct User {
            #[serde(rename = "userID")]
            id: String,
        }
        let wanted: Users =
            serde_json::from_slice(call.body).map_err(|error| Failure::new(1001, error.to_string()))?;
        require_admin(user, Dialect::of(call))?;
        if wanted.users.is_empty() || wanted.users.iter().any(|user| user.id.is_empty()) {
            return Err(Failure::new(1001, "userID is empty"));
        }
        let mut state = self.state();
        if wanted.users.iter().any(|user| state.users.contains(&user.id) || user.id == ADMIN) {
            return Err(Failure::new(1102, "userID registered already"));
        }
        state.users.extend(wanted.users.into_iter().map(|user| user.id));
        Ok(reply::success_without_data())
    }

    fn account_check(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let fields = Fields::parse(call.body).map_err(soft_binding)?;
        let users = fields.strings("checkUserIDs").map_err(soft_binding)?.unwrap_or_default();
        let results: Vec<_> = users
            .iter()
            .map(|user| json!({"userID": user, "accountStatus": u8::from(!user.starts_with("ghost-"))}))
            .collect();
        Ok(reply::success(&json!({"results": results})))
    }

    /// Kept by operationID alone, which is why one id for two sends makes this lie.
    fn send_status(&self, call: &Call<'_>) -> Answer {
        let sent_at = self.state().sent.get(call.header("operationid")).copied();
        let sent = sent_at.is_some_and(|at| at + STATUS_KEPT_MS > call.now_ms);
        reply::success(&json!({"status": if sent { 2 } else { 0 }}))
    }

    fn mark_sent(&self, call: &Call<'_>) {
        let mut state = self.state();
        if state.sent.len() >= 1_000_000 {
            state.sent.clear();
        }
        state.sent.insert(call.header("operationid").to_owned(), call.now_ms);
    }

    /// The administrator and whoever was registered: what `isSendAll` walks through.
    fn everyone(&self) -> Vec<String> {
        let mut users: Vec<_> = self.state().users.iter().cloned().collect();
        users.push(ADMIN.to_owned());
        users.sort_unstable();
        users
    }
}

/// Whether the server of that line registers the path.
fn has_route(path: &str, dialect: Dialect) -> bool {
    match path {
        "/msg/send_simple_msg" => dialect == Dialect::Main,
        "/auth/get_admin_token"
        | "/auth/parse_token"
        | "/auth/get_user_token"
        | "/msg/send_msg"
        | "/msg/batch_send_msg"
        | "/msg/send_business_notification"
        | "/msg/check_msg_is_send_success"
        | "/user/user_register"
        | "/user/account_check" => true,
        _ => false,
    }
}

impl Emulation for OpenIm {
    fn sends(&self, path: &str) -> bool {
        matches!(
            path,
            "/msg/send_msg"
                | "/msg/batch_send_msg"
                | "/msg/send_business_notification"
                | "/msg/send_simple_msg"
        )
    }

    fn answer(&self, call: &Call<'_>) -> Answer {
        if !call.is_post() {
            return Answer::no_such_page();
        }
        // The server's router redirects a path with one slash too many before anything is checked, and
        // only where a route stands.
        if let Some(path) = call.path.strip_suffix('/').filter(|path| has_route(path, Dialect::of(call))) {
            let mut redirect = Answer::empty(307);
            if let Ok(location) = hyper::header::HeaderValue::from_str(path) {
                redirect.headers.push((hyper::header::LOCATION, location));
            }
            return redirect;
        }
        self.route(call).unwrap_or_else(|failure| failure.answer(Dialect::of(call)))
    }

    fn status_fault(&self, call: &Call<'_>, status: u16, fault: &Fault) -> Answer {
        match status {
            400 => Failure::binding("twin fault").answer(Dialect::of(call)),
            404 => Answer::no_such_page(),
            429 => reply::too_many_requests(fault.retry_after.unwrap_or(1)),
            _ => Answer::empty(status),
        }
    }

    fn code_fault(&self, call: &Call<'_>, code: Option<i64>) -> Answer {
        Failure::new(code.unwrap_or(500), "twin fault").answer(Dialect::of(call))
    }

    /// Tokens stay valid: a reset is between two tests, not a new installation.
    fn forget(&self) {
        *self.state() = State::default();
    }
}

fn is_admin(user: &str, dialect: Dialect) -> bool {
    user == ADMIN || (dialect == Dialect::Published && user == "openIMAdmin")
}

fn require_admin(user: &str, dialect: Dialect) -> Result<(), Failure> {
    if is_admin(user, dialect) {
        return Ok(());
    }
    Err(Failure::new(1002, "only app manager can send message"))
}

/// Off the send routes a body that does not bind is answered under HTTP 200.
fn soft_binding(Mismatch(why): Mismatch) -> Failure {
    Failure::new(1001, why)
}
