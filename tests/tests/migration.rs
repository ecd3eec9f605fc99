//! Migrations through the real binary: what shadow finds, who is where in a ramp, what waits when it goes
//! back, copies for both, and what a killed server still knows.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use interline_tests::{HeldLedger, Place, Server, Troupe, config, eventually, holds_within, refuse};
use interline_twins::{Fault, FaultKind, Vendor};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);
/// Within how long everything is back.
const BACK: Duration = Duration::from_secs(2);

/// An old vendor, a new one, and a route that a migration moves.
fn stage(more: &str) -> (Troupe, Place) {
    let mut troupe = Troupe::new();
    let old = troupe.add("old", Vendor::WuKongIm, "v2");
    let new = troupe.add("new", Vendor::OpenIm, "v3.8.3");
    let place = Place::new(&format!(
        "{}{}{}{}[migrations.move]\nroute = \"all\"\nfrom = \"old\"\nto = \"new\"\n{more}\n",
        config::wukongim("old", &old, "v2", ""),
        config::openim("new", &new, "v3.8.3", ""),
        config::route("rooms", "to = \"room\"", "old"),
        config::route("all", "", "old"),
    ));
    (troupe, place)
}

#[track_caller]
fn order(server: &Server, verb: &str, body: &Value) -> Value {
    server.post(&format!("/v1/migrations/move/{verb}"), body).of(200)
}

fn ramp(server: &Server, percent: u8) {
    order(server, "start", &json!({}));
    order(server, "set", &json!({"percent": percent}));
}

fn report(server: &Server) -> Value {
    server.get("/v1/migrations/move/report").of(200)
}

fn batch(users: impl Iterator<Item = usize>, text: &str) -> Value {
    let messages: Vec<Value> = users.map(|at| json!({"to": format!("user:u{at}")})).collect();
    json!({"content": {"type": "text", "text": text}, "messages": messages})
}

/// Stores a batch and gives its id.
#[track_caller]
fn stored(server: &Server, body: &Value) -> String {
    let answer = server.post("/v1/batches", body).of(202);
    answer["id"].as_str().map(str::to_owned).unwrap_or_default()
}

/// Who got this text at a vendor.
fn who(troupe: &Troupe, twin: &str, text: &str) -> BTreeSet<String> {
    let received = troupe.twin(twin).received().messages;
    received.into_iter().filter(|message| message.text == text).map(|message| message.to).collect()
}

