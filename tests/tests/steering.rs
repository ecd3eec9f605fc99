//! What people do to work that is under way: pausing, resuming, cancelling. Nothing that is on its way is ever
//! taken back, and nothing that was held back is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use interline_tests::scene::{IN_FLIGHT, Scene, accept, batch_of, config_of, id_of, refused, steer};
use interline_tests::{Place, Server, Troupe, eventually, in_seconds, refuse};
use interline_twins::{Fault, FaultKind};
use serde_json::{Value, json};

const SECONDS: Duration = Duration::from_secs(30);

fn state_of_provider(server: &Server, name: &str) -> Value {
    let providers = server.get("/v1/providers").of(200);
    let found = providers["providers"].as_array().and_then(|all| all.iter().find(|one| one["name"] == name));
    found.map(|provider| provider["state"].clone()).unwrap_or_default()
}

#[test]
fn cancelling_withdraws_what_waits_and_lets_what_left_end() {
    let scene = Scene::new();
    let server = scene.place.serve();
    scene.hold("one", 700);
    let id = accept(&server, &batch_of(40));
    eventually("calls are under way", SECONDS, || (scene.troupe.open_calls() > 0).then_some(()));
    let cancelled = steer(&server, &id, "cancel");
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    let settled = eventually("what was under way has ended", SECONDS, || {
        let batch = server.batch(&id);
        (!batch["settled_at"].is_null()).then_some(batch)
    });
    assert_eq!(settled["state"], "cancelled");
    let counts = &settled["counts"];
    let of = |name: &str| counts[name].as_u64().unwrap_or_default();
    assert_eq!(of("accepted") + of("cancelled"), 40, "{counts}");
    assert!(of("accepted") > 0 && of("cancelled") > 0, "{counts}");
    assert_eq!(scene.total("one"), of("accepted"), "what was cancelled never left");
    let results = server.results(&id);
    for result in &results {
        let cancelled = result["status"] == "cancelled";
        assert_eq!(cancelled, result["attempts"] == json!([]), "{result}");
    }
    // Cancelling again changes nothing, and nothing comes back.
    assert_eq!(steer(&server, &id, "cancel")["counts"], *counts);
    refused(&server.post_text(&format!("/v1/batches/{id}/resume"), ""), 409, "conflict", "cancelled");
    refused(&server.post_text(&format!("/v1/batches/{id}/pause"), ""), 409, "conflict", "cancelled");
}

#[test]
fn a_paused_batch_sends_nothing_until_it_goes_on() {
    let scene = Scene::new();
    let server = scene.place.serve();
    scene.hold("one", 500);
    let id = accept(&server, &batch_of(40));
    eventually("calls are under way", SECONDS, || (scene.troupe.open_calls() > 0).then_some(()));
    assert_eq!(steer(&server, &id, "pause")["state"], "paused");
    eventually("what was under way has ended", SECONDS, || {
        let counts = server.batch(&id)["counts"].clone();
        (counts["sending"] == 0 && scene.troupe.open_calls() == 0).then_some(())
    });
    let held = server.batch(&id)["counts"]["queued"].as_u64().expect("a count");
    assert!(held > 0);
    // Others go on, past it.
    scene.troupe.clear_faults();
    server.settled(&accept(&server, &batch_of(3)), SECONDS);
    let after = server.batch(&id);
    assert_eq!((&after["state"], &after["counts"]["queued"]), (&json!("paused"), &json!(held)), "{after}");
    assert_eq!(steer(&server, &id, "resume")["state"], "sending");
    let settled = server.settled(&id, SECONDS);
    assert_eq!(settled["counts"]["accepted"], 40, "{settled}");
    assert_eq!(scene.total("one"), 43);
    refused(&server.post_text(&format!("/v1/batches/{id}/cancel"), ""), 409, "conflict", "settled");
}

