//! The façade by cases: each file of `cases/facade` is a request as an app sends it, the batch that it is,
//! and the answer that the app gets once it is known what became of its messages.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that is wrong should stop")]

use interline_core::adapter::Settings;
use interline_core::error::Failure;
use interline_core::facade::{Answer, Asking, Incoming, Report, Served, Told};
use interline_core::record::MessageResult;
use interline_testkit::{build, cases};
use interline_wukongim::FACADE;
use serde_json::{Value, json};

/// As many files as there are.
const CASES: usize = 19;

#[test]
fn every_case_comes_out_as_it_is_written() {
    for (name, case) in cases::in_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/facade"), CASES) {
        run(&case, &name);
    }
}

fn run(case: &Value, name: &str) {
    let method = case.get("method").and_then(Value::as_str).unwrap_or("POST");
    let body = match case.get("text") {
        Some(text) => text.as_str().unwrap().as_bytes().to_vec(),
        None => case["body"].to_string().into_bytes(),
    };
    let request = Incoming {
        method: method.to_owned(),
        path: case["path"].as_str().unwrap().to_owned(),
        body,
        ..Incoming::default()
    };
    let settings = Settings::new();
    let asking = Asking { settings: &settings, request: &request, now_ms: 1, nonce: "n" };
    let served = |own: &&interline_core::facade::Endpoint| own.method == method && own.path == request.path;
    let endpoint = FACADE.endpoints.iter().find(served).unwrap_or_else(|| panic!("{name}: not served"));
    let answer = match (endpoint.serve)(&asking) {
        Served::Answer(answer) => answer,
        Served::Find(find) => panic!("{name}: a question: {find:?}"),
        Served::Send(asked) => {
            if let Some(batch) = case.get("batch") {
                assert_eq!(&Value::Object(asked.batch.clone()), batch, "{name}");
            }
            let (_, messages) = build::batch(&Value::Object(asked.batch));
            assert!(asked.marks.len() <= messages.len(), "{name}");
            let marked: Vec<bool> = asked.marks.iter().map(Option::is_some).collect();
            assert_eq!(json!(marked), case["marked"], "{name}: marks");
            let told: Vec<Told> = case["told"].as_array().unwrap().iter().map(told).collect();
            (asked.answer)(&Report { told: Ok(&told), now_ms: 1, batch_id: "b" })
        }
    };
    assert_eq!(shown(&answer), case["answer"], "{name}");
}

fn told(case: &Value) -> Told {
    let text = |key: &str| case.get(key).and_then(Value::as_str);
    let client_id = text("client_id").unwrap_or("own");
    let mut result = MessageResult::queued("msg_0", "user:u", client_id);
    result.status = serde_json::from_value(case["status"].clone()).unwrap();
    result.vendor = text("vendor").map(Into::into);
    result.vendor_message_id = text("id").map(Into::into);
    result.vendor_seq = text("seq").map(Into::into);
    if case.get("code").is_some() {
        let failure = Failure {
            code: serde_json::from_value(case["code"].clone()).unwrap(),
            message: text("message").unwrap().to_owned(),
            fate: serde_json::from_value(case["fate"].clone()).unwrap(),
            retryable: false,
            vendor_code: None,
            vendor_message: None,
        };
        result.error = Some(Box::new(failure));
    }
    let own_id = case.get("own_id").and_then(Value::as_i64).unwrap_or(1);
    Told { result, own_id, repeated: false, same_request: false }
}

fn shown(answer: &Answer) -> Value {
    assert_eq!(answer.content_type, "application/json; charset=utf-8");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let mut shown = json!({"status": answer.status, "body": body});
    for (name, value) in &answer.headers {
        assert_eq!(*name, "Retry-After");
        shown["retry_after"] = json!(value);
    }
    shown
}
