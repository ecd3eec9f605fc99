//! The façade as an app meets it: who may ask, what a body becomes, what the answers say. The laws that hold
//! it against the adapter are in `laws`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that is wrong should stop")]

mod access;
mod answers;
mod bodies;
mod contents;
mod laws;
mod pages;

use interline_core::adapter::Settings;
use interline_core::error::Failure;
use interline_core::facade::{Answer, Asked, Asking, Find, Incoming, Report, Served, Told};
use interline_core::outcome::Status;
use interline_core::record::MessageResult;
use interline_openim::FACADE;
use serde_json::{Value, json};

const SEND: &str = "/msg/send_msg";
const BATCH: &str = "/msg/batch_send_msg";
const NOTIFY: &str = "/msg/send_business_notification";
const TOKEN: &str = "/auth/get_admin_token";
const STATUS: &str = "/msg/check_msg_is_send_success";

/// 2023-11-14T22:13:20Z.
const NOW_MS: i64 = 1_700_000_000_000;

fn settings() -> Settings {
    json!({"admin_user_id": "boss", "secret": "sesame"}).as_object().unwrap().clone()
}

/// A request, and the façade that it meets.
#[derive(Debug, Clone)]
struct Request {
    settings: Settings,
    incoming: Incoming,
    now_ms: i64,
}

/// A request with a trace id and a good token.
fn post(path: &str, body: &Value) -> Request {
    post_text(path, &body.to_string())
}

fn post_text(path: &str, body: &str) -> Request {
    let incoming = Incoming {
        method: "POST".to_owned(),
        path: path.to_owned(),
        headers: vec![("operationid".to_owned(), "op-1".to_owned()), ("token".to_owned(), token())],
        body: body.as_bytes().to_vec(),
        ..Incoming::default()
    };
    Request { settings: settings(), incoming, now_ms: NOW_MS }
}

fn token() -> String {
    let incoming = Incoming {
        method: "POST".to_owned(),
        path: TOKEN.to_owned(),
        headers: vec![("operationid".to_owned(), "login".to_owned())],
        body: json!({"secret": "sesame", "userID": "boss"}).to_string().into_bytes(),
        ..Incoming::default()
    };
    let (_, body) = Request { settings: settings(), incoming, now_ms: NOW_MS }.answered();
    body["data"]["token"].as_str().unwrap().to_owned()
}

impl Request {
    /// Sets a header, or takes it away.
    fn header(mut self, name: &str, value: Option<&str>) -> Self {
        self.incoming.headers.retain(|(known, _)| known != name);
        self.incoming.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    fn served(&self) -> Served {
        let nonce = "0123456789abcdef0123456789abcdef";
        let asking = Asking { settings: &self.settings, request: &self.incoming, now_ms: self.now_ms, nonce };
        if let Err(answer) = (FACADE.admit)(&asking) {
            return Served::Answer(answer);
        }
        let path = &self.incoming.path;
        let endpoint = FACADE.endpoints.iter().find(|endpoint| endpoint.path == path).unwrap();
        (endpoint.serve)(&asking)
    }

    /// The status and body of what is answered without sending.
    fn answered(&self) -> (u16, Value) {
        match self.served() {
            Served::Answer(answer) => read(&answer),
            other => panic!("not answered at once: {other:?}"),
        }
    }

    fn asked(&self) -> Asked {
        match self.served() {
            Served::Send(asked) => *asked,
            Served::Answer(answer) => panic!("answered: {:?}", read(&answer)),
            Served::Find(find) => panic!("a question: {find:?}"),
        }
    }

    fn batch(&self) -> Value {
        Value::Object(self.asked().batch)
    }

    fn find(&self) -> Find {
        match self.served() {
            Served::Find(find) => *find,
            other => panic!("no question: {other:?}"),
        }
    }

    /// What is answered when the messages fared so.
    fn rendered(&self, told: &[Told]) -> (u16, Value) {
        let report = Report { told: Ok(told), now_ms: NOW_MS, batch_id: "bat_1" };
        read(&(self.asked().answer)(&report))
    }

    /// What is answered when nothing was sent at all.
    fn refused(&self, failure: &Failure) -> Answer {
        (self.asked().answer)(&Report { told: Err(failure), now_ms: NOW_MS, batch_id: "" })
    }
}

fn read(answer: &Answer) -> (u16, Value) {
    assert_eq!(answer.content_type, "application/json");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let good = body["errCode"] == 0;
    let wanted: &[&str] =
        if good { &["data", "errCode", "errDlt", "errMsg"] } else { &["errCode", "errDlt", "errMsg"] };
    assert_eq!(keys, wanted, "{body}");
    (answer.status, body)
}

/// An error as the envelope tells it.
fn error(code: i64, name: &str, detail: &str) -> Value {
    json!({"errCode": code, "errMsg": name, "errDlt": detail})
}

fn success(data: &Value) -> Value {
    json!({"errCode": 0, "errMsg": "", "errDlt": "", "data": data})
}

/// A message that fared so, delivered by `vendor`.
fn told(own_id: i64, status: Status, vendor: &str) -> Told {
    let mut result = MessageResult::queued("m", "user:u", "c-own");
    (result.status, result.vendor) = (status, Some(vendor.into()));
    Told { result, own_id, repeated: false, same_request: false }
}

fn failed(own_id: i64, status: Status, failure: Failure) -> Told {
    let mut told = told(own_id, status, "elsewhere");
    told.result.error = Some(Box::new(failure));
    told
}

/// A text for one user.
fn single() -> Value {
    json!({
        "sendID": "imAdmin", "recvID": "u1", "content": {"content": "hi"}, "contentType": 101,
        "sessionType": 1,
    })
}

/// A text for two users.
fn two() -> Value {
    json!({
        "sendID": "imAdmin", "recvIDs": ["u1", "u2"], "content": {"content": "hi"}, "contentType": 101,
        "sessionType": 1,
    })
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

fn without(mut body: Value, key: &str) -> Value {
    body.as_object_mut().unwrap().remove(key).unwrap();
    body
}
