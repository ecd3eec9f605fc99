//! `POST /message/send`: one message to a channel, or a command to a list of users.

use interline_core::content::Object;
use interline_core::facade::{Answer, Asked, Asking, Report, Served};
use serde_json::{Value, json};

use super::answer::{
    CANNOT_HANDLE, ILLEGAL_CHANNEL, NO_CHANNEL_TYPE, NO_PAYLOAD, NO_STREAMS, WRONG_CHANNEL_TYPE, bad_request,
};
use super::draft::{Draft, extensions, insert_filled};
use super::payload::Payload;
use super::{bind, repeat, told};
use crate::form::{self, LAST_CHANNEL_TYPE};

/// Who sends when nobody is named.
const SYSTEM: &str = "____system";

pub(super) fn serve(asking: &Asking<'_>) -> Served {
    match read(&asking.request.body, asking.nonce) {
        Ok(asked) => Served::Send(Box::new(asked)),
        Err(msg) => Served::Answer(bad_request(&msg)),
    }
}

fn read(body: &[u8], nonce: &str) -> Result<Asked, String> {
    let mut draft = Draft::bind(&bind::first_value(body)?)?;
    if draft.payload.is_empty() {
        return Err(NO_PAYLOAD.to_owned());
    }
    if draft.is_stream {
        return Err(NO_STREAMS.to_owned());
    }
    if form::is_blank(&draft.from) {
        SYSTEM.clone_into(&mut draft.from);
    }
    if !draft.subscribers.is_empty() {
        return command(&draft, nonce);
    }
    if form::is_blank(&draft.channel_id) {
        return Err(CANNOT_HANDLE.to_owned());
    }
    check_channel(&draft)?;
    let marks = vec![repeat::mark(&draft)];
    let request_id = match draft.is_named() {
        true => None,
        false => repeat::request_id(draft.flags, &Payload::read(&draft.payload), nonce),
    };
    let batch = batch(vec![Value::Object(draft.message())]);
    let number = draft.is_named().then_some(draft.client_msg_no);
    let answer = Box::new(move |report: &Report<'_>| sent(report, number.as_deref()));
    Ok(Asked { batch, marks, request_id, name: None, answer })
}

/// What every channel of a message must be.
pub(super) fn check_channel(draft: &Draft) -> Result<(), String> {
    if is_illegal(&draft.channel_id) {
        return Err(ILLEGAL_CHANNEL.to_owned());
    }
    match draft.channel_type {
        0 => Err(NO_CHANNEL_TYPE.to_owned()),
        1..=LAST_CHANNEL_TYPE => Ok(()),
        _ => Err(WRONG_CHANNEL_TYPE.to_owned()),
    }
}

/// Servers join ids with these.
pub(super) fn is_illegal(id: &str) -> bool {
    id.contains(['@', '#', '&'])
}

fn batch(messages: Vec<Value>) -> Object {
    let mut batch = Object::new();
    batch.insert("validation".to_owned(), json!("permissive"));
    batch.insert("messages".to_owned(), Value::Array(messages));
    batch
}

fn sent(report: &Report<'_>, number: Option<&str>) -> Answer {
    match report.told {
        Err(failure) => told::Why::of(failure).answer(),
        Ok(all) => match (all.first(), told::why(all.first())) {
            (Some(told), None) => {
                Answer::json(200, &json!({"status": 200, "data": told::ids(told, number).shown()}))
            }
            (_, Some(why)) => why.answer(),
            (None, None) => told::Why::nobody_knows().answer(),
        },
    }
}

/// A list of users instead of a channel: for commands alone, and then without ids. Servers ignore the
/// caller's number here, so a repeat is not recognised by it.
fn command(draft: &Draft, nonce: &str) -> Result<Asked, String> {
    if !draft.flags.is_command() || !draft.channel_id.is_empty() {
        return Err(CANNOT_HANDLE.to_owned());
    }
    if draft.subscribers.iter().any(|uid| form::is_blank(uid) || is_illegal(uid)) {
        return Err(ILLEGAL_CHANNEL.to_owned());
    }
    let payload = Payload::read(&draft.payload);
    let request_id = repeat::request_id(draft.flags, &payload, nonce);
    let messages = draft.subscribers.iter().map(|uid| json!({"to": format!("user:{uid}")})).collect();
    let mut batch = batch(messages);
    batch.insert("from".to_owned(), json!(draft.from));
    insert_filled(&mut batch, "options", draft.flags.options());
    insert_filled(&mut batch, "extensions", extensions(draft.flags.extensions(&payload)));
    batch.insert("content".to_owned(), Value::Object(payload.content));
    let uids = draft.subscribers.clone();
    let answer = Box::new(move |report: &Report<'_>| commanded(report, &uids));
    Ok(Asked { batch, marks: Vec::new(), request_id, name: None, answer })
}

fn commanded(report: &Report<'_>, uids: &[String]) -> Answer {
    match report.told {
        Err(failure) => told::Why::of(failure).answer(),
        Ok(all) => {
            let whys = told::whys(all, uids.len());
            told::together(&whys, || told::failures(uids, &whys))
                .unwrap_or_else(|| Answer::json(200, &json!({"status": 200})))
        }
    }
}
