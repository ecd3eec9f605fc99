//! The shapes of the API's answers, as programs depend on them.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

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

#[test]
fn an_accepted_batch_has_an_id_a_state_counts_and_links() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let answer = server.post("/v1/batches", &batch_of(3));
    let accepted = answer.of(202);
    assert_eq!(keys(&accepted), set(["id", "state", "counts", "links"]));
    let id = id_of(&accepted);
    assert!(id.starts_with("bat_"), "{id}");
    let counted = set([
        "total",
        "queued",
        "sending",
        "accepted",
        "rejected",
        "unknown",
        "cancelled",
        "expired",
        "calls",
    ]);
    assert_eq!(keys(&accepted["counts"]), counted);
    assert_eq!(accepted["counts"]["total"], 3);
    server.settled(&id, SECONDS);
    for link in accepted["links"].as_object().expect("links").values() {
        let path = link.as_str().expect("a path");
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn prefer_wait_answers_with_the_results_once_all_is_settled() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let answer = server.with("prefer", "wait=20").post("/v1/batches", &batch_of(3));
    assert_eq!(answer.header("preference-applied"), Some("wait=20"));
    let settled = answer.of(200);
    assert_eq!(
        (&settled["state"], settled["results"].as_array().map(Vec::len)),
        (&json!("settled"), Some(3))
    );
    stage.wukongim().set_fault(Fault::new(FaultKind::Hang));
    let answer = server.with("prefer", "wait=1").post("/v1/batches", &batch_of(1));
    assert_eq!(answer.of(202)["counts"]["accepted"], 0);
}

#[test]
fn a_direct_send_answers_with_results_and_names_the_providers() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut batch = batch_of(2);
    batch["messages"].as_array_mut().expect("messages").push(text("r", "room:7"));
    let answer = server.post("/v1/send", &batch);
    let mut providers: Vec<_> =
        answer.header("interline-provider").expect("the header").split(',').map(str::trim).collect();
    providers.sort_unstable();
    assert_eq!(providers, ["ne", "wk"]);
    let sent = answer.of(200);
    assert_eq!(keys(&sent), set(["id", "state", "counts", "results"]));
    assert_eq!(sent["state"], "settled");
    let result = &sent["results"][0];
    let fields = set([
        "id",
        "to",
        "status",
        "provider",
        "vendor",
        "vendor_message_id",
        "vendor_client_id",
        "vendor_seq",
        "vendor_time_ms",
        "vendor_batch_id",
        "vendor_data",
        "losses",
        "may_be_duplicate",
        "error",
        "attempts",
    ]);
    assert_eq!(keys(result), fields);
    assert!(result["vendor_message_id"].is_string() && result["vendor_seq"].is_string(), "{result}");
    let attempt = &result["attempts"][0];
    assert!(keys(attempt).is_superset(&set(["provider", "at", "duration_ms", "result"])), "{attempt}");
    // The same results can be read afterwards.
    let id = id_of(&sent);
    eventually("it is recorded", SECONDS, || {
        (server.get(&format!("/v1/batches/{id}")).status == 200).then_some(())
    });
    let stored = server.get(&format!("/v1/batches/{id}/messages")).of(200);
    assert_eq!(stored["messages"], sent["results"]);
}

#[test]
fn a_refused_message_says_why_in_ours_and_in_the_vendors_words() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let sent = server.post("/v1/send", &json!({"messages": [text("a", "room:404404")]})).of(200);
    let error = &sent["results"][0]["error"];
    assert_eq!(keys(error), set(["code", "message", "fate", "retryable", "vendor_code", "vendor_message"]));
    assert_eq!((&error["code"], &error["fate"]), (&json!("recipient_not_found"), &json!("refused")));
    assert_eq!(error["vendor_code"], "404");
}

#[test]
fn a_lost_answer_is_unknown_and_a_late_one_too() {
    let stage = stage();
    let (_place, server) = open(&stage);
    stage.wukongim().set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let sent = server.post("/v1/send", &batch_of(1)).of(200);
    assert_eq!((&sent["results"][0]["status"], stage.total()), (&json!("unknown"), 1), "{sent}");
    assert_eq!(sent["results"][0]["error"]["code"], "connection_lost");
    stage.wukongim().set_fault(Fault::new(FaultKind::Hang).times(1));
    let sent = server.post("/v1/send?timeout=1", &batch_of(1)).of(200);
    assert_eq!(sent["results"][0]["status"], "unknown", "{sent}");
    assert_eq!(sent["results"][0]["error"]["code"], "timeout");
    assert_eq!(stage.calls(), 2, "neither is sent again");
}

