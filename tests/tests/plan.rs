//! A plan shows the exact requests and sends nothing: on the command line, with and without a server,
//! and over the API. No secret is ever in it.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::time::Duration;

use interline_tests::{Place, Server, Stage, config, eventually};
use interline_twins::{TwinsConfig, Vendor};
use serde_json::{Value, json};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/welcome.json");

fn example() -> Value {
    let text = std::fs::read_to_string(EXAMPLE).expect("the example is there");
    serde_json::from_str(&text).expect("the example is JSON")
}

fn stage() -> Stage {
    Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published"))
}

/// Reaches every vendor.
fn everywhere() -> Value {
    let mut batch = example();
    let more = json!([
        {"id": "o1", "to": "user:oim-a", "vars": {"name": "A"}},
        {"id": "k1", "to": "user:kit-a", "vars": {"name": "B"}},
        {"id": "n1", "to": "user:ne-a", "vars": {"name": "C"}},
    ]);
    let messages = batch["messages"].as_array_mut().expect("messages");
    messages.extend(more.as_array().expect("a list").clone());
    batch
}

/// Until then a plan assumes the likeliest dialect, and what is sent may differ.
fn dialects_known(server: &Server) {
    eventually("the dialects are known", Duration::from_secs(10), || {
        let providers = server.get("/v1/providers").of(200);
        let known = |provider: &Value| !provider["dialect"].is_null();
        providers["providers"].as_array()?.iter().all(known).then_some(())
    });
}

#[track_caller]
fn no_secrets(text: &str) {
    for secret in config::SECRETS {
        assert!(!text.contains(secret), "{secret} is shown:\n{text}");
    }
}

/// What two plans of one batch have in common: ids are derived from the batch's own, and signatures and
/// nonces are of the moment.
fn steady(mut plan: Value) -> Value {
    for call in plan["calls"].as_array_mut().into_iter().flatten() {
        call.as_object_mut().expect("a call").remove("curl");
        let request = call["request"].as_object_mut().expect("a request");
        let headers = request["headers"].as_object_mut().expect("headers");
        headers.retain(|name, _| !["nonce", "curtime", "checksum"].contains(&name.to_lowercase().as_str()));
        let body = request["body"].to_string();
        request["body"] = masked(&body).into();
    }
    plan
}

/// Runs of hex digits as long as a client id, replaced.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_ascii_hexdigit() {
            run.push(c);
            continue;
        }
        out.push_str(if run.len() >= 32 { "ID" } else { &run });
        run.clear();
        out.push(c);
    }
    out
}

#[test]
fn the_readmes_example_is_planned_without_a_server() {
    let stage = stage();
    let place = Place::new(&config::four(&stage));
    let ran = place.run(&["plan", EXAMPLE, "--explain"]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    for part in ["POST", "/message/sendbatch", "/chatroom/", "user:alice", "room:765788", "curl", "***"] {
        assert!(ran.out.contains(part), "{part} is missing:\n{}", ran.out);
    }
    no_secrets(&ran.said());
    assert_eq!((stage.total(), stage.calls()), (0, 0), "a plan sends nothing");
}

#[test]
fn no_secret_of_any_vendor_is_in_a_plan() {
    let stage = stage();
    let place = Place::new(&config::four(&stage));
    let file = place.write("everywhere.json", everywhere().to_string().as_bytes());
    let file = file.display().to_string();
    for arguments in [&["plan", &file, "--explain"][..], &["plan", &file, "--json"], &["plan", &file]] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 0, "{}", ran.said());
        no_secrets(&ran.said());
    }
    let server = place.serve();
    let plan = server.post("/v1/plan", &everywhere()).of(200);
    no_secrets(&plan.to_string());
    let vendors: Vec<_> =
        plan["calls"].as_array().expect("calls").iter().map(|call| &call["provider"]).collect();
    for provider in ["wk", "oim", "kit", "ne"] {
        assert!(vendors.contains(&&json!(provider)), "{provider} is missing: {vendors:?}");
    }
    no_secrets(&server.get("/v1/config").text());
    no_secrets(&server.get("/v1/providers").text());
    no_secrets(&server.get("/metrics").text());
    no_secrets(&server.log());
    assert_eq!((stage.total(), stage.calls()), (0, 0), "a plan sends nothing");
    assert_eq!(server.batches(), 0, "a plan stores nothing");
}

#[test]
fn a_plan_is_the_same_from_the_command_and_from_the_api() {
    let stage = stage();
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    dialects_known(&server);
    let api = server.post("/v1/plan", &example()).of(200);
    let here = place.run(&["plan", EXAMPLE, "--json"]);
    let there = place.run(&["plan", EXAMPLE, "--json", "--server", &server.url()]);
    let steady_of = |text: &str| steady(serde_json::from_str(text).expect("--json prints JSON"));
    assert_eq!(steady_of(&here.out), steady(api.clone()));
    assert_eq!(steady_of(&there.out), steady(api));
}

#[test]
fn what_is_planned_is_what_is_sent() {
    let stage = stage();
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    dialects_known(&server);
    let batch = everywhere();
    let plan = server.post("/v1/plan", &batch).of(200);
    assert_eq!(plan["totals"]["messages"], batch["messages"].as_array().map_or(0, Vec::len));
    let sent = server.post("/v1/send", &batch).of(200);
    assert_eq!(sent["counts"]["accepted"], plan["totals"]["messages"], "{sent}");
    assert_eq!(sent["counts"]["calls"], plan["totals"]["calls"], "{plan}");
    assert_eq!(stage.calls(), plan["totals"]["calls"].as_u64().expect("a number"));
}

#[test]
fn a_plan_of_a_bad_batch_says_what_is_wrong_and_exits_1() {
    let stage = stage();
    let place = Place::new(&config::four(&stage));
    let ran = place.run_with(&["plan", "-", "--format", "json"], br#"{"messages":[{"to":"alice"}]}"#);
    assert_ne!(ran.code, 0, "{}", ran.said());
    assert!(ran.said().contains("/messages/0/to"), "{}", ran.said());
}
