//! The OpenAPI document tells what the server does: its examples are taken, its scopes decide, every answer is
//! one that it tells of, and what the reader takes it calls right.

#![expect(clippy::expect_used, clippy::panic, reason = "a broken expectation ends the test")]

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use interline_testkit::{build, schema::allowed, strategy};
use interline_tests::{Answer, Contract, Operation, Place, Server, Stage, config, eventually};
use interline_twins::{TwinsConfig, Vendor};
use proptest::prelude::*;
use serde_json::{Value, json};

const VENDORS: [&str; 4] = ["wukongim", "openim", "imkit", "netease"];

/// The shipped names, so that examples of paths name something.
fn configured(stage: &Stage) -> String {
    let url = |vendor| stage.of(vendor).url();
    [
        config::wukongim("wk-main", &url(Vendor::WuKongIm), "v2", ""),
        config::openim("oim", &url(Vendor::OpenIm), "v3.8.3", ""),
        config::netease("ne", &url(Vendor::NetEase), ""),
        config::route("rooms", "to = \"room\"", "ne"),
        config::route("default", "", "wk-main"),
        "[migrations.wk-to-oim]\nroute = \"default\"\nfrom = \"wk-main\"\nto = \"oim\"\n".to_owned(),
    ]
    .concat()
}

fn stage() -> Stage {
    Stage::start(TwinsConfig::ephemeral())
}