#[test]
fn a_key_of_idempotency_gives_the_first_answer_again() {
    let stage = stage();
    let (_place, server) = open(&stage);
    for (path, status) in [("/v1/batches", 202), ("/v1/send", 200)] {
        let client = server.with("idempotency-key", path);
        let before = stage.total();
        let first = client.post(path, &batch_of(2));
        assert_eq!(first.header("idempotency-replayed"), None);
        let first = first.of(status);
        server.settled(&id_of(&first), SECONDS);
        let again = client.post(path, &batch_of(2));
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{path}: {}", again.text());
        assert_eq!(id_of(&first), id_of(&again.of(status)), "{path}");
        assert_eq!(stage.total(), before + 2, "{path} sent twice");
        problem(&client.post(path, &batch_of(1)), 409, "idempotency_mismatch");
    }
    let lines = b"{}\n{\"to\":\"user:a\",\"content\":{\"type\":\"text\",\"text\":\"hi\"}}\n";
    let client = server.with("idempotency-key", "lines");
    let first = id_of(&client.post_lines("/v1/batches", lines).of(202));
    let again = client.post_lines("/v1/batches", lines);
    assert_eq!((again.header("idempotency-replayed"), id_of(&again.of(202))), (Some("true"), first));
    assert_eq!(server.batches(), 3, "a replayed upload leaves nothing behind");
}

#[test]
fn a_key_of_one_call_is_none_of_the_other() {
    let stage = stage();
    let (_place, server) = open(&stage);
    stage.wukongim().set_fault(Fault::new(FaultKind::Hang));
    let client = server.with("idempotency-key", "k");
    client.post("/v1/batches", &batch_of(1)).of(202);
    // The batch is under way; an answer that it is settled would be a lie.
    problem(&client.post("/v1/send", &batch_of(1)), 409, "idempotency_mismatch");
}

#[test]
fn a_repeat_while_the_first_is_running_is_told_to_wait() {
    let stage = stage();
    let (_place, server) = open(&stage);
    stage.wukongim().set_fault(Fault::new(FaultKind::Slow).value(2_000).times(1));
    let client = server.with("idempotency-key", "slow");
    let (first, body) = (client.clone(), batch_of(1));
    let running = {
        let body = body.clone();
        std::thread::spawn(move || first.post("/v1/send", &body))
    };
    eventually("the first call was read", SECONDS, || (stage.calls() == 1).then_some(()));
    let again = client.post("/v1/send", &body);
    problem(&again, 409, "in_progress");
    assert!(again.header("retry-after").is_some());
    assert_eq!(running.join().expect("it ends").of(200)["counts"]["accepted"], 1);
    assert_eq!(stage.total(), 1);
}

