//! Moving: what shadow finds, who is where in a ramp and by a cohort, and what waits when it goes back.

use super::*;

#[test]
fn shadow_sends_nothing_and_tells_what_would_be_refused_and_lost() {
    let (troupe, place) = stage("");
    let server = place.serve();
    order(&server, "start", &json!({}));
    let raw = json!({"type": "raw", "vendor": "wukongim", "body": {"type": 1, "content": "x"}});
    let body = json!({"content": {"type": "text", "text": "hi"}, "options": {"push": {"title": "t"}}, "messages": [
        {"to": "user:a"}, {"to": "user:b"}, {"id": "odd", "to": "user:c", "content": raw}, {"to": "room:1"}
    ]});
    server.post("/v1/plan", &body).of(200);
    let id = stored(&server, &body);
    server.settled(&id, SOON);
    server.post("/v1/send", &batch(0..3, "direct")).of(200);
    server
        .post_lines(
            "/v1/batches",
            b"{\"content\":{\"type\":\"text\",\"text\":\"up\"}}\n{\"to\":\"user:d\"}\n",
        )
        .of(202);

    let shadow = eventually("all is looked at", SOON, || {
        let shadow = report(&server)["shadow"].take();
        (shadow["messages"] == 7).then_some(shadow)
    });
    assert_eq!((&shadow["refused"], &shadow["skipped"]), (&json!(1), &json!(0)), "{shadow}");
    let cause = &shadow["causes"][0];
    assert_eq!((&cause["code"], &cause["count"]), (&json!("unsupported"), &json!(1)), "{cause}");
    assert_eq!(cause["sample"], json!({"batch": id, "message": "odd"}));
    let losses = shadow["losses"].as_array().expect("a list of losses");
    let title = losses.iter().find(|loss| loss["field"] == "push.title").expect("the old vendor loses it");
    assert_eq!(
        (&title["from"], &title["to"], &title["only_from"]),
        (&json!(3), &json!(0), &json!(2)),
        "{title}"
    );
    assert_eq!(troupe.twin("new").calls(), 0, "something was sent to the new vendor");
    eventually("the old vendor answered all", SOON, || {
        let from = report(&server)["sides"]["from"].take();
        (from["provider"] == "old" && from["accepted"] == 7).then_some(())
    });
}

#[test]
fn losses_that_forbid_sending_are_refusals_in_shadow() {
    let (_troupe, place) = stage("");
    let server = place.serve();
    order(&server, "start", &json!({}));
    let mut strict = batch(0..3, "x");
    strict["on_loss"] = json!("reject");
    strict["options"] = json!({"badge": false});
    strict["validation"] = json!("permissive");
    server.post("/v1/send", &strict).of(200);
    let shadow = eventually("all is looked at", SOON, || {
        let shadow = report(&server)["shadow"].take();
        (shadow["messages"] == 3).then_some(shadow)
    });
    assert_eq!((&shadow["refused"], &shadow["with_losses"]), (&json!(3), &json!(0)), "{shadow}");
}

#[test]
fn a_growing_ramp_moves_recipients_one_way_and_only_those_of_its_route() {
    let (troupe, place) = stage("");
    let server = place.serve();
    order(&server, "start", &json!({}));
    let mut before = BTreeSet::new();
    for percent in [0_u8, 20, 60, 100] {
        order(&server, "set", &json!({"percent": percent}));
        let text = format!("at {percent}");
        server.settled(&stored(&server, &batch(0..200, &text)), SOON);
        let moved = who(&troupe, "new", &text);
        assert!(moved.is_superset(&before), "at {percent} % somebody went back");
        assert!(who(&troupe, "old", &text).is_disjoint(&moved));
        let share = moved.len() / 2;
        assert!(share.abs_diff(usize::from(percent)) <= 12, "{share} % moved at {percent} %");
        before = moved;
    }
    let room = json!({"content": {"type": "text", "text": "room"}, "messages": [{"to": "room:1"}]});
    server.settled(&stored(&server, &room), SOON);
    assert_eq!(how_many(&troupe, "old", "room"), 1);
    order(&server, "finish", &json!({}));
    let forced = json!({"route": "all", "content": {"type": "text", "text": "forced"}, "messages": [{"to": "user:x"}]});
    server.post("/v1/send", &forced).of(200);
    assert_eq!(how_many(&troupe, "new", "forced"), 1);
}