#[test]
fn a_paused_batch_stays_paused_over_a_restart_and_a_cancelled_one_cancelled() {
    let scene = Scene::new();
    let server = scene.place.serve();
    scene.hold("one", 60_000);
    let (paused, cancelled) = (accept(&server, &batch_of(20)), accept(&server, &batch_of(20)));
    steer(&server, &paused, "pause");
    steer(&server, &cancelled, "cancel");
    server.kill();
    scene.troupe.clear_faults();
    let server = scene.place.serve();
    eventually("the cancelled one is settled", SECONDS, || {
        (!server.batch(&cancelled)["settled_at"].is_null()).then_some(())
    });
    assert_eq!(server.batch(&cancelled)["state"], "cancelled");
    assert_eq!(server.batch(&paused)["state"], "paused");
    steer(&server, &paused, "resume");
    let counts = server.settled(&paused, SECONDS)["counts"].clone();
    let of = |name: &str| counts[name].as_u64().unwrap_or_default();
    assert_eq!(of("accepted") + of("unknown"), 20, "{counts}");
    assert!(of("accepted") >= 20 - IN_FLIGHT, "{counts}");
}

#[test]
fn a_paused_provider_makes_no_call_and_is_still_paused_after_a_restart() {
    let scene = Scene::new();
    let server = scene.place.serve();
    let paused = server.post_text("/v1/providers/one/pause", "").of(200);
    assert_eq!((&paused["name"], &paused["state"]), (&json!("one"), &json!("paused")));
    assert_eq!(state_of_provider(&server, "one"), "paused");
    assert_eq!(state_of_provider(&server, "two"), "ready");
    let id = accept(&server, &batch_of(10));
    server.kill();
    let server = scene.place.serve();
    assert_eq!(state_of_provider(&server, "one"), "paused");
    assert!(server.log().contains("the provider is paused"), "{}", server.log());
    let mut elsewhere = batch_of(3);
    elsewhere["route"] = json!("to-two");
    server.settled(&accept(&server, &elsewhere), SECONDS);
    assert_eq!((scene.total("one"), scene.total("two")), (0, 3));
    assert_eq!(server.batch(&id)["counts"]["queued"], 10);
    let resumed = server.post_text("/v1/providers/one/resume", "{}").of(200);
    assert_eq!(resumed["state"], "ready");
    assert_eq!(server.settled(&id, SECONDS)["counts"]["accepted"], 10);
    server.kill();
    assert_eq!(state_of_provider(&scene.place.serve(), "one"), "ready");
}

#[test]
fn a_server_that_starts_paused_sends_nothing_of_what_waits_until_each_is_resumed() {
    let scene = Scene::new();
    // Both are away, so that work waits for them which nobody has held back.
    for name in ["one", "two"] {
        refuse(scene.troupe.twin(name), 60_000);
    }
    let server = scene.place.serve();
    let mut elsewhere = batch_of(10);
    elsewhere["route"] = json!("to-two");
    let (id, other) = (accept(&server, &batch_of(10)), accept(&server, &elsewhere));
    server.kill();
    scene.troupe.clear_faults();
    let server = scene.place.serve_with(&["--paused"]);
    for name in ["one", "two"] {
        assert_eq!(state_of_provider(&server, name), "paused");
    }
    // One that is sent at once waits as long as it may: longer than what waits would take to leave.
    let message = json!({"to": "user:now", "content": {"type": "text", "text": "now"}});
    let sent = server.post("/v1/send?timeout=1", &json!({"messages": [message]})).of(200);
    assert_eq!(sent["results"][0]["status"], "expired", "{sent}");
    assert_eq!((scene.total("one"), scene.total("two")), (0, 0));
    // Calls that were looking whether somebody is there when the server was killed are unknown; all others wait.
    let waits = |id: &str| server.batch(id)["counts"]["queued"].as_u64().expect("a count");
    let (held, held_there) = (waits(&id), waits(&other));
    assert!(held >= 10 - IN_FLIGHT && held_there >= 10 - IN_FLIGHT, "{held} {held_there}");
    server.kill();
    // As by hand: it holds when the server starts without it, and for each by itself.
    let server = scene.place.serve();
    assert_eq!(server.post_text("/v1/providers/one/resume", "").of(200)["state"], "ready");
    assert_eq!(server.settled(&id, SECONDS)["counts"]["accepted"], held);
    assert_eq!((scene.total("one"), scene.total("two")), (held, 0));
    assert_eq!(state_of_provider(&server, "two"), "paused");
    server.post_text("/v1/providers/two/resume", "").of(200);
    assert_eq!(server.settled(&other, SECONDS)["counts"]["accepted"], held_there);
}

