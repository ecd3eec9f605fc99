//! The façade, request by request: who may ask, what is read, what is answered.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod answers;
mod asking;
mod contents;
mod requests;
mod values;

use interline_core::adapter::Settings;
use interline_core::error::Failure;
use interline_core::facade::{Answer, Asked, Asking, Endpoint, Incoming, Report, Served, Told};
use interline_core::outcome::Status;
use interline_core::record::MessageResult;
use interline_imkit::FACADE;
use interline_testkit::build::BATCH_ID;
use serde_json::{Value, json};

const BATCH: &str = "/messages/batch";
const SINGLE: &str = "/messages";
const NOW_MS: i64 = 1_700_000_000_000;

fn settings() -> Settings {
    json!({"api_key": "sesame"}).as_object().unwrap().clone()
}

fn incoming(path: &str, headers: &[(&str, &str)], body: &str) -> Incoming {
    Incoming {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: None,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.as_bytes().to_vec(),
    }
}

fn serve(path: &str, body: &str) -> Served {
    let (settings, request) = (settings(), incoming(path, &[("im-api-key", "sesame")], body));
    let asking = Asking { settings: &settings, request: &request, now_ms: NOW_MS, nonce: "0123456789abcdef" };
    assert!((FACADE.admit)(&asking).is_ok());
    let Endpoint { serve, .. } = FACADE.endpoints.iter().find(|endpoint| endpoint.path == path).unwrap();
    serve(&asking)
}

fn asked(path: &str, body: &Value) -> Asked {
    match serve(path, &body.to_string()) {
        Served::Send(asked) => *asked,
        Served::Answer(answer) => panic!("{body} is answered {:?}", read(&answer)),
        Served::Find(_) => panic!("nothing is looked for"),
    }
}

/// What is to be sent, as it stands.
fn batch(path: &str, body: &Value) -> Value {
    Value::Object(asked(path, body).batch)
}

/// Status and body of a refusal.
fn refused(path: &str, body: &str) -> (u16, Value) {
    match serve(path, body) {
        Served::Answer(answer) => (answer.status, read(&answer)),
        Served::Send(_) | Served::Find(_) => panic!("{body} is served"),
    }
}

fn read(answer: &Answer) -> Value {
    assert_eq!(answer.content_type, "application/json; charset=utf-8");
    serde_json::from_slice(&answer.body).unwrap()
}

/// How one message fared.
fn told(to: &str, status: Status, error: Option<Failure>) -> Told {
    let mut result = MessageResult::queued("m", to, "c");
    result.status = status;
    result.error = error.map(Box::new);
    Told { result, own_id: 0x0123_4567_89ab_cdef, repeated: false, same_request: false }
}

fn answer(asked: Asked, told: Result<&[Told], &Failure>) -> Answer {
    (asked.answer)(&Report { told, now_ms: NOW_MS, batch_id: BATCH_ID })
}
