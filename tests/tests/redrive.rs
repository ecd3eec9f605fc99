//! What failed is sent again: the same messages under the same ids, all of them or those that are named,
//! changed by a patch, and never twice under a key.

use std::time::Duration;

use interline_tests::in_seconds;
use interline_tests::scene::{Scene, accept, batch_of, by_id, id_of, refused, steer};
use interline_twins::{Fault, FaultKind};
use serde_json::{Value, json};

const SECONDS: Duration = Duration::from_secs(30);

#[test]
fn what_is_rejected_or_unknown_is_sent_again_under_the_same_ids() {
    let scene = Scene::new();
    let server = scene.place.serve();
    let wukong = scene.troupe.twin("one");
    // Two calls are lost after they were read, and two are refused for good.
    wukong.set_fault(Fault::new(FaultKind::CloseAfterRead).times(2));
    wukong.set_fault(Fault::new(FaultKind::Status).value(400).times(2).after(2));
    let mut batch = batch_of(8);
    batch["messages"][1]["client_id"] = json!("mine-1");
    batch["messages"][2].as_object_mut().expect("a message").remove("id");
    batch["labels"] = json!({"campaign": "autumn"});
    let id = accept(&server, &batch);
    let old = server.settled(&id, SECONDS);
    assert_eq!((&old["counts"]["unknown"], &old["counts"]["rejected"]), (&json!(2), &json!(2)), "{old}");
    let before = by_id(server.results(&id));

    let answer = server.post_text(&format!("/v1/batches/{id}/redrive"), "");
    assert_eq!(answer.status, 202, "{}", answer.text());
    let again = id_of(&answer);
    let settled = server.settled(&again, SECONDS);
    assert_eq!((&settled["redriven_from"], &settled["labels"]["campaign"]), (&json!(id), &json!("autumn")));
    assert_eq!(server.batch(&id)["redriven_from"], Value::Null);
    assert_eq!((&settled["counts"]["total"], &settled["counts"]["accepted"]), (&json!(4), &json!(4)));
    for (name, result) in by_id(server.results(&again)) {
        let old = &before[&name];
        assert!(matches!(old["status"].as_str(), Some("rejected" | "unknown")), "{old}");
        assert_eq!(result["to"], old["to"]);
        assert_eq!(result["may_be_duplicate"], old["status"] == "unknown", "{result}");
        assert_eq!(result["attempts"].as_array().map(Vec::len), Some(1), "{result}");
        if name == "m1" {
            assert_eq!(result["vendor_client_id"], "mine-1", "{result}");
        } else {
            assert_eq!(result["vendor_client_id"], old["vendor_client_id"], "{result}");
        }
    }
    // The old batch stays as it was.
    assert_eq!(by_id(server.results(&id)), before);
    // Nothing is left to be sent again of the new one; and what was a duplicate stays one.
    let nothing = server.post_text(&format!("/v1/batches/{again}/redrive"), "{}");
    refused(&nothing, 409, "conflict", "rejected or unknown");
}

#[test]
fn a_redriven_message_says_that_it_may_be_a_duplicate_after_a_restart_too() {
    let scene = Scene::new();
    let server = scene.place.serve();
    scene.troupe.twin("one").set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let id = accept(&server, &batch_of(1));
    server.settled(&id, SECONDS);
    server.post_text("/v1/providers/one/pause", "").of(200);
    let again = id_of(&server.post_text(&format!("/v1/batches/{id}/redrive"), ""));
    assert_eq!(server.results(&again)[0]["may_be_duplicate"], true);
    server.kill();
    let server = scene.place.serve();
    server.post_text("/v1/providers/one/resume", "").of(200);
    server.settled(&again, SECONDS);
    let result = &server.results(&again)[0];
    assert_eq!((&result["status"], &result["may_be_duplicate"]), (&json!("accepted"), &json!(true)));
    // A caller cannot say so.
    let mut batch = batch_of(1);
    batch["messages"][0]["may_be_duplicate"] = json!(false);
    assert_eq!(server.post("/v1/batches", &batch).status, 400);
}

#[test]
fn a_patch_sends_what_failed_by_another_provider() {
    let scene = Scene::new();
    let server = scene.place.serve();
    scene.troupe.twin("one").set_fault(Fault::new(FaultKind::Status).value(400).times(3));
    let mut batch = batch_of(5);
    batch["options"] = json!({"store": false, "push": {"title": "Old", "body": "Body"}});
    batch["send_at"] = json!("2020-01-01T00:00:00Z");
    let id = accept(&server, &batch);
    assert_eq!(server.settled(&id, SECONDS)["counts"]["rejected"], 3);
    let order = json!({
        "status": ["rejected"],
        "patch": {
            "route": "to-two", "trace_id": "second try", "labels": {"try": "2"},
            "content": {"type": "text", "text": "hello again"},
            "options": {"store": null, "push": {"title": "New"}},
        },
    });
    let again = id_of(&server.post(&format!("/v1/batches/{id}/redrive"), &order));
    let settled = server.settled(&again, SECONDS);
    assert_eq!(settled["counts"]["accepted"], 3, "{settled}");
    assert_eq!((&settled["trace_id"], &settled["labels"]["try"]), (&json!("second try"), &json!("2")));
    assert_eq!(settled["send_at"], Value::Null, "{settled}");
    assert!(server.results(&again).iter().all(|result| result["provider"] == "two"));
    assert_eq!((scene.total("one"), scene.total("two")), (2, 3));
    assert!(
        scene.arrived("two").keys().all(|text| text.contains("hello again")),
        "{:?}",
        scene.arrived("two")
    );
}