#[test]
fn a_probe_tells_whether_a_provider_is_there_and_what_it_speaks() {
    let scene = Scene::new();
    let server = scene.place.serve();
    let probed = server.post_text("/v1/providers/one/probe", "").of(200);
    assert_eq!(probed, json!({"provider": "one", "reachable": true, "dialect": "published"}));
    refuse(scene.troupe.twin("one"), 60_000);
    let probed = eventually("the port is closed", SECONDS, || {
        let probed = server.post_text("/v1/providers/one/probe", "").of(200);
        (probed["reachable"] == false).then_some(probed)
    });
    assert_eq!(probed, json!({"provider": "one", "reachable": false, "dialect": null}));
    for verb in ["pause", "resume", "probe"] {
        let nobody = server.post_text(&format!("/v1/providers/nobody/{verb}"), "");
        refused(&nobody, 404, "not_found", "nobody");
    }
}

#[test]
fn an_app_steers_its_own_batches_and_an_admin_all() {
    let mut troupe = Troupe::new();
    let folder = Place::empty();
    let mut apps = String::new();
    let mut keys = BTreeMap::new();
    for (name, may) in [
        ("shop", "\"send\", \"read\""),
        ("other", "\"send\", \"read\""),
        ("boss", "\"admin\", \"read\""),
        ("editor", "\"admin\", \"send\""),
    ] {
        let ran = folder.run(&["keys", "new", name]);
        let said = ran.said();
        let key = said.split_whitespace().find(|word| word.starts_with("il_")).expect("a key").to_owned();
        let hash = said.split('"').find(|text| text.len() == 64).expect("a hash").to_owned();
        apps += &format!("[[apps]]\nname = \"{name}\"\nkey_sha256 = \"{hash}\"\nmay = [{may}]\n");
        keys.insert(name, key);
    }
    let place = Place::with("auth = \"keys\"", &(config_of(&mut troupe) + &apps));
    let server = place.serve();
    let of = |name: &str| server.key(&keys[name]);
    let mut batch = batch_of(2);
    batch["send_at"] = json!(in_seconds(3600));
    let id = id_of(&of("shop").post("/v1/batches", &batch));
    for verb in ["pause", "resume", "cancel", "redrive"] {
        let path = format!("/v1/batches/{id}/{verb}");
        refused(&of("other").post_text(&path, ""), 404, "not_found", &id);
        assert_eq!(server.post_text(&path, "").status, 401);
    }
    for verb in ["pause", "resume", "probe"] {
        let path = format!("/v1/providers/one/{verb}");
        assert_eq!(of("shop").post_text(&path, "").status, 403);
        assert_eq!(of("boss").post_text(&path, "").status, 200);
    }
    assert_eq!(of("shop").post_text(&format!("/v1/batches/{id}/pause"), "").of(200)["state"], "paused");
    assert_eq!(of("boss").post_text(&format!("/v1/batches/{id}/cancel"), "").of(200)["state"], "cancelled");
    let path = format!("/v1/batches/{id}/redrive");
    let redrive = json!({"status": ["cancelled"]});
    refused(&of("boss").post(&path, &redrive), 403, "forbidden", "send");
    let again = of("editor").post(&path, &redrive);
    assert_eq!(again.status, 202, "{}", again.text());
    let path = format!("/v1/batches/{}", id_of(&again));
    assert_eq!(of("shop").get(&path).of(200)["app"], "shop", "it stays the app's");
}

