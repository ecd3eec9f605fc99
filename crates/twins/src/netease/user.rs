//! Users and teams: the single send, one message to many users, and the broadcast to everyone.
//!
//! None of them takes a client message id: a repeat is a second message.

use serde_json::{Map, Value, json};

use super::NetEase;
use super::form::{Form, Refused};
use crate::call::{Answer, Call};

const TYPES: [i64; 8] = [0, 1, 2, 3, 4, 6, 10, 100];

/// The fields that single and batch share; returns the text for the received log.
fn message_text<'a>(form: &'a Form<'_>) -> Result<&'a str, Refused> {
    form.required("type")?;
    let kind = form.int("type", 0, 100)?.unwrap_or_default();
    if !TYPES.contains(&kind) {
        return Err(Refused::parameter("type is invalid"));
    }
    let body = form.required("body")?;
    let parsed = form.json("body", 5000)?.unwrap_or_default();
    if kind != 100 && !parsed.is_object() {
        return Err(Refused::parameter("body is invalid"));
    }
    check_options(form)?;
    if matches!(kind, 0 | 10) && !parsed.get("msg").is_some_and(Value::is_string) {
        return Err(Refused::parameter("body has no msg"));
    }
    Ok(body)
}

/// The switches and texts beside the body. Client libraries write some names in camel case.
fn check_options(form: &Form<'_>) -> Result<(), Refused> {
    const OPTIONS: [&str; 9] = [
        "push",
        "roam",
        "history",
        "sendersync",
        "route",
        "badge",
        "needPushNick",
        "persistent",
        "sessionUpdate",
    ];
    if let Some(option) = form.json("option", 5000)? {
        let switches = option.as_object().ok_or_else(|| Refused::parameter("option is invalid"))?;
        if switches.iter().any(|(name, value)| !OPTIONS.contains(&name.as_str()) || !value.is_boolean()) {
            return Err(Refused::parameter("option is invalid"));
        }
    }
    for (name, most) in [("pushcontent", 500), ("pushContent", 500), ("msgDesc", 500), ("ext", 1024)] {
        form.text(name, most)?;
    }
    form.json("payload", 2048)?;
    form.text("env", 32)?;
    form.int("subType", 1, i64::MAX)?;
    for name in ["useYidun", "markRead", "msgSenderNoSense", "msgReceiverNoSense"] {
        form.int(name, i64::MIN, i64::MAX)?;
    }
    form.bool("checkFriend", false)?;
    form.bool("antispam", false)?;
    form.json("antispamCustom", 5000)?;
    Ok(())
}

/// Text and tip bodies wrap their text in `msg`; other bodies are shown as they are.
fn shown(body: &str) -> String {
    let parsed = serde_json::from_str::<Map<String, Value>>(body).unwrap_or_default();
    match parsed.get("msg") {
        Some(Value::String(text)) if parsed.len() == 1 => text.clone(),
        _ => body.to_owned(),
    }
}

fn unregistered(accid: &str) -> bool {
    accid.starts_with("ghost-")
}

fn known_sender<'a>(form: &'a Form<'_>, name: &str) -> Result<&'a str, Refused> {
    let from = form.account(name)?;
    if unregistered(from) {
        return Err(Refused::new(404, format!("{from} not register")));
    }
    Ok(from)
}

/// `POST /msg/sendMsg.action`: one user (`ope` 0) or one team (`ope` 1).
pub(crate) fn send(server: &NetEase, call: &Call<'_>, form: &Form<'_>) -> Result<Answer, Refused> {
    known_sender(form, "from")?;
    form.required("ope")?;
    let team = form.int("ope", 0, 1)? == Some(1);
    let to = form.required("to")?;
    let body = message_text(form)?;
    if unregistered(to) {
        return Err(Refused::new(404, format!("{to} not register")));
    }
    if team && to.starts_with("404") {
        return Err(Refused::new(803, "team not found"));
    }
    if call.spoiled() {
        return Err(Refused::new(403, "illegal operation"));
    }
    call.page().push_text(if team { "group:" } else { "user:" }, to, None, &shown(body));
    let data = json!({"msgid": server.issue(), "timetag": call.now_ms, "antispam": false});
    Ok(Answer::json(200, &json!({"code": 200, "data": data})))
}

/// `POST /msg/sendBatchMsg.action`: one message to up to 500 users, 100 if ids are wanted.
pub(crate) fn send_batch(server: &NetEase, call: &Call<'_>, form: &Form<'_>) -> Result<Answer, Refused> {
    known_sender(form, "fromAccid")?;
    let return_ids = form.bool("returnMsgid", false)?;
    let accids = form.accounts("toAccids", if return_ids { 100 } else { 500 })?;
    let body = message_text(form)?;
    let mut unregister = Vec::new();
    let mut ids = Map::new();
    let mut page = call.page();
    let text = page.text(&shown(body));
    for accid in &accids {
        if unregistered(accid) || call.spoiled() {
            unregister.push(accid);
            continue;
        }
        page.push("user:", accid, None, text);
        if return_ids {
            ids.insert(accid.clone(), server.issue().into());
        }
    }
    drop(page);
    let unregister = serde_json::to_string(&unregister).unwrap_or_default();
    let mut reply = json!({"code": 200, "timetag": call.now_ms, "unregister": unregister});
    if let Some(reply) = reply.as_object_mut().filter(|_| return_ids) {
        reply.insert("msgids".into(), Value::Object(ids));
    }
    Ok(Answer::json(200, &reply))
}

/// `POST /msg/broadcastMsg.action`: everyone in the app.
pub(crate) fn broadcast(server: &NetEase, call: &Call<'_>, form: &Form<'_>) -> Result<Answer, Refused> {
    form.required("body")?;
    let body = form.text("body", 4096)?;
    let from = form.text("from", 32)?;
    let offline = form.bool("isOffline", false)?;
    let ttl_hours = form.int("ttl", 1, 168)?.unwrap_or(168);
    let systems = form.json("targetOs", 1024)?.unwrap_or_else(|| json!(["ios", "aos", "pc", "web", "mac"]));
    let known = |system: &Value| matches!(system.as_str(), Some("ios" | "aos" | "pc" | "web" | "mac"));
    if !systems.as_array().is_some_and(|systems| systems.iter().all(known)) {
        return Err(Refused::parameter("targetOs is invalid"));
    }
    call.page().push_text("everyone", "", None, &shown(body));
    let expires = call.now_ms + ttl_hours.unsigned_abs() * 3_600_000;
    let message = json!({
        "broadcastId": server.issue(), "body": body, "from": from, "isOffline": offline,
        "createTime": call.now_ms, "expireTime": expires, "targetOs": systems,
    });
    Ok(Answer::json(200, &json!({"code": 200, "msg": message})))
}
