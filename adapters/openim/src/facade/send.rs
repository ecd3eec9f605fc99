//! The paths that send, and the one that asks what became of a send. A batch swallows reasons as the
//! server's does; groups, `isSendAll` and session types follow what servers do where that is honest.

use std::time::Duration;

use interline_core::content::Object;
use interline_core::facade::{Answer, Asked, Asking, Find, Mark, Served, Told};
use interline_core::outcome::Status;
use serde_json::{Value, json};

use super::bind::{Fields, Mismatch};
use super::content::{self, Canonical, NOTIFICATION, Unfit, structured};
use super::reply::{refused, success, unbound};
use super::request::{self, Batch, Notice, Outgoing, Push, Single};
use super::{told, verbatim};
use crate::extensions::{PLAUSIBLE_MS, VENDOR};

/// How long the server remembers under which trace id a message was sent.
const REMEMBERED: Duration = Duration::from_secs(86_400);
/// How long the same body under the same trace id is a repeat.
const REPEATED: Duration = Duration::from_secs(60);

/// `POST /msg/send_msg`.
pub(super) fn single(asking: &Asking<'_>, operation_id: &str) -> Result<Served, Answer> {
    let body = String::from_utf8_lossy(&asking.request.body);
    let Single { message, recv_id } = Single::bind(&body).map_err(unread)?;
    let to = match session(&message) {
        request::PERSON | request::NOTIFICATION if recv_id.is_empty() => {
            return Err(refused(1004, "recvID is empty"));
        }
        request::PERSON => format!("user:{recv_id}"),
        request::NOTIFICATION if message.content_type == NOTIFICATION => format!("user:{recv_id}"),
        request::GROUP => format!("group:{}", message.group_id),
        _ => return Err(refused(1001, "unknown sessionType")),
    };
    let canonical = canonical(&message, &to)?;
    let send_time = message.send_time;
    let batch = batch_of(&message, canonical, vec![to], operation_id);
    Ok(Served::Send(Box::new(Asked {
        batch,
        marks: Vec::new(),
        request_id: Some(repeated(operation_id)),
        name: Some(named(operation_id)),
        answer: Box::new(move |report| told::single(report, send_time)),
    })))
}

/// `POST /msg/batch_send_msg`.
pub(super) fn batch(asking: &Asking<'_>, operation_id: &str) -> Result<Served, Answer> {
    let body = String::from_utf8_lossy(&asking.request.body);
    let Batch { message, everyone, recv_ids } = Batch::bind(&body).map_err(unread)?;
    let session = session(&message);
    let kind = match session {
        request::PERSON => Some("user"),
        request::NOTIFICATION if message.content_type == NOTIFICATION => Some("user"),
        request::GROUP => Some("group"),
        _ => None,
    };
    if everyone && kind != Some("user") {
        return Err(refused(1001, "isSendAll goes to users alone: unknown sessionType"));
    }
    // The page says to leave the list empty for a group, and means it once; servers then send nothing.
    let group = message.names_a_group() && session != request::NOTIFICATION;
    let recv_ids = if group && recv_ids.is_empty() { vec![message.group_id.clone()] } else { recv_ids };
    let (entries, recipients) = match kind {
        Some(_) if everyone => (Vec::new(), vec!["everyone".to_owned()]),
        Some("group") => {
            let to = vec![format!("group:{}", message.group_id); recv_ids.len()];
            (recv_ids.into_iter().map(|id| (id, true)).collect(), to)
        }
        Some(_) => {
            let named = recv_ids.iter().filter(|id| !id.is_empty());
            let to = named.map(|id| format!("user:{id}")).collect();
            (recv_ids.into_iter().map(|id| (!id.is_empty(), id)).map(|(named, id)| (id, named)).collect(), to)
        }
        None => (recv_ids.into_iter().map(|id| (id, false)).collect(), Vec::new()),
    };
    let to = recipients.first().map_or("user:x", String::as_str);
    let canonical = canonical(&message, to)?;
    if recipients.is_empty() {
        return Ok(Served::Answer(told::nobody(entries)));
    }
    let send_time = message.send_time;
    let batch = batch_of(&message, canonical, recipients, operation_id);
    Ok(Served::Send(Box::new(Asked {
        batch,
        marks: Vec::new(),
        request_id: Some(repeated(operation_id)),
        name: None,
        answer: Box::new(move |report| match everyone {
            true => told::everyone(report, send_time),
            false => told::batch(report, entries, send_time),
        }),
    })))
}

/// `POST /msg/send_business_notification`.
pub(super) fn notification(asking: &Asking<'_>, operation_id: &str) -> Result<Served, Answer> {
    let body = String::from_utf8_lossy(&asking.request.body);
    let notice = Notice::bind(&body).map_err(unread)?;
    let to = match (notice.user.is_empty(), notice.group.is_empty()) {
        (false, true) => format!("user:{}", notice.user),
        (true, false) => format!("group:{}", notice.group),
        _ => return Err(refused(1001, "exactly one of recvUserID and recvGroupID must be given")),
    };
    if notice.key.is_empty() {
        return Err(refused(1001, "key is empty"));
    }
    let data = (!notice.data.is_empty()).then(|| structured(notice.data));
    // What is null is absent.
    let content = json!({"type": "command", "name": notice.key, "data": data});
    // 1 is delivered to who is online and forgotten, 2 is kept.
    let mut batch = framed(json!({"store": notice.level == 2}), operation_id);
    batch.insert("from".to_owned(), notice.sender.into());
    batch.insert("content".to_owned(), content);
    batch.insert("messages".to_owned(), json!([{"to": to}]));
    Ok(Served::Send(Box::new(Asked {
        batch,
        marks: Vec::new(),
        request_id: Some(repeated(operation_id)),
        name: None,
        answer: Box::new(|report| told::single(report, 0)),
    })))
}

