//! Wire cases: a batch as callers write it, the request that must come out, and replies with the
//! outcomes that must come of them. Forms are compared decoded, fields that hold JSON as JSON, and
//! where a case gives `body`, byte for byte.

#![expect(clippy::unwrap_used, reason = "a case that cannot be read should stop the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use interline_core::adapter::{Adapter, Call, Reply, Request, Verdict};
use interline_core::options::Results;
use interline_core::outcome::Outcome;
use interline_netease::VENDOR;
use interline_testkit::{build, cases};
use serde_json::{Value, json};

#[test]
fn every_case_encodes_and_decodes_as_written() {
    for (name, case) in cases::in_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"), 10) {
        run(&case, &name);
    }
}

fn run(case: &Value, name: &str) {
    let mut settings = json!({"app_key": "key", "app_secret": "go-secret-0001"});
    if let Some(more) = case["settings"].as_object() {
        settings.as_object_mut().unwrap().extend(more.clone());
    }
    let adapter = build::adapter(&VENDOR, "v1", &settings);
    let results = if case["results"] == "fast" { Results::Fast } else { Results::Each };
    let (_, messages) = build::batch(&case["batch"]);
    for message in &messages {
        let losses = adapter.check(message, results).unwrap();
        assert!(case["losses"].is_null() || json!(losses) == case["losses"], "{name}: {losses:?}");
    }
    let call = build::call(&*adapter, &messages, results);
    let request = adapter.encode(&call, &build::seal()).unwrap();
    compare(&request, &case["request"], name);
    for reply in case["replies"].as_array().unwrap() {
        decode(&*adapter, &call, reply, name);
    }
}

fn compare(request: &Request, expected: &Value, name: &str) {
    assert_eq!((request.method, &*request.path), ("POST", expected["path"].as_str().unwrap()), "{name}");
    if let Some(headers) = expected["headers"].as_object() {
        let found: BTreeMap<_, _> =
            request.headers.iter().map(|header| (header.name.to_owned(), json!(header.value))).collect();
        let headers: BTreeMap<_, _> = headers.clone().into_iter().collect();
        assert_eq!(found, headers, "{name}");
    }
    if let Some(body) = expected["body"].as_str() {
        assert_eq!(String::from_utf8_lossy(&request.body), body, "{name}");
    }
    if let Some(form) = expected["form"].as_object() {
        let found: BTreeMap<String, Value> = form_urlencoded::parse(&request.body)
            .map(|(key, value)| (key.into_owned(), structured(&value)))
            .collect();
        let form: BTreeMap<_, _> = form.iter().map(|(key, value)| (key.clone(), deep(value))).collect();
        assert_eq!(found, form, "{name}");
    }
}

/// Text that holds a JSON object or array, as that, all the way down.
fn structured(text: &str) -> Value {
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() || value.is_array() => deep(&value),
        Ok(_) | Err(_) => json!(text),
    }
}

fn deep(value: &Value) -> Value {
    match value {
        Value::String(text) => structured(text),
        Value::Array(items) => items.iter().map(deep).collect(),
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), deep(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn decode(adapter: &dyn Adapter, call: &Call, case: &Value, name: &str) {
    let body = case["text"].as_str().map_or_else(|| case["body"].to_string(), str::to_owned).into_bytes();
    let status = u16::try_from(case["status"].as_u64().unwrap_or(200)).unwrap();
    let retry_after = case["retry_after_s"].as_u64().map(Duration::from_secs);
    let verdict: Verdict = adapter.decode(call, &Reply { status, retry_after, body });
    assert_eq!(format!("{:?}", verdict.signal), case["signal"].as_str().unwrap_or("None"), "{name}");
    let expected = case["outcomes"].as_array().unwrap();
    assert_eq!(verdict.outcomes.len(), expected.len(), "{name}");
    for (outcome, expected) in verdict.outcomes.iter().zip(expected) {
        let shown = show(outcome);
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(shown[key], *value, "{name}: {key} of {shown}");
        }
    }
}

fn show(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Accepted(receipt) => json!({"status": "accepted", "receipt": receipt}),
        Outcome::Rejected(failure) | Outcome::Unknown(failure) => {
            let mut shown = serde_json::to_value(failure).unwrap();
            shown["status"] = json!(outcome.status());
            shown
        }
    }
}
