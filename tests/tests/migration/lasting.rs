//! What a migration still knows after a kill, a reload of the configuration, and with a ledger that stands
//! still.

use super::*;

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
