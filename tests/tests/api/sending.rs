//! What is answered to those who send: batches and direct sends, waiting, refusals, what is unknown, and keys
//! of idempotency.

use super::*;

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