/// A path with examples for its parameters, and with its required parameters.
fn address(operation: &Operation, id: &str) -> String {
    let (mut path, mut query) = (operation.path.clone(), Vec::new());
    for one in operation.about["parameters"].as_array().into_iter().flatten() {
        let name = one["name"].as_str().expect("a name");
        let example = one["example"].as_str().unwrap_or_default();
        match one["in"].as_str() {
            Some("path") => {
                let example = if operation.path.starts_with("/v1/batches/") { id } else { example };
                path = path.replace(&format!("{{{name}}}"), example);
            }
            Some("query") if one["required"] == true => query.push(format!("{name}={example}")),
            _ => {}
        }
    }
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

/// The streams that end by themselves at no time.
fn is_endless(operation: &Operation) -> bool {
    operation.path == "/v1/events"
}

#[track_caller]
fn asked(server: &Server, contract: &Contract, operation: &Operation, path: &str, body: &str) -> Answer {
    let kind = if body.is_empty() { "" } else { "application/json" };
    let answer = server.ask(&operation.method, path, kind, body.as_bytes());
    let answer = answer.unwrap_or_else(|error| panic!("{} {path}: {error}", operation.method));
    contract.tells_of(&operation.method, &operation.path, &answer);
    answer
}

#[test]
fn the_document_is_valid() {
    let place = Place::new(&configured(&stage()));
    let server = place.serve();
    let answer = server.get("/openapi.json");
    let file = place.write("openapi.json", &answer.body);
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/clients/venv/bin/openapi-spec-validator");
    let ran = Command::new(tool).arg(&file).output();
    let ran = ran.expect(
        "openapi-spec-validator (pip install -r tests/clients/requirements.txt; scripts/test does it)",
    );
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    let document = answer.of(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for operation in Contract::of(&server).operations() {
        let id = operation.about["operationId"].as_str().expect("an id").to_owned();
        assert!(ids.insert(id.clone()), "two operations are called {id}");
        assert!(operation.about["responses"].as_object().is_some_and(|all| !all.is_empty()), "{id}");
    }
    let known = answer.header("etag").expect("a tag").to_owned();
    assert_eq!(server.with("if-none-match", &known).get("/openapi.json").status, 304);
}

#[test]
fn every_example_of_a_request_is_taken_and_every_answer_told_of() {
    let stage = stage();
    let place = Place::new(&configured(&stage));
    let server = place.serve();
    let contract = Contract::of(&server);
    let body = json!({"from": "s", "content": {"type": "text", "text": "hi"}, "messages": [{"id": "m1", "to": "user:a"}]});
    let mut tried = 0;
    for operation in contract.operations().iter().filter(|one| !is_endless(one)) {
        // Each has a batch of its own: one that rejected its message, so that there is something to redrive.
        let mut wrong = body.clone();
        wrong["validation"] = "permissive".into();
        wrong["messages"] = json!([{"id": "m1", "to": "user:a"}, {"id": "m2", "to": "everyone"}]);
        let batch = server.with("prefer", "wait=20").post("/v1/batches", &wrong).json();
        let id = batch["id"].as_str().unwrap_or_else(|| panic!("{batch}"));
        let path = address(operation, id);
        let examples = Contract::bodies(operation);
        if examples.is_empty() {
            asked(&server, &contract, operation, &path, "");
        }
        for (name, example) in examples {
            let answer = asked(&server, &contract, operation, &path, &example.to_string());
            // Callbacks are named by the server, and there is none here.
            let unnamed = operation.path.starts_with("/v1/callbacks/") && answer.status == 404;
            let refused = [400, 404, 405, 415].contains(&answer.status) && !unnamed;
            assert!(!refused, "{} {path}, example {name}: {}", operation.method, answer.text());
            tried += 1;
        }
        let lines = &operation.about["requestBody"]["content"]["application/x-ndjson"]["example"];
        if let Some(lines) = lines.as_str() {
            contract.tells_of("POST", &operation.path, &server.post_lines(&path, lines.as_bytes()));
        }
    }
    assert!(tried >= 20, "{tried} examples");
}

#[test]
fn examples_of_answers_fit_their_schemas() {
    let place = Place::new(&configured(&stage()));
    let contract = Contract::of(&place.serve());
    let mut checked = 0;
    for operation in contract.operations() {
        for (status, answer) in operation.about["responses"].as_object().into_iter().flatten() {
            for (kind, form) in answer["content"].as_object().into_iter().flatten() {
                if !kind.ends_with("json") {
                    continue;
                }
                let named = form["examples"].as_object().into_iter().flatten().map(|(_, one)| &one["value"]);
                for example in named.chain(form.get("example")) {
                    let checks = contract.checks(&form["schema"]);
                    let wrong: Vec<String> = checks
                        .iter_errors(example)
                        .map(|error| format!("{}: {error}", error.instance_path()))
                        .collect();
                    assert!(wrong.is_empty(), "{} {} {status}: {wrong:#?}", operation.method, operation.path);
                    checked += 1;
                }
            }
        }
        for (name, example) in Contract::bodies(&operation) {
            let schema = &operation.about["requestBody"]["content"]["application/json"]["schema"];
            assert!(contract.checks(schema).is_valid(&example), "{}: example {name}", operation.path);
        }
    }
    assert!(checked > 100, "{checked} examples");
}

#[test]
fn the_scopes_of_the_document_are_those_that_decide() {
    let stage = stage();
    let makes = Place::empty();
    let app = |scope: &str| {
        let ran = makes.run(&["--json", "keys", "new", scope]);
        let new: Value = serde_json::from_str(&ran.out).expect("--json prints JSON");
        let (key, hash) = (new["key"].as_str().expect("a key"), new["key_sha256"].as_str().expect("a hash"));
        (
            format!("[[apps]]\nname = \"{scope}\"\nkey_sha256 = \"{hash}\"\nmay = [\"{scope}\"]\n"),
            key.to_owned(),
        )
    };
    let apps = ["send", "read", "admin", "broadcast"].map(|scope| (scope, app(scope)));
    let lines: String = apps.iter().map(|(_, (lines, _))| lines.as_str()).collect();
    let place = Place::with("auth = \"keys\"", &format!("{lines}{}", configured(&stage)));
    let server = place.serve();
    let contract = Contract::of(&server);
    for operation in contract.operations().iter().filter(|one| !is_endless(one)) {
        let path = address(operation, "bat_00000000000000000000000000000000");
        let needs: BTreeSet<&str> = operation.about["security"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["key"][0].as_str())
            .collect();
        if needs.is_empty() {
            continue;
        }
        let asks = |key: Option<&str>| {
            let client = key.map_or_else(|| server.client().clone(), |key| server.key(key));
            let answer = client.ask(&operation.method, &path, "application/json", b"{}").expect("an answer");
            contract.tells_of(&operation.method, &operation.path, &answer);
            answer.status
        };
        let at = format!("{} {path}", operation.method);
        assert_eq!(asks(None), 401, "{at}");
        for (scope, (_, key)) in &apps {
            assert_eq!(asks(Some(key)) != 403, needs.contains(scope), "{at} by {scope}");
        }
    }
}

/// What the reader of batches says of a body.
fn errors(body: &Value) -> Vec<interline_core::error::FieldError> {
    build::try_batch(body).map_or_else(|problems| problems.into_parts().0, |_| Vec::new())
}

fn members(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().expect("an object's schema").keys().cloned().collect()
}

#[test]
fn schemas_have_the_members_that_the_reader_allows() {
    let place = Place::new(&configured(&stage()));
    let contract = Contract::of(&place.serve());
    let text = json!({"type": "text", "text": "hi"});
    let with = |at: &str, value: Value| {
        let mut body = json!({"messages": [{"to": "user:a", "content": text}]});
        body[at] = value;
        body
    };
    let nobodys = || json!({"nobodys": 1});
    let mut cases = vec![
        ("BatchHead".to_owned(), with("nobodys", json!(1)), String::new()),
        ("Sender".to_owned(), with("from", nobodys()), "/from".to_owned()),
        ("Options".to_owned(), with("options", nobodys()), "/options".to_owned()),
        ("Push".to_owned(), with("options", json!({"push": nobodys()})), "/options/push".to_owned()),
        (
            "MessageRequest".to_owned(),
            json!({"messages": [{"to": "user:a", "content": text, "nobodys": 1}]}),
            "/messages/0".to_owned(),
        ),
        (
            "Mentions".to_owned(),
            with("content", json!({"type": "text", "text": "hi", "mentions": nobodys()})),
            "/content/mentions".to_owned(),
        ),
    ];
    let kinds = contract.schema("Content")["discriminator"]["mapping"].as_object().expect("types").clone();
    for (kind, reference) in kinds {
        let name = reference.as_str().and_then(|text| text.rsplit('/').next()).expect("a name").to_owned();
        // Enough for every type to be read to its end.
        let body = json!({"type": kind, "text": "t", "message": {}, "url": "u", "name": "n", "duration_ms": 1,
            "latitude": 1, "longitude": 1, "data": 1, "vendor": "v", "body": 1, "nobodys": 1});
        cases.push((name, with("content", body), "/content".to_owned()));
    }
    for (name, body, at) in cases {
        let mut own = members(contract.schema(&name));
        own.remove("messages");
        assert_eq!(own, allowed(&errors(&body), &at), "{name}");
    }
    let words = errors(&with("options", json!({"priority": "?", "results": "?"})));
    for (name, error) in ["results", "priority"].into_iter().zip(&words) {
        let options = &contract.schema("Options")["properties"][name];
        let wanted: Vec<String> =
            options["anyOf"][0]["enum"].as_array().expect("words").iter().map(Value::to_string).collect();
        assert!(error.detail.ends_with(&wanted.join(", ")), "{name}: {error}");
    }
}

#[test]
fn what_the_reader_takes_the_document_calls_right() {
    let place = Place::new(&configured(&stage()));
    let contract = Contract::of(&place.serve());
    let checks = contract.checks(&json!({ "$ref": "#/components/schemas/BatchRequest" }));
    let messages = VENDORS.map(|vendor| strategy::company(vendor, &[]));
    let drawn = proptest::strategy::Union::new(messages);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let ran = runner.run(&drawn, |mut messages| {
        for message in &mut messages {
            // What a vendor's extensions hold is the adapters' to say; their tests do.
            message.as_object_mut().expect("a message").remove("extensions");
        }
        let body = json!({ "messages": messages });
        let wrong: Vec<String> = checks.iter_errors(&body).map(|error| error.to_string()).collect();
        prop_assert!(build::try_batch(&body).is_err() || wrong.is_empty(), "{wrong:?}\n{body}");
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    let shipped = include_str!("../../examples/welcome.json");
    assert!(checks.is_valid(&serde_json::from_str(shipped).expect("the shipped batch")));
    for wrong in [
        json!({}),
        json!({"messages": []}),
        json!({"messages": [{"to": "nobody"}]}),
        json!({"messages": [{"to": "user:a"}], "no such": 1}),
        json!({"messages": [{"to": "user:a", "content": {"type": "text"}}]}),
        json!({"messages": [{"to": "user:a", "extensions": {"netease": {"abandonRatio": 10_000}}}]}),
    ] {
        assert!(!checks.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn events_are_as_the_document_tells() {
    let stage = stage();
    let place = Place::new(&configured(&stage));
    let server = place.serve();
    let contract = Contract::of(&server);
    let body =
        json!({"from": "s", "content": {"type": "text", "text": "hi"}, "messages": [{"to": "user:a"}]});
    let id = server.post("/v1/batches", &body).of(202)["id"].as_str().expect("an id").to_owned();
    eventually("the batch settles", Duration::from_secs(20), || {
        (server.batch(&id)["state"] == "settled").then_some(())
    });
    let events = server.get(&format!("/v1/batches/{id}/events"));
    contract.tells_of("GET", "/v1/batches/{id}/events", &events);
    let text = events.text();
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("an event with data");
    let batch: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(contract.wrong("BatchView", &batch), Vec::<String>::new());
}

#[test]
fn the_page_shows_every_operation_and_loads_nothing_from_elsewhere() {
    let place = Place::new(&configured(&stage()));
    let server = place.serve();
    let page = server.get("/docs");
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let html = page.text();
    for operation in Contract::of(&server).operations() {
        let id = operation.about["operationId"].as_str().expect("an id");
        assert!(html.contains(&format!("id=\"{id}\"")), "{id} is not shown");
        assert!(html.contains(&format!("href=\"#{id}\"")), "{id} is not listed");
    }
    for event in ["batchSettled", "messagesSettled", "messagesRevised"] {
        assert!(html.contains(&format!("id=\"{event}\"")), "{event} is not shown");
    }
    assert!(!html.contains("<script") && !html.contains("style=") && !html.contains("src="));
    assert_eq!(server.get("/docs/docs.css").header("content-type"), Some("text/css; charset=utf-8"));
}
