//! The shapes of the API's answers, as programs depend on them, and the requests that the tests share.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

mod access;
mod options;
mod reading;
mod sending;

use std::collections::BTreeSet;
use std::time::Duration;

use interline_tests::{Answer, Place, Server, Stage, config, eventually, in_seconds, refuse};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

const SECONDS: Duration = Duration::from_secs(20);

fn stage() -> Stage {
    Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published"))
}

fn open(stage: &Stage) -> (Place, Server) {
    let place = Place::new(&config::four(stage));
    let server = place.serve();
    (place, server)
}

fn text(id: &str, to: &str) -> Value {
    json!({"id": id, "to": to, "content": {"type": "text", "text": format!("hi {id}")}})
}

fn batch_of(count: usize) -> Value {
    let messages: Vec<_> = (0..count).map(|n| text(&format!("m{n}"), &format!("user:u{n}"))).collect();
    json!({"messages": messages})
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn set<const N: usize>(names: [&'static str; N]) -> BTreeSet<&'static str> {
    names.into_iter().collect()
}

fn id_of(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

#[track_caller]
fn problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(status)), "{problem}");
    assert!(problem["detail"].is_string() && problem["title"].is_string(), "{problem}");
    problem
}