#[test]
fn what_waits_for_the_new_vendor_goes_back_and_nothing_is_doubled() {
    let (troupe, place) = stage("");
    let server = place.serve();
    ramp(&server, 100);
    server.post("/v1/providers/new/pause", &json!({})).of(200);
    let many = stored(&server, &batch(0..2_000, "waits"));
    let client = server.client().clone();
    let direct =
        std::thread::spawn(move || client.post("/v1/send?timeout=15", &batch(0..20, "direct")).of(200));
    assert!(!holds_within(Duration::from_millis(500), || troupe.twin("new").calls() > 0));
    order(&server, "rollback", &json!({}));
    eventually("what waited reached the old vendor", BACK, || {
        (how_many(&troupe, "old", "direct") == 20 && how_many(&troupe, "old", "waits") >= 20).then_some(())
    });
    let settled = server.settled(&many, Duration::from_secs(30));
    assert_eq!(settled["counts"]["accepted"], 2_000, "{settled}");
    assert_eq!(direct.join().expect("the direct send ends")["counts"]["accepted"], 20);
    assert_eq!(how_many(&troupe, "old", "waits"), 2_000);
    assert_eq!(troupe.twin("new").calls(), 0);
}

#[test]
fn a_new_vendor_that_is_not_there_is_left_by_itself() {
    let (troupe, place) = stage("gates = { rejected_percent = 2, min_messages = 50 }");
    let server = place.serve();
    ramp(&server, 100);
    refuse(troupe.twin("new"), 60_000);
    let mut sent = Vec::new();
    eventually("it goes back by itself", Duration::from_secs(20), || {
        sent.push(stored(&server, &batch(0..20, &format!("away {}", sent.len()))));
        (report(&server)["phase"] == "rolled_back").then_some(())
    });
    let history = report(&server)["history"].take();
    let why = history[0]["why"].as_str().unwrap_or_default();
    assert!(why.contains("rejected"), "{history}");
    for id in sent {
        let settled = server.settled(&id, Duration::from_secs(20));
        assert_eq!(settled["counts"]["accepted"], 20, "{settled}");
    }
    troupe.clear_faults();
}

#[test]
fn only_the_cohort_moves_and_its_file_is_read_again() {
    let (troupe, place) = stage("cohort = \"upgraded.csv\"");
    place.write("upgraded.csv", b"user_id,version\nu1,7\nuser:u2,7\n");
    let server = place.serve();
    ramp(&server, 100);
    server.settled(&stored(&server, &batch(0..6, "first")), SOON);
    assert_eq!(who(&troupe, "new", "first"), BTreeSet::from(["user:u1", "user:u2"].map(str::to_owned)));
    assert_eq!(server.get("/v1/migrations/move").of(200)["cohort"]["recipients"], 2);
    place.write("upgraded.csv", b"u1\nu2\nu3\n");
    eventually("the file is read again", SOON, || {
        (server.get("/v1/migrations/move").of(200)["cohort"]["recipients"] == 3).then_some(())
    });
    server.settled(&stored(&server, &batch(0..6, "second")), SOON);
    assert_eq!(who(&troupe, "new", "second").len(), 3);
    order(&server, "finish", &json!({}));
    server.settled(&stored(&server, &batch(0..6, "last")), SOON);
    assert_eq!(who(&troupe, "new", "last").len(), 6);
}

#[test]
fn what_is_not_allowed_is_a_conflict_that_says_what_is() {
    let (_troupe, place) = stage("");
    let server = place.serve();
    let refused = server.post("/v1/migrations/move/set", &json!({"percent": 5})).of(409);
    assert!(refused["detail"].as_str().unwrap_or_default().contains("start it first"), "{refused}");
    order(&server, "start", &json!({}));
    for wrong in [
        json!({"percent": 101}),
        json!({"percent": 2.5}),
        json!({"percent": "5"}),
        json!({}),
        json!({"speed": 1}),
    ] {
        server.post("/v1/migrations/move/set", &wrong).of(400);
    }
    assert_eq!(server.post("/v1/migrations/nobody/start", &json!({})).status, 404);
    assert_eq!(server.get("/v1/migrations/nobody").status, 404);
}

#[test]
fn the_command_orders_and_reports() {
    let (_troupe, place) = stage("gates = { rejected_percent = 2 }");
    let server = place.serve();
    let url = server.url();
    let run = |line: &str| {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.extend(["--server", &url]);
        place.run(&words)
    };
    for (line, says) in [
        ("migration list", "off"),
        ("migration start move", "shadow"),
        ("migration set move 25", "ramp 25 %"),
        ("migration set move 100", "ramp 100 %"),
        ("migration finish move", "done"),
        ("migration rollback move", "rolled_back"),
        ("migration report move", "rejected over 2 %"),
    ] {
        let ran = run(line);
        assert!(ran.code == 0 && ran.out.contains(says), "{line}: {}", ran.said());
    }
    let reported: Value = serde_json::from_str(&run("migration report move --json").out).expect("JSON");
    assert_eq!(reported["phase"], "rolled_back");
    let refused = run("migration set move 5");
    assert!(refused.code == 2 && refused.err.contains("start it first"), "{}", refused.said());
}
