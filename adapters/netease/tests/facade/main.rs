//! The façade, request by request: what is asked for as a batch, what is refused, and how reports are told.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up should stop")]

mod admit;
mod cases;
mod codes;
mod refused;
mod resend;

use interline_core::adapter::Settings;
use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Answer, Asked, Asking, Incoming, Report, Served, Told};
use interline_core::outcome::Status;
use interline_core::record::MessageResult;
use interline_netease::FACADE;
use serde_json::{Value, json};

/// 2023-11-14T22:13:20Z.
const NOW_MS: i64 = 1_700_000_000_000;
const BATCH: &str = "/chatroom/batchSendMsg.action";
const ROOM: &str = "/chatroom/sendMsg.action";
const USERS: &str = "/msg/sendBatchMsg.action";
const SINGLE: &str = "/msg/sendMsg.action";

/// A request with these fields, each a text or JSON that is written as text.
fn request(path: &str, fields: &Value) -> Incoming {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.as_object().unwrap() {
        form.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    posted(path, form.finish())
}

fn posted(path: &str, body: String) -> Incoming {
    Incoming {
        method: "POST".to_owned(),
        path: path.to_owned(),
        headers: vec![(
            "content-type".to_owned(),
            "application/x-www-form-urlencoded;charset=utf-8".to_owned(),
        )],
        body: body.into_bytes(),
        ..Incoming::default()
    }
}

fn serve(request: &Incoming) -> Served {
    let settings = Settings::new();
    let asking = Asking { settings: &settings, request, now_ms: NOW_MS, nonce: "n" };
    let endpoint = FACADE.endpoints.iter().find(|own| own.path == request.path).unwrap();
    assert_eq!(endpoint.method, "POST");
    (endpoint.serve)(&asking)
}

fn asked(path: &str, fields: &Value) -> Asked {
    match serve(&request(path, fields)) {
        Served::Send(asked) => *asked,
        Served::Answer(answer) => panic!("{fields} is answered {}", shown(&answer)),
        Served::Find(_) => panic!("{fields} is taken for a question"),
    }
}

/// The body of an answer, which is always HTTP 200 and labelled as the vendor labels it.
fn shown(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.content_type), (200, "application/json; charset=utf-8"));
    serde_json::from_slice(&answer.body).unwrap()
}

fn render(asked: Asked, told: Result<&[Told], &Failure>) -> Value {
    shown(&(asked.answer)(&Report { told, now_ms: NOW_MS, batch_id: "bat" }))
}

/// What became of a message, from a test's few words.
fn told(status: Status, vendor: &str, more: impl FnOnce(&mut MessageResult)) -> Told {
    let mut result = MessageResult::queued("m", "room:1", "c");
    (result.status, result.vendor) = (status, Some(vendor.into()));
    more(&mut result);
    Told { result, own_id: 7, repeated: false, same_request: false }
}

fn accepted() -> Told {
    told(Status::Accepted, "wukongim", |_| {})
}

fn failed(failure: Failure) -> Told {
    let status = match failure.fate {
        interline_core::error::Fate::Unknown => Status::Unknown,
        _ => Status::Rejected,
    };
    told(status, "wukongim", |result| result.error = Some(Box::new(failure)))
}

fn rejected(code: ErrorCode) -> Told {
    failed(Failure::refused(code, "why"))
}

fn unknown(code: ErrorCode) -> Told {
    failed(Failure::unknown(code, "nobody knows"))
}

fn withdrawn() -> Told {
    let failure = Failure::not_sent(ErrorCode::Expired, "late");
    told(Status::Expired, "", |result| result.error = Some(Box::new(failure)))
}

/// A room batch with messages of these ids.
fn room_batch(ids: &[&str]) -> Value {
    let list: Vec<Value> =
        ids.iter().map(|id| json!({"msgId": id, "msgType": 0, "attach": "hello"})).collect();
    json!({"roomid": "72", "fromAccid": "yx2", "msgList": list})
}

fn single() -> Value {
    json!({"from": "a", "ope": "0", "to": "b", "type": "0", "body": {"msg": "hi"}})
}

fn users(accids: &[&str]) -> Value {
    json!({"fromAccid": "a", "toAccids": accids, "type": "0", "body": {"msg": "hi"}})
}
