//! `interline ledger` as an operator uses it: beside a server, without one, before an upgrade, and for backups.

#![expect(clippy::panic, reason = "a broken expectation ends the test")]

use std::time::Duration;

use interline_tests::{Place, Ran, Server, Stage, config, in_seconds};
use interline_twins::TwinsConfig;
use serde_json::{Value, json};

const SECONDS: Duration = Duration::from_secs(20);

/// A server with one batch settled and one of three messages that waits for an hour.
fn two() -> (Stage, Place, Server) {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    let users: Vec<Value> =
        (0..3).map(|n| json!({"id": format!("m{n}"), "to": format!("user:u{n}")})).collect();
    let mut body = json!({"content": {"type": "text", "text": "hi"}, "messages": users});
    let done = server.post("/v1/batches", &body).of(202);
    server.settled(done["id"].as_str().unwrap_or_default(), SECONDS);
    body["send_at"] = in_seconds(3_600).into();
    server.post("/v1/batches", &body).of(202);
    (stage, place, server)
}

#[track_caller]
fn done(place: &Place, arguments: &[&str]) -> Ran {
    let ran = place.run(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.said());
    ran
}

#[track_caller]
fn refused(place: &Place, arguments: &[&str], says: &[&str]) {
    let ran = place.run(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.said());
    // What it was doing may stand before; the error and what to do about it come last.
    let (_, last) = ran.err.split_once("error: ").unwrap_or_default();
    assert!(last.contains("\n  → "), "{}", ran.err);
    for word in says {
        assert!(ran.err.contains(word), "{word:?} is missing: {}", ran.err);
    }
}

#[track_caller]
fn status(place: &Place, more: &[&str]) -> Value {
    let ran = done(place, &[&["ledger", "status", "--json"], more].concat());
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

#[test]
fn status_is_told_beside_a_server_and_without_one() {
    let (_stage, place, server) = two();
    let text = done(&place, &["ledger", "status"]).out;
    for word in [
        "interline.db  in use",
        "the newest",
        "(-wal)",
        "free",
        "3 messages, the oldest for",
        "scheduled",
        "settled",
    ] {
        assert!(text.contains(word), "{word:?} is missing: {text}");
    }
    let beside = status(&place, &[]);
    assert_eq!((&beside["in_use"], &beside["batches"]), (&json!(true), &json!(2)), "{beside:#}");
    assert_eq!(beside["messages_waiting"], 3, "{beside:#}");
    assert_eq!(beside["states"][0]["state"], "scheduled", "{beside:#}");
    assert!(beside["disk_free_bytes"].as_u64().is_some_and(|free| free > 0), "{beside:#}");
    server.kill();
    let after = status(&place, &[]);
    assert_eq!((&after["in_use"], &after["messages_waiting"]), (&json!(false), &json!(3)), "{after:#}");
    let ran = done(&place, &["ledger", "status"]);
    assert!(ran.err.contains("nothing is sent; `interline serve` goes on"), "{}", ran.err);
    // It looked, and changed nothing: the server goes on where it was.
    assert_eq!(place.serve().batches(), 2);
}

#[test]
fn what_cannot_be_looked_at_says_what_to_do() {
    let place = Place::new("");
    refused(&place, &["ledger", "status"], &["no such file", "interline.db", "--ledger"]);
    assert!(!place.path("interline.db").exists(), "looking makes no ledger");
    place.write(
        "notes.txt",
        "just some notes of mine, long enough to be looked at as pages. ".repeat(20).as_bytes(),
    );
    refused(&place, &["ledger", "status", "--ledger", "notes.txt"], &["notes.txt", "backup"]);
    for verb in
        [&["ledger", "status", "--ledger"][..], &["ledger", "copy"], &["ledger", "migrate", "--ledger"]]
    {
        let named = [verb, &["postgres://user:hunter2@host/db"]].concat();
        let ran = place.run(&named);
        assert_eq!(ran.code, 2, "{}", ran.said());
        assert!(!ran.said().contains("hunter2"), "a password: {}", ran.said());
    }
    refused(
        &place,
        &["ledger", "status", "--ledger", "postgres://user:hunter2@host/db"],
        &["PostgreSQL is not supported yet", "file of SQLite"],
    );
}

#[test]
fn a_copy_taken_beside_a_server_is_a_ledger_that_a_server_opens() {
    let (_stage, place, server) = two();
    let ran = done(&place, &["ledger", "copy", "backup.db"]);
    assert!(ran.out.contains("backup.db: 2 batches in") && ran.out.contains("checked: "), "{}", ran.said());
    assert!(ran.err.contains("never serve both the original and the copy"), "{}", ran.err);
    assert_eq!(server.batches(), 2, "the server goes on");
    let copy = status(&place, &["--ledger", "backup.db"]);
    assert_eq!(
        (&copy["batches"], &copy["messages_waiting"], &copy["in_use"]),
        (&json!(2), &json!(3), &json!(false))
    );
    server.kill();
    let url = format!("sqlite:{}", place.path("backup.db").display());
    let restored = place.variable("INTERLINE_LEDGER__URL", &url).serve();
    assert_eq!(restored.batches(), 2);
}

#[test]
fn a_copy_replaces_nothing_and_leaves_nothing_half() {
    let (_stage, place, _server) = two();
    place.write("mine.db", b"mine");
    refused(&place, &["ledger", "copy", "mine.db"], &["exists", "mine.db", "nothing is ever replaced"]);
    refused(&place, &["ledger", "copy", "interline.db"], &["exists"]);
    assert_eq!(std::fs::read(place.path("mine.db")).ok().as_deref(), Some(&b"mine"[..]));
    // What a copy that was cut short left is in nobody's way.
    place.write("later.db.partial", &[7; 50_000]);
    let ran = done(&place, &["ledger", "copy", "later.db", "--json"]);
    let told: Value = serde_json::from_str(&ran.out).unwrap_or_default();
    assert_eq!((&told["batches"], ran.err.as_str()), (&json!(2), ""), "{}", ran.said());
    assert!(!place.path("later.db.partial").exists());
    let ran = place.run(&["ledger", "copy", "/nowhere/at/all.db"]);
    assert_eq!(ran.code, 2, "{}", ran.said());
    assert!(ran.err.contains("/nowhere/at/all.db.partial"), "{}", ran.err);
}

#[test]
fn migrating_has_nothing_to_do_where_a_server_was() {
    let (_stage, place, server) = two();
    for arguments in [&["ledger", "migrate"][..], &["ledger", "migrate", "--dry-run"]] {
        assert!(done(&place, arguments).out.contains("the newest; there is nothing to do"));
    }
    let ran = done(&place, &["ledger", "migrate", "--json"]);
    let told: Value = serde_json::from_str(&ran.out).unwrap_or_default();
    assert_eq!((&told["migrated"], &told["from"]), (&json!(false), &told["to"]), "{}", ran.out);
    drop(server);
}
