//! The vendor's traps, one rule a test, and the builders that the tests share. What is measured was measured on
//! a v2.2.5 server.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that is wrong should stop")]

mod refusals;
mod replies;
mod requests;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interline_core::adapter::{Adapter, CallMessage, Finding, Reply, Sent, Settings, Signal};
use interline_core::error::{ErrorCode, Refusal};
use interline_core::options::Results;
use interline_core::outcome::{ClientId, Outcome, Status};
use interline_core::profile::Dedupe;
use interline_testkit::build;
use interline_wukongim::{VENDOR, wire};
use serde_json::{Value, json};

const DIALECTS: [&str; 4] = ["published", "v1", "v2", "v3"];

fn adapter(dialect: &str) -> Arc<dyn Adapter> {
    build::adapter(&VENDOR, dialect, &json!({"token": "secret", "default_sender": "system"}))
}

fn message(mut fields: Value) -> Value {
    let object = fields.as_object_mut().unwrap();
    object.entry("to").or_insert(json!("user:bob"));
    object.entry("content").or_insert(json!({"type": "text", "text": "hi"}));
    fields
}

/// What one message becomes, and where it goes.
fn sent(dialect: &str, fields: Value, results: Results) -> (String, Value) {
    let adapter = adapter(dialect);
    let message = build::message(&message(fields));
    adapter.check(&message, results).expect("the message can be sent");
    let request = adapter.encode(&build::call(&*adapter, &[message], results), &build::seal()).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    (request.path.into_owned(), if body.is_array() { body[0].clone() } else { body })
}

fn refusal(dialect: &str, fields: Value) -> Refusal {
    adapter(dialect)
        .check(&build::message(&message(fields)), Results::Each)
        .expect_err("it can never be sent")
}

fn refused_at(dialect: &str, fields: Value, path: &str, code: ErrorCode) {
    let refusal = refusal(dialect, fields);
    assert_eq!((refusal.code, &*refusal.errors[0].path), (code, path), "{refusal:?}");
}

fn decoded(dialect: &str, fields: Value, results: Results, reply: &Reply) -> (Outcome, Signal) {
    let adapter = adapter(dialect);
    let call = build::call(&*adapter, &[build::message(&message(fields))], results);
    let mut verdict = adapter.decode(&call, reply);
    (verdict.outcomes.remove(0), verdict.signal)
}

fn losses(dialect: &str, fields: Value) -> Vec<&'static str> {
    adapter(dialect).check(&build::message(&message(fields)), Results::Each).unwrap()
}