#[test]
fn a_batch_for_later_is_scheduled_until_its_time_comes() {
    let scene = Scene::new();
    let server = scene.place.serve();
    let mut batch = batch_of(2);
    batch["send_at"] = json!(in_seconds(3));
    let id = accept(&server, &batch);
    assert_eq!(server.batch(&id)["state"], "scheduled");
    assert_eq!(steer(&server, &id, "pause")["state"], "paused");
    assert_eq!(steer(&server, &id, "resume")["state"], "scheduled");
    assert_eq!(scene.total("one"), 0);
    server.settled(&id, SECONDS);
    let at = |batch: &Value| batch["settled_at"].as_str().unwrap_or_default().to_owned();
    let settled = server.batch(&id);
    assert!(at(&settled).as_str() > settled["send_at"].as_str().expect("a time"), "{settled}");
    batch["send_at"] = json!("2020-01-01T00:00:00Z");
    server.settled(&accept(&server, &batch), SECONDS);
}

#[test]
fn what_expires_before_it_can_be_sent_is_refused_and_what_waits_too_long_expires() {
    let scene = Scene::new();
    let server = scene.place.serve();
    let with = |field: &str, value: Value| {
        let mut batch = batch_of(2);
        batch[field] = value;
        batch
    };
    let past = json!("2020-01-01T00:00:00Z");
    let problem = server.post("/v1/batches", &with("expires_at", past.clone())).of(400);
    assert_eq!(problem["errors"][0]["path"], "/expires_at", "{problem}");
    let mut batch = with("expires_at", json!(in_seconds(60)));
    batch["send_at"] = json!(in_seconds(3600));
    let problem = server.post("/v1/batches", &batch).of(400);
    assert_eq!(problem["errors"][0]["path"], "/expires_at", "{problem}");
    let mut batch = batch_of(2);
    batch["messages"][1]["expires_at"] = past;
    let problem = server.post("/v1/batches", &batch).of(400);
    assert_eq!(problem["errors"][0]["path"], "/messages/1/expires_at", "{problem}");
    let lines = "{\"expires_at\":\"2020-01-01T00:00:00Z\"}\n";
    let problem = server.post_lines("/v1/batches", lines.as_bytes()).of(400);
    assert_eq!(problem["errors"][0]["path"], "line 1 /expires_at", "{problem}");
    assert_eq!(server.batches(), 0);

    server.post_text("/v1/providers/one/pause", "").of(200);
    let expires_at = in_seconds(2);
    let id = accept(&server, &with("expires_at", json!(expires_at)));
    eventually("its time is over", SECONDS, || (in_seconds(0) > expires_at).then_some(()));
    server.post_text("/v1/providers/one/resume", "").of(200);
    assert_eq!(server.settled(&id, SECONDS)["counts"]["expired"], 2);
    assert_eq!(scene.total("one"), 0);
    // What expired may be sent again: its time is not taken along.
    let again = id_of(&server.post(&format!("/v1/batches/{id}/redrive"), &json!({"status": ["expired"]})));
    assert_eq!(server.settled(&again, SECONDS)["counts"]["accepted"], 2);
}

#[test]
fn an_id_that_is_repeated_refuses_the_later_lines_alone() {
    let scene = Scene::new();
    let server = scene.place.serve();
    let mut lines =
        String::from("{\"validation\":\"permissive\",\"content\":{\"type\":\"text\",\"text\":\"hi\"}}\n");
    for line in 2..=701 {
        let id = if line % 300 == 0 { 2 } else { line };
        lines += &format!("{{\"id\":\"m{id}\",\"to\":\"user:u{line}\"}}\n");
        if line == 350 {
            // An empty line is a line.
            lines += "\n";
        }
    }
    let answer = server.post_lines("/v1/batches", lines.as_bytes());
    let accepted = answer.of(202);
    let paths: Vec<_> =
        accepted["errors"].as_array().into_iter().flatten().map(|error| error["path"].clone()).collect();
    assert_eq!(paths, ["line 300 /id", "line 601 /id"], "{accepted}");
    assert!(accepted["errors"][1]["detail"].as_str().is_some_and(|detail| detail.contains("line 2 ")));
    let settled = server.settled(&id_of(&answer), SECONDS);
    assert_eq!((&settled["counts"]["rejected"], &settled["counts"]["accepted"]), (&json!(2), &json!(698)));
    assert_eq!(scene.total("one"), 698);

    let strict = server.post_lines("/v1/batches", lines.replace("permissive", "strict").as_bytes()).of(400);
    let paths: Vec<_> =
        strict["errors"].as_array().into_iter().flatten().map(|error| error["path"].clone()).collect();
    assert_eq!(paths, ["line 300 /id", "line 601 /id"], "{strict}");
    assert_eq!(server.batches(), 1);
}

