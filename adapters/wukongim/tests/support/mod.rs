//! Requests that are good, to be changed, and what became of messages.

use interline_core::adapter::Settings;
use interline_core::error::Failure;
use interline_core::facade::{Answer, Asked, Asking, Incoming, Served, Told};
use interline_core::outcome::Status;
use interline_core::record::MessageResult;
use interline_wukongim::FACADE;
use serde_json::{Value, json};

pub(crate) const SEND: &str = "/message/send";
pub(crate) const BATCH: &str = "/message/sendbatch";
pub(crate) const HI: &str = "eyJ0eXBlIjoxLCJjb250ZW50IjoiaGkifQ==";

pub(crate) fn post(path: &str, body: impl Into<Vec<u8>>) -> Incoming {
    Incoming { method: "POST".to_owned(), path: path.to_owned(), body: body.into(), ..Incoming::default() }
}

pub(crate) fn serve(request: &Incoming) -> Served {
    let settings = Settings::new();
    let asking = Asking { settings: &settings, request, now_ms: 1, nonce: "n" };
    let endpoint = FACADE.endpoints.iter().find(|own| own.path == request.path).unwrap();
    (endpoint.serve)(&asking)
}

pub(crate) fn asked(path: &str, body: &Value) -> Asked {
    match serve(&post(path, body.to_string())) {
        Served::Send(asked) => *asked,
        Served::Answer(answer) => panic!("{body} is answered {}", body_of(&answer)),
        Served::Find(find) => panic!("{find:?}"),
    }
}

pub(crate) fn body_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&answer.body)))
}

/// A good single send with something else in it.
pub(crate) fn single(change: &Value) -> Value {
    let body =
        json!({"client_msg_no": "n1", "from_uid": "a", "channel_id": "u", "channel_type": 1, "payload": HI});
    merged(body, change)
}

/// A good fan-out with something else in it.
pub(crate) fn object(change: &Value) -> Value {
    merged(json!({"from_uid": "a", "subscribers": ["u1", "u2"], "payload": HI}), change)
}

pub(crate) fn merged(mut body: Value, change: &Value) -> Value {
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    body
}

pub(crate) fn told(status: Status, failure: Option<Failure>) -> Told {
    let mut result = MessageResult::queued("msg_0", "user:u", "own");
    result.status = status;
    result.error = failure.map(Box::new);
    Told { result, own_id: 7, repeated: false, same_request: false }
}