/// `POST /msg/check_msg_is_send_success`: of the newest `/msg/send_msg` under the same trace id.
pub(super) fn status(asking: &Asking<'_>, operation_id: &str) -> Result<Served, Answer> {
    let body = String::from_utf8_lossy(&asking.request.body);
    Fields::read(&body, "GetSendMsgStatusReq").map_err(|Mismatch(text)| refused(1001, &text))?;
    let answer = |told: Option<&Told>| {
        let status = match told.map(|told| told.result.status) {
            None => 0,
            // Success here means that it was taken to be delivered.
            Some(Status::Accepted | Status::Queued) => 2,
            Some(Status::Sending | Status::Unknown) => 1,
            Some(Status::Rejected | Status::Expired | Status::Cancelled) => 3,
        };
        success(&json!({"status": status}))
    };
    Ok(Served::Find(Box::new(Find { mark: named(operation_id), answer: Box::new(answer) })))
}

/// The trace id tells nothing by itself, for some callers never change it.
fn repeated(operation_id: &str) -> Mark {
    Mark { key: operation_id.to_owned(), lasts: REPEATED }
}

fn named(operation_id: &str) -> Mark {
    Mark { key: format!("op:{operation_id}"), lasts: REMEMBERED }
}

fn unread(Mismatch(text): Mismatch) -> Answer {
    unbound(&text)
}

/// A notification is one whatever session it names.
const fn session(message: &Outgoing) -> i64 {
    if message.content_type == NOTIFICATION { request::NOTIFICATION } else { message.session_type }
}

fn canonical(message: &Outgoing, to: &str) -> Result<Canonical, Answer> {
    let read = content::read(message.content_type, &message.content);
    let mut canonical = read.map_err(|unfit| match unfit {
        Unfit::Unsupported => refused(1001, "unsupported content type"),
        // The server's own code for it: what tells it from a broken server is the validator's text.
        Unfit::Invalid(text) => refused(500, &text),
    })?;
    verbatim::keep(&mut canonical, to, message.content_type, &message.content);
    Ok(canonical)
}

/// What every batch of this façade says of itself.
fn framed(options: Value, operation_id: &str) -> Object {
    let mut batch = Object::new();
    batch.insert("validation".to_owned(), "permissive".into());
    batch.insert("trace_id".to_owned(), operation_id.into());
    batch.insert("options".to_owned(), options);
    batch
}

fn batch_of(message: &Outgoing, canonical: Canonical, to: Vec<String>, operation_id: &str) -> Object {
    let Canonical { mut content, mut own, .. } = canonical;
    if !message.ex.is_empty() {
        content.insert("ext".to_owned(), message.ex.clone().into());
    }
    if (PLAUSIBLE_MS.0..=PLAUSIBLE_MS.1).contains(&message.send_time) {
        own.insert("sendTime".to_owned(), message.send_time.into());
    }
    let mut batch = framed(options(message, to.len()), operation_id);
    batch.insert("from".to_owned(), sender(message).into());
    batch.insert("content".to_owned(), content.into());
    batch.insert("messages".to_owned(), to.into_iter().map(|to| json!({"to": to})).collect());
    if !own.is_empty() {
        batch.insert("extensions".to_owned(), json!({VENDOR: own}));
    }
    batch
}

fn put_filled(object: &mut Object, key: &str, text: &str) {
    if !text.is_empty() {
        object.insert(key.to_owned(), text.into());
    }
}

fn sender(message: &Outgoing) -> Object {
    let mut from = Object::new();
    put_filled(&mut from, "id", &message.send_id);
    put_filled(&mut from, "name", &message.nickname);
    put_filled(&mut from, "avatar_url", &message.face_url);
    if (1..=i64::from(u16::MAX)).contains(&message.platform) {
        from.insert("platform".to_owned(), format!("platform:{}", message.platform).into());
    }
    from
}

fn options(message: &Outgoing, recipients: usize) -> Value {
    let mut options = Object::new();
    // Reasons are swallowed anyhow, and one call gives all its messages one client id.
    if recipients > 1 {
        options.insert("results".to_owned(), "fast".into());
    }
    if message.online_only {
        options.insert("online_only".to_owned(), true.into());
    }
    let mut push = message.push.as_ref().map(offline_push).unwrap_or_default();
    if message.no_push {
        push.insert("enabled".to_owned(), false.into());
    }
    if !push.is_empty() {
        options.insert("push".to_owned(), push.into());
    }
    options.into()
}

fn offline_push(given: &Push) -> Object {
    let mut push = Object::new();
    put_filled(&mut push, "title", &given.title);
    put_filled(&mut push, "body", &given.desc);
    put_filled(&mut push, "ext", &given.ex);
    put_filled(&mut push, "sound", &given.sound);
    if let Some(badge) = given.badge {
        push.insert("badge".to_owned(), badge.into());
    }
    push
}
