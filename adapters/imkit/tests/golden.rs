//! Golden wire cases: each file of `cases` is a batch as a caller writes it, the request that must
//! come out (as JSON, with the vendor's defaults filled in, or byte for byte) and what a reply means.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

use std::time::Duration;

use interline_core::adapter::{Signal, Verdict};
use interline_core::options::Results;
use interline_core::outcome::Outcome;
use interline_imkit::VENDOR;
use interline_testkit::{build, cases};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    batch: Value,
    path: String,
    body: Option<Map<String, Value>>,
    #[serde(default)]
    defaults: Map<String, Value>,
    bytes: Option<String>,
    reply: Option<Answer>,
    #[serde(default)]
    outcomes: Vec<Value>,
    #[serde(default)]
    signal: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: u16,
    body: Value,
}

#[test]
fn every_case_is_encoded_and_decoded_as_written() {
    for (name, case) in cases::in_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"), 13) {
        run(&serde_json::from_value(case).unwrap_or_else(|error| panic!("{name}: {error}")));
    }
}

fn run(case: &Case) {
    let adapter = build::adapter(&VENDOR, "v1", &json!({"api_key": "test-key"}));
    let (_, messages) = build::batch(&case.batch);
    for message in &messages {
        let losses = adapter.check(message, Results::Fast).unwrap();
        let expected: &[&str] = if message.options.online_only { &["online_only"] } else { &[] };
        assert_eq!(losses, expected, "{}", case.rule);
    }
    let call = build::call(&*adapter, &messages, Results::Fast);
    let request = adapter.encode(&call, &build::seal()).unwrap();
    assert_eq!((request.method, &*request.path), ("POST", case.path.as_str()), "{}", case.rule);
    let headers: Vec<_> =
        request.headers.iter().map(|header| (header.name, header.value.as_str(), header.secret)).collect();
    assert_eq!(
        headers,
        [("Content-Type", "application/json; charset=utf-8", false), ("IM-API-KEY", "test-key", true)]
    );
    match (&case.body, &case.bytes) {
        (Some(published), None) => {
            let mut expected = case.defaults.clone();
            expected.extend(published.clone());
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(body, Value::Object(expected), "{}", case.rule);
        }
        (None, Some(bytes)) => {
            assert_eq!(std::str::from_utf8(&request.body).unwrap(), bytes, "{}", case.rule);
        }
        _ => panic!("{}: give one of body and bytes", case.rule),
    }
    let Some(answer) = &case.reply else { return };
    let verdict = adapter.decode(&call, &build::reply(answer.status, &answer.body));
    assert_eq!(shown(&verdict), case.outcomes, "{}", case.rule);
    let signal = match &case.signal {
        Value::Null => Signal::None,
        named => Signal::Freeze(call.class, Duration::from_secs(named["freeze"][1].as_u64().unwrap())),
    };
    assert_eq!(verdict.signal, signal, "{}", case.rule);
}

fn shown(verdict: &Verdict) -> Vec<Value> {
    let one = |outcome: &Outcome| match outcome {
        Outcome::Accepted(receipt) => json!({ "accepted": receipt }),
        Outcome::Rejected(failure) | Outcome::Unknown(failure) => {
            let mut said = serde_json::to_value(failure).unwrap();
            said.as_object_mut().unwrap().remove("message");
            json!({ outcome.status().as_str(): said })
        }
    };
    verdict.outcomes.iter().map(one).collect()
}