#[test]
fn results_come_in_pages_and_streams() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let id = id_of(&server.post("/v1/batches", &batch_of(650)).of(202));
    server.settled(&id, SECONDS);
    let path = format!("/v1/batches/{id}/messages");
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("{path}?limit=100{cursor}")).of(200);
        let messages = page["messages"].as_array().expect("messages");
        assert!(messages.len() <= 100);
        seen.extend(messages.iter().map(|message| message["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let wanted: Vec<_> = (0..650).map(|number| format!("m{number}")).collect();
    assert_eq!(seen, wanted, "every message once, in order");

    let lines = server.with("accept", "application/x-ndjson").get(&path);
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(lines.text().lines().count(), 650);
    let table = server.with("accept", "text/csv").get(&path);
    assert!(table.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")));
    assert_eq!(table.text().lines().count(), 651);
    assert!(table.text().starts_with("id,to,status,provider,vendor,"), "{}", table.text());
    let none = server.get(&format!("{path}?status=rejected")).of(200);
    assert_eq!(none["messages"], json!([]));
}

#[test]
fn batches_are_listed_newest_first_and_found_by_label_and_state() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut ids = Vec::new();
    for number in 0..5 {
        let mut batch = batch_of(1);
        batch["labels"] = json!({"campaign": if number < 2 { "spring" } else { "autumn" }});
        batch["trace_id"] = json!(format!("trace-{number}"));
        let id = id_of(&server.post("/v1/batches", &batch).of(202));
        server.settled(&id, SECONDS);
        ids.push(id);
    }
    let listed = |path: &str| -> Vec<String> {
        let page = server.get(path).of(200);
        page["batches"].as_array().expect("batches").iter().map(id_of).collect()
    };
    let newest: Vec<_> = ids.iter().rev().cloned().collect();
    assert_eq!(listed("/v1/batches"), newest);
    assert_eq!(listed("/v1/batches?label=campaign%3Dspring"), [ids[1].clone(), ids[0].clone()]);
    assert_eq!(listed("/v1/batches?state=queued"), Vec::<String>::new());
    let page = server.get("/v1/batches?limit=2").of(200);
    let next = page["next_cursor"].as_str().expect("a cursor");
    assert_eq!(listed(&format!("/v1/batches?limit=2&cursor={next}")), [ids[2].clone(), ids[1].clone()]);
    assert_eq!(server.batch(&ids[4])["trace_id"], "trace-4");
}

#[test]
fn did_alice_get_it_is_answered_over_batches() {
    let stage = stage();
    let (_place, server) = open(&stage);
    for id in ["first", "second"] {
        let batch = json!({"messages": [text(id, "user:alice"), text("other", "user:bob")]});
        server.settled(&id_of(&server.post("/v1/batches", &batch).of(202)), SECONDS);
    }
    let found = server.get("/v1/messages?to=user:alice&since=1h").of(200);
    let ids: Vec<_> = found["messages"].as_array().expect("messages").iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["second", "first"]);
    assert!(found["messages"][0]["batch_id"].as_str().is_some_and(|id| id.starts_with("bat_")));
    let nobody = server.get("/v1/messages?to=user:carol").of(200);
    assert_eq!(nobody["messages"], json!([]));
}

#[test]
fn a_batch_that_is_sent_later_waits_and_one_that_is_too_late_expires() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut later = batch_of(2);
    later["send_at"] = json!("2099-01-01T09:00:00+08:00");
    let accepted = server.post("/v1/batches", &later).of(202);
    assert_eq!(accepted["state"], "scheduled", "{accepted}");
    // What cannot be sent in time for lack of a connection expires. A server that had to ask for the dialect
    // would have a connection.
    refuse(stage.wukongim(), 60_000);
    let provider = config::wukongim("wk", &stage.wukongim().url(), "published", "");
    let server = Place::new(&format!("{provider}{}", config::route("all", "", "wk"))).serve();
    let mut late = batch_of(2);
    late["expires_at"] = json!(in_seconds(1));
    let expired = server.settled(&id_of(&server.post("/v1/batches", &late).of(202)), SECONDS);
    assert_eq!(expired["counts"]["expired"], 2, "{expired}");
    assert_eq!(stage.calls(), 0);
}

#[test]
fn what_cannot_be_expressed_is_listed_or_refused() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut batch =
        json!({"messages": [text("a", "room:7")], "options": {"ttl": "1h"}, "on_loss": "degrade"});
    let sent = server.post("/v1/send", &batch).of(200);
    assert_eq!(sent["results"][0]["losses"], json!(["ttl"]), "{sent}");
    batch["on_loss"] = json!("reject");
    let refused = server.post("/v1/send", &batch);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("ttl"), "{}", refused.text());
    assert_eq!(stage.total(), 1);
}

#[test]
fn at_least_once_sends_again_and_says_so() {
    let stage = stage();
    let (_place, server) = open(&stage);
    stage.wukongim().set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let mut batch = batch_of(1);
    batch["guarantee"] = json!("at_least_once");
    let sent = server.post("/v1/send", &batch).of(200);
    let result = &sent["results"][0];
    assert_eq!(
        (&result["status"], &result["may_be_duplicate"]),
        (&json!("accepted"), &json!(true)),
        "{sent}"
    );
    assert_eq!((result["attempts"].as_array().map(Vec::len), stage.total()), (Some(2), 2));
}

