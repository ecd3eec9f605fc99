//! IMKit: the template batch, which only promises a task, and the single send.
//!
//! Failures come in two shapes: `error` as an object beside RC and RM, and, for keys and limits, as a
//! bare string. The vendor's own server library sends the key under another header name.

mod template;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Emulation};
use crate::clock::{Dice, civil_date};
use crate::fault::Fault;
use crate::limit::{Allowance, Window};

const API_KEY: &str = "twin-imkit-key";
const PER_MINUTE: Allowance = Allowance { calls: 1000, window_ms: 60_000, block_ms: 60_000 };

/// A refused call.
type Refused = Box<Answer>;

/// The emulated service of one customer.
#[derive(Debug)]
pub(crate) struct ImKit {
    limited: bool,
    window: Window,
    dice: Dice,
    issued: AtomicU64,
}

impl ImKit {
    pub(crate) fn new(limited: bool) -> Self {
        let window = Window::new(PER_MINUTE);
        Self { limited, window, dice: Dice::seeded(0x1417), issued: AtomicU64::new(0) }
    }

    fn route(&self, call: &Call<'_>) -> Result<Answer, Refused> {
        authenticate(call)?;
        if self.limited && !self.window.admit(call.arrived_us) {
            return Err(Box::new(over_limit(60)));
        }
        match call.path {
            "/messages/batch" => self.send_batch(call),
            "/messages" => self.send(call),
            "/admin/clients" | "/admin/clients/list" | "/rooms" | "/rooms/" => Ok(ok(&json!({}))),
            _ => Err(nested(404, "NOT_FOUND", "no such endpoint")),
        }
    }

    fn send_batch(&self, call: &Call<'_>) -> Result<Answer, Refused> {
        let body = object(call.body)?;
        let message = text(&body, "message")?;
        let kind = text(&body, "messageType")?;
        for name in ["push", "skipTotalBadge"] {
            flag(&body, name)?;
        }
        let sender = optional_text(&body, "sender")?;
        known_client(sender)?;
        let entries = match body.get("paras") {
            Some(Value::Array(entries)) if !entries.is_empty() => entries,
            Some(Value::Array(_)) | None => return Err(missing("paras")),
            Some(_) => return Err(nested(400, "INVALID_BODY", "paras must be an array")),
        };
        let targets: Vec<_> = entries.iter().map(Target::of).collect::<Result<_, _>>()?;
        let mut taken = 0_u64;
        let mut page = call.page();
        for target in targets {
            // A task that drops a recipient tells nobody but the count.
            if call.spoiled() {
                continue;
            }
            let rendered = template::render(message, target.values);
            page.push_text(target.place, target.id, None, &shown(&body, kind, rendered, target.values));
            taken += 1;
        }
        drop(page);
        let (year, month, day) = civil_date(call.now_ms);
        let mut id = self.dice.hex_id();
        id.truncate(6);
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let batch = format!("batch-{year:04}{month:02}{day:02}-{id}{number}");
        Ok(ok(&json!({"batchID": batch, "count": taken})))
    }

    fn send(&self, call: &Call<'_>) -> Result<Answer, Refused> {
        let body = object(call.body)?;
        let room = text(&body, "room")?;
        let message = text(&body, "message")?;
        let kind = text(&body, "messageType")?;
        let sender = text(&body, "sender")?;
        for name in ["push", "skipTotalBadge"] {
            flag(&body, name)?;
        }
        known_client(Some(sender))?;
        known_room(room)?;
        if call.spoiled() {
            return Err(nested(403, "NOT_ROOM_MEMBER", "sender is not a member of the room"));
        }
        let shown = shown(&body, kind, Cow::Borrowed(message), &Map::new());
        call.page().push_text("group:", room, None, &shown);
        Ok(ok(&json!({
            "_id": self.dice.hex_id(), "room": room, "message": message, "messageType": kind,
            "sender": sender, "appID": "twin", "messageTimeMS": call.now_ms,
            "updatedAtMS": call.now_ms, "createdAtMS": call.now_ms,
        })))
    }
}

impl Emulation for ImKit {
    fn sends(&self, path: &str) -> bool {
        matches!(path, "/messages/batch" | "/messages")
    }

    fn answer(&self, call: &Call<'_>) -> Answer {
        if !call.is_post() {
            return *nested(404, "NOT_FOUND", "no such endpoint");
        }
        self.route(call).unwrap_or_else(|refused| *refused)
    }

    fn status_fault(&self, _call: &Call<'_>, status: u16, fault: &Fault) -> Answer {
        if status == 429 {
            return over_limit(fault.retry_after.unwrap_or(60));
        }
        *nested(status, code_of(status), "twin fault")
    }

    /// RC is the HTTP status where there is one; other codes travel under 200, which is not
    /// documented and which clients guard against.
    fn code_fault(&self, _call: &Call<'_>, code: Option<i64>) -> Answer {
        let code = code.unwrap_or(500);
        match u16::try_from(code) {
            Ok(status @ 400..=599) => *nested(status, code_of(status), "twin fault"),
            _ => Answer::json(
                200,
                &json!({"RC": code, "RM": "Error", "error": {"code": "UNKNOWN", "message": "twin fault"}}),
            ),
        }
    }

