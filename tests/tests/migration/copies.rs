//! The phase `both`: each vendor gets each message once, through kills, moves, drains and redrives.

use super::*;

/// The batch of copies of a batch.
fn copies(server: &Server, of: &str) -> String {
    let found = server.get(&format!("/v1/batches?label=mirror_of%3D{of}")).of(200);
    found["batches"][0]["id"].as_str().map(str::to_owned).unwrap_or_default()
}

/// Both providers hold still, or go on.
fn both(server: &Server, verb: &str) {
    for provider in ["old", "new"] {
        server.post(&format!("/v1/providers/{provider}/{verb}"), &json!({})).of(200);
    }
}

#[test]
fn both_vendors_get_each_message_once_however_it_comes() {
    let (troupe, place) = stage("");
    let server = place.serve();
    order(&server, "start", &json!({"phase": "both"}));
    let id = stored(&server, &batch(0..5, "batch"));
    let direct = server.post("/v1/send", &batch(0..5, "direct")).of(200);
    let keyed = server.with("idempotency-key", "k");
    for _ in 0..2 {
        keyed.post("/v1/send", &batch(0..5, "keyed")).of(200);
    }
    let mut lines = String::from("{\"content\":{\"type\":\"text\",\"text\":\"lines\"}}\n");
    (0..300).for_each(|at| lines.push_str(&format!("{{\"to\":\"user:u{at}\"}}\n")));
    let upload = server.post_lines("/v1/batches", lines.as_bytes()).of(202);
    for (text, count) in [("batch", 5), ("direct", 5), ("keyed", 5), ("lines", 300)] {
        for twin in ["old", "new"] {
            eventually(&format!("{text} at {twin}"), Duration::from_secs(20), || {
                (how_many(&troupe, twin, text) >= count).then_some(())
            });
        }
    }
    assert!(!holds_within(Duration::from_millis(300), || troupe.twin("new").total() > 315));
    assert_eq!((troupe.twin("old").total(), troupe.twin("new").total()), (315, 315));
    for original in [&json!(id), &direct["id"], &upload["id"]] {
        let label = format!("/v1/batches?label=mirror_of%3D{}", original.as_str().unwrap_or_default());
        let copies = server.get(&label).of(200);
        assert_eq!(copies["batches"].as_array().map(Vec::len), Some(1), "{original}: {copies}");
    }
    let results = server.results(&id);
    assert!(results.iter().all(|result| result["provider"] == "old"), "{results:?}");
}

#[test]
fn what_both_are_to_get_survives_a_kill_and_arrives_once_at_each() {
    let (troupe, place) = stage("");
    let server = place.serve();
    order(&server, "start", &json!({"phase": "both"}));
    for provider in ["old", "new"] {
        server.post(&format!("/v1/providers/{provider}/pause"), &json!({})).of(200);
    }
    stored(&server, &batch(0..300, "both"));
    server.kill();
    let server = place.serve();
    order(&server, "rollback", &json!({}));
    for provider in ["old", "new"] {
        server.post(&format!("/v1/providers/{provider}/resume"), &json!({})).of(200);
        eventually("all of it arrived", Duration::from_secs(20), || {
            (how_many(&troupe, provider, "both") >= 300).then_some(())
        });
    }
    assert!(!holds_within(Duration::from_millis(300), || troupe.twin("new").total() > 300));
    assert_eq!((how_many(&troupe, "old", "both"), how_many(&troupe, "new", "both")), (300, 300));
}