#[test]
fn a_message_says_for_itself_what_its_batch_says_for_all() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut batch = batch_of(2);
    batch["messages"][0]["expires_at"] = json!("2020-01-01T00:00:00Z");
    let sent = server.post("/v1/send", &batch).of(200);
    let statuses: Vec<_> = (0..2).map(|place| sent["results"][place]["status"].clone()).collect();
    assert_eq!(statuses, ["expired", "accepted"], "{sent}");

    let mut lossy = json!({"messages": [text("a", "room:7"), text("b", "room:8")], "options": {"ttl": "1h"}});
    lossy["messages"][1]["on_loss"] = json!("reject");
    let refused = server.post("/v1/send", &lossy).of(400);
    assert_eq!(refused["errors"].as_array().map(Vec::len), Some(1), "{refused}");
    assert!(refused["errors"][0]["path"].as_str().is_some_and(|path| path.starts_with("/messages/1")));

    stage.wukongim().set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let mut twice = batch_of(1);
    twice["messages"][0]["guarantee"] = json!("at_least_once");
    let sent = server.post("/v1/send", &twice).of(200);
    assert_eq!(sent["results"][0]["may_be_duplicate"], true, "{sent}");

    let provider = config::wukongim("wk", &stage.wukongim().url(), "published", "");
    let routes = config::route("vip", "label = { tier = \"gold\" }", "wk") + &config::route("rest", "", "wk");
    let server = Place::new(&format!("{provider}{routes}")).serve();
    let mut labelled = batch_of(2);
    labelled["labels"] = json!({"tier": "none"});
    labelled["messages"][1]["labels"] = json!({"tier": "gold"});
    let plan = server.post("/v1/plan", &labelled).of(200);
    assert_eq!(
        (&plan["messages"][0]["route"], &plan["messages"][1]["route"]),
        (&json!("rest"), &json!("vip"))
    );
}

#[test]
fn a_client_id_reaches_the_vendor_as_it_was_given() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut batch = batch_of(2);
    batch["messages"][0]["client_id"] = json!("order-17");
    let sent = server.post("/v1/send", &batch).of(200);
    assert_eq!(sent["results"][0]["vendor_client_id"], "order-17");
    let received = stage.wukongim().received();
    assert_eq!(received.messages[0].client_id.as_deref(), Some("order-17"));
    let derived = received.messages[1].client_id.clone().expect("a derived id");
    assert!(derived.len() == 32 && derived.chars().all(|c| c.is_ascii_hexdigit()), "{derived}");
}

#[test]
fn a_batch_may_force_its_route() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut batch = batch_of(1);
    batch["route"] = json!("ne");
    let answer = server.post("/v1/send", &batch);
    assert_eq!((answer.status, answer.header("interline-provider")), (200, Some("ne")), "{}", answer.text());
    assert_eq!((stage.netease().total(), stage.wukongim().total()), (1, 0));
}

#[test]
fn events_end_with_the_settled_batch() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let id = id_of(&server.post("/v1/batches", &batch_of(3)).of(202));
    let events = server.get(&format!("/v1/batches/{id}/events"));
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    let text = events.text();
    let last = text.lines().rev().find_map(|line| line.strip_prefix("data:")).expect("a snapshot");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!((&last["id"], &last["state"]), (&json!(id), &json!("settled")), "{text}");
    assert!(text.lines().any(|line| line.starts_with("id:")), "{text}");
}

#[test]
fn nothing_there_is_a_problem_too() {
    let stage = stage();
    let (_place, server) = open(&stage);
    problem(&server.get("/v1/nothing"), 404, "not_found");
    problem(&server.get("/v1/batches/bat_none"), 404, "not_found");
    problem(&server.get("/v1/send"), 405, "method_not_allowed");
    problem(&server.post("/v1/send", &json!({"messages": []})), 400, "invalid_body");
}

#[test]
fn a_message_that_no_route_takes_is_422() {
    let stage = stage();
    let provider = config::wukongim("wk", &stage.wukongim().url(), "published", "");
    let place = Place::new(&format!("{provider}{}", config::route("users", "to = \"user\"", "wk")));
    let server = place.serve();
    for path in ["/v1/send", "/v1/batches"] {
        let answer = server.post(path, &json!({"messages": [text("a", "group:g")]}));
        let problem = problem(&answer, 422, "not_routable");
        assert_eq!(problem["errors"][0]["path"], "/messages/0/to");
    }
}

#[test]
fn health_and_metrics_are_open_to_everybody() {
    let stage = stage();
    let (_place, server) = open(&stage);
    assert_eq!((server.get("/livez").status, server.get("/readyz").status), (200, 200));
    server.post("/v1/send", &batch_of(1)).of(200);
    let metrics = server.get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().ends_with("# EOF\n"));
    assert!(metrics.text().contains("interline_http_requests"), "{}", metrics.text());
    assert!(!metrics.text().contains("user:"), "recipients are no labels");
}

