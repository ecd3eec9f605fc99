//! The vendor's own sending calls, served: two for rooms, two for users and teams, and the question whether it
//! is there. HTTP is 200 whatever happens, as client libraries of the vendor hide the body of anything else; the
//! body's `code` decides. The README has the tables.

mod admit;
mod content;
mod direct;
mod flags;
mod form;
mod room;
mod words;

use std::time::Duration;

use interline_core::error::Failure;
use interline_core::facade::{Answer, Asked, Asking, Endpoint, Facade, Mark, Render, Report, Served, Told};
use serde_json::{Value, json};

use crate::VENDOR_NAME;
use flags::{Flags, Object};
use form::Refused;
use words::{Place, Word};

/// How long a request is known by the id that the client libraries give it.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The façade.
pub static FACADE: Facade = Facade {
    vendor: VENDOR_NAME,
    credentials: &[admit::APP_KEY, admit::APP_SECRET],
    prefix: "/nimserver",
    // The vendor's client libraries give up after five seconds, and one of them then sends again.
    answer_within: Duration::from_secs(4),
    queues: false,
    endpoints: &[
        Endpoint { method: "POST", path: "/chatroom/batchSendMsg.action", serve: room::batch },
        Endpoint { method: "POST", path: "/chatroom/sendMsg.action", serve: room::single },
        Endpoint { method: "POST", path: "/msg/sendBatchMsg.action", serve: direct::users },
        Endpoint { method: "POST", path: "/msg/sendMsg.action", serve: direct::single },
        Endpoint { method: "GET", path: admit::LIVENESS, serve: alive },
    ],
    broadcasts: &[
        "/msg/broadcastMsg.action",
        "/chatroom/broadcast.action",
        "/im/v2/broadcast_notification",
        "/im/v2.1/broadcast_notification",
    ],
    check: admit::check,
    admit: admit::admit,
    is_ours: admit::is_ours,
    fail,
    absent,
};

/// What client libraries with several addresses ask each of them, to find one that works.
fn alive(_: &Asking<'_>) -> Served {
    Served::Answer(Answer::json(200, &json!({"code": 200})))
}

fn absent(words: &str) -> Answer {
    Answer { status: 404, ..Refused::new(404, words.to_owned()).answer() }
}

fn fail(failure: &Failure) -> Answer {
    Word::whole(failure, Place::Direct).answer()
}

/// A JSON object of these.
fn members<const N: usize>(members: [(&str, Value); N]) -> Object {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The batch of a request that is good as a whole. What is wrong with one message for whoever delivers it
/// stays that message's own.
fn batch(from: &str, flags: Flags, messages: Vec<Value>) -> Object {
    let mut batch =
        members([("validation", json!("permissive")), ("from", json!(from)), ("messages", messages.into())]);
    if !flags.options.is_empty() {
        batch.insert("options".to_owned(), flags.options.into());
    }
    if !flags.extensions.is_empty() {
        batch.insert("extensions".to_owned(), json!({ VENDOR_NAME: flags.extensions }));
    }
    batch
}

fn asked(asking: &Asking<'_>, batch: Object, marks: Vec<Option<Mark>>, answer: Render) -> Served {
    // The client libraries name each request, and its repeats alike, under the first name in version 1 of
    // the API and under the second in version 2.
    let request_id = ["requestid", "x-custom-traceid"]
        .into_iter()
        .find_map(|name| asking.request.header(name))
        .filter(|id| !id.is_empty())
        .map(|id| Mark { key: id.to_owned(), lasts: A_DAY });
    Served::Send(Box::new(Asked { batch, marks, request_id, name: None, answer }))
}

/// The id of a message that was taken: the vendor's where it delivered, else Interline's own.
fn told_id(told: &Told) -> i64 {
    let own = told.result.vendor.as_deref() == Some(VENDOR_NAME);
    let id = told.result.vendor_message_id.as_deref().filter(|_| own);
    id.and_then(|id| id.parse().ok()).unwrap_or(told.own_id)
}

/// When a message was taken, in Unix milliseconds: by whoever delivered it, else when it left, so that a
/// repeat is told the same.
fn told_time(told: Option<&Told>, report: &Report<'_>) -> i64 {
    let left = |told: &Told| {
        let left = told.result.attempts.last()?.at.parse::<jiff::Timestamp>().ok()?;
        Some(left.as_millisecond())
    };
    told.and_then(|told| told.result.vendor_time_ms.or_else(|| left(told))).unwrap_or(report.now_ms)
}