#[test]
fn a_redrive_takes_the_messages_that_are_named_and_names_what_is_wrong() {
    let scene = Scene::new();
    let server = scene.place.serve();
    scene.troupe.twin("one").set_fault(Fault::new(FaultKind::Status).value(400));
    let id = accept(&server, &batch_of(4));
    server.settled(&id, SECONDS);
    scene.troupe.clear_faults();
    let path = format!("/v1/batches/{id}/redrive");
    let again = id_of(&server.post(&path, &json!({"message_ids": ["m1", "m3"]})));
    server.settled(&again, SECONDS);
    let ids: Vec<String> = by_id(server.results(&again)).into_keys().collect();
    assert_eq!(ids, ["m1", "m3"]);

    let wrong = [
        (json!({"status": ["accepted"]}), "/status/0"),
        (json!({"status": []}), "/status"),
        (json!({"message_ids": ["m1", "m9"]}), "/message_ids/1"),
        (json!({"patch": {"to": "user:x"}}), "/patch/to"),
        (json!({"patch": {"client_id": "x"}}), "/patch/client_id"),
        (json!({"patch": {"colour": "red"}}), "/patch/colour"),
        (json!({"patch": {"content": {"type": "text"}}}), "/patch/content/text"),
        (json!({"patch": {"options": {"stoer": true}}}), "/patch/options/stoer"),
        (json!({"patch": {"route": "nowhere"}}), "/patch/route"),
        (json!({"patch": {"expires_at": "2020-01-01T00:00:00Z"}}), "/patch/expires_at"),
        (json!({"patch": {"callback": {"url": "https://a"}}}), "/patch/callback"),
        (json!({"patch": {"vars": {"name": "x"}}}), "/messages/0/vars"),
        (json!({"which": "all"}), "/which"),
    ];
    let batches = server.batches();
    for (order, path_of_error) in wrong {
        let refused = server.post(&path, &order).of(400);
        let paths: Vec<_> =
            refused["errors"].as_array().into_iter().flatten().map(|error| error["path"].clone()).collect();
        assert!(paths.contains(&json!(path_of_error)), "{order}: {refused}");
    }
    // What the messages share is wrong once, and in the patch.
    let mut sharing = batch_of(4);
    sharing["content"] = json!({"type": "text", "text": "hi"});
    sharing["send_at"] = json!(in_seconds(3600));
    for message in sharing["messages"].as_array_mut().into_iter().flatten() {
        message.as_object_mut().expect("a message").remove("content");
    }
    let shared = accept(&server, &sharing);
    steer(&server, &shared, "cancel");
    let order =
        json!({"status": ["cancelled"], "patch": {"content": {"type": "raw", "vendor": "x", "body": {}}}});
    let answer = server.post(&format!("/v1/batches/{shared}/redrive"), &order).of(400);
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(answer["errors"][0]["path"], "/patch/content/vendor", "{answer}");

    refused(&server.post(&path, &json!({"status": ["cancelled"]})), 409, "conflict", "cancelled");
    refused(&server.post_text("/v1/batches/bat_none/redrive", ""), 404, "not_found", "bat_none");
    assert_eq!(server.batches(), batches + 1, "what was refused left nothing behind");
}

#[test]
fn a_redrive_under_a_key_happens_once() {
    let scene = Scene::new();
    let server = scene.place.serve();
    scene.troupe.twin("one").set_fault(Fault::new(FaultKind::Status).value(400).times(2));
    let id = accept(&server, &batch_of(2));
    server.settled(&id, SECONDS);
    let path = format!("/v1/batches/{id}/redrive");
    let keyed = server.with("idempotency-key", "again-1");
    let first = keyed.post_text(&path, "{}");
    let again = id_of(&first);
    server.settled(&again, SECONDS);
    let second = keyed.post_text(&path, "{}");
    assert_eq!((second.status, second.header("idempotency-replayed")), (202, Some("true")));
    assert_eq!(id_of(&second), again);
    refused(&keyed.post(&path, &json!({"message_ids": ["m0"]})), 409, "idempotency_mismatch", "");
    assert_eq!((server.batches(), scene.total("one")), (2, 2));
}

#[test]
fn of_many_messages_exactly_those_that_may_have_arrived_may_be_duplicates() {
    let scene = Scene::new();
    let server = scene.place.serve();
    for name in ["one", "two"] {
        for after in [3, 150, 300] {
            let lost = Fault::new(FaultKind::CloseAfterRead).times(1).after(after);
            scene.troupe.twin(name).set_fault(lost);
        }
        scene.troupe.twin(name).set_fault(Fault::new(FaultKind::Status).value(400));
    }
    // More than a parcel for each provider, in turns.
    let mut batch = batch_of(700);
    for message in batch["messages"].as_array_mut().into_iter().flatten().step_by(2) {
        message["labels"] = json!({"to": "two"});
    }
    let id = accept(&server, &batch);
    let counts = server.settled(&id, SECONDS)["counts"].clone();
    assert_eq!((&counts["unknown"], &counts["rejected"]), (&json!(6), &json!(694)), "{counts}");
    let before = by_id(server.results(&id));
    scene.troupe.clear_faults();
    let again = id_of(&server.post_text(&format!("/v1/batches/{id}/redrive"), ""));
    assert_eq!(server.settled(&again, SECONDS)["counts"]["accepted"], 700);
    let after = by_id(server.results(&again));
    assert_eq!(after.len(), 700);
    for (name, result) in after {
        assert_eq!(result["may_be_duplicate"], before[&name]["status"] == "unknown", "{result}");
        assert_eq!(result["vendor_client_id"], before[&name]["vendor_client_id"], "{result}");
    }
}
