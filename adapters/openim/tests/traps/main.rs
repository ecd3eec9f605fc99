//! The vendor's traps, one test a rule, and the builders that the tests share. What a golden case
//! shows better stands in `tests/cases`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that is wrong should stop")]

mod access;
mod replies;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Adapter, Call, CallMessage, Finding, Reply, Request, Sent, Signal};
use interline_core::error::{ErrorCode, ErrorKind, Failure, Fate, Refusal};
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::outcome::{ClientId, Outcome};
use interline_core::profile::Dedupe;
use interline_core::recipient::RecipientKind;
use interline_openim::VENDOR;
use interline_testkit::build;
use serde_json::{Value, json};

fn adapter(dialect: &str) -> Arc<dyn Adapter> {
    build::adapter(
        &VENDOR,
        dialect,
        &json!({"secret": "test-secret", "default_sender": "system", "everyone": true}),
    )
}

fn message(own: Value) -> Arc<Message> {
    let mut body = json!({"to": "user:u1", "content": {"type": "text", "text": "hi"}});
    for (key, value) in own.as_object().unwrap() {
        body[key] = value.clone();
    }
    build::message(&body)
}

fn batch_call(dialect: &str, users: &[&str]) -> (Arc<dyn Adapter>, Call) {
    let adapter = adapter(dialect);
    let messages: Vec<_> = users.iter().map(|user| json!({"to": format!("user:{user}")})).collect();
    let (_, messages) =
        build::batch(&json!({"content": {"type": "text", "text": "hi"}, "messages": messages}));
    let call = build::call(&*adapter, &messages, Results::Fast);
    (adapter, call)
}

fn single_call(dialect: &str, own: Value) -> (Arc<dyn Adapter>, Call) {
    let adapter = adapter(dialect);
    let call = build::call(&*adapter, &[message(own)], Results::Each);
    (adapter, call)
}

fn encoded(adapter: &dyn Adapter, call: &Call) -> (Request, Value) {
    let request = adapter.encode(call, &build::seal()).unwrap();
    let body = serde_json::from_slice(&request.body).unwrap();
    (request, body)
}

fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    &request.headers.iter().find(|header| header.name == name).unwrap().value
}

fn refusal(dialect: &str, own: Value) -> Refusal {
    adapter(dialect).check(&message(own), Results::Each).unwrap_err()
}

fn losses(dialect: &str, own: Value) -> Vec<&'static str> {
    adapter(dialect).check(&message(own), Results::Each).unwrap()
}

fn failure(outcome: &Outcome) -> &Failure {
    outcome.failure().unwrap_or_else(|| panic!("accepted: {outcome:?}"))
}

fn error(code: i64, detail: &str) -> Reply {
    build::reply(200, &json!({"errCode": code, "errMsg": "E", "errDlt": detail}))
}