#[test]
fn what_is_under_way_can_be_asked_for_however_it_was_sent() {
    let scene = Scene::new();
    let server = scene.place.serve();
    scene.hold("one", 2_000);
    let keyed = server.with("idempotency-key", "slow-1");
    let sending = std::thread::spawn(move || keyed.post("/v1/send?timeout=10", &batch_of(2)).of(200));
    let stored = accept(&server, &batch_of(2));
    let ids = |id: &Value| {
        let path = format!("/v1/batches/{}/messages?status=sending", id.as_str().unwrap_or_default());
        let messages = server.get(&path).of(200)["messages"].clone();
        messages.as_array().map(|all| all.iter().map(|one| one["id"].clone()).collect::<Vec<_>>())
    };
    eventually("both are under way", SECONDS, || {
        let batches = server.get("/v1/batches").of(200)["batches"].clone();
        let both = batches.as_array().filter(|both| both.len() == 2)?;
        let all = both.iter().all(|batch| ids(&batch["id"]) == Some(vec![json!("m0"), json!("m1")]));
        all.then_some(())
    });
    let sent = sending.join().expect("an answer");
    assert_eq!(sent["counts"]["accepted"], 2);
    server.settled(&stored, SECONDS);
    assert_eq!(ids(&json!(stored)), Some(Vec::new()));
    // What left at once has nothing that could be held back.
    let id = sent["id"].as_str().expect("an id");
    refused(&server.post_text(&format!("/v1/batches/{id}/cancel"), ""), 409, "conflict", "at once");
}

#[test]
fn what_may_have_arrived_is_unknown_after_a_cancel_and_the_rest_says_why_it_never_left() {
    let scene = Scene::new();
    let server = scene.place.serve();
    scene.troupe.twin("one").set_fault(Fault::new(FaultKind::CloseAfterRead));
    let mut batch = batch_of(1);
    batch["guarantee"] = json!("at_least_once");
    let id = accept(&server, &batch);
    eventually("it was tried", SECONDS, || (scene.total("one") > 0).then_some(()));
    steer(&server, &id, "pause");
    eventually("its lane gave it back", SECONDS, || {
        let providers = server.get("/v1/providers").of(200);
        let waiting = |one: &Value| one["waiting"] == 0 && one["in_flight"] == 0;
        providers["providers"].as_array().is_some_and(|all| all.iter().all(waiting)).then_some(())
    });
    steer(&server, &id, "cancel");
    let over = eventually("it is over", SECONDS, || {
        let batch = server.batch(&id);
        (!batch["settled_at"].is_null()).then_some(batch)
    });
    assert_eq!((&over["counts"]["unknown"], &over["counts"]["cancelled"]), (&json!(1), &json!(0)), "{over}");

    let mut later = batch_of(1);
    later["send_at"] = json!(in_seconds(3600));
    let id = accept(&server, &later);
    assert_eq!(steer(&server, &id, "cancel")["counts"]["cancelled"], 1);
    let error = &server.results(&id)[0]["error"];
    assert_eq!((&error["code"], &error["fate"]), (&json!("cancelled"), &json!("not_sent")), "{error}");
}