    fn forget(&self) {
        self.window.forget();
    }
}

fn ok(result: &Value) -> Answer {
    Answer::json(200, &json!({"RC": 0, "RM": "OK", "result": result}))
}

/// The shape of the endpoint pages.
fn nested(status: u16, code: &str, message: &str) -> Refused {
    let name = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        _ => "Error",
    };
    let error = json!({"code": code, "message": message});
    Box::new(Answer::json(status, &json!({"RC": status, "RM": name, "error": error})))
}

/// The shape of the page about keys: no RC, and `error` is a string.
fn bare(status: u16, code: &str, message: &str) -> Refused {
    Box::new(Answer::json(status, &json!({"error": code, "message": message})))
}

fn over_limit(retry_after: u64) -> Answer {
    Answer::json(
        429,
        &json!({"error": "RATE_LIMIT_EXCEEDED", "message": "too many requests", "retryAfter": retry_after}),
    )
}

fn code_of(status: u16) -> &'static str {
    match status {
        400 => "INVALID_BODY",
        401 => "INVALID_API_KEY",
        403 => "INSUFFICIENT_PERMISSIONS",
        404 => "CLIENT_NOT_FOUND",
        413 => "RESULT_TOO_LARGE",
        _ => "INTERNAL_ERROR",
    }
}

fn missing(name: &str) -> Refused {
    nested(400, "MISSING_PARAMETER", &format!("{name} is required"))
}

/// The platform key, under either name. A user's own token is not enough to send.
fn authenticate(call: &Call<'_>) -> Result<(), Refused> {
    let key = match call.header("im-api-key") {
        "" => call.header("api_key"),
        key => key,
    };
    if key == API_KEY {
        return Ok(());
    }
    if !key.is_empty() {
        return Err(nested(401, "INVALID_API_KEY", "the API key is invalid or expired"));
    }
    if call.header("im-authorization").is_empty() {
        return Err(bare(401, "MISSING_API_KEY", "an API key is required"));
    }
    Err(bare(403, "INSUFFICIENT_PERMISSIONS", "a client key may not send"))
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Refused> {
    serde_json::from_slice(body).map_err(|_| nested(400, "INVALID_BODY", "the body is not a JSON object"))
}

fn optional_text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refused> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(nested(400, "INVALID_BODY", &format!("{name} must be a string"))),
    }
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refused> {
    optional_text(body, name)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
}

fn flag(body: &Map<String, Value>, name: &str) -> Result<(), Refused> {
    match body.get(name) {
        None | Some(Value::Null | Value::Bool(_)) => Ok(()),
        Some(_) => Err(nested(400, "INVALID_BODY", &format!("{name} must be a boolean"))),
    }
}

fn known_client(id: Option<&str>) -> Result<(), Refused> {
    if id.is_some_and(|id| id.starts_with("ghost-")) {
        return Err(nested(404, "CLIENT_NOT_FOUND", "client does not exist"));
    }
    Ok(())
}

fn known_room(id: &str) -> Result<(), Refused> {
    if id.starts_with("ghost-") {
        return Err(nested(404, "ROOM_NOT_FOUND", "room does not exist"));
    }
    Ok(())
}

/// Where an entry of `paras` goes, and its values.
struct Target<'a> {
    place: &'static str,
    id: &'a str,
    values: &'a Map<String, Value>,
}

impl<'a> Target<'a> {
    /// A room wins over a receiver. One unknown recipient refuses the call.
    fn of(entry: &'a Value) -> Result<Self, Refused> {
        let Some(values) = entry.as_object() else {
            return Err(nested(400, "INVALID_BODY", "an entry of paras must be an object"));
        };
        if values.iter().any(|(name, value)| name.starts_with('$') && !value.is_string()) {
            return Err(nested(400, "INVALID_BODY", "a template value must be a string"));
        }
        if let Some(room) = optional_text(values, "room")?.filter(|room| !room.is_empty()) {
            known_room(room)?;
            return Ok(Self { place: "group:", id: room, values });
        }
        let receiver = text(values, "receiver")?;
        known_client(Some(receiver))?;
        Ok(Self { place: "user:", id: receiver, values })
    }
}

/// The text for the received log: the message of plain kinds, else everything that makes it up.
fn shown<'a>(
    body: &Map<String, Value>,
    kind: &str,
    message: Cow<'a, str>,
    values: &Map<String, Value>,
) -> Cow<'a, str> {
    const ENVELOPE: [&str; 6] = ["paras", "sender", "push", "skipTotalBadge", "room", "message"];
    if matches!(kind, "text" | "announcement") {
        return message;
    }
    let mut parts: Map<String, Value> = body
        .iter()
        .filter(|(name, _)| !ENVELOPE.contains(&name.as_str()))
        .map(|(name, value)| {
            let filled = if name == "extra" { template::render_value(value, values) } else { value.clone() };
            (name.clone(), filled)
        })
        .collect();
    parts.insert("message".into(), Value::String(message.into_owned()));
    Cow::Owned(Value::Object(parts).to_string())
}
