//! Golden wire cases: each file in `tests/cases` holds a batch as a caller writes it, the request that
//! must come of it, and replies with what they must mean. `body` is compared as JSON, `bytes` exactly.
//! `page: true` marks an example of the vendor's published page.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that is wrong should stop")]

use std::time::Duration;

use interline_core::adapter::{Adapter, Call, Reply, Request, Signal};
use interline_core::options::Results;
use interline_core::outcome::Outcome;
use interline_openim::VENDOR;
use interline_testkit::{build, cases};
use serde_json::{Map, Value, json};

fn cases() -> Vec<(String, Value)> {
    cases::in_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"), 20)
}

fn results_of(case: &Value) -> Results {
    match case["results"].as_str() {
        Some("fast") => Results::Fast,
        Some("each") | None => Results::Each,
        Some(other) => panic!("results {other}"),
    }
}

fn settings_of(case: &Value) -> Value {
    let mut settings = json!({"secret": "test-secret"});
    for (key, value) in case["settings"].as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    settings
}

fn headers(request: &Request) -> Value {
    request
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), json!(header.value)))
        .collect::<Map<_, _>>()
        .into()
}

fn check_request(name: &str, case: &Value, request: &Request) {
    let wanted = &case["request"];
    assert_eq!(request.path, wanted["path"].as_str().unwrap(), "{name}");
    let found = headers(request);
    for (header, value) in wanted["headers"].as_object().into_iter().flatten() {
        assert_eq!(&found[header], value, "{name}: header {header}");
    }
    let text = std::str::from_utf8(&request.body).unwrap();
    if let Some(bytes) = wanted["bytes"].as_str() {
        assert_eq!(text, bytes, "{name}");
    }
    if wanted.get("body").is_some() {
        let body: Value = serde_json::from_str(text).unwrap();
        assert_eq!(body, wanted["body"], "{name}");
    }
    assert!(wanted.get("body").or(wanted.get("bytes")).is_some(), "{name} compares no body");
}

fn outcome_json(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Accepted(receipt) => json!({"accepted": receipt}),
        Outcome::Rejected(failure) | Outcome::Unknown(failure) => {
            let mut failure = serde_json::to_value(failure).unwrap();
            // Our sentence is for people; the codes are the contract.
            failure.as_object_mut().unwrap().remove("message");
            failure.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            failure
        }
    }
}

fn signal_text(signal: Signal) -> String {
    match signal {
        Signal::None => "none".to_owned(),
        Signal::Freeze(class, time) => format!("freeze {class} {} ms", time.as_millis()),
        Signal::Relogin => "relogin".to_owned(),
        Signal::WrongDialect => "wrong dialect".to_owned(),
        Signal::Resign | Signal::Bisect => "not of this vendor".to_owned(),
    }
}

fn check_replies(name: &str, case: &Value, adapter: &dyn Adapter, call: &Call) {
    for reply in case["replies"].as_array().into_iter().flatten() {
        let body = reply["text"].as_str().map_or_else(|| reply["body"].to_string(), str::to_owned);
        let verdict = adapter.decode(
            call,
            &Reply {
                status: u16::try_from(reply["status"].as_u64().unwrap_or(200)).unwrap(),
                retry_after: reply["retry_after"].as_u64().map(Duration::from_secs),
                body: body.into_bytes(),
            },
        );
        let found: Value = verdict.outcomes.iter().map(outcome_json).collect();
        assert_eq!(found, reply["outcomes"], "{name}: {reply}");
        let signal = reply["signal"].as_str().unwrap_or("none");
        assert_eq!(signal_text(verdict.signal), signal, "{name}: {reply}");
    }
}

#[test]
fn every_case_comes_out_as_written() {
    for (name, case) in &cases() {
        let adapter =
            build::adapter(&VENDOR, case["dialect"].as_str().unwrap_or("v3.8.3"), &settings_of(case));
        let (_, messages) = build::batch(&case["batch"]);
        let results = results_of(case);
        let mut losses = Vec::new();
        for message in &messages {
            losses = adapter.check(message, results).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        }
        assert_eq!(json!(losses), case.get("losses").cloned().unwrap_or(json!([])), "{name}: losses");
        let call = build::call(&*adapter, &messages, results);
        assert_eq!(call.class, case["class"].as_str().unwrap(), "{name}: class");
        let request = adapter.encode(&call, &build::seal()).unwrap_or_else(|error| panic!("{name}: {error}"));
        check_request(name, case, &request);
        check_replies(name, case, &*adapter, &call);
    }
}

#[test]
fn the_published_page_is_covered() {
    let marked = |key: &str| {
        cases().iter().filter(|(_, case)| case["page"] == json!(true) && case.get(key).is_some()).count()
    };
    assert!(marked("request") >= 1, "the page's request example is a case");
    assert!(marked("replies") >= 1, "the page's reply example is in a case");
}