#[test]
fn what_went_to_both_is_not_turned_when_everybody_moves() {
    let (troupe, place) = stage("");
    let server = place.serve();
    order(&server, "start", &json!({"phase": "both"}));
    both(&server, "pause");
    let id = stored(&server, &batch(0..100, "both"));
    let client = server.client().clone();
    let direct =
        std::thread::spawn(move || client.post("/v1/send?timeout=20", &batch(0..20, "direct")).of(200));
    eventually("the direct send was taken", SOON, || {
        (server.get("/v1/batches?label=mirror_of").of(200)["batches"].as_array().map(Vec::len) == Some(2))
            .then_some(())
    });
    order(&server, "set", &json!({"percent": 100}));
    both(&server, "resume");
    assert_eq!(direct.join().expect("the direct send ends")["counts"]["accepted"], 20);
    let copied = copies(&server, &id);
    for id in [&id, &copied] {
        assert_eq!(server.settled(id, Duration::from_secs(20))["counts"]["accepted"], 100);
    }
    both(&server, "pause");
    order(&server, "set", &json!({"phase": "both"}));
    let later = stored(&server, &batch(0..100, "later"));
    order(&server, "finish", &json!({}));
    // It is in force at once, and a second later it is known when it was.
    assert!(!holds_within(Duration::from_millis(1_500), || false));
    server.kill();
    let server = place.serve();
    both(&server, "resume");
    for id in [&later, &copies(&server, &later)] {
        assert_eq!(server.settled(id, Duration::from_secs(20))["counts"]["accepted"], 100);
    }
    for (text, count) in [("both", 100), ("direct", 20), ("later", 100)] {
        let counted = ["old", "new"].map(|twin| how_many(&troupe, twin, text));
        assert_eq!(counted, [count, count], "{text}");
    }
    server.post("/v1/send", &batch(0..20, "after")).of(200);
    assert_eq!(["old", "new"].map(|twin| how_many(&troupe, twin, "after")), [0, 20]);
}

#[test]
fn copies_go_to_nobody_else_when_their_provider_goes() {
    let (troupe, place) = stage("");
    let server = place.serve();
    order(&server, "start", &json!({"phase": "both"}));
    server.post("/v1/providers/new/pause", &json!({})).of(200);
    let id = stored(&server, &batch(0..100, "both"));
    server.settled(&id, SOON);
    order(&server, "rollback", &json!({}));
    let copied = copies(&server, &id);
    let text = std::fs::read_to_string(place.path("config.toml")).unwrap_or_default();
    let (before, rest) = text.split_once("[providers.new]").unwrap_or_default();
    let (_, routes) = rest.split_once("[[routes]]").unwrap_or_default();
    let (routes, _) = routes.split_once("[migrations.").unwrap_or_default();
    let gone = "[providers.new]\ndrain_to = \"old\"\n";
    place.write("config.toml", format!("{before}{gone}[[routes]]{routes}").as_bytes());
    server.post("/v1/config/reload", &json!({})).of(200);
    let settled = server.settled(&copied, SOON);
    assert_eq!(settled["counts"]["rejected"], 100, "{settled}");
    assert_eq!(["old", "new"].map(|twin| how_many(&troupe, twin, "both")), [100, 0]);
    let refused = server.post(&format!("/v1/batches/{copied}/redrive"), &json!({})).of(400);
    assert!(refused.to_string().contains("no provider any more"), "{refused}");
}

#[test]
fn copies_are_sent_again_where_they_were_made_for() {
    let (troupe, place) = stage("");
    let server = place.serve();
    order(&server, "start", &json!({"phase": "both"}));
    troupe.twin("new").set_fault(Fault::new(FaultKind::Code).value(1004));
    let id = stored(&server, &batch(0..5, "both"));
    server.settled(&id, SOON);
    let copied = copies(&server, &id);
    assert_eq!(server.settled(&copied, SOON)["counts"]["rejected"], 5);
    troupe.clear_faults();
    order(&server, "rollback", &json!({}));
    let path = format!("/v1/batches/{copied}/redrive");
    let refused = server.post(&path, &json!({"patch": {"route": "all"}})).of(409);
    assert!(refused["detail"].as_str().unwrap_or_default().contains("copies made for new"), "{refused}");
    let forced = json!({"route": "mirror:move:new", "content": {"type": "text", "text": "x"}, "messages": [{"to": "user:a"}]});
    server.post("/v1/batches", &forced).of(400);
    let again = server.post(&path, &json!({})).of(202);
    let again = server.settled(again["id"].as_str().unwrap_or_default(), SOON);
    assert_eq!(again["counts"]["accepted"], 5, "{again}");
    assert_eq!(["old", "new"].map(|twin| how_many(&troupe, twin, "both")), [5, 5]);
}
