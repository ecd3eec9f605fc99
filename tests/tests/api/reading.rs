//! What can be read: results in pages and streams, lists, searches, events, and what the gateway is made of.

use super::*;

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