/// How many messages of this text reached a vendor.
fn how_many(troupe: &Troupe, twin: &str, text: &str) -> usize {
    troupe.twin(twin).received().messages.iter().filter(|message| message.text == text).count()
}

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
fn a_killed_server_goes_on_where_the_migration_stood() {
    let (troupe, place) = stage("");
    let server = place.serve();
    ramp(&server, 35);
    server.settled(&stored(&server, &batch(0..100, "before")), SOON);
    eventually("the counts are written", SOON, || {
        holds_within(Duration::from_millis(1_500), || false);
        Some(())
    });
    let before = report(&server);
    server.kill();
    let server = place.serve();
    let after = report(&server);
    for key in ["phase", "percent", "since", "history", "sides"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    server.settled(&stored(&server, &batch(0..100, "after")), SOON);
    assert_eq!(who(&troupe, "new", "before"), who(&troupe, "new", "after"));
    order(&server, "rollback", &json!({}));
    server.kill();
    assert_eq!(report(&place.serve())["phase"], "rolled_back");
}

/// Changes the configuration and has it read; the status of the answer.
fn reload(place: &Place, server: &Server, from: &str, to: &str) -> u16 {
    let text = std::fs::read_to_string(place.path("config.toml")).unwrap_or_default();
    assert!(text.contains(from), "{from} is not in {text}");
    place.write("config.toml", text.replace(from, to).as_bytes());
    server.post("/v1/config/reload", &json!({})).status
}

#[test]
fn a_reload_keeps_a_migration_until_it_is_over() {
    let (troupe, place) = stage("gates = { rejected_percent = 2 }");
    let server = place.serve();
    ramp(&server, 40);
    server.settled(&stored(&server, &batch(0..50, "before")), SOON);
    let text = std::fs::read_to_string(place.path("config.toml")).unwrap_or_default();
    let section = text.split_once("[migrations.move]").map(|(_, rest)| format!("[migrations.move]{rest}"));
    let section = section.unwrap_or_default();
    assert_ne!(reload(&place, &server, &section, ""), 200, "it was left out while it was under way");
    place.write("config.toml", text.as_bytes());
    assert_eq!(reload(&place, &server, "rejected_percent = 2", "rejected_percent = 7"), 200);
    let kept = report(&server);
    assert_eq!((&kept["phase"], &kept["percent"]), (&json!("ramp"), &json!(40)));
    assert_eq!(kept["gates"]["rejected_percent"], 7.0);
    assert_eq!(
        kept["sides"]["from"]["accepted"]
            .as_u64()
            .zip(kept["sides"]["to"]["accepted"].as_u64())
            .map(|(a, b)| a + b),
        Some(50)
    );

    order(&server, "set", &json!({"percent": 100}));
    order(&server, "finish", &json!({}));
    let section = section.replace("rejected_percent = 2", "rejected_percent = 7");
    assert_ne!(reload(&place, &server, &section, ""), 200, "its route still leads to the old vendor");
    let route = config::route("all", "", "old");
    assert_eq!(reload(&place, &server, &route, &config::route("all", "", "new")), 200);
    server.settled(&stored(&server, &batch(0..50, "after")), SOON);
    assert_eq!(how_many(&troupe, "new", "after"), 50);
    assert_eq!(server.get("/v1/migrations").of(200), json!({"migrations": []}));
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

#[test]
fn going_back_does_not_wait_for_a_ledger_that_stands_still() {
    let (troupe, place) = stage("");
    let server = place.serve();
    ramp(&server, 100);
    let held = HeldLedger::of(&place.path("interline.db"));
    server.post("/v1/send", &batch(0..5, "counted")).of(200);
    // By now the counts are being written.
    assert!(!holds_within(Duration::from_millis(1_500), || false));
    let began = Instant::now();
    let client = server.client().clone();
    let back = std::thread::spawn(move || client.post("/v1/migrations/move/rollback", &json!({})).of(200));
    eventually("new messages go back", BACK, || {
        (server.get("/v1/migrations/move").of(200)["phase"] == "rolled_back").then_some(())
    });
    server.post("/v1/send", &batch(0..5, "after")).of(200);
    assert_eq!(["old", "new"].map(|twin| how_many(&troupe, twin, "after")), [5, 0]);
    assert_eq!(back.join().expect("it is answered")["phase"], "rolled_back");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    drop(held);
    eventually("it is written down", SOON, || {
        let history = report(&server)["history"].take();
        (history[0]["phase"] == "rolled_back").then_some(())
    });
    assert!(!holds_within(Duration::from_millis(1_500), || false));
    server.kill();
    assert_eq!(report(&place.serve())["phase"], "rolled_back");
}

#[test]
fn a_migration_that_is_done_is_not_forgotten_while_its_route_leads_back() {
    let (_troupe, place) = stage("");
    let server = place.serve();
    ramp(&server, 100);
    order(&server, "finish", &json!({}));
    server.kill();
    let text = std::fs::read_to_string(place.path("config.toml")).unwrap_or_default();
    let (without, _) = text.split_once("[migrations.move]").unwrap_or_default();
    place.write("config.toml", without.as_bytes());
    let server = place.serve();
    assert!(server.log().contains("no longer in the configuration"), "{}", server.log());
    server.kill();
    place.write("config.toml", text.as_bytes());
    assert_eq!(report(&place.serve())["phase"], "done");
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
