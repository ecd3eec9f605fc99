//! Golden cases: what a batch becomes on the wire, and what replies mean. Each file of `cases` is one
//! rule; requests are compared byte by byte (`exact`) or as JSON (`json`), payloads in decoded form.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that is wrong should stop")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interline_core::adapter::{Reply, Signal};
use interline_core::options::Results;
use interline_core::outcome::Outcome;
use interline_testkit::{build, cases};
use interline_wukongim::VENDOR;
use serde_json::{Value, json};

/// As many files as there are.
const CASES: usize = 14;

#[test]
fn every_case_comes_out_as_it_is_written() {
    // The façade's cases have a folder and a runner of their own.
    for (name, case) in cases::in_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"), CASES) {
        run(&case, &name);
    }
}

fn run(case: &Value, name: &str) {
    let empty = json!({});
    let settings = case.get("settings").unwrap_or(&empty);
    let adapter = build::adapter(&VENDOR, case["dialect"].as_str().unwrap(), settings);
    let results = if case["results"] == "fast" { Results::Fast } else { Results::Each };
    let (_, messages) = build::batch(&case["batch"]);
    for message in &messages {
        let losses = adapter.check(message, results).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        let expected = case.get("losses").cloned().unwrap_or_else(|| json!([]));
        assert_eq!(json!(losses), expected, "{name}: losses");
    }
    let call = build::call(&*adapter, &messages, results);
    let request = adapter.encode(&call, &build::seal()).unwrap();
    let expected = &case["request"];
    assert_eq!(request.path, expected["path"].as_str().unwrap(), "{name}");
    let headers: Vec<Value> =
        request.headers.iter().map(|header| json!([header.name, header.value, header.secret])).collect();
    let usual = json!([["Content-Type", "application/json", false]]);
    assert_eq!(&json!(headers), expected.get("headers").unwrap_or(&usual), "{name}: headers");
    let body = String::from_utf8(request.body).unwrap();
    if let Some(exact) = expected["exact"].as_str() {
        assert_eq!(body, exact, "{name}");
    }
    let mut json: Value = serde_json::from_str(&body).unwrap();
    let payloads = take_payloads(&mut json);
    if let Some(expected) = expected.get("payloads") {
        assert_eq!(&json!(payloads), expected, "{name}: payloads");
    }
    if let Some(expected) = expected.get("json") {
        let mut expected = expected.clone();
        take_payloads(&mut expected);
        assert_eq!(json, expected, "{name}");
    }
    for reply in case["replies"].as_array().into_iter().flatten() {
        let verdict = adapter.decode(&call, &reply_of(reply));
        let outcomes: Vec<Value> = verdict.outcomes.iter().map(shown).collect();
        assert_eq!(json!(outcomes), reply["outcomes"], "{name}: {reply}");
        let signal = reply.get("signal").and_then(Value::as_str).unwrap_or("none");
        assert_eq!(signal_name(verdict.signal), signal, "{name}: {reply}");
    }
}

/// Takes the payloads out of a body and gives them decoded: as JSON where they are, else as text.
fn take_payloads(body: &mut Value) -> Vec<Value> {
    let items = match body {
        Value::Array(items) => items.iter_mut().collect(),
        other => vec![other],
    };
    items
        .into_iter()
        .map(|item| {
            let payload = STANDARD.decode(item["payload"].take().as_str().unwrap()).unwrap();
            serde_json::from_slice(&payload).unwrap_or_else(|_| json!(String::from_utf8(payload).unwrap()))
        })
        .collect()
}

fn reply_of(reply: &Value) -> Reply {
    let body = match reply.get("text") {
        Some(text) => text.as_str().unwrap().as_bytes().to_vec(),
        None => reply["body"].to_string().into_bytes(),
    };
    let retry_after = reply["retry_after"].as_u64().map(std::time::Duration::from_secs);
    Reply { status: u16::try_from(reply["status"].as_u64().unwrap()).unwrap(), retry_after, body }
}

fn shown(outcome: &Outcome) -> Value {
    let failure = |outcome: &Outcome| {
        let failure = outcome.failure().unwrap();
        let mut shown = json!({"code": failure.code, "fate": failure.fate, "retryable": failure.retryable});
        for (key, value) in
            [("vendor_code", &failure.vendor_code), ("vendor_message", &failure.vendor_message)]
        {
            if let Some(value) = value {
                shown[key] = json!(value);
            }
        }
        shown
    };
    match outcome {
        Outcome::Accepted(receipt) => json!({"accepted": receipt}),
        Outcome::Rejected(_) => json!({"rejected": failure(outcome)}),
        Outcome::Unknown(_) => json!({"unknown": failure(outcome)}),
    }
}

fn signal_name(signal: Signal) -> String {
    match signal {
        Signal::None => "none".to_owned(),
        Signal::Freeze(class, pause) => format!("freeze {class} {} ms", pause.as_millis()),
        Signal::Relogin => "relogin".to_owned(),
        Signal::Resign => "resign".to_owned(),
        Signal::Bisect => "bisect".to_owned(),
        Signal::WrongDialect => "wrong dialect".to_owned(),
    }
}
