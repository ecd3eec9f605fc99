//! Cases of the wire: a form as it comes in, the batch that it asks for, and reports with the answers that
//! they must be told as.

use interline_core::error::{Failure, Fate};
use interline_core::facade::{Served, Told};
use interline_core::outcome::Status;
use interline_testkit::{build, cases};
use serde_json::{Value, json};

use super::{asked, posted, render, serve, told};

#[test]
fn every_case_is_served_as_written() {
    for (name, case) in cases::in_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/served"), 8) {
        run(&case, &name);
    }
}

fn run(case: &Value, name: &str) {
    let path = case["path"].as_str().unwrap();
    let asked = || match case["text"].as_str() {
        None => asked(path, &case["form"]),
        Some(text) => match serve(&posted(path, text.to_owned())) {
            Served::Send(asked) => *asked,
            other => panic!("{name}: {other:?}"),
        },
    };
    let mut batch = Value::Object(asked().batch);
    for message in batch["messages"].as_array_mut().unwrap() {
        // A digest of what the message says, in rooms alone.
        let id = message.as_object_mut().unwrap().remove("id");
        assert_eq!(id.is_some(), path.starts_with("/chatroom"), "{name}");
    }
    assert_eq!(batch, case["batch"], "{name}");
    let (_, messages) = build::batch(&batch);
    for report in case["reports"].as_array().unwrap() {
        let told: Vec<Told> = report["told"].as_array().unwrap().iter().map(one).collect();
        assert_eq!(told.len(), messages.len(), "{name}");
        assert_eq!(render(asked(), Ok(&told)), report["answer"], "{name}: {}", report["told"]);
    }
}

/// What became of a message: `status`, and what of the rest is there.
fn one(words: &Value) -> Told {
    let status = Status::parse(words["status"].as_str().unwrap()).unwrap();
    let vendor = words["vendor"].as_str().unwrap_or("wukongim");
    let own_id = words["own_id"].as_i64().unwrap_or(7);
    let told = told(status, vendor, |result| {
        result.vendor_message_id = words["id"].as_str().map(Into::into);
        result.vendor_time_ms = words["time"].as_i64();
        result.vendor_data = words["data"].as_object().cloned().unwrap_or_default();
        result.error = words["code"].is_string().then(|| Box::new(failure(words, status)));
    });
    Told { own_id, ..told }
}

fn failure(words: &Value, status: Status) -> Failure {
    let code = serde_json::from_value(words["code"].clone()).unwrap();
    let fate = if status == Status::Unknown { Fate::Unknown } else { Fate::Refused };
    let retryable = words["retryable"] == json!(true);
    let vendor = |name: &str| words[name].as_str().map(str::to_owned);
    Failure {
        code,
        message: words["message"].as_str().unwrap_or("why").to_owned(),
        fate,
        retryable,
        vendor_code: vendor("vendor_code"),
        vendor_message: vendor("vendor_message"),
    }
}