#[test]
fn providers_vendors_routes_and_the_configuration_can_be_read() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let providers = server.get("/v1/providers").of(200);
    let names: Vec<_> =
        providers["providers"].as_array().expect("providers").iter().map(|one| &one["name"]).collect();
    assert_eq!(names.len(), 4);
    let vendors = server.get("/v1/vendors").of(200);
    assert_eq!(vendors["vendors"].as_array().map(Vec::len), Some(4));
    let routes = server.get("/v1/routes").of(200);
    assert_eq!(routes["routes"].as_array().map(Vec::len), Some(5));
    assert!(
        server.get("/v1/config").of(200)["providers"].is_object()
            || server.get("/v1/config").of(200).is_object()
    );
}

/// The lines of a new app, and its key.
fn app(place: &Place, name: &str, may: &str, more: &str) -> (String, String) {
    let ran = place.run(&["--json", "keys", "new", name]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    let new: Value = serde_json::from_str(&ran.out).expect("--json prints JSON");
    let sha256 = new["key_sha256"].as_str().or(new["sha256"].as_str()).expect("a hash");
    let lines = format!("[[apps]]\nname = \"{name}\"\nkey_sha256 = \"{sha256}\"\nmay = {may}\n{more}\n");
    (lines, new["key"].as_str().expect("a key").to_owned())
}

#[test]
fn keys_decide_who_may_do_what() {
    let stage = stage();
    let makes = Place::empty();
    let (shop, shop_key) = app(&makes, "shop", "[\"send\", \"read\"]", "");
    let (desk, desk_key) = app(&makes, "desk", "[\"read\"]", "");
    let (root, root_key) = app(&makes, "root", "[\"send\", \"read\", \"admin\"]", "");
    let place = Place::with("auth = \"keys\"", &format!("{shop}{desk}{root}{}", config::four(&stage)));
    let server = place.serve();

    let nobody = server.post("/v1/send", &batch_of(1));
    problem(&nobody, 401, "unauthorized");
    assert!(nobody.header("www-authenticate").is_some());
    problem(&server.key("il_00000000_wrong").get("/v1/batches"), 401, "unauthorized");
    problem(&server.key(&desk_key).post("/v1/send", &batch_of(1)), 403, "forbidden");
    problem(&server.key(&shop_key).get("/v1/config"), 403, "forbidden");
    for order in ["start", "set", "rollback", "finish"] {
        let path = format!("/v1/migrations/any/{order}");
        problem(&server.key(&shop_key).post(&path, &json!({})), 403, "forbidden");
    }
    assert_eq!(server.key(&desk_key).get("/v1/migrations").of(200), json!({"migrations": []}));
    assert_eq!(stage.calls(), 0);

    let id = id_of(&server.key(&shop_key).post("/v1/send", &batch_of(1)).of(200));
    let path = format!("/v1/batches/{id}");
    eventually("it is recorded", SECONDS, || (server.key(&shop_key).get(&path).status == 200).then_some(()));
    problem(&server.key(&desk_key).get(&path), 404, "not_found");
    assert_eq!(server.key(&desk_key).get("/v1/messages?to=user:u0").of(200)["messages"], json!([]));
    assert_eq!(server.key(&root_key).get(&path).status, 200);
    problem(&server.key(&desk_key).get("/v1/batches?app=shop"), 403, "forbidden");
    let everyone = json!({"messages": [text("a", "everyone")]});
    problem(&server.key(&shop_key).post("/v1/send", &everyone), 403, "forbidden");
    assert_eq!((server.get("/livez").status, server.get("/metrics").status), (200, 200));
}

#[test]
fn an_app_over_its_rate_is_told_when_to_come_back() {
    let stage = stage();
    let (shop, key) = app(&Place::empty(), "shop", "[\"send\"]", "messages_per_second = 10");
    let place = Place::with("auth = \"keys\"", &format!("{shop}{}", config::four(&stage)));
    let server = place.serve();
    server.key(&key).post("/v1/send", &batch_of(50)).of(200);
    let refused = server.key(&key).post("/v1/send", &batch_of(1));
    problem(&refused, 429, "rate_limited");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(stage.total(), 50);
}

#[test]
fn without_keys_a_web_page_of_somebody_else_is_not_answered() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let foreign = server.with("origin", "https://page.example").post("/v1/send", &batch_of(1));
    problem(&foreign, 403, "forbidden");
    assert_eq!(stage.calls(), 0);
}
