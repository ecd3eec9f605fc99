//! `POST /message/sendbatch` in both of its forms: the object that servers up to v2 take (one payload, many
//! persons), and the array of different messages that the vendor's page shows and no server ever took.

use interline_core::content::Object;
use interline_core::facade::{Answer, Asked, Asking, Report, Served};
use serde_json::{Map, Value, json};

use super::answer::{
    ILLEGAL_CHANNEL, NO_CHANNEL, NO_PAYLOAD, NO_SENDER, NO_SUBSCRIBERS, bad_request, refusal_with,
};
use super::bind::{self, Bound, Fields};
use super::draft::{Draft, Flags, extensions, insert_filled};
use super::payload::Payload;
use super::single::{check_channel, is_illegal};
use super::{repeat, told};
use crate::form;

pub(super) fn serve(asking: &Asking<'_>) -> Served {
    let served = bind::first_value(&asking.request.body).and_then(|body| match &body {
        Value::Array(items) => array(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            fan_out(&body, asking.nonce)
        }
    });
    served.unwrap_or_else(|msg| Served::Answer(bad_request(&msg)))
}

/// The page's array. One message that is wrong makes the whole request wrong, so nothing of it is sent.
fn array(items: &[Value]) -> Bound<Served> {
    if items.is_empty() {
        return Ok(Served::Answer(Answer::json(200, &json!([]))));
    }
    let draft = |(index, item): (usize, &Value)| {
        element(item).map_err(|msg| if items.len() == 1 { msg } else { format!("[{index}] {msg}") })
    };
    let drafts: Vec<Draft> = items.iter().enumerate().map(draft).collect::<Bound<_>>()?;
    let messages = drafts.iter().map(|draft| Value::Object(draft.message())).collect();
    let mut batch = Object::new();
    batch.insert("validation".to_owned(), json!("strict"));
    batch.insert("messages".to_owned(), Value::Array(messages));
    let marks = drafts.iter().map(repeat::mark).collect();
    let numbers: Vec<Option<String>> =
        drafts.into_iter().map(|draft| draft.is_named().then_some(draft.client_msg_no)).collect();
    let answer = Box::new(move |report: &Report<'_>| listed(report, &numbers));
    Ok(Served::Send(Box::new(Asked { batch, marks, request_id: None, name: None, answer })))
}

fn element(item: &Value) -> Bound<Draft> {
    let draft = Draft::bind(item)?;
    let missing = [
        (NO_PAYLOAD, draft.payload.is_empty()),
        (NO_SENDER, form::is_blank(&draft.from)),
        (NO_CHANNEL, form::is_blank(&draft.channel_id)),
    ];
    if let Some((msg, _)) = missing.into_iter().find(|(_, missing)| *missing) {
        return Err(msg.to_owned());
    }
    check_channel(&draft)?;
    Ok(draft)
}

/// Ids in the order of the messages. The page knows a whole success and a whole error only: where any message
/// was not taken the answer is an error, which lists all of them beside its words.
fn listed(report: &Report<'_>, numbers: &[Option<String>]) -> Answer {
    let all = match report.told {
        Err(failure) => return told::Why::of(failure).answer(),
        Ok(all) => all,
    };
    let whys = told::whys(all, numbers.len());
    let elements = || -> Vec<Value> {
        let element = |(index, number): (usize, &Option<String>)| {
            let why = whys.get(index).and_then(Option::as_ref);
            match (all.get(index), why) {
                (Some(told), None) => told::ids(told, number.as_deref()).in_array(),
                (_, why) => told::not_taken(number.as_deref(), why),
            }
        };
        numbers.iter().enumerate().map(element).collect()
    };
    let failed = told::together(&whys, || Map::from_iter([("data".to_owned(), Value::Array(elements()))]));
    failed.unwrap_or_else(|| Answer::json(200, &Value::Array(elements())))
}

/// The servers' own form.
fn fan_out(body: &Value, nonce: &str) -> Bound<Served> {
    let fields = Fields::of(body, "struct { header; from_uid; subscribers; payload }")?;
    let flags = Flags::bind(&fields)?;
    let from = fields.text("from_uid")?;
    let subscribers = fields.texts("subscribers")?;
    let payload = fields.bytes("payload")?;
    let missing = [
        (NO_SENDER, form::is_blank(from)),
        (NO_SUBSCRIBERS, subscribers.is_empty()),
        (NO_PAYLOAD, payload.is_empty()),
    ];
    if let Some((msg, _)) = missing.into_iter().find(|(_, missing)| *missing) {
        return Err(msg.to_owned());
    }
    // A blank uid is taken by servers, and the message is never seen again.
    let fits = |uid: &String| !form::is_blank(uid) && !is_illegal(uid);
    let messages: Vec<Value> =
        subscribers.iter().filter(|uid| fits(uid)).map(|uid| json!({"to": format!("user:{uid}")})).collect();
    if messages.is_empty() {
        let whys: Vec<_> = subscribers.iter().map(|_| Some(told::Why::refused(ILLEGAL_CHANNEL))).collect();
        let failures = told::failures(&subscribers, &whys);
        return Ok(Served::Answer(Answer::json(200, &Value::Object(failures))));
    }
    let payload = Payload::read(&payload);
    let request_id = repeat::request_id(flags, &payload, nonce);
    let mut options = flags.options();
    // Nobody is told of ids here: the largest call that the delivering vendor has will do.
    options.insert("results".to_owned(), json!("fast"));
    let mut batch = Object::new();
    batch.insert("validation".to_owned(), json!("permissive"));
    batch.insert("from".to_owned(), json!(from));
    batch.insert("options".to_owned(), Value::Object(options));
    insert_filled(&mut batch, "extensions", extensions(flags.extensions(&payload)));
    batch.insert("content".to_owned(), Value::Object(payload.content));
    batch.insert("messages".to_owned(), Value::Array(messages));
    let answer = Box::new(move |report: &Report<'_>| fanned_out(report, &subscribers, fits));
    Ok(Served::Send(Box::new(Asked { batch, marks: Vec::new(), request_id, name: None, answer })))
}

/// Who failed and why, by position. Where nobody is known to have got it, and somebody may have or all of it may
/// be tried again, it is an error: the vendor's own app server takes every 200 for success.
fn fanned_out(report: &Report<'_>, subscribers: &[String], fits: fn(&String) -> bool) -> Answer {
    let all = match report.told {
        Err(failure) => return told::Why::of(failure).answer(),
        Ok(all) => all,
    };
    let count = subscribers.iter().filter(|uid| fits(uid)).count();
    let sent = told::whys(all, count);
    if let Some(why) = told::all_later(&sent) {
        return why.answer();
    }
    let lost = told::all_lost(&sent).cloned();
    let mut sent = sent.into_iter();
    let why = |uid: &String| {
        if fits(uid) { sent.next().flatten() } else { Some(told::Why::refused(ILLEGAL_CHANNEL)) }
    };
    let whys: Vec<_> = subscribers.iter().map(why).collect();
    let failures = told::failures(subscribers, &whys);
    match lost {
        Some(why) => refusal_with(why.status, &why.msg, failures),
        None => Answer::json(200, &Value::Object(failures)),
    }
}
